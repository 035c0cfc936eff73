"""Caps: at most so many songs of one artist, or of one album, in a list or in any run of its places."""

from __future__ import annotations

from typing import Any

from etl.event_rows import compiled


@compiled
def is_full(count: Any, first: Any, group: Any, song: int, most: int) -> bool:
    """Whether one of the song's groups (`group[first[song]:first[song + 1]]`) has its `most` songs; never where `most` is 0."""
    if most == 0:
        return False
    largest = 0
    for row in range(first[song], first[song + 1]):
        largest = max(largest, count[group[row]])
    return largest >= most


@compiled
def add(count: Any, first: Any, group: Any, song: int, amount: int) -> None:
    """Count the song in its groups, or take it out of them with `amount` -1."""
    for row in range(first[song], first[song + 1]):
        count[group[row]] += amount
