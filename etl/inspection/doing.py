"""What was done in the rows of a table of acts: by a column of behaviours, a list of acts, the table's name, or the time played."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import sqlalchemy as sa

from etl.behaviours import NAMES
from etl.inspection.acts import played
from etl.inspection.branches import Join
from etl.inspection.cells import Cell
from etl.inspection.findings import Found, join_of
from etl.inspection.found_tables import FoundColumn, FoundTable
from etl.inspection.references import Reference
from etl.inspection.words import behaviour_of, concepts

KNOWN: Final = 0.5
"""Share of the different values of a column that must say a behaviour before it counts as one."""
TOLD_VALUES: Final = 6


@dataclass(frozen=True)
class Said:
    """What was done."""

    cell: Cell
    where: sa.ColumnElement[bool] | None = field(default=None, repr=False)
    note: str = ""
    joins: tuple[Join, ...] = ()


def said(found: Found, table: FoundTable, head: Reference | None, kind: str) -> Said | None:
    """What was done: by a column of behaviours, by a list that a column names, or by the name of the table."""
    for column in table.columns.values():
        if column.name not in found.references[table.label] and (told := behaviour_cell(table, column, kind)) is not None:
            return told
    for reference in found.references[table.label].values():
        for column in reference.to.columns.values():
            list_of_acts = found.kind(reference.to) is None and reference is not head
            told = behaviour_cell(reference.to, column, kind, named=True) if list_of_acts else None
            if told is not None:
                why = f"through `{reference.column.name}`, {reference.why}: {told.cell.why}"
                used = (*told.cell.columns, (table.label, reference.column.name))
                return replace(told, cell=replace(told.cell, why=why, columns=used, plain=False), joins=(join_of(table, reference),))
    return _by_name(table, head, kind) or _plays_perhaps(table, kind)


def _plays_perhaps(table: FoundTable, kind: str) -> Said | None:
    """Rows with a time played, and a log of songs that has no word on what was done."""
    cell = played(table)
    coded = any({"act", "type"} & set(column.concepts) for column in table.columns.values())
    if cell is not None:
        why = f"`{cell.columns[0][1]}` tells how long it was played"
    elif "happen" in table.concepts and set(table.concepts) <= {"happen", "user", "song"} and kind == "song" and not coded:
        why = "a log of users and songs that does not say what was done, read as plays"
    else:
        return None
    return Said(Cell(sa.literal("play"), why, False, plain=False))


def behaviour_cell(table: FoundTable, column: FoundColumn, kind: str, *, named: bool = False) -> Said | None:
    """What a column of the table says was done, translated; None where its values say nothing of the kind.

    Args:
        table: a table of acts, or a list of kinds of acts.
        column: one of its columns.
        kind: what the acts are done to.
        named: the table is such a list, so that the names in it count.
    """
    values = column.shape.texts() if column.shape.listed else []
    known = {value: doing for value in values if (doing := _for_kind(behaviour_of(value), kind)) is not None}
    exact = column.name.lower() == "behaviour"
    if not known or (len(known) < KNOWN * len(values) and not exact) or {"scene", "channel", "text"} & set(column.concepts):
        return None
    if "name" in column.concepts and not named:
        return None
    named = named or exact or bool({"act", "happen", "type"} & set(column.concepts))
    unknown = [value for value in values if value not in known]
    own = table.text(column)
    changed = {value: name for value, name in known.items() if value.lower() != name}
    expression = sa.case(changed, value=own, else_=own) if changed else own
    why = f"{'named like it; ' if named else ''}values {', '.join(f'{value} → {name}' for value, name in list(known.items())[:12])}"
    note = (
        f"rows whose `{column.name}` is {', '.join(map(repr, unknown[:TOLD_VALUES]))} are left out: no behaviour says that"
        if unknown
        else ""
    )
    cell = Cell(expression, why, named and not unknown, ((table.label, column.name),), plain=not changed)
    return Said(cell, own.not_in(unknown) if unknown else None, note)


def _by_name(table: FoundTable, head: Reference | None, kind: str) -> Said | None:
    doing = _for_kind(behaviour_of(table.name), kind)
    words = set(table.concepts)
    if doing is not None and "undo" not in words:
        codes = [column.name for column in table.columns.values() if "act" in column.concepts or "type" in column.concepts]
        why = f"every row of `{table.label}` is a {doing}, by its name" + (f"; but `{codes[0]}` may say something else" if codes else "")
        return Said(Cell(sa.literal(doing), why, not codes and "purchase" not in words, plain=False))
    ordered = words | set(head.to.concepts if head else ())
    if {"order", "purchase"} & ordered and "undo" not in ordered:
        cell = Cell(sa.literal("collect"), "a purchase, read as a collect: a sign of liking", False, plain=False)
        return Said(cell, *_not_undone(table, head))
    return None


def _not_undone(table: FoundTable, head: Reference | None) -> tuple[sa.ColumnElement[bool] | None, str]:
    """Leaves out purchases that a column says were cancelled or returned."""
    for place in (table, head.to) if head else (table,):
        for column in place.columns.values():
            undone = [value for value in column.shape.texts() if "undo" in concepts(value)] if column.shape.listed else []
            if undone:
                own = place.text(column)
                listed = ", ".join(map(repr, undone))
                return sa.or_(own.is_(None), own.not_in(undone)), f"rows whose `{column.name}` is {listed} are left out"
    return None, ""


def _for_kind(behaviour: str | None, kind: str) -> str | None:
    """A block of an artist is the contract's `block_artist`; other things but songs cannot be blocked."""
    if behaviour == "block_song" and kind != "song":
        return "block_artist" if kind == "artist" else None
    return behaviour if behaviour in NAMES else None
