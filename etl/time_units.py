"""Times in another unit than Unix seconds: what a person is told of them. They are set aside all the same, for the contract's reason."""

from __future__ import annotations

import json
from typing import Final

from etl.contract import TABLES

UNITS: Final = {"milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
FIRST: Final = 631_152_000
LAST: Final = 4_102_444_800
"""Unix seconds in which 1990 and 2100 begin: a number that lies between them in one unit lies nowhere near them in another."""
TIMES: Final = {name: {column.name for column in table.columns if column.type in ("time", "date")} for name, table in TABLES.items()}
"""Table → its columns of times."""
REASONS: Final = ("unreadable ", "future ")
"""How the reasons begin that a time in another unit is set aside for; the column follows."""


def likely_unit(value: object) -> str | None:
    """The unit in which `value` is a time of our days, where that is not seconds."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return next((unit for unit, parts in UNITS.items() if FIRST <= number / parts < LAST), None)


def unit_hint(table: str, reason: str, example: str) -> str | None:
    """What to do about rows of `table` set aside for `reason`, where the time of the `example` (JSON) is in another unit; else None."""
    start = next((start for start in REASONS if reason.startswith(start)), None)
    if start is None:
        return None
    column, name = reason.removeprefix(start), table.split(".")[0]
    unit = likely_unit(json.loads(example).get(column)) if column in TIMES.get(name, ()) else None
    if unit is None:
        return None
    return f"{column} looks like {unit}: divide it by {UNITS[unit]:,} in a SELECT under [source.tables] {name}"
