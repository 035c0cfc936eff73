"""Who did what to which thing, and when: the parts of an event in the rows of one table of the database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa

from etl.inspection.branches import Join
from etl.inspection.cells import Cell, as_is, duration_cell, pick, time_cell
from etl.inspection.findings import Found, join_of, reference_cell
from etl.inspection.found_tables import FoundColumn, FoundTable
from etl.inspection.references import Reference
from etl.inspection.vocabulary import SCENES
from etl.inspection.words import concepts

ITEM_KINDS: Final = ("song", "artist", "album", "playlist", "mv", "mlog", "drama", "show")


@dataclass(frozen=True)
class Actor:
    """Who did it: the user's column, in the table itself or in the head that its rows belong to (an order, a session)."""

    cell: Cell
    column: str
    head: Reference | None


def actor(found: Found, table: FoundTable) -> Actor | None:
    """The user's column of a table whose rows are acts of users."""
    own = _user(found, table)
    if own is not None:
        return Actor(own, own.columns[0][1], None)
    for head in found.references[table.label].values():
        if found.kind(head.to) is not None:
            continue
        theirs = _user(found, head.to)
        if theirs is not None:
            why = f"through `{head.column.name}`, {head.why}: {theirs.why}"
            return Actor(replace(theirs, why=why, sure=theirs.sure and head.sure, plain=False), theirs.columns[0][1], head)
    return None


def _user(found: Found, table: FoundTable) -> Cell | None:
    named = found.naming(table, "user")
    if len(named) > 1:
        named = sorted(named, key=lambda reference: (set(reference.column.concepts) - {"user", "id"} != set(), not reference.sure))
    if named:
        return reference_cell(table, named[0])
    if "user" in found.entities:
        return None
    naming = (column for column in table.columns.values() if set(column.concepts) in ({"user", "id"}, {"user"}, {"user", "name"}))
    column = next((column for column in naming if column.values), None)
    sure = column is not None and column.name.lower() == "user_id"
    return as_is(table, column, "named like a user's id; there is no table of users", sure=sure) if column is not None else None


def item(found: Found, table: FoundTable) -> tuple[str, Reference] | None:
    """What the act was done to: kind and column. A table that blocks artists names them beside nothing else."""
    for kind in ITEM_KINDS:
        named = found.naming(table, kind)
        if named:
            return kind, named[0]
    return None


def moment(found: Found, table: FoundTable, head: Reference | None, name: str = "events") -> tuple[Cell, tuple[Join, ...]] | None:
    """When: a time of the table or of its head, or the day that a table of days gives."""
    kinds = ("song", "product", "user", "purchase") if name == "comments" else ("song", "user")
    for place in (table, head.to) if head else (table,):
        keys = {each.column.name for each in found.references[place.label].values() if found.kind(each.to) is not None}
        best = pick(place, name, "ts", *kinds, taken={*keys, *place.primary[: len(place.primary) == 1]})
        if best is not None:
            return _with_clock(place, best), ()
        for day in found.references[place.label].values():
            dates = [column for column in day.to.columns.values() if column.shape.time and column.name != day.key]
            if "time" in day.to.concepts and dates:
                cell = time_cell(day.to, dates[0], "time", f"through `{day.column.name}`, {day.why}")
                if cell is not None:
                    return replace(cell, plain=False), (join_of(place, day),)
    return _only_time(table)


def _only_time(table: FoundTable) -> tuple[Cell, tuple[Join, ...]] | None:
    """The one column of the table that holds times, whatever its name."""
    changing = ("change", "birth", "release", "signup")
    timely = [
        column
        for column in table.columns.values()
        if column.shape.time in ("written", "seconds", "milliseconds") and not set(changing) & set(column.concepts)
    ]
    cell = time_cell(table, timely[0], "time", "the only column of times") if len(timely) == 1 else None
    return (replace(cell, sure=False), ()) if cell is not None else None


def _with_clock(table: FoundTable, day: Cell) -> Cell:
    """A day written as an integer, together with the time of day that another integer gives as HHMMSS."""
    if day.plain or "integers like" not in day.why:
        return day
    for column in table.columns.values():
        values = column.shape.values
        timely = {"time", "clock"} & set(column.concepts) and (table.label, column.name) not in day.columns
        if timely and column.shape.family == "integer" and _is_hhmmss(column):
            clock = sa.func.substr(sa.cast(table.clause.c[column.name] + 1_000_000, sa.String), 2, 6)
            why = f"{day.why}, with `{column.name}` as HHMMSS, like {values[0]:06d}"
            return Cell(day.expression + sa.literal("T") + clock, why, day.sure, (*day.columns, (table.label, column.name)), plain=False)
    return day


def _is_hhmmss(column: FoundColumn) -> bool:
    values = column.shape.values
    inside = (values < 240_000) & (values // 100 % 100 < 60) & (values % 100 < 60) & (values >= 0)
    return len(values) > 0 and bool(inside.all()) and int(values.max()) >= 10_000  # type: ignore[arg-type]


def played(table: FoundTable) -> Cell | None:
    """How long it was played, in milliseconds."""
    units = {"ms", "seconds", "minutes"}
    for column in table.columns.values():
        if column.name.lower() == "play_ms":
            return as_is(table, column, "has the contract's name")
        words = set(column.concepts)
        timed = "duration" in words or (words & units and words & {"play", "count"}) or (words == {"play", "time"} and column.shape.numeric)
        if timed and words <= {"play", "duration", "time", "happen", "item", *units} and column.shape.time is None:
            cell = duration_cell(table, column, "named like it", play=True)
            if cell is not None:
                return cell
    return None


def scene(table: FoundTable) -> Cell | None:
    """Where in the service it happened, by the names that scenarios have."""
    cell = pick(table, "events", "scene")
    if cell is None:
        return None
    column = table.columns[cell.columns[0][1]]
    if not column.shape.listed:
        return None
    said = {value: SCENES[value.lower()] for value in column.shape.texts() if value.lower() in SCENES}
    if not said:
        return cell
    own = table.text(column)
    told = ", ".join(f"{value} → {name}" for value, name in said.items())
    return Cell(sa.case(said, value=own, else_=own), f"{cell.why}; {told}", cell.sure, cell.columns, plain=False)


def kind_of_item(table: FoundTable) -> Cell | None:
    """The kind of each row's item, where one table holds acts on several kinds."""
    for column in table.columns.values():
        exact = column.name.lower() == "item_kind"
        if not (exact or {"item", "type"} <= set(column.concepts)) or not column.shape.listed:
            continue
        own = table.text(column)
        said = {value: words[0] for value in column.shape.texts() if (words := concepts(value)) and words[0] in ITEM_KINDS}
        changed = {value: kind for value, kind in said.items() if value.lower() != kind}
        if said:
            expression = sa.case(changed, value=own, else_=own) if changed else own
            return Cell(expression, f"kinds {', '.join(said)}", True, ((table.label, column.name),), plain=not changed)
    return None
