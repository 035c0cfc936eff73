"""One column of the contract out of a column of the database: found by name, checked by values, translated where they differ."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from etl.contract import TABLES, Column
from etl.inspection.found_tables import FoundColumn, FoundTable
from etl.inspection.vocabulary import COLUMNS
from etl.inspection.words import same

UNITS: Final = ("ms", "seconds", "minutes")
FACTORS: Final = {"ms": 1, "seconds": 1000, "minutes": 60_000}
SONG_SECONDS: Final = (30.0, 3_600.0)
SONG_MS: Final = 20_000.0
PLAY_MS: Final = 20_000.0
"""A sample of play times whose longest is above this many units is in milliseconds: in seconds it would be hours."""


@dataclass(frozen=True)
class Cell:
    """A contract column and what it is made of."""

    expression: sa.ColumnElement[Any] = field(repr=False)
    why: str
    sure: bool
    columns: tuple[tuple[str, str], ...] = ()
    """Table and column of the database that it uses."""
    plain: bool = True
    """Just the column, values as they are."""


def pick(table: FoundTable, name: str, column: str, *about: str, taken: Collection[str] = ()) -> Cell | None:
    """The column of `table` that can be `column` of the contract's table `name`; None where there is none.

    Args:
        table: where to look.
        name: table of the contract.
        column: its column.
        about: concepts that go without saying in this table, such as `song` in `tracks`.
        taken: columns that are something else.
    """
    wanted = next(each for each in TABLES[name].columns if each.name == column)
    own = next((each for each in table.columns.values() if each.name.lower() == column and each.name not in taken), None)
    if own is not None:
        return _cell(table, own, wanted, "has the contract's name", sure=True)
    alternatives = COLUMNS.get((name, column))
    if alternatives is None:
        return None
    without = (*about, *UNITS) if column == "duration_ms" else about
    ranked = sorted(
        (place, order, each)
        for order, each in enumerate(table.columns)
        if each not in taken and (place := same(each, alternatives, *without)) is not None
    )
    cells = [(place, cell) for place, _, each in ranked if (cell := _cell(table, table.columns[each], wanted, "named like it", sure=True))]
    if not cells:
        return None
    rivals = [cell for place, cell in cells[1:] if place == cells[0][0]]
    best = cells[0][1]
    if rivals:
        others = ", ".join(f"`{rival.columns[0][1]}`" for rival in rivals)
        return Cell(best.expression, f"{best.why}; {others} could be it as well", False, best.columns, best.plain)
    return best


def as_is(table: FoundTable, column: FoundColumn, why: str, *, sure: bool = True) -> Cell:
    """The column itself."""
    return Cell(table.clause.c[column.name], why, sure, ((table.label, column.name),))


def _cell(table: FoundTable, column: FoundColumn, wanted: Column, why: str, *, sure: bool) -> Cell | None:
    """The column translated into the type that is wanted; None where its values cannot be that."""
    named = why == "has the contract's name"
    shape = column.shape
    if wanted.type in ("time", "date", "year"):
        return time_cell(table, column, wanted.type, why)
    if wanted.name == "duration_ms" and not named:
        return duration_cell(table, column, why, play=False)
    if not named and wanted.type in ("integer", "number") and not (shape.numeric or not len(shape.values)):
        return None
    if not named and wanted.type == "text" and wanted.name not in ("owner", "scene", "role", "kind") and shape.family != "text":
        return None
    return as_is(table, column, why, sure=sure)


def time_cell(table: FoundTable, column: FoundColumn, wanted: str, why: str) -> Cell | None:
    """A time or date as the ETL reads it; None where the values are none."""
    own = table.clause.c[column.name]
    used = ((table.label, column.name),)
    form = column.shape.time
    if form is None and not len(column.shape.values) and column.shape.family in ("time", "text"):
        return Cell(own, f"{why}; no values to check", False, used)
    if form is None or (form == "year" and wanted == "time"):
        return None
    if form == "yyyymmdd":
        return Cell(sa.cast(own, sa.String), f"{why}; integers like {column.shape.values[0]}, as text", True, used, plain=False)
    if form == "milliseconds":
        return Cell(sa.cast(own, sa.BigInteger) // 1000, f"{why}; Unix milliseconds → seconds", True, used, plain=False)
    forms = {"written": "times", "day": "days", "seconds": "Unix seconds", "year": "years"}
    return Cell(own, f"{why}; {forms[form]} {column.shape.span()}", True, used)


def duration_cell(table: FoundTable, column: FoundColumn, why: str, *, play: bool) -> Cell | None:
    """A length in milliseconds; None where the unit cannot be told."""
    shape = column.shape
    if not shape.numeric or not len(shape.values):
        return None
    named = next((unit for unit in UNITS if unit in column.concepts), None)
    unit = named or (_play_unit(column) if play else _song_unit(column))
    if unit is None:
        return None
    told = f"{why}; values {shape.span()}, {'' if named else 'by their size '}in {'milliseconds' if unit == 'ms' else unit}"
    sure = named is not None or not play
    own = table.clause.c[column.name]
    used = ((table.label, column.name),)
    if unit == "ms":
        return Cell(own, told, sure, used)
    return Cell(own * FACTORS[unit], f"{told} → × {FACTORS[unit]}", sure, used, plain=False)


def _song_unit(column: FoundColumn) -> str | None:
    middle = float(column.shape.values.cast(float).median() or 0.0)  # type: ignore[arg-type]
    if SONG_SECONDS[0] <= middle <= SONG_SECONDS[1]:
        return "seconds"
    return "ms" if middle >= SONG_MS else None


def _play_unit(column: FoundColumn) -> str:
    return "ms" if float(column.shape.values.max()) > PLAY_MS else "seconds"  # type: ignore[arg-type]
