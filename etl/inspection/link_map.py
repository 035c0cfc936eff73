"""Proposals for the tables that join things of the catalogue: credits, tags, soundtracks, appearances, playlists' songs, friends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import sqlalchemy as sa

from etl.contract import TABLES
from etl.inspection.branches import Branch, Join
from etl.inspection.catalogue_map import inline_column
from etl.inspection.cells import Cell, as_is, pick
from etl.inspection.entities_found import music_in
from etl.inspection.findings import Found, Proposal, join_of, missing, of, present, reference_cell
from etl.inspection.found_tables import FoundColumn, FoundTable
from etl.inspection.references import Reference
from etl.inspection.vocabulary import TAG_KINDS
from etl.inspection.words import concepts

ACTS: Final = frozenset(("block", "play", "collect", "skip", "comment", "dislike", "happen", "spare"))
"""A table named like one of these tells what happened, not what belongs together."""


def link_proposal(found: Found, name: str) -> Proposal:
    """Credits, soundtracks, appearances and playlists' songs: a table whose columns name the things on both sides."""
    needed = [str(column.refers) for column in TABLES[name].columns if column.refers and column.required]
    options = [["drama", "album"], ["drama", "song"]] if name == "soundtracks" else [needed]
    branches = [branch for kinds in options for table in found.survey.tables if (branch := _link(found, table, name, kinds)) is not None]
    branches = list({branch.table.label: branch for branch in branches}.values())
    if not branches and name == "song_artists":
        return _credits(found) or _album_credits(found) or missing(name, "nothing names songs and artists together")
    if not branches:
        return missing(name, f"no table names {' and '.join(kind + 's' for kind in options[0])} together")
    whole = sorted(branches, key=lambda branch: not branch.sure)[:1] if len(branches) > 1 and name != "soundtracks" else branches
    others = [f"`{branch.table.label}` could be it as well" for branch in branches if branch not in whole]
    why = f"names {' and '.join(f'{kind}s' for kind in options[0])}"
    return Proposal(name, of(all(branch.sure for branch in whole) and not others), why, tuple(whole), tuple(others))


def _link(found: Found, table: FoundTable, name: str, kinds: list[str]) -> Branch | None:
    """`table` as rows of the link table `name`, where it names every one of `kinds` and no listener."""
    allowed = {column.refers for column in TABLES[name].columns} | ({"user"} if name == "playlist_songs" else set())
    if found.kind(table) is not None or found.kinds_named(table) - allowed or ACTS & set(table.concepts):
        return None
    cells: dict[str, Cell] = {}
    for column in TABLES[name].columns:
        taken = {used for cell in cells.values() for _, used in cell.columns}
        named = found.naming(table, column.refers, taken) if column.refers else []
        cell = reference_cell(table, named[0]) if named else None
        if cell is None and column.refers is None:
            cell = pick(table, name, column.name, *kinds, taken={*taken, *found.references[table.label]})
        if cell is not None:
            cells[column.name] = cell
        elif column.required or column.refers in kinds:
            return None
    return Branch(table, cells)


def _credits(found: Found) -> Proposal | None:
    """The artist that a song's own row names, by key or in words."""
    song = found.entities.get("song")
    if song is None:
        return None
    named = found.naming(song.table, "artist")
    column = inline_column(found, "artist")
    if named:
        cell = reference_cell(song.table, named[0])
        used = named[0].column.name
    elif column is not None:
        cell = as_is(song.table, column, "the name stands for the artist", sure=False)
        used = column.name
    else:
        return None
    cells = {"song_id": as_is(song.table, song.key, "its key"), "artist_id": cell}
    branch = Branch(song.table, cells, where=present(song.table, used))
    return Proposal("song_artists", of(song.sure and cell.sure), f"each song names one artist in `{used}`", (branch,))


def _album_credits(found: Found) -> Proposal | None:
    """The artist of a song's album, where only albums name artists."""
    song, album = found.entities.get("song"), found.entities.get("album")
    albums = found.naming(song.table, "album") if song else []
    artists = found.naming(album.table, "artist") if album else []
    if song is None or album is None or not albums or not artists:
        return None
    artist = reference_cell(album.table, artists[0])
    artist = replace(artist, sure=False, plain=False, why=f"the artist of its album: {artist.why}")
    cells = {"song_id": as_is(song.table, song.key, "its key"), "artist_id": artist}
    branch = Branch(song.table, cells, (join_of(song.table, albums[0]),), present(album.table, artists[0].column.name))
    return Proposal("song_artists", "likely", "only albums name artists, so each song has the artist of its album", (branch,))


def tags_proposal(found: Found) -> Proposal:
    """Styles and tags: tables of their own, lists that songs refer to, and columns of songs."""
    branches = [*_tag_tables(found), *_song_lists(found), *_song_columns(found)]
    if not branches:
        return missing("song_tags", "no styles, moods or tags of songs were found")
    why = "; ".join(f"`{branch.table.label}`: {branch.cells['tag'].why}" for branch in branches)
    return Proposal("song_tags", of(all(branch.sure for branch in branches)), why, tuple(branches))


