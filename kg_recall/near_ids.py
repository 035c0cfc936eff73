"""Which ids a mistyped one may have meant."""

from __future__ import annotations

from typing import Final

import polars as pl

from etl.errors import UserError

LEAST_ALIKE: Final = 0.3
"""Similarity under which an id is no suggestion."""


def near_ids(ids: pl.Series, wanted: str, k: int = 3) -> list[str]:
    """The `k` ids most like `wanted`, by the Dice coefficient of their pairs of neighbouring characters, case aside.

    Twice the number of different pairs that both have over the number that each has, from 0 to 1 (Dice, Ecology 26(3), 1945); both
    ends of an id count as characters. Ties by id.
    """
    text = _ended(pl.Series([wanted]))[0]
    pairs = {text[place : place + 2] for place in range(len(text) - 1)}
    ended = _ended(ids)
    common = sum(
        (ended.str.contains(pair, literal=True).cast(pl.Int32) for pair in sorted(pairs)), start=pl.Series([0] * len(ids), dtype=pl.Int32)
    )
    alike = 2 * common / (len(pairs) + ended.str.len_chars() - 1)
    found = pl.DataFrame({"id": ids, "alike": alike}).filter(pl.col("alike") >= LEAST_ALIKE)
    return found.sort(pl.col("alike").neg(), "id")["id"].head(k).to_list()


def unknown_user(ids: pl.Series, wanted: str, source: str) -> UserError:
    """What to tell a person who asks for a user that is not among the `ids` of `source`."""
    return UserError(f"unknown user {wanted!r}: neither users nor events of {source} name it; {nearest(ids, wanted)}")


def nearest(ids: pl.Series, wanted: str) -> str:
    """The ids that `wanted` may have meant, as the end of a sentence."""
    near = near_ids(ids, wanted)
    return f"the nearest are {', '.join(near)}" if near else "ids are those of the table users or events"


def _ended(ids: pl.Series) -> pl.Series:
    """Ids in lower case between marks of their ends."""
    return "\x02" + ids.str.to_lowercase() + "\x03"
