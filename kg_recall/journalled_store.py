"""A graph store in which every change is noted in the journal of edits before it is made."""

from __future__ import annotations

from typing import Any

import polars as pl

from etl.errors import UserError
from graph.store import GraphStore, QueryResult
from graph.tokens import tokenize, writes
from kg_recall.edits import read_edits, write_edits
from kg_recall.graph_step import LOADED, Loaded
from kg_recall.workspace import Workspace


class JournalledStore:
    """The store of a workspace that the caller holds for writing.

    The statement is written down first: a process that ends between the two leaves a journal longer than `loaded.json` says, and
    the next run loads the store anew and replays it.
    """

    def __init__(self, store: GraphStore, workspace: Workspace) -> None:
        self._store = store
        self._workspace = workspace

    def query(self, text: str, parameters: dict[str, Any] | None = None, *, write: bool = False) -> QueryResult:
        """Answer one query; one that changes the graph is noted, unless the store refuses it.

        Raises:
            UserError: the store refuses the query; or it changes the graph and has parameters, which the journal does not keep.
        """
        if not (write and writes(tokenize(text))):
            return self._store.query(text, parameters)
        if parameters:
            raise UserError("a query that changes the graph takes no parameters: write the values into it")
        before = read_edits(self._workspace)
        write_edits(self._workspace, [*before, text])
        try:
            result = self._store.query(text, write=True)
        except UserError:
            write_edits(self._workspace, before)
            raise
        self._note_taken(len(before))
        return result

    def _note_taken(self, before: int) -> None:
        """The store now holds one edit more, provided it held all earlier ones."""
        path = self._workspace.path("graph", LOADED)
        loaded = Loaded.read(path)
        if loaded is not None and loaded.edits == before:
            Loaded(loaded.lake, loaded.settings, before + 1).write(path)

    def load(self, entities: pl.DataFrame, triples: pl.DataFrame) -> None:
        """Replace the whole content; the step graph does that, and with the bare store."""
        raise NotImplementedError("only the step graph loads the store")

    def nodes(self) -> pl.DataFrame:
        """Every node of the store."""
        return self._store.nodes()

    def edges(self) -> pl.DataFrame:
        """Every edge of the store."""
        return self._store.edges()

    def close(self) -> None:
        """Close the store."""
        self._store.close()
