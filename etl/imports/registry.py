"""The public data sets by name, and the one function that brings one into a database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from etl.config_out import write_config
from etl.errors import UserError
from etl.imports.cm100k import import_cm100k
from etl.imports.film_songs import import_film_songs
from etl.imports.lastfm import import_lastfm
from etl.imports.ml1m import import_ml1m
from etl.imports.source import ImportedSource
from etl.imports.thirtymusic import import_thirtymusic
from etl.imports.xiami import import_xiami
from etl.tables_out import parse_url, write_tables

IMPORTS: Final[dict[str, Callable[[Path], ImportedSource]]] = {
    "xiami": import_xiami,
    "thirtymusic-sessions": import_thirtymusic,
    "lastfm-2k": import_lastfm,
    "film-songs": import_film_songs,
    "ml1m-sequences": import_ml1m,
    "cm100k": import_cm100k,
}
"""Name of a data set, as the command line takes it, to its reader."""


def run_import(name: str, folder: Path, url: str) -> str:
    """Read the data set `name` from `folder` into the new database at `url`, write a config, and say what was done.

    Raises:
        UserError: unknown name, a file missing or not as published, or a database that cannot be written.
    """
    if name not in IMPORTS:
        raise UserError(f"unknown data set {name!r}: kg-recall import knows {', '.join(IMPORTS)}")
    if not folder.is_dir():
        raise UserError(f"no folder {folder}: give the folder that holds the files of {name}")
    parsed = parse_url(url)
    source = IMPORTS[name](folder)
    write_tables(url, source.tables)
    counts = ", ".join(f"{frame.height:,} {table}" for table, frame in source.tables.items())
    where = parsed.render_as_string(hide_password=True)
    return "\n".join(filter(None, [f"{name}: {counts} into {where}", source.note, write_config(url, source.evaluate)]))
