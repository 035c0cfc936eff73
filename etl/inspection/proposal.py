"""The whole proposal for a database: every table of the contract, checked against the database, and what was left over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from etl.contract import TABLES
from etl.errors import UserError
from etl.inspection.branches import Writer
from etl.inspection.catalogue_map import entity_proposal, own_extras
from etl.inspection.entities_found import KINDS, find_entities, music_in
from etl.inspection.event_map import comments_proposal, events_proposal
from etl.inspection.findings import Found, Proposal, missing
from etl.inspection.found_tables import FoundTable
from etl.inspection.link_map import friends_proposal, link_proposal, tags_proposal
from etl.inspection.own_map import own_proposal, own_table
from etl.inspection.references import ReferenceFinder
from etl.inspection.survey import SAMPLE_ROWS, Progress, Survey, open_survey
from etl.inspection.users_found import users_by_structure
from etl.raw_columns import frame_of_rows
from etl.typed_columns import read_values

READABLE: Final = 0.95
"""Share of the sampled values of a required column that the ETL must be able to read."""
SHOWN_ROWS: Final = 3
SPECIAL: Final = {"song_tags": tags_proposal, "friends": friends_proposal, "events": events_proposal, "comments": comments_proposal}
KIND: Final = {table: kind for kind, (table, _) in KINDS.items()}


@dataclass(frozen=True)
class Inspection:
    """What a database offers to the source contract."""

    proposals: dict[str, Proposal]
    """Contract table → its proposal, in the contract's order."""
    tables: tuple[FoundTable, ...]
    refused: dict[str, str]
    """Label of a table that the database would not show → why."""
    music: str | None
    """What speaks of music in names or values; None: nothing does."""

    def gaps(self) -> list[str]:
        """Required tables that are missing."""
        return [name for name, table in TABLES.items() if table.required and self.proposals[name].status == "missing"]

    def hidden(self) -> list[str]:
        """Optional tables that are missing although a table has their name: the ETL must be told not to read it."""
        names = {table.name.lower() for table in self.tables}
        optional = [name for name, table in TABLES.items() if not table.required and self.proposals[name].status == "missing"]
        return [name for name in optional if name in names]

    def used(self) -> dict[str, set[str]]:
        """Label of a table → its columns that some proposal uses."""
        used: dict[str, set[str]] = {}
        for branch in (branch for proposal in self.proposals.values() for branch in proposal.branches):
            for label, column in branch.columns():
                used.setdefault(label, set()).add(column)
        return used


def inspect_source(url: str, progress: Progress | None = None) -> Inspection:
    """Look at the database and propose how its tables stand for the source contract.

    Args:
        url: SQLAlchemy URL with its secrets filled in.
        progress: called for each table looked at.

    Raises:
        UserError: the database is missing, is none, or refuses.
    """
    with open_survey(url, progress) as survey:
        entities = find_entities(survey.tables)
        references = ReferenceFinder(survey, entities).find()
        users = users_by_structure(survey.tables, entities, references)
        if users is not None:
            entities["user"] = users
            references = ReferenceFinder(survey, entities).find()
        found = Found(survey, entities, references)
        writer = Writer(survey.dialect)
        proposals = {name: _checked(_propose(found, name), survey, writer) for name in TABLES}
        music = music_in(survey.tables)
        return Inspection(_doubted(proposals, music), tuple(survey.tables), survey.refused, music)


def _doubted(proposals: dict[str, Proposal], music: str | None) -> dict[str, Proposal]:
    """Without songs nothing else is sure; where nothing speaks of music either, nothing else is proposed."""
    if proposals["songs"].status != "missing":
        return proposals
    if music is None:
        others = {name: missing(name, "nothing speaks of music here") for name in proposals}
        return others | {"songs": proposals["songs"], "events": missing("events", "without songs there is nothing to listen to")}
    return {name: replace(each, status="likely") if each.status == "sure" else each for name, each in proposals.items()}


def _propose(found: Found, name: str) -> Proposal:
    own = own_table(name, found.survey.tables)
    if own is not None and (proposal := own_proposal(own, name, own_extras(found, own, name))) is not None:
        return proposal
    if name in SPECIAL:
        return SPECIAL[name](found)
    if name in KIND:
        return entity_proposal(found, KIND[name])
    return missing(name, "no table of that name with its columns") if name == "triples" else link_proposal(found, name)


def _checked(proposal: Proposal, survey: Survey, writer: Writer) -> Proposal:
    """The proposal with its SQL, tried on the database; one whose first rows the ETL could not read is missing after all."""
    if proposal.status == "missing":
        return proposal
    name, branches = proposal.name, proposal.branches
    shown: list[tuple[Any, ...]] = []
    try:
        # Without DISTINCT, which would read a large table whole before its first row.
        for select in writer.selects(name, [replace(branch, distinct=False) for branch in branches]):
            names, rows = survey.first_rows(select, SAMPLE_ROWS)
            shown += rows[: SHOWN_ROWS if len(branches) == 1 else 1]
            if bad := _unreadable(name, names, rows):
                return missing(name, f"{proposal.why}; but {bad}")
        if len(branches) > 1:
            survey.first_rows(writer.statement(name, branches), 1)
    except UserError as error:
        return missing(name, str(error))
    return replace(proposal, value=writer.value(name, branches), names=tuple(names), rows=tuple(shown))


def _unreadable(name: str, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> str:
    """Which required column the ETL could not read; empty where it can read all."""
    frame = frame_of_rows(rows, list(names)) if rows else None
    for column in TABLES[name].columns:
        if frame is None or not column.required or column.name not in names:
            continue
        read = read_values(frame[column.name], column).count() / len(frame)
        if read < READABLE:
            return f"only {read:.0%} of the sampled values of {column.name} can be read"
    return ""
