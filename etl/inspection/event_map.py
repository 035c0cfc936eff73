"""Proposals for what listeners did: the events, out of as many tables as tell of them, and the comments."""

from __future__ import annotations

from dataclasses import dataclass, replace

import sqlalchemy as sa

from etl.inspection.acts import Actor, actor, item, kind_of_item, moment, played, scene
from etl.inspection.branches import Branch, Join
from etl.inspection.cells import Cell, as_is, pick
from etl.inspection.doing import said
from etl.inspection.findings import Found, Proposal, join_of, missing, of, reference_cell
from etl.inspection.found_tables import FoundTable


@dataclass(frozen=True)
class _Acts:
    """A table of acts as events, or why it is none."""

    branches: tuple[Branch, ...] = ()
    why_not: str = ""
    notes: tuple[str, ...] = ()


def events_proposal(found: Found) -> Proposal:
    """Every table whose rows tell who did what to which song when; several are joined one below the other."""
    if "song" not in found.entities:
        return missing("events", "without songs there is nothing to listen to")
    acts = [_acts(found, table) for table in found.survey.tables if found.kind(table) is None and "spare" not in table.concepts]
    nearly = tuple(each.why_not for each in acts if each.why_not)
    branches = [branch for each in acts for branch in each.branches]
    if not branches:
        return Proposal("events", "missing", "no table says who did what to which song when", notes=nearly)
    sure = all(_is_sure(branch) for branch in branches)
    if len(branches) > 1:
        branches = [_with_own_ids(branch, place) for place, branch in enumerate(branches)]
    tables = list(dict.fromkeys(f"`{branch.table.label}`" for branch in branches))
    notes = tuple(note for each in acts for note in each.notes)
    return Proposal("events", of(sure), f"{', '.join(tables)}: who, what, when", tuple(branches), (*notes, *nearly))


def _is_sure(branch: Branch) -> bool:
    return all(branch.cells[name].sure for name in ("user_id", "item_id", "behaviour", "ts"))


def _acts(found: Found, table: FoundTable) -> _Acts:
    by, on = actor(found, table), item(found, table)
    if on is None or _is_text(found, table):
        return _Acts()
    if by is None:
        log = on[0] == "song" and moment(found, table, None) is not None
        return _Acts(why_not=f"`{table.label}` names songs and times, but no user" if log else "")
    kind, reference = on
    when = moment(found, table, by.head)
    if when is None:
        return _Acts(why_not=f"`{table.label}` names users and {kind}s, but no time when it happened")
    doing = said(found, table, by.head, kind)
    if doing is None:
        return _Acts(why_not=f"`{table.label}` names users, {kind}s and times, but not what was done")
    cells = {"user_id": by.cell, "item_id": reference_cell(table, reference), "behaviour": doing.cell, "ts": when[0]}
    joins = (*_head(table, by), *when[1], *doing.joins)
    branch = Branch(table, _event_id(table) | cells | _further(table, kind), joins, doing.where)
    return _Acts((branch, *_skips(table, branch)), notes=tuple(filter(None, (doing.note,))))


def _is_text(found: Found, table: FoundTable) -> bool:
    """True for comments, whose events the ETL makes itself."""
    return "comment" in table.concepts and pick(table, "comments", "text", "song", "product") is not None


def _head(table: FoundTable, by: Actor) -> tuple[Join, ...]:
    return (join_of(table, by.head),) if by.head is not None else ()


def _event_id(table: FoundTable) -> dict[str, Cell]:
    key = next((column for column in table.columns.values() if column.name.lower() == "event_id"), None) or table.key()
    if key is not None:
        return {"event_id": as_is(table, key, "its key")}
    if not table.primary:
        return {}
    first, *others = (sa.cast(table.clause.c[name], sa.String) for name in table.primary)
    whole: sa.ColumnElement[str] = first
    for part in others:
        whole = whole + sa.literal("-") + part
    return {"event_id": Cell(whole, "its key", True, tuple((table.label, name) for name in table.primary), plain=False)}


def _further(table: FoundTable, kind: str) -> dict[str, Cell]:
    """The optional columns of an event that the table has."""
    constant = Cell(sa.literal(kind), f"the table names {kind}s", True, plain=False) if kind != "song" else None
    cells = {
        "item_kind": kind_of_item(table) or constant,
        "scene": scene(table),
        "play_ms": played(table),
        "is_organic": pick(table, "events", "is_organic") or _not_recommended(table),
        "count": _count(table),
    }
    return {name: cell for name, cell in cells.items() if cell is not None}


def _count(table: FoundTable) -> Cell | None:
    cell = pick(table, "events", "count")
    values = table.columns[cell.columns[0][1]].shape.values if cell is not None else None
    return cell if values is not None and values.dtype.is_numeric() and len(values) and bool((values > 0).all()) else None


def _not_recommended(table: FoundTable) -> Cell | None:
    for column in table.columns.values():
        if "recommended" in column.concepts and column.shape.flag:
            own = table.clause.c[column.name]
            true = own if column.shape.boolean else own != 0
            expression = sa.case((true, 0), else_=1)
            return Cell(expression, "organic is what was not recommended", True, ((table.label, column.name),), plain=False)
    return None


def _skips(table: FoundTable, plays: Branch) -> tuple[Branch, ...]:
    """Skips and full plays that the table flags, where the time played does not tell them anyway."""
    if "play_ms" in plays.cells:
        return ()
    branches = []
    for words, behaviour in (({"skip"}, "skip"), ({"complete"}, "full_play"), ({"play", "complete"}, "full_play")):
        column = next((each for each in table.columns.values() if set(each.concepts) == words and each.shape.flag), None)
        if column is not None:
            own = table.clause.c[column.name]
            true = own if column.shape.boolean else own != 0
            cell = Cell(sa.literal(behaviour), f"flagged by `{column.name}`", True, ((table.label, column.name),), plain=False)
            where = true if plays.where is None else sa.and_(plays.where, true)
            branches.append(replace(plays, cells=plays.cells | {"behaviour": cell}, where=where))
    return tuple(branches)


def _with_own_ids(branch: Branch, place: int) -> Branch:
    """Ids that no other branch of the union has: the place of the branch stands before them."""
    cell = branch.cells.get("event_id")
    if cell is None:
        return branch
    numbered = sa.literal(f"{place + 1}-") + sa.cast(cell.expression, sa.String)
    return replace(branch, cells=branch.cells | {"event_id": replace(cell, expression=numbered, plain=False)})


def comments_proposal(found: Found) -> Proposal:
    """A table of what users wrote about songs."""
    for table in found.survey.tables:
        songs, by = found.naming(table, "song"), actor(found, table)
        text = pick(table, "comments", "text", "song", "product")
        if not songs or by is None or text is None or found.kind(table) is not None or "spare" in table.concepts:
            continue
        when = moment(found, table, by.head, "comments")
        if when is None:
            return missing("comments", f"`{table.label}` holds texts of users about songs, but no time")
        cells = {"user_id": by.cell, "song_id": reference_cell(table, songs[0]), "ts": when[0], "text": text}
        sure = all(cell.sure for cell in cells.values())
        return Proposal(
            "comments",
            of(sure),
            f"`{table.label}`: who wrote what about which song",
            (Branch(table, cells, (*_head(table, by), *when[1])),),
        )
    return missing("comments", "no table holds texts of users about songs")