def _tag_tables(found: Found) -> Iterator[Branch]:
    """Tables that give songs a tag, in words or by reference to a list of tags."""
    for table in found.survey.tables:
        songs = found.naming(table, "song")
        if not songs or found.kind(table) is not None or found.naming(table, "user") or ACTS & set(table.concepts):
            continue
        song = {"song_id": reference_cell(table, songs[0])}
        listed = [reference for reference in found.references[table.label].values() if _tag_kind(reference.to.concepts)]
        for reference in listed:
            if (branch := _listed(table, reference, song)) is not None:
                yield branch
        taken = {songs[0].column.name, *(reference.column.name for reference in listed)}
        tag = pick(table, "song_tags", "tag", taken=taken) if not listed else None
        about = _tag_kind(table.concepts) or (_tag_kind(concepts(tag.columns[0][1])) if tag else None)
        kind = pick(table, "song_tags", "kind", taken=taken)
        if tag is not None and (about or kind is not None):
            weight = pick(table, "song_tags", "weight", taken=taken)
            cells = song | {"kind": _kind_cell(table, kind, about), "tag": tag} | ({"weight": weight} if weight else {})
            yield Branch(table, cells)


def _song_lists(found: Found) -> Iterator[Branch]:
    """Lists of styles that songs name by a key: `tracks.genre_id`."""
    song = found.entities.get("song")
    for reference in found.references[song.table.label].values() if song else ():
        about = _tag_kind(reference.to.concepts)
        if song is None or about is None or ("category" in reference.to.concepts and music_in([reference.to]) is None):
            continue
        branch = _listed(song.table, reference, {"song_id": as_is(song.table, song.key, "its key", sure=song.sure)})
        if branch is not None:
            yield branch


def _song_columns(found: Found) -> Iterator[Branch]:
    """Columns of songs that hold a style or tag in words."""
    song = found.entities.get("song")
    for column in song.table.columns.values() if song else ():
        if song is None or column.name in found.references[song.table.label] or not column.shape.listed:
            continue
        about = _tag_kind(tuple(concept for concept in column.concepts if concept != "name"))
        if about is not None and "category" not in column.concepts:
            tag = as_is(song.table, column, f"`{column.name}` of each song, like {column.shape.texts()[0]!r}")
            cells = {"song_id": as_is(song.table, song.key, "its key", sure=song.sure), "kind": _constant(about), "tag": tag}
            yield Branch(song.table, cells, where=present(song.table, column.name))


def _listed(table: FoundTable, reference: Reference, song: dict[str, Cell]) -> Branch | None:
    """Rows of `table` with the name of the tag that `reference` names."""
    about = _tag_kind(reference.to.concepts)
    tag = pick(reference.to, "song_tags", "tag", *reference.to.concepts, taken={reference.key})
    if about is None or tag is None:
        return None
    tag = replace(tag, sure=tag.sure and reference.sure and "category" not in reference.to.concepts)
    tag = replace(
        tag, why=f"named by `{reference.column.name}`: {reference.why}", columns=(*tag.columns, (table.label, reference.column.name))
    )
    join: Join = join_of(table, reference)
    return Branch(table, song | {"kind": _constant(about), "tag": tag}, (join,))


def _tag_kind(words: tuple[str, ...]) -> str | None:
    """What tags are about, where `words` (song aside) speak of one kind of them."""
    kinds = [TAG_KINDS[word] for word in words if word in TAG_KINDS]
    known = all(word in TAG_KINDS or word in ("song", "product", "id", "item") for word in words)
    return kinds[0] if kinds and known else None


def _constant(kind: str) -> Cell:
    return Cell(sa.literal(kind), f"{kind!r} for every row", True, plain=False)


def _kind_cell(table: FoundTable, kind: Cell | None, about: str | None) -> Cell:
    """The kind as the contract names it."""
    if kind is None:
        return _constant(about or "theme")
    column: FoundColumn = table.columns[kind.columns[0][1]]
    said = {value: named for value in column.shape.texts() if (named := _tag_kind(concepts(value))) and named != value}
    if not said:
        return kind
    own = table.text(column)
    expression = sa.case(said, value=own, else_=own)
    told = ", ".join(f"{value} → {named}" for value, named in said.items())
    return Cell(expression, f"{kind.why}; {told}", kind.sure, kind.columns, plain=False)


def friends_proposal(found: Found) -> Proposal:
    """A table whose two columns name users."""
    for table in found.survey.tables:
        pair = found.naming(table, "user")
        if len(pair) < 2 or found.kind(table) is not None or (ACTS | {"undo"}) & set(table.concepts):
            continue
        if found.kinds_named(table) != {"user"}:
            continue
        order = {name: place for place, name in enumerate(table.columns)}
        first, second = sorted(pair[:2], key=lambda reference: order[reference.column.name])
        named = "friend" in table.concepts or "friend" in {*first.column.concepts, *second.column.concepts}
        cells = {"user_id": reference_cell(table, first), "friend_id": reference_cell(table, second)}
        sure = named and all(cell.sure for cell in cells.values()) and len(pair) == 2
        return Proposal("friends", of(sure), "its columns name two users each", (Branch(table, cells),))
    return missing("friends", "no table joins two users")
