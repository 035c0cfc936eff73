"""The step graph: the lake's facts into the Cypher store, people's edits on top, the projection back out of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from etl.errors import UserError
from graph.read_back import project
from graph.store import GraphStore, open_store
from kg_recall.context import Context
from kg_recall.durable_files import write_text
from kg_recall.edits import JOURNAL, fingerprint_edits, read_edits
from kg_recall.settings import Settings

STORE, FILE, LOADED, PROJECTION = "store", "graph.lbug", "loaded.json", "projection"


@dataclass(frozen=True)
class Loaded:
    """What the store holds: kept beside it as `loaded.json`."""

    lake: str
    """Content fingerprint of the lake that it was loaded from."""
    settings: dict[str, Any]
    """`[graph]` at that time."""
    edits: int
    """How many edits of the journal it has taken."""

    @classmethod
    def read(cls, path: Path) -> Loaded | None:
        """The note at `path`, or None where there is none that can be read."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Write the note."""
        write_text(path, json.dumps(asdict(self)) + "\n")


def edits_fingerprint(context: Context) -> str:
    """What the step depends on besides settings and lake."""
    return fingerprint_edits(context.workspace)


def run(context: Context, folder: Path) -> None:
    """Bring the store to the lake and the edits, then write its projection into `folder`.

    A store that already holds both is only read: edits that were made in it stay just as they were made.
    """
    edits = read_edits(context.workspace)
    here = context.workspace.path("graph")
    wanted = Loaded(context.require("etl").content, context.settings.plain("graph"), len(edits))
    if Loaded.read(here / LOADED) == wanted and (here / STORE).is_dir():
        with _opened(context.settings, here / STORE) as store:
            _write_projection(context, store, folder)
        return
    _note_store(context.settings, folder / STORE)
    with _opened(context.settings, folder / STORE) as store:
        _load(context, store, edits)
        _write_projection(context, store, folder)
    wanted.write(folder / LOADED)


def _load(context: Context, store: GraphStore, edits: list[str]) -> None:
    lake = context.lake()
    store.load(lake.catalogue.entities, lake.triples)
    for number, edit in enumerate(edits, 1):
        try:
            store.query(edit, write=True)
        except UserError as error:
            journal = context.workspace.path(JOURNAL)
            raise UserError(f"edit {number} of {journal} no longer works: {error}; correct that line") from None


def _write_projection(context: Context, store: GraphStore, folder: Path) -> None:
    (folder / PROJECTION).mkdir()
    project(store, context.lake().catalogue).save(folder / PROJECTION)


def _note_store(settings: Settings, folder: Path) -> None:
    """The folder of the store: LadybugDB's file lies in it, for a server it names the server."""
    folder.mkdir()
    if settings.graph.store == "neo4j":
        write_text(folder / "server.json", json.dumps({"uri": settings.graph.uri, "database": settings.graph.database}) + "\n")


@contextmanager
def _opened(settings: Settings, folder: Path) -> Iterator[GraphStore]:
    graph = settings.graph
    if graph.store == "neo4j":
        store = open_store("neo4j", uri=graph.uri, user=graph.user, password=settings.neo4j_password(), database=graph.database)
    else:
        store = open_store("ladybug", path=folder / FILE)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def opened_store(context: Context) -> Iterator[GraphStore]:
    """The store of the workspace, loaded by the step graph.

    Raises:
        UserError: the step has not been run, or has loaded another store than `[graph]` names.
    """
    context.require("graph")
    loaded = Loaded.read(context.workspace.path("graph", LOADED))
    if loaded is None or loaded.settings != context.settings.plain("graph"):
        raise UserError("[graph] names another store than the one that was loaded: run `kg-recall graph` first")
    with _opened(context.settings, context.workspace.path("graph", STORE)) as store:
        yield store
