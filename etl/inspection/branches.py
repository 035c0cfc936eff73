"""A proposed table as SQL: one SELECT per branch, every name quoted and every value escaped by SQLAlchemy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import sqlalchemy as sa

from etl.contract import TABLES
from etl.inspection.cells import Cell
from etl.inspection.found_tables import FoundTable
from etl.source import QUERY

NUMBERS: Final = {"integer": sa.BigInteger(), "number": sa.Numeric(18, 6), "flag": sa.Integer()}
"""SQL types of the columns of a union; all others meet as text."""
QUOTED: Final = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`)""")


@dataclass(frozen=True)
class Join:
    """Another table whose row a column names."""

    table: FoundTable
    on: sa.ColumnElement[bool] = field(repr=False)
    columns: tuple[tuple[str, str], ...]
    """Table and column on both sides."""


@dataclass(frozen=True)
class Branch:
    """One table of the database (with what it joins) as rows of one contract table."""

    table: FoundTable
    cells: dict[str, Cell]
    """Contract column, or the name of an extra → what it is made of."""
    joins: tuple[Join, ...] = ()
    where: sa.ColumnElement[bool] | None = field(default=None, repr=False)
    distinct: bool = False

    @property
    def sure(self) -> bool:
        """True where every column is sure."""
        return all(cell.sure for cell in self.cells.values())

    def columns(self) -> set[tuple[str, str]]:
        """Table and column of all that it uses."""
        cells = {pair for cell in self.cells.values() for pair in cell.columns}
        return cells | {pair for join in self.joins for pair in join.columns}


class Writer:
    """Writes branches in the dialect of a database."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self._dialect = dialect
        self._preparer = dialect.identifier_preparer

    def value(self, name: str, branches: Sequence[Branch]) -> str:
        """What `[source.tables]` says for a table: the name of a table that fits as it is, or a SELECT."""
        if len(branches) == 1 and _fits(name, branches[0]):
            return branches[0].table.label
        return self.statement(name, branches)

    def statement(self, name: str, branches: Sequence[Branch]) -> str:
        """One SELECT, of a table that fits as well."""
        return "\nUNION ALL\n".join(self.selects(name, branches))

    def selects(self, name: str, branches: Sequence[Branch]) -> list[str]:
        """The SELECT of each branch, all with the same columns."""
        aligned = _aligned(name, branches) if len(branches) > 1 else branches
        return [self._select(branch) for branch in aligned]

    def _select(self, branch: Branch) -> str:
        alone = not branch.joins
        columns = [f"{self._sql(cell.expression, alone)} AS {self._preparer.quote(name)}" for name, cell in branch.cells.items()]
        lines = [f"SELECT {'DISTINCT' if branch.distinct else ''}".rstrip(), "  " + ",\n  ".join(columns)]
        lines.append(f"FROM {self._table(branch.table)}")
        lines += [f"JOIN {self._table(join.table)} ON {self._sql(join.on)}" for join in branch.joins]
        if branch.where is not None:
            lines.append(f"WHERE {self._sql(branch.where, alone)}")
        return "\n".join(lines)

    def _table(self, table: FoundTable) -> str:
        return self._plain(self._preparer.format_table(table.clause))

    def _sql(self, expression: sa.ColumnElement[Any], alone: bool = False) -> str:
        """The expression; columns of a table that stands alone go without its name."""
        told = {"literal_binds": True, "include_table": not alone}
        return _wrapped(self._plain(str(expression.compile(dialect=self._dialect, compile_kwargs=told))))

    def _plain(self, text: str) -> str:
        """A driver that fills in parameters by % sees doubled ones; the ETL gives it none."""
        return text.replace("%%", "%") if self._dialect.paramstyle in ("format", "pyformat") else text


def _wrapped(sql: str) -> str:
    """A line for each WHEN of a CASE; what is quoted stays as it is."""
    parts = QUOTED.split(sql)
    parts[::2] = [re.sub(r" (WHEN|ELSE) ", r"\n    \1 ", part) for part in parts[::2]]
    return "".join(parts)


def _fits(name: str, branch: Branch) -> bool:
    """True where the table itself can be read: every chosen column has the contract's name, and no other column has one."""
    own = {column.lower() for column in branch.table.columns}
    chosen = {used for cell in branch.cells.values() for _, used in cell.columns}
    plain = all(cell.plain and cell.columns[0][1].lower() == column.lower() for column, cell in branch.cells.items())
    contract = own & set(TABLES[name].names) <= set(branch.cells)
    whole = not TABLES[name].extras or chosen == set(branch.table.columns)
    alone = not branch.joins and branch.where is None and not branch.distinct
    return plain and contract and whole and alone and QUERY.match(branch.table.label) is None


def _aligned(name: str, branches: Sequence[Branch]) -> list[Branch]:
    """Branches with the same columns in the same types, so that they can follow each other in a union."""
    columns = [column for column in TABLES[name].columns if any(column.name in branch.cells for branch in branches)]

    def cell(branch: Branch, column_name: str, sql_type: Any) -> Cell:
        given = branch.cells.get(column_name)
        if given is None:
            return Cell(sa.cast(sa.null(), sql_type), "none", True, plain=False)
        text = isinstance(sql_type, sa.String) and isinstance(given.expression.type, sa.String)
        made = text and not isinstance(given.expression, sa.ColumnClause)
        return given if made else replace(given, expression=sa.cast(given.expression, sql_type))

    return [
        replace(branch, cells={column.name: cell(branch, column.name, NUMBERS.get(column.type, sa.String())) for column in columns})
        for branch in branches
    ]
