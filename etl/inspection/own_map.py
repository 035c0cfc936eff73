"""Proposals for tables that already have the contract's name and columns: taken as they are, values translated where they must be."""

from __future__ import annotations

from collections.abc import Mapping

from etl.contract import TABLES, Column
from etl.inspection.acts import played
from etl.inspection.branches import Branch
from etl.inspection.cells import Cell, pick
from etl.inspection.doing import behaviour_cell
from etl.inspection.findings import Proposal
from etl.inspection.found_tables import FoundTable


def own_table(name: str, tables: list[FoundTable]) -> FoundTable | None:
    """The table of the contract's name that has every required column under the contract's name."""
    required = {column.name for column in TABLES[name].columns if column.required}
    return next((table for table in tables if table.name.lower() == name and required <= {own.lower() for own in table.columns}), None)


def own_proposal(table: FoundTable, name: str, extras: Mapping[str, Cell]) -> Proposal | None:
    """`table` as it is; None where a value that the contract requires cannot be read."""
    cells: dict[str, Cell] = {}
    note, where = "", None
    for column in TABLES[name].columns:
        cell = _cell(table, name, column, cells)
        if column.name == "behaviour":
            said = behaviour_cell(table, table.columns[cell.columns[0][1]], "song") if cell is not None else None
            cell, note, where = (said.cell, said.note, said.where) if said is not None else (None, "", None)
        if cell is not None:
            cells[column.name] = cell
        elif column.required:
            return None
    why = "has the contract's name and columns"
    status = "sure" if all(cells[column.name].sure for column in TABLES[name].columns if column.required) else "likely"
    return Proposal(name, status, why, (Branch(table, cells | dict(extras), where=where),), tuple(filter(None, (note,))))  # type: ignore[arg-type]


def _cell(table: FoundTable, name: str, column: Column, cells: Mapping[str, Cell]) -> Cell | None:
    if column.name == "play_ms":
        return played(table)
    taken = {used for cell in cells.values() for _, used in cell.columns}
    return pick(table, name, column.name, TABLES[name].key[0].removesuffix("_id"), taken=taken)
