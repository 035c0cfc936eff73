"""What was recognised in a database, and the proposal for one contract table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import sqlalchemy as sa

from etl.inspection.branches import Branch, Join
from etl.inspection.cells import Cell
from etl.inspection.entities_found import Entity, entity_of
from etl.inspection.found_tables import FoundTable
from etl.inspection.references import Reference, References
from etl.inspection.survey import Survey

Status = Literal["sure", "likely", "missing"]


@dataclass(frozen=True)
class Found:
    """The tables of a database, what they hold, and which columns name which tables."""

    survey: Survey
    entities: Mapping[str, Entity]
    references: References

    def kind(self, table: FoundTable) -> str | None:
        """Kind of entity that the table holds."""
        entity = entity_of(table, self.entities)
        return entity.kind if entity else None

    def naming(self, table: FoundTable, kind: str, taken: Collection[str] = ()) -> list[Reference]:
        """Columns of `table` that name things of `kind`, sure ones first; not its own key."""
        entity = self.entities.get(kind)
        if entity is None or entity.table is table:
            return []
        named = [each for each in self.references[table.label].values() if each.to is entity.table and each.column.name not in taken]
        named = sorted(named, key=lambda each: not each.sure)
        return named if entity.sure else [replace(each, sure=False) for each in named]

    def kinds_named(self, table: FoundTable) -> set[str]:
        """Kinds of entity that columns of `table` name."""
        kinds = (self.kind(each.to) for each in self.references[table.label].values())
        return {kind for kind in kinds if kind is not None}


@dataclass(frozen=True)
class Proposal:
    """How one table of the contract can be had from the database."""

    name: str
    status: Status
    why: str
    branches: tuple[Branch, ...] = ()
    notes: tuple[str, ...] = ()
    value: str = ""
    """What `[source.tables]` says: a table or a SELECT; empty where it is missing."""
    names: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = field(default=(), repr=False)
    """Column names and first rows of what is proposed."""


def of(found: bool) -> Status:
    """Status of what is found for sure, or only perhaps."""
    return "sure" if found else "likely"


def missing(name: str, why: str) -> Proposal:
    """A table that the database does not have."""
    return Proposal(name, "missing", why)


def reference_cell(table: FoundTable, reference: Reference) -> Cell:
    """The column that names the other table's rows by the key that stands for them there."""
    return Cell(table.clause.c[reference.column.name], reference.why, reference.sure, ((table.label, reference.column.name),))


def join_of(table: FoundTable, reference: Reference) -> Join:
    """The table that `reference` names, joined to `table`."""
    own, other = reference.column.name, reference.key
    return Join(reference.to, table.clause.c[own] == reference.to.clause.c[other], ((table.label, own), (reference.to.label, other)))


def present(table: FoundTable, column: str) -> sa.ColumnElement[bool]:
    """True for rows with a value."""
    return table.clause.c[column].is_not(None)
