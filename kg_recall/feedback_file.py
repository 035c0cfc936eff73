"""`--feedback FILE`: what a listener did in a session so far, in order, as JSON lines or CSV.

    {"song_id": "s000123", "behaviour": "skip"}
    {"song_id": "s000007", "behaviour": "red_heart", "ts": "2025-03-01T08:00:00Z"}
    {"artist_id": "a000004", "behaviour": "block_artist"}

or, with a header, `song_id,behaviour,ts` and `s000123,skip,`. The names are those of the source contract: `song_id` (`item_id` is the
same), `behaviour`, and, as one likes, `ts`. `block_artist` takes a song, whose artists it then blocks, or an `artist_id`. Whether a
`play` was a skip is for the player to say: `play` alone says that the song was heard.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from etl.behaviours import NAMES, Behaviour
from etl.errors import UserError
from etl.timestamps import unix_seconds

FIELDS: Final = ("song_id", "artist_id", "behaviour", "ts")
SONG: Final = ("song_id", "item_id")
"""Names of the song's column; the second is what the table `events` calls it."""
OTHER_NAMES: Final = {"heart": "collect", "red_heart": "collect", "like": "collect"}
"""What players call a behaviour of the source contract."""
EXAMPLE: Final = 'write lines like {"song_id": "12", "behaviour": "skip"}, or CSV with the header song_id,behaviour'


@dataclass(frozen=True)
class Feedback:
    """One act."""

    where: str
    """The file and line."""
    behaviour: Behaviour
    song_id: str | None = None
    artist_id: str | None = None
    """Of an act on an artist, which names no song."""


def read_feedback(path: Path) -> list[Feedback]:
    """The acts of a file in their order; none where the session has only begun.

    Raises:
        UserError: it cannot be read, or a line is no act; the first such line is named.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or error
        raise UserError(f"cannot read the feedback file {path}: {why}; name a file of acts") from None
    is_json = text.lstrip().startswith(("{", "["))
    acts, latest = [], None
    for where, row in _json_rows(path, text) if is_json else _csv_rows(path, text):
        acts.append(_act(where, row))
        latest = _not_before(where, row.get("ts"), latest)
    return acts


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{path}, line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{where}: no JSON ({error}): {EXAMPLE}") from None
        if not isinstance(row, dict):
            raise UserError(f"{where}: no JSON object: {EXAMPLE}")
        yield where, row


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    lines = csv.reader(text.splitlines(), skipinitialspace=True)
    header: list[str] | None = None
    for cells in lines:
        where = f"{path}, line {lines.line_num}"
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = _header(where, [cell.strip() for cell in cells])
        elif len(cells) != len(header):
            raise UserError(f"{where}: {len(cells)} values for the {len(header)} columns {','.join(header)}: give one for each")
        else:
            yield where, {name: cell.strip() for name, cell in zip(header, cells, strict=True) if cell.strip()}


def _header(where: str, names: list[str]) -> list[str]:
    if "behaviour" not in names or len(set(names)) < len(names):
        raise UserError(f"{where}: {','.join(names)} is no header of acts: {EXAMPLE}")
    return names


def _act(where: str, row: dict[str, Any]) -> Feedback:
    unknown = sorted(set(row) - {*FIELDS, *SONG})
    if unknown:
        raise UserError(f"{where}: unknown field {unknown[0]!r}: an act has {', '.join(FIELDS)}")
    said = row.get("behaviour")
    if not isinstance(said, str) or not said:
        raise UserError(f"{where}: no behaviour: say what was done, as skip, full_play or collect")
    try:
        behaviour = behaviour_named(said)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    song, artist = _id(where, row, *SONG), _id(where, row, "artist_id")
    if artist is not None and (song is not None or behaviour != Behaviour.BLOCK_ARTIST):
        raise UserError(f"{where}: artist_id goes with block_artist alone: name the song of any other act by song_id")
    if behaviour == Behaviour.BLOCK_ARTIST and "item_id" in row:
        raise UserError(f"{where}: item_id may be a song or an artist: name the artist by artist_id, or a song of hers by song_id")
    if song is None and artist is None:
        raise UserError(f"{where}: no song: name it by song_id")
    return Feedback(where, behaviour, song, artist)


def _id(where: str, row: dict[str, Any], *names: str) -> str | None:
    """The id under one of `names`, as text."""
    found = [row[name] for name in names if row.get(name) not in (None, "")]
    if len(found) > 1:
        raise UserError(f"{where}: both {' and '.join(names)}: give one of them")
    if found and (isinstance(found[0], bool) or not isinstance(found[0], str | int)):
        raise UserError(f"{where}: {names[0]} = {found[0]!r} is no id: give a text or an integer")
    return str(found[0]) if found else None


def _not_before(where: str, ts: Any, latest: int | None) -> int | None:
    """The moment of the latest act that has one."""
    if ts in (None, ""):
        return latest
    seconds = unix_seconds(pl.Series([ts], strict=False))[0] if isinstance(ts, str | int | float) and not isinstance(ts, bool) else None
    if seconds is None:
        raise UserError(f"{where}: ts = {ts!r} is no time: write Unix seconds or 2025-03-01T08:00:00Z, or leave it out")
    if latest is not None and seconds < latest:
        raise UserError(f"{where}: ts is earlier than that of an act above it: put the acts in the order in which they happened")
    return int(seconds)


def behaviour_named(name: str) -> Behaviour:
    """The behaviour of the source contract that a player calls so.

    Raises:
        UserError: there is none.
    """
    plain = OTHER_NAMES.get(name.strip().lower(), name.strip().lower())
    if plain not in NAMES:
        raise UserError(f"unknown behaviour {name!r}: it is one of {', '.join(NAMES)}, heart or red_heart")
    return Behaviour(NAMES.index(plain))
