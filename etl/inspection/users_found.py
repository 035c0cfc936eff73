"""Users whose table nobody would know by its name: the rows that tables of songs and times name beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from etl.inspection.entities_found import Entity, entity_of
from etl.inspection.found_tables import FoundTable
from etl.inspection.references import Reference, References

NOBODY: Final = "time genre tag emotion theme scene category type act happen order purchase season channel product"
"""Concepts of tables and columns that rows of acts name beside users."""


def users_by_structure(tables: Sequence[FoundTable], entities: Mapping[str, Entity], references: References) -> Entity | None:
    """The one table that all logs of songs name, where no table or column is named like users; None where two could be it."""
    song = entities.get("song")
    if song is None or "user" in entities or any("user" in column.concepts for table in tables for column in table.columns.values()):
        return None
    logs = [table for table in tables if _is_log(table, song, references)]
    named = Counter(reference.to.label for log in logs for reference in _unknown(log, entities, references))
    first = [label for label, count in named.items() if count == len(logs)]
    table = next((table for table in tables if first == [table.label]), None)
    key = table.key() if table is not None else None
    if table is None or key is None:
        return None
    said = " and ".join(f"`{log.label}`" for log in logs)
    return Entity("user", table, key, False, f"not named like users, but {said} name its rows beside songs and times")


def _is_log(table: FoundTable, song: Entity, references: References) -> bool:
    songs = any(reference.to is song.table for reference in references[table.label].values())
    return songs and table is not song.table and any(column.shape.time in ("written", "seconds") for column in table.columns.values())


def _unknown(log: FoundTable, entities: Mapping[str, Entity], references: References) -> list[Reference]:
    """References of a log to tables of which nothing is known."""
    return [
        reference
        for reference in references[log.label].values()
        if entity_of(reference.to, entities) is None and not set(NOBODY.split()) & {*reference.to.concepts, *reference.column.concepts}
    ]
