"""Which table holds the songs, the users, the albums …: by name, key and what else the database speaks of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from etl.contract import OWN_TABLE
from etl.inspection.found_tables import FoundColumn, FoundTable
from etl.inspection.vocabulary import STYLES
from etl.inspection.words import PIECES

MUSIC: Final = frozenset(("artist", "album", "playlist"))
"""Concepts that make an ambiguous word (a track, a product) one of music."""
PLAIN_SONGS: Final = ("song", "music", "tune", "歌", "曲")
"""Words for songs that mean nothing else; a `track` may be a path and a `recording` a film."""
KINDS: Final = {**{kind: (table, key) for kind, (table, key, _) in OWN_TABLE.items()}, "user": ("users", "user_id")}
"""Kind → its table of the contract and that table's key."""


@dataclass(frozen=True)
class Entity:
    """The table that holds one kind of thing."""

    kind: str
    table: FoundTable
    key: FoundColumn
    sure: bool
    why: str
    named: bool = False
    """It has no table: `table` is the one column of a log that names it, over and over."""


def find_entities(tables: Sequence[FoundTable]) -> dict[str, Entity]:
    """Kind → its table, for every kind that has one."""
    found = {kind: entity for kind in KINDS if (entity := _entity(kind, tables)) is not None}
    if "song" not in found and (song := _shop(tables) or _named_in_log(tables)) is not None:
        found["song"] = song
    return found


def ambiguous_songs(tables: Sequence[FoundTable]) -> list[FoundTable]:
    """Tables whose name may mean songs, or something else."""
    return [table for table in tables if set(table.concepts) in ({"song"}, {"product"})]


def music_in(tables: Sequence[FoundTable]) -> str | None:
    """What in names or values says that a database is about music; None where nothing does."""
    for table in tables:
        for words, where in ((table.concepts, f"table `{table.label}`"), *_columns(table)):
            if MUSIC & set(words):
                return where
        if (song := _song_of_log(table)) is not None and set(table.concepts) in ({"play"}, {"song", "play"}, {"user", "play"}):
            return f"`{table.label}` says who played which `{song.name}` when"
        for column in table.columns.values():
            if styles := _styles(column):
                return f"`{table.label}`.`{column.name}` holds {', '.join(styles[:3])}"
    return None


def _columns(table: FoundTable) -> list[tuple[tuple[str, ...], str]]:
    return [(column.concepts, f"`{table.label}`.`{column.name}`") for column in table.columns.values()]


def _styles(column: FoundColumn) -> list[str]:
    """The different words of STYLES among the values, where there are two or more."""
    if not column.shape.listed and len(column.shape.values) > 40:
        return []
    words = {piece.lower() for value in column.shape.texts() for piece in PIECES.findall(value.replace("-", ""))}
    styles = sorted(words & set(STYLES.split()))
    return styles if len(styles) > 1 else []


def _entity(kind: str, tables: Sequence[FoundTable]) -> Entity | None:
    own, _ = KINDS[kind]
    named = [table for table in tables if set(table.concepts) == {kind} or table.name.lower() == own]
    sure = bool(named)
    named = named or [table for table in tables if _ends_in(table, kind)]
    keyed = [(table, key) for table in named if (key := _key(kind, table, tables)) is not None]
    if not keyed:
        return None
    ranked = sorted(keyed, key=lambda pair: (pair[0].name.lower() != own, pair[0].rows == 0, pair[0].view, -pair[0].rows, pair[0].label))
    table, key = ranked[0]
    evidence = [f"named like {own}", _key_evidence(table, key)]
    rivals = [other.label for other, _ in ranked[1:] if not other.view]
    if rivals:
        evidence.append(f"but {', '.join(f'`{name}`' for name in rivals)} could be it as well")
    doubtful = kind == "song" and not any(word in table.name.lower() for word in PLAIN_SONGS)
    if doubtful:
        music = music_in([other for other in tables if other is not table])
        music = music or music_in([table])
        if music is None:
            return None
        evidence.append(f"of music: {music}")
    return Entity(kind, table, key, sure and (not rivals or table.name.lower() == own) and table.rows > 0, "; ".join(evidence))


def _ends_in(table: FoundTable, kind: str) -> bool:
    """True for a table of a kind with a word before that nobody knows, such as `app_users`."""
    return table.concepts[-1:] == (kind,) and all(concept.startswith("?") for concept in table.concepts[:-1])


def _key(kind: str, table: FoundTable, tables: Sequence[FoundTable]) -> FoundColumn | None:
    """The key that other tables use: one that they name, or else the contract's, or else the table's own."""
    key = table.key()
    others = [other for other in tables if other is not table]
    if key is not None and "id" in key.concepts and len(key.concepts) > 1 and any(key.name in other.columns for other in others):
        return key
    if key is not None and any((table.name, key.name) == names[1:] for other in others for names in other.foreign.values()):
        return key
    own = {column.lower(): column for column in table.columns}.get(KINDS[kind][1])
    return table.columns[own] if own else key


def _key_evidence(table: FoundTable, key: FoundColumn) -> str:
    if table.primary == (key.name,):
        return f"primary key `{key.name}`"
    return f"`{key.name}` differs in all {len(key.values)} sampled rows" if key.shape.distinct_share == 1 else f"has `{key.name}`"


def _shop(tables: Sequence[FoundTable]) -> Entity | None:
    """A shop's products as songs, where the shop is one of music."""
    music = music_in(tables)
    for table in tables:
        key = table.key()
        if set(table.concepts) == {"product"} and key is not None and music is not None:
            why = f"a shop's products, {_key_evidence(table, key)}; of music: {music}"
            return Entity("song", table, key, False, why)
    return None


def _named_in_log(tables: Sequence[FoundTable]) -> Entity | None:
    """Songs that only a log names: the largest table with columns for a user, a song and a time."""
    logs = [(table, column) for table in tables if (column := _song_of_log(table)) is not None]
    if not logs or music_in(tables) is None:
        return None
    table, column = max(logs, key=lambda pair: (pair[0].rows, pair[0].label))
    column = replace(column, shape=replace(column.shape, distinct=len(column.values)))
    only = replace(table, columns={column.name: column}, primary=(), unique=frozenset(), foreign={}, view=True, sample=())
    return Entity("song", only, column, False, f"no table of songs; `{table.label}`.`{column.name}` names them", named=True)


def _song_of_log(table: FoundTable) -> FoundColumn | None:
    words = {column.name: set(column.concepts) for column in table.columns.values()}
    user = any(each in ({"user"}, {"user", "id"}, {"user", "name"}) for each in words.values())
    timely = any(column.shape.time is not None and {"time", "happen"} & words[column.name] for column in table.columns.values())
    ids = [column for column in table.columns.values() if words[column.name] in ({"song", "id"}, {"song"}) and column.values]
    return min(ids, key=lambda column: "id" not in words[column.name], default=None) if user and timely else None


def entity_of(table: FoundTable, entities: Mapping[str, Entity]) -> Entity | None:
    """The entity whose table this is."""
    return next((entity for entity in entities.values() if entity.table is table), None)
