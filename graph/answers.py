"""The answer to a query as text: an aligned table, JSON or CSV, always all rows."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from typing import Any

from graph.store import QueryResult


def as_json(result: QueryResult) -> str:
    """An array of objects keyed by column name."""
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    return json.dumps(rows, ensure_ascii=False, indent=2)


def as_csv(result: QueryResult) -> str:
    """A header and the rows; lists and maps as JSON, a missing value as nothing."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(result.columns)
    writer.writerows(["" if value is None else _cell(value) for value in row] for row in result.rows)
    return out.getvalue().removesuffix("\n")


def as_table(result: QueryResult) -> str:
    """Columns aligned by what a terminal shows (a Chinese character is two wide), and the number of rows."""
    if not result.columns:
        return "done"
    cells = [[_cell(value).replace("\n", "⏎") for value in row] for row in [tuple(result.columns), *result.rows]]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join([*lines, f"{len(result.rows)} row{'' if len(result.rows) == 1 else 's'}"])


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _width(text: str) -> int:
    return sum(0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
