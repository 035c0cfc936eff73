"""Proposals for the things of the catalogue: songs, albums, artists, dramas, shows, videos, playlists, users."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from etl.contract import OWN_TABLE, TABLES
from etl.inspection.branches import Branch
from etl.inspection.cells import Cell, as_is, pick
from etl.inspection.entities_found import KINDS, Entity, ambiguous_songs
from etl.inspection.findings import Found, Proposal, missing, of, present, reference_cell
from etl.inspection.found_tables import FoundColumn, FoundTable
from etl.inspection.vocabulary import TAG_KINDS
from etl.inspection.words import is_private

INLINE: Final = ("album", "artist")
"""Kinds that a column of songs may name in words, without a table of their own."""
BOOKKEEPING: Final = frozenset(("id", "create", "change", "name", "text", "happen", "album", "artist", *TAG_KINDS))
"""Concepts of columns that say nothing of what a thing is like, or that have a table of the contract."""


def entity_proposal(found: Found, kind: str) -> Proposal:
    """The table of `kind`: its own, or the names that a column of songs holds."""
    name, _ = KINDS[kind]
    entity = found.entities.get(kind)
    if entity is None:
        return _inline(found, kind) or missing(name, f"no table that is named like {name} and has a key{_perhaps(found, kind)}")
    cells = _cells(found, entity)
    lacking = [column.name for column in TABLES[name].columns if column.required and column.name not in cells]
    if lacking:
        return missing(name, f"`{entity.table.label}` is named like it, but has no column for {', '.join(lacking)}")
    required = [cells[column.name].sure for column in TABLES[name].columns if column.required]
    where = present(entity.table, entity.key.name) if entity.named else None
    branch = Branch(entity.table, cells, where=where, distinct=entity.named)
    return Proposal(name, of(entity.sure and all(required)), entity.why, (branch,))


def _perhaps(found: Found, kind: str) -> str:
    perhaps = ambiguous_songs(found.survey.tables) if kind == "song" else []
    said = ", ".join(f"`{table.label}`" for table in perhaps)
    return f", but for {said}; names and values do not say that it is about music" if perhaps else ""


def inline_column(found: Found, kind: str) -> FoundColumn | None:
    """Column of songs that names things of `kind` in words, where they have no table of their own."""
    song = found.entities.get("song")
    if song is None or kind in found.entities or kind not in INLINE:
        return None
    named = (column for column in song.table.columns.values() if set(column.concepts) - {"song", "name"} == {kind})
    return next((column for column in named if column.shape.family == "text" and len(column.shape.values)), None)


def _cells(found: Found, entity: Entity) -> dict[str, Cell]:
    """Every contract column of the entity's table that is there, and the extras."""
    name, key = KINDS[entity.kind]
    table = entity.table
    cells = {key: as_is(table, entity.key, "its key")}
    for column in TABLES[name].columns[1:]:
        if column.refers is not None:
            cell = _reference(found, entity, column.refers)
        else:
            cell = pick(table, name, column.name, entity.kind, *table.concepts, taken={entity.key.name})
            if cell is None and column.name in (OWN_TABLE.get(entity.kind) or ())[2:]:
                cell = _only_name(table) or _id_as_name(entity)
        if cell is not None:
            cells[column.name] = cell
    used = {column for cell in cells.values() for _, column in cell.columns}
    return cells | (_extras(found, table, name, used) if TABLES[name].extras else {})


def own_extras(found: Found, table: FoundTable, name: str) -> dict[str, Cell]:
    """Side features of a table that has the contract's name and columns: all but what is private."""
    own = set(TABLES[name].names)
    people = name == "users"
    further = [column for column in table.columns.values() if column.name.lower() not in own and not is_private(column.name)]
    further = [column for column in further if not (people and "name" in column.concepts)]
    return {column.name: as_is(table, column, "side feature") for column in further} if TABLES[name].extras else {}


def _reference(found: Found, entity: Entity, kind: str) -> Cell | None:
    named = found.naming(entity.table, kind)
    if named:
        return reference_cell(entity.table, named[0])
    column = inline_column(found, kind) if entity.kind == "song" else None
    return as_is(entity.table, column, f"names {kind}s in words", sure=False) if column is not None else None


def _id_as_name(entity: Entity) -> Cell | None:
    """The id, where it is all that is known of songs."""
    if entity.kind != "song" or not ("id" not in entity.key.concepts or entity.named):
        return None
    return as_is(entity.table, entity.key, "there is no title, so the id stands for it", sure=False)


def _only_name(table: FoundTable) -> Cell | None:
    """The one text column whose values nearly all differ."""
    texts = [
        column
        for column in table.columns.values()
        if column.shape.family == "text" and column.shape.distinct_share > 0.9 and column.shape.time is None and not is_private(column.name)
        if "id" not in column.concepts
    ]
    return as_is(table, texts[0], "the only text whose values nearly all differ", sure=False) if len(texts) == 1 else None


def _extras(found: Found, table: FoundTable, name: str, used: Collection[str]) -> dict[str, Cell]:
    """Further columns that can be side features: not keys, names, references, free text or anything private."""
    return {
        column.name: as_is(table, column, "side feature")
        for column in table.columns.values()
        if column.name not in used
        and column.name not in found.references[table.label]
        and column.name.lower() not in TABLES[name].names
        and _is_feature(column)
    }


def _is_feature(column: FoundColumn) -> bool:
    if is_private(column.name) or BOOKKEEPING & set(column.concepts) or not column.values:
        return False
    if "vector" in column.concepts or column.shape.numeric or column.shape.time is not None:
        return True
    return column.shape.listed or (column.shape.family == "text" and column.shape.distinct_share <= 0.5)


def _inline(found: Found, kind: str) -> Proposal | None:
    column = inline_column(found, kind)
    if column is None:
        return None
    name, key = KINDS[kind]
    table = found.entities["song"].table
    title = OWN_TABLE[kind][2]
    cell = as_is(table, column, f"the name stands for the {kind}", sure=False)
    branch = Branch(table, {key: cell, title: cell}, where=present(table, column.name), distinct=True)
    why = f"no table of its own, but `{table.label}`.`{column.name}` names them; two of one name become one"
    return Proposal(name, "likely", why, (branch,))
