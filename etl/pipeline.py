"""The whole room: a source in, a lake and its report out."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import polars as pl

from etl.behaviours import NAMES, Behaviour
from etl.catalogue import Catalogue
from etl.cleaning import Check, Ledger, clean, drop_unknown_links
from etl.contract import TABLES
from etl.entities import catalogue, empty_raw, entities, known_ids, users
from etl.event_log import clean_comments, clean_events, code_comments, code_events, event_table, last_accepted_ts
from etl.events import Events
from etl.lake import Lake
from etl.listens import derive_listens
from etl.report import EtlReport
from etl.rules import CleaningRules
from etl.source import Progress, Source
from etl.triples import facts, triple_checks
from etl.typed_columns import as_text
from etl.vectors import read_vectors

LISTENER_TABLES = ("triples", "users", "events", "comments", "friends")
"""Tables cleaned after the catalogue's, because they name anything in it."""
STAGES = ("catalogue", "facts", "events", "listeners", "lake")


@dataclass(frozen=True)
class _Raw:
    """What the extraction brought."""

    tables: dict[str, pl.DataFrame]
    """Every table of the contract; without rows where the source lacks it."""
    present: frozenset[str]
    last_ts: int
    """Unix seconds of the last time that is not in the future."""


def build_lake(
    source: Source, rules: CleaningRules, *, max_rejected: float, now: int | None = None, progress: Progress | None = None
) -> tuple[Lake, EtlReport]:
    """Read, clean and number everything that `source` offers.

    Args:
        source: the user's database.
        rules: named rules of cleaning.
        max_rejected: rejected share of one table above which the build stops.
        now: time of the extraction in Unix seconds, against which times in the future are judged; default the wall clock.
        progress: called with a stage, how much of it is done, and its total.

    Raises:
        UserError: the source cannot be read, lacks something required, or has too many unusable rows.
    """
    raw = _extract(source, rules, now, progress)
    ledger = Ledger()
    tables = _clean_catalogue(raw, ledger)
    _tell(progress, 1)
    tables |= _clean_listeners(raw, tables, ledger, rules, progress)
    ledger.limit(max_rejected)
    stated = facts(tables, rules)
    everyone = users(tables["users"], tables["events"]["user_id"], tables["comments"]["user_id"])
    named = catalogue(tables, stated, everyone)
    _tell(progress, 4)
    lake, derived = _number(tables, stated, named, ledger, rules)
    _tell(progress, 5)
    return lake, EtlReport.of(ledger, lake, derived)


def _tell(progress: Progress | None, stage: int) -> None:
    if progress:
        progress("clean", stage, len(STAGES))


def _extract(source: Source, rules: CleaningRules, now: int | None, progress: Progress | None) -> _Raw:
    with source.open() as reader:
        moment = int(time.time()) if now is None else now
        tables = {name: reader.read(name, progress) if name in reader.layout else empty_raw(name) for name in TABLES}
        return _Raw(tables, frozenset(reader.layout), last_accepted_ts(moment, rules))


def _clean_catalogue(raw: _Raw, ledger: Ledger) -> dict[str, pl.DataFrame]:
    """The catalogue's tables, entities before what names them; links of songs to albums last, when both are known."""
    tables: dict[str, pl.DataFrame] = {}
    for name in TABLES:
        if name in LISTENER_TABLES:
            continue
        neither = Check("neither album_id nor song_id", pl.col("album_id").is_null() & pl.col("song_id").is_null())
        checks = (neither,) if name == "soundtracks" else ()
        tables[name] = _clean(name, raw, ledger, tables, *checks)
        if name == "songs":
            tables[name] = read_vectors(tables[name], raw.tables[name], ledger)
    known = known_ids(tables, raw.present)
    tables["songs"] = drop_unknown_links(TABLES["songs"], tables["songs"], raw.tables["songs"], ledger, known)
    return tables


def _clean(name: str, raw: _Raw, ledger: Ledger, tables: dict[str, pl.DataFrame], *checks: Check) -> pl.DataFrame:
    """One table by its contract; a table that the source lacks is not counted."""
    known = known_ids(tables, raw.present)
    return clean(TABLES[name], raw.tables[name], ledger if name in raw.present else Ledger(), known, *checks)


def _clean_listeners(
    raw: _Raw, tables: dict[str, pl.DataFrame], ledger: Ledger, rules: CleaningRules, progress: Progress | None
) -> dict[str, pl.DataFrame]:
    """Facts of `triples`, users, events, comments and friends."""
    known = known_ids(tables, raw.present)
    found = {"users": _clean("users", raw, ledger, tables)}
    with_users = known | ({"user": _every_user(raw, found["users"])} if "users" in raw.present else {})
    found["triples"] = _clean("triples", raw, ledger, tables, *triple_checks(with_users))
    _tell(progress, 2)
    nobody = clean(TABLES["friends"], empty_raw("friends"), Ledger(), {})
    items = entities(tables, facts(tables | found | {"friends": nobody}, rules))
    items = items.filter(pl.col("kind") != "user")
    found["events"] = clean_events(raw.tables["events"], ledger, items["key"], raw.last_ts)
    commented = ledger if "comments" in raw.present else Ledger()
    found["comments"] = clean_comments(raw.tables["comments"], commented, tables["songs"]["song_id"], raw.last_ts)
    _tell(progress, 3)
    people = {"user": users(found["users"], found["events"]["user_id"], found["comments"]["user_id"])["user_id"]}
    befriended = ledger if "friends" in raw.present else Ledger()
    found["friends"] = clean(TABLES["friends"], raw.tables["friends"], befriended, people)
    return found


def _every_user(raw: _Raw, cleaned: pl.DataFrame) -> pl.Series:
    """Ids that the source uses for anyone: those of `users`, and those that events and comments name."""
    named = [as_text(raw.tables[name]["user_id"]).drop_nulls() for name in ("events", "comments")]
    return pl.concat([cleaned["user_id"], *named]).unique()


def _number(
    tables: dict[str, pl.DataFrame], stated: pl.DataFrame, named: Catalogue, ledger: Ledger, rules: CleaningRules
) -> tuple[Lake, dict[str, int]]:
    """Names → ids; the derived events; and how many of each behaviour no source row states."""
    table = event_table(tables["events"], tables["comments"])
    scenes = tuple(table["scene"].drop_nulls().unique().sort().to_list())
    user_ids = named.users["user_id"]
    source_events = code_events(table, named.entities["key"], user_ids, scenes)
    durations = named.songs["duration_ms"].fill_null(-1).to_numpy()
    events = derive_listens(source_events, durations, rules)
    comments = code_comments(tables["comments"], named.songs["song_id"], user_ids)
    lake = Lake(named, events, stated, comments, ledger.table(), scenes)
    derived = _added(source_events, events)
    derived[NAMES[Behaviour.COMMENT]] = len(source_events) - tables["events"].height
    return lake, derived


def _added(before: Events, after: Events) -> dict[str, int]:
    counts = [np.bincount(events.behaviour, minlength=len(NAMES)) for events in (before, after)]
    return {NAMES[code]: int(counts[1][code] - counts[0][code]) for code in (Behaviour.FULL_PLAY, Behaviour.SKIP)}
