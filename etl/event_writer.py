"""Staged days → the lake's days of events, some at a time: memory holds no more than a block of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.parquet as pq

from etl.activity import ACTIVITY_SCHEMA, activity, artist_codes
from etl.behaviours import NAMES, Behaviour
from etl.catalogue import Catalogue
from etl.chunks import blocks_of
from etl.cleaning import Ledger, rejected_rows
from etl.contract import TABLES
from etl.event_log import EventCoder, places
from etl.events import SECONDS_PER_DAY, Events
from etl.flags import Flagging, first_ts, flag_lake
from etl.lake import EVENTS, REJECTED_SCHEMA, day_of, label_of, write_days, write_meta
from etl.prefetch import prefetched
from etl.robots import find_robots
from etl.rules import CleaningRules
from etl.staged_rows import named_rows
from etl.staging import UNDATED, StagedEvents
from etl.typed_columns import ROW

EVENT = TABLES["events"]
STATED = ["ts", "user", "item", "behaviour", "scene", "play_ms", "is_organic", "count"]
"""Columns of staged rows that events are made of."""
SEARCH = "search"
"""Scene of searches (source contract)."""
DANGLING = "dangling item_id"
BEFORE = tuple(name for name in TABLES if name not in ("events", "comments", "friends"))
"""Tables whose rejected rows come before those of events."""


@dataclass(frozen=True)
class Census:
    """What the accepted rows of all days name."""

    known: npt.NDArray[np.bool_]
    """`[n item codes]` true for items that the catalogue has: rows of others are set aside."""
    users: pl.Series
    """Ids of the users of accepted rows."""
    scenes: tuple[str, ...]
    """Their scenes, sorted."""
    given: frozenset[Behaviour]
    """Their behaviours."""
    dangling: dict[str, int]
    """Day → rows whose item nobody knows."""
    example: str
    """One of those rows as JSON."""

    def account(self, ledger: Ledger) -> None:
        """Tell `ledger` how many rows name unknown items."""
        if self.dangling:
            ledger.count("events", DANGLING, sum(self.dangling.values()), self.example)


def census(staged: StagedEvents, item_keys: pl.Series) -> Census:
    """Go through all days once: only their codes are read.

    Args:
        staged: the days.
        item_keys: keys of everything that an event may name.
    """
    books = staged.books
    known = np.asarray(books.items.names.is_in(item_keys.implode()), dtype=np.bool_)
    users, scenes = np.zeros(len(books.users), dtype=np.bool_), np.zeros(len(books.scenes), dtype=np.bool_)
    behaviours = np.zeros(len(NAMES), dtype=np.bool_)
    dangling = {}
    for label in staged.days:
        rows = staged.rows(label, ["user", "item", "scene", "behaviour"])
        good = known[rows["item"].to_numpy()]
        users[rows["user"].to_numpy()[good]] = True
        scenes[rows["scene"].filter(pl.Series(good)).drop_nulls().to_numpy()] = True
        behaviours[rows["behaviour"].to_numpy()[good]] = True
        if not good.all():
            dangling[label] = int((~good).sum())
    named = tuple(sorted(books.scenes.names.filter(pl.Series(scenes)).to_list()))
    given = frozenset(Behaviour(int(code)) for code in np.flatnonzero(behaviours))
    example = _dangling(staged, known, next(iter(dangling)))["row"][0] if dangling else ""
    return Census(known, books.users.names.filter(pl.Series(users)), named, given, dangling, example)


def _dangling(staged: StagedEvents, known: npt.NDArray[np.bool_], label: str) -> pl.DataFrame:
    """Rows of a day whose item nobody knows, as they are set aside."""
    rows = staged.rows(label)
    rows = rows.filter(pl.Series(~known[rows["item"].to_numpy()]))
    marked = pl.DataFrame({ROW: np.arange(rows.height), "reason": pl.Series([DANGLING]).new_from_index(0, rows.height)})
    return rejected_rows("events", EVENT.key, named_rows(rows, staged.books, staged.columns), marked).sort("key", "row")


@dataclass(frozen=True)
class Written:
    """What the rules made of the events of a lake."""

    derived: dict[str, int]
    """Events that no source row states, by behaviour."""
    flagged: dict[str, int]
    """Events that are not learned from, by flag."""


@dataclass(frozen=True)
class EventWriter:
    """Writes the events of a lake, and all that was set aside, some days at a time."""

    staged: StagedEvents
    census: Census
    rules: CleaningRules
    clock: bool
    """False where times give order only: then nothing that needs a clock is flagged."""

    def write(self, folder: Path, catalogue: Catalogue, comments: pl.DataFrame, ledger: Ledger) -> Written:
        """Write `events/`, `flags/`, `robots.parquet`, `rejected.parquet` and `meta.json` into the lake's `folder`."""
        (folder / EVENTS).mkdir(parents=True, exist_ok=True)
        derived = dict.fromkeys((NAMES[Behaviour.FULL_PLAY], NAMES[Behaviour.SKIP], NAMES[Behaviour.COMMENT]), 0)
        activities = [pl.DataFrame(schema=ACTIVITY_SCHEMA)]
        artists = artist_codes(catalogue.songs)
        search = self.census.scenes.index(SEARCH) if SEARCH in self.census.scenes else -1
        coder, last_ts = self._coder(catalogue), None
        of_user = np.zeros(catalogue.n_users, dtype=np.int64)
        for stated, events, n_rows in prefetched(self._blocks(coder, comments)):
            _add(derived, stated, events, n_rows)
            write_days(folder, events)
            last_ts = int(events.ts[-1]) if len(events) else last_ts
            of_user += np.bincount(events.user, minlength=len(of_user))
            if self.clock:
                activities.append(activity(events, coder.durations, artists, self.rules.robots, search=search))
        robots = find_robots(pl.concat(activities), self.rules.robots)
        robots.write_parquet(folder / "robots.parquet", compression="zstd")
        capped = of_user > (self.rules.user_cap or np.inf)
        flagged = flag_lake(folder, Flagging(self.rules, robots, self._first_ts(), capped), catalogue.n_users)
        self._write_rejected(folder / "rejected.parquet", ledger)
        write_meta(folder, self.census.scenes, last_ts)
        return Written(derived, flagged)

    def _blocks(self, coder: EventCoder, comments: pl.DataFrame) -> Iterator[tuple[Events, Events, int]]:
        """Events of some days at a time, before and after what is derived, and how many rows state them."""
        said = comments.with_columns(day=pl.col("ts").floordiv(SECONDS_PER_DAY).cast(pl.Int32))
        commented = dict(said.group_by("day").len().iter_rows())
        for days in blocks_of(commented | self._rows_of_day()):
            rows = pl.concat([self.staged.rows(label_of(day), STATED) for day in days])
            rows = rows.filter(coder.known(rows))
            yield *coder.code(rows, said.filter(pl.col("day").is_in(days))), rows.height

    def _rows_of_day(self) -> dict[int, int]:
        return {day_of(label): day.rows for label, day in self.staged.days.items() if label != UNDATED}

    def _first_ts(self) -> int | None:
        return first_ts(self._rows_of_day(), self.rules) if self.clock else None

    def _coder(self, catalogue: Catalogue) -> EventCoder:
        books = self.staged.books
        names = (
            (books.users.names, catalogue.users["user_id"]),
            (books.items.names, catalogue.entities["key"]),
            (books.scenes.names, pl.Series(self.census.scenes, dtype=pl.String)),
        )
        user, item, scene = (places(own, known).fill_null(-1).to_numpy() for own, known in names)
        durations = catalogue.songs["duration_ms"].fill_null(-1).to_numpy()
        return EventCoder(user, np.where(self.census.known, item, -1), scene, durations, self.census.given, self.rules)

    def _write_rejected(self, path: Path, ledger: Ledger) -> None:
        """Rows set aside: by table in the contract's order, those of events by day."""
        schema = pl.DataFrame(schema=REJECTED_SCHEMA).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            writer.write_table(_arrow(ledger.table(*BEFORE)))
            for label in self.staged.days:
                rows = [self.staged.rejected(label)]
                if label in self.census.dangling:
                    rows.append(_dangling(self.staged, self.census.known, label))
                writer.write_table(_arrow(pl.concat(rows).sort("table", "reason", "key", "row")))
            writer.write_table(_arrow(ledger.table("comments", "friends")))


def _arrow(frame: pl.DataFrame) -> object:
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def _add(derived: dict[str, int], stated: Events, events: Events, rows: int) -> None:
    for behaviour in (Behaviour.FULL_PLAY, Behaviour.SKIP):
        derived[NAMES[behaviour]] += int((events.behaviour == behaviour).sum() - (stated.behaviour == behaviour).sum())
    derived[NAMES[Behaviour.COMMENT]] += len(stated) - rows
