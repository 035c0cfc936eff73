"""The source contract: which tables and columns a user's SQL database offers."""

from __future__ import annotations

from typing import Final

KINDS: Final = (
    "song", "album", "artist", "drama", "show", "season", "mv", "mlog", "playlist", "style", "language", "era", "tag", "user",
)  # fmt: skip
"""Kinds of entity in the order that the lake numbers them; kinds that only `triples` names follow, sorted by name."""
