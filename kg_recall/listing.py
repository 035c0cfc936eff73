"""A user's list as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
from rich.cells import cell_len, set_cell_size

WIDEST = 32
"""Cells that a title or an artist may take; Chinese characters take two."""


def list_lines(frame: pl.DataFrame, *, explain: bool = False) -> Iterator[str]:
    """One line an item: rank, title, artist, score, routes, reason; with `explain`, a second one with its path.

    Args:
        frame: lists in the columns of a batch, with `title` and `artist`.
        explain: add the path.
    """
    shown = frame.with_columns(
        pl.col("title", "artist").fill_null(""), pl.col("routes").list.join("+"), pl.col("path").list.join(" "), pl.col("score").round(4)
    )
    widths = {column: min(max(map(cell_len, shown[column]), default=0), WIDEST) for column in ("title", "artist")}
    of_routes = max(map(len, shown["routes"]), default=0)
    for row in shown.iter_rows(named=True):
        title, artist = (_fitted(row[column], width) for column, width in widths.items())
        yield f"{row['rank']:>3}  {title}  {artist}  {row['score']:>8.4f}  {row['routes']:<{of_routes}}  {row['reason']}"
        if explain:
            yield f"     path: {row['path'] or '—'}"


def _fitted(text: str, width: int) -> str:
    """`text` in exactly `width` cells."""
    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
