"""One way to read the past: the lake as it stood at a moment.

At time t there were the events and comments before t and the facts with `valid_from` at most t (a fact without a date always held).
What was counted when the source was read, and not when something happened, has no place in the past and is hidden. Numbers stay: a
song, user or node that came later keeps its id, so that arrays of different moments fit each other.

Flags and `robots` are what was decided about the events when the source was read, over the whole log. They say what to leave out, and
are cut with the events, not decided anew: an account may be known for a robot by what it did after t.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.catalogue import Catalogue
from etl.lake import Lake

COUNTED_AT_EXTRACTION: Final = ("popularity",)
"""Columns of songs that a source counts up to the day it is read: at an earlier moment they tell of the future."""


def as_of(lake: Lake, t: int) -> Lake:
    """The lake at `t` (Unix seconds). Songs not yet out are those whose `release_ts` is later than `t`.

    What `rejected` holds bears no time and is left out. Every other array of `[n_events]` beside the events is cut with them.
    """
    # Events stand in time order, so the past is a prefix: a slice, which copies nothing.
    past = slice(0, int(np.searchsorted(lake.events.ts, t, side="left")))
    return replace(
        lake,
        catalogue=catalogue_as_of(lake.catalogue),
        events=lake.events.take(past),
        triples=facts_known_at(lake.triples, t),
        comments=lake.comments.filter(pl.col("ts") < t),
        rejected=lake.rejected.clear(),
        robots=lake.robots.filter(pl.col("since") < t).with_columns(pl.col("until").clip(upper_bound=t - 1)),
        **_beside_events(lake, past),
    )


def facts_known_at(triples: pl.DataFrame, t: int) -> pl.DataFrame:
    """Facts with `valid_from` at most `t` or without a date."""
    return triples.filter(pl.col("valid_from").is_null() | (pl.col("valid_from") <= t))


def catalogue_as_of(catalogue: Catalogue) -> Catalogue:
    """The catalogue of any earlier moment: without what was counted at extraction. Rows stay."""
    songs = catalogue.songs
    hidden = [pl.lit(None, dtype=songs.schema[name]).alias(name) for name in COUNTED_AT_EXTRACTION if name in songs.columns]
    return replace(catalogue, songs=songs.with_columns(hidden)) if hidden else catalogue


def released(catalogue: Catalogue, t: int) -> npt.NDArray[np.bool_]:
    """`[n_songs]` true for songs that were out at `t`; a song without a date always was."""
    songs = catalogue.songs
    if "release_ts" not in songs.columns:
        return np.ones(catalogue.n_songs, dtype=bool)
    return (songs["release_ts"].fill_null(np.iinfo(np.int64).min) <= t).to_numpy()


def _beside_events(lake: Lake, past: slice) -> dict[str, Any]:
    """The lake's other columns `[n_events]`, cut."""
    values = ((field.name, getattr(lake, field.name)) for field in fields(lake))
    return {name: value[past] for name, value in values if isinstance(value, np.ndarray) and len(value) == len(lake.events)}
