"""The answer to a Cypher query as a table, as JSON or as CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from rich.cells import cell_len, set_cell_size

from graph.store import QueryResult

SHOWN_ROWS = 100
WIDEST = 60


def as_json(result: QueryResult) -> str:
    """An array of objects keyed by column name, all rows."""
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    return json.dumps(rows, ensure_ascii=False, indent=2)


def as_csv(result: QueryResult) -> str:
    """A header and all rows; null is empty, lists and objects are JSON."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(result.columns)
    writer.writerows([["" if value is None else _cell(value) for value in row] for row in result.rows])
    return text.getvalue().rstrip("\n")


def as_table(result: QueryResult) -> str:
    """Aligned columns for the eye: the first rows, long values cut, and how many there are."""
    if not result.columns:
        return "done"
    shown = [["null" if value is None else _cell(value) for value in row] for row in result.rows[:SHOWN_ROWS]]
    columns = [[name, *values] for name, *values in zip(result.columns, *shown, strict=True)]
    widths = [min(max(map(cell_len, column)), WIDEST) for column in columns]
    lines = ["  ".join(_fitted(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [result.columns, *shown]]
    lines.insert(1, "  ".join("─" * width for width in widths))
    n = len(result.rows)
    more = f", the first {SHOWN_ROWS} shown (--json and --csv give all)" if n > SHOWN_ROWS else ""
    return "\n".join([*lines, f"({n:,} row{'s' if n != 1 else ''}{more})"])


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _fitted(text: str, width: int) -> str:
    text = text.replace("\n", " ")
    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
