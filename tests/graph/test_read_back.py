from typing import Any

import numpy as np
import polars as pl
import pytest
from known_graph import CATALOGUE, ENTITIES, FACTS

from etl.errors import UserError
from graph.projection import ALWAYS
from graph.read_back import project
from graph.store import EDGE_SCHEMA, QueryResult


class Fixed:
    """A store that holds two tables."""

    def __init__(self, nodes: list[tuple[str, str | None]], edges: list[tuple[Any, ...]]) -> None:
        self._nodes = pl.DataFrame(nodes, schema={"key": pl.String, "name": pl.String}, orient="row")
        self._edges = pl.DataFrame(edges, schema=EDGE_SCHEMA, orient="row")

    def load(self, entities: pl.DataFrame, triples: pl.DataFrame) -> None:
        raise NotImplementedError

    def query(self, text: str, parameters: dict[str, Any] | None = None, *, write: bool = False) -> QueryResult:
        raise NotImplementedError

    def nodes(self) -> pl.DataFrame:
        return self._nodes

    def edges(self) -> pl.DataFrame:
        return self._edges

    def close(self) -> None: ...


NODES: list[tuple[str, str | None]] = list(ENTITIES.select("key", "name").iter_rows())
EDGES = list(FACTS.select("head", "relation", "tail", "valid_from", "confidence").iter_rows())


def test_ids_are_the_lakes_then_the_stores_own_by_key() -> None:
    projection = project(Fixed([("zz:1", None), ("aa:1", "A"), *NODES], EDGES), CATALOGUE)
    assert projection.keys[: ENTITIES.height].tolist() == ENTITIES["key"].to_list()
    assert projection.keys[ENTITIES.height :].tolist() == ["aa:1", "zz:1"]
    assert projection.names[ENTITIES.height :].tolist() == ["A", "zz:1"]
    assert projection.n_songs == 3


def test_values_that_are_not_set() -> None:
    projection = project(Fixed(NODES, [("song:1", "A", "song:2", None, None)]), CATALOGUE)
    assert projection.facts.valid_from.tolist() == [ALWAYS]
    assert projection.facts.confidence.tolist() == [1.0]


def test_a_corrected_name_counts_and_a_deleted_node_keeps_its_id() -> None:
    nodes: list[tuple[str, str | None]] = [("song:1", "New"), ("song:2", None)]
    projection = project(Fixed(nodes, []), CATALOGUE)
    assert projection.n_nodes == ENTITIES.height
    assert projection.names[:3].tolist() == ["New", "type(r) of love", "It's [*1..2] // not a comment"]


def test_confidence_zero_withdraws_a_fact() -> None:
    projection = project(Fixed(NODES, [*EDGES, ("song:1", "GONE", "song:2", None, 0.0)]), CATALOGUE)
    assert "GONE" not in projection.relations
    assert len(projection.facts.head) == len(EDGES)


@pytest.mark.parametrize("confidence", [-0.5, 1.5, np.nan])
def test_other_confidences_are_a_mistake(confidence: float) -> None:
    with pytest.raises(UserError, match=r"song:1 A song:2 .* between 0 and 1"):
        project(Fixed(NODES, [("song:1", "A", "song:2", None, confidence)]), CATALOGUE)


def test_two_nodes_with_one_key_are_a_mistake() -> None:
    with pytest.raises(UserError, match="two nodes with the key song:1"):
        project(Fixed([*NODES, ("song:1", "again")], EDGES), CATALOGUE)
