"""The whole room: a source in, a lake and its report out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from etl.cleaning import Check, Ledger, clean, drop_unknown_links
from etl.contract import TABLES
from etl.entities import catalogue, empty_raw, entities, known_ids, users
from etl.event_log import clean_comments, code_comments, last_accepted_ts
from etl.event_writer import Census, EventWriter, census
from etl.extraction import Extraction, Places, extract_events
from etl.judged_comments import judged, write_judge
from etl.lake import Lake, write_catalogue
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
    """Every table of the contract but events; without rows where the source lacks it."""
    events: Extraction
    present: frozenset[str]
    last_ts: int
    """Unix seconds of the last time that is not in the future."""


def write_lake(
    source: Source,
    rules: CleaningRules,
    folder: Path,
    *,
    max_rejected: float,
    previous: Path | None = None,
    scratch: Path | None = None,
    clock: bool = True,
    now: int | None = None,
    progress: Progress | None = None,
) -> EtlReport:
    """Read, clean and number everything that `source` offers; memory does not grow with the number of events.

    Args:
        source: the user's database.
        rules: named rules of cleaning.
        folder: gets `lake/` and `staged/`.
        max_rejected: rejected share of one table above which the build stops.
        previous: an earlier such folder. Days that it has staged are not read again, but for the last ones.
        scratch: where events lie until all are read; a killed extraction of an unchanged SQLite file is taken up from there.
        clock: False where times of the source give order only, so that no rule which needs a clock is applied.
        now: time of the extraction in Unix seconds, against which times in the future are judged; default the wall clock.
        progress: called with a stage, how much of it is done, and its total.

    Raises:
        UserError: the source cannot be read, lacks something required, or has too many unusable rows.
    """
    places = Places(folder / "staged", previous / "staged" if previous else None, scratch or folder / "chunks")
    raw = _extract(source, rules, places, now, progress)
    ledger = Ledger()
    tables = _clean_catalogue(raw, ledger)
    _tell(progress, 1)
    counted, tables = _clean_listeners(raw, tables, ledger, rules, progress)
    ledger.limit(max_rejected)
    stated = facts(tables, rules)
    named = catalogue(tables, stated, users(tables["users"], counted.users, tables["comments"]["user_id"]))
    sentiment = judged(tables["comments"]["text"], rules.sentiment, previous / "lake" if previous else None)
    comments = code_comments(tables["comments"], named.songs["song_id"], named.users["user_id"], sentiment)
    writer = EventWriter(raw.events.staged, counted, rules, clock)
    _tell(progress, 4)
    (folder / "lake").mkdir(parents=True, exist_ok=True)
    write_catalogue(folder / "lake", named, stated, comments)
    written = writer.write(folder / "lake", named, comments, ledger)
    write_judge(folder / "lake", rules.sentiment)
    _tell(progress, 5)
    return EtlReport.of(ledger, named, stated, written, raw.events)


def build_lake(
    source: Source, rules: CleaningRules, *, max_rejected: float, now: int | None = None, progress: Progress | None = None
) -> tuple[Lake, EtlReport]:
    """The lake of `source` in memory, and its report: see `write_lake`."""
    with TemporaryDirectory() as folder:
        report = write_lake(source, rules, Path(folder), max_rejected=max_rejected, now=now, progress=progress)
        return Lake.read(Path(folder) / "lake"), report


def _tell(progress: Progress | None, stage: int) -> None:
    if progress:
        progress("clean", stage, len(STAGES))


def _extract(source: Source, rules: CleaningRules, places: Places, now: int | None, progress: Progress | None) -> _Raw:
    state = source.state()
    with source.open() as reader:
        last_ts = last_accepted_ts(int(time.time()) if now is None else now, rules)
        names = [name for name in TABLES if name != "events"]
        tables = {name: reader.read(name, progress) if name in reader.layout else empty_raw(name) for name in names}
        events = extract_events(
            reader,
            places,
            source_state=state,
            last_ts=last_ts,
            late_days=rules.late_days,
            future_tolerance=rules.future_tolerance,
            progress=progress,
        )
        return _Raw(tables, events, frozenset(reader.layout), last_ts)


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
) -> tuple[Census, dict[str, pl.DataFrame]]:
    """What the accepted events name; and facts of `triples`, users, comments and friends, all tables together."""
    known = known_ids(tables, raw.present)
    found = {"users": _clean("users", raw, ledger, tables)}
    with_users = known | ({"user": _every_user(raw, found["users"])} if "users" in raw.present else {})
    found["triples"] = _clean("triples", raw, ledger, tables, *triple_checks(with_users))
    _tell(progress, 2)
    nobody = clean(TABLES["friends"], empty_raw("friends"), Ledger(), {})
    items = entities(tables, facts(tables | found | {"friends": nobody}, rules))
    counted = census(raw.events.staged, items.filter(pl.col("kind") != "user")["key"])
    raw.events.staged.account(ledger)
    counted.account(ledger)
    commented = ledger if "comments" in raw.present else Ledger()
    found["comments"] = clean_comments(raw.tables["comments"], commented, tables["songs"]["song_id"], raw.last_ts)
    _tell(progress, 3)
    people = {"user": users(found["users"], counted.users, found["comments"]["user_id"])["user_id"]}
    befriended = ledger if "friends" in raw.present else Ledger()
    found["friends"] = clean(TABLES["friends"], raw.tables["friends"], befriended, people)
    return counted, tables | found


def _every_user(raw: _Raw, cleaned: pl.DataFrame) -> pl.Series:
    """Ids that the source uses for anyone: those of `users`, and those that events and comments name."""
    named = as_text(raw.tables["comments"]["user_id"]).drop_nulls()
    return pl.concat([cleaned["user_id"], raw.events.staged.books.users.names, named]).unique()
