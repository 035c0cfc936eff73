"""Staged rows of some days → their accepted events, coded in the catalogue's ids, comments joined in and listens derived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import Behaviour
from etl.cleaning import Check, Ledger, clean
from etl.contract import TABLES
from etl.events import Events
from etl.lake import COMMENT_SCHEMA, EVENT_SCHEMA, events_of_frame
from etl.listens import derive_listens
from etl.rules import CleaningRules

LISTENED: Final = (Behaviour.FULL_PLAY, Behaviour.SKIP)
"""What a source may say of a play in a row of its own."""
MOMENT: Final = ("user", "item", "ts")
Places = npt.NDArray[np.int32]
"""Code of a codebook → row of the catalogue; -1 where the lake does not know the name."""


@dataclass(frozen=True)
class EventCoder:
    """Everything that events depend on beside their staged rows."""

    users: Places
    items: Places
    scenes: Places
    durations: npt.NDArray[np.int64]
    """`[n_songs]` milliseconds, 0 or less where unknown."""
    given: frozenset[Behaviour]
    """Behaviours that the source states itself, in whatever day."""
    rules: CleaningRules

    def known(self, staged: pl.DataFrame) -> pl.Series:
        """True for staged rows whose item the catalogue has."""
        return pl.Series(self.items[staged["item"].to_numpy()] >= 0)

    def code(self, staged: pl.DataFrame, comments: pl.DataFrame) -> tuple[Events, Events]:
        """Events of some whole days in time order, before and after what is derived from plays.

        Args:
            staged: their accepted rows whose items are known, in time order.
            comments: their rows of `Lake.comments`; one that no comment event tells of becomes an event.

        Returns:
            The events that rows state, and all events; `source` counts from 0.
        """
        own = staged.select(
            pl.Series("user", self.users[staged["user"].to_numpy()]),
            pl.Series("item", self.items[staged["item"].to_numpy()]),
            "behaviour",
            "ts",
            pl.Series("scene", np.append(self.scenes, -1)[staged["scene"].fill_null(-1).to_numpy()]),
            "play_ms",
            "is_organic",
            "count",
        )
        # Stable: rows of one second keep their order, comments without a row come last.
        whole = pl.concat([own, comment_events(own, comments)]).sort("ts", maintain_order=True)
        whole = share_source_of_play(whole.with_columns(source=pl.int_range(pl.len())))
        stated = events_of_frame(whole.select(list(EVENT_SCHEMA)).cast(EVENT_SCHEMA))  # type: ignore[arg-type]
        return stated, derive_listens(stated, self.durations, self.rules, self.given)


def comment_events(events: pl.DataFrame, comments: pl.DataFrame) -> pl.DataFrame:
    """Comments that no comment event tells of, as events with the columns of `events`."""
    said = comments.select(MOMENT).unique(maintain_order=True)
    known = events.filter(pl.col("behaviour") == Behaviour.COMMENT.value)
    new = said.join(known, on=MOMENT, how="anti", maintain_order="left")
    unknown = {"scene": -1, "play_ms": -1, "is_organic": -1, "count": 1.0, "behaviour": Behaviour.COMMENT.value}
    columns = (pl.lit(unknown[name]).alias(name) if name in unknown else pl.col(name) for name in events.columns)
    return new.select(*columns).cast(events.schema)  # type: ignore[arg-type]


def share_source_of_play(events: pl.DataFrame) -> pl.DataFrame:
    """A `full_play` or `skip` given at the moment of a user's play of the item shares that play's `source` and follows it."""
    listened = pl.col("behaviour").is_in([behaviour.value for behaviour in LISTENED])
    if events.filter(listened).is_empty():
        return events
    plays = events.filter(pl.col("behaviour") == Behaviour.PLAY.value).unique(MOMENT, keep="first", maintain_order=True)
    joined = events.join(plays.select(*MOMENT, play="source"), on=MOMENT, how="left", maintain_order="left")
    source = pl.when(listened).then(pl.coalesce("play", "source")).otherwise("source")
    return joined.with_columns(source=source, order=listened).sort("source", "order", maintain_order=True).drop("play", "order")


def clean_comments(raw: pl.DataFrame, ledger: Ledger, song_ids: pl.Series, last_ts: int) -> pl.DataFrame:
    """Accepted rows of `comments` in source order."""
    return clean(TABLES["comments"], raw, ledger, {"song": song_ids}, Check("future ts", pl.col("ts") > last_ts))


def code_comments(comments: pl.DataFrame, song_ids: pl.Series, user_ids: pl.Series, sentiment: pl.Series) -> pl.DataFrame:
    """`Lake.comments`: ids in place of names, in time order."""
    ids = {"item": places(comments["song_id"], song_ids), "user": places(comments["user_id"], user_ids), "sentiment": sentiment}
    coded = comments.with_columns(**ids)
    return coded.select(list(COMMENT_SCHEMA)).cast(COMMENT_SCHEMA).sort("ts", "user", "item", "text")  # type: ignore[arg-type]


def places(values: pl.Series, names: pl.Series) -> pl.Series:
    """Place of each value in `names`, Int32; null where it is in none."""
    place = pl.DataFrame({"name": names, "place": pl.Series(np.arange(len(names), dtype=np.int32))})
    return values.to_frame("name").join(place, on="name", how="left", maintain_order="left")["place"]


def last_accepted_ts(now: int, rules: CleaningRules) -> int:
    """Unix seconds of the last moment that is not yet in the future, for an extraction at `now`."""
    return now + rules.future_tolerance
