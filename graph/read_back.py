"""From the store back to the in-memory projection, so that what curators changed in Cypher counts."""

from __future__ import annotations

import numpy as np
import polars as pl

from etl.catalogue import Catalogue
from etl.errors import UserError
from etl.facets import ALWAYS
from graph.projection import Projection
from graph.store import GraphStore


def project(store: GraphStore, catalogue: Catalogue) -> Projection:
    """The projection of the store's content.

    Node ids are the catalogue's entity ids, then the nodes that only the store has, sorted by key. A name is the store's where it
    has one, then the catalogue's, then the key. A fact without `confidence` counts 1, without `valid_from` always; one with
    confidence 0 is withdrawn.

    Raises:
        UserError: two nodes share a key, or a confidence is not between 0 and 1.
    """
    nodes, edges = store.nodes(), store.edges()
    _check(nodes, edges)
    table = _node_table(catalogue, nodes)
    facts = edges.filter(pl.col("confidence").fill_null(1.0) > 0)
    relations = facts["relation"].unique().sort()
    codes = facts["relation"].replace_strict(relations, pl.Series(range(len(relations)), dtype=pl.Int16), return_dtype=pl.Int16)
    return Projection.build(
        table["key"].to_numpy().astype(object),
        table["name"].to_numpy().astype(object),
        catalogue.n_songs,
        _ids(facts["head"], table),
        codes.to_numpy(),
        _ids(facts["tail"], table),
        facts["valid_from"].fill_null(ALWAYS).to_numpy(),
        facts["confidence"].fill_null(1.0).cast(pl.Float32).to_numpy(),
        relations=relations.to_list(),
    )


def _check(nodes: pl.DataFrame, edges: pl.DataFrame) -> None:
    twice = nodes.filter(pl.col("key").is_duplicated())
    if twice.height:
        raise UserError(f"the graph has two nodes with the key {twice['key'][0]}: delete one of them with `kg-recall cypher --write`")
    wrong = edges.filter((pl.col("confidence") < 0) | (pl.col("confidence") > 1) | pl.col("confidence").is_nan())
    if wrong.height:
        head, relation, tail, _, confidence = wrong.row(0)
        raise UserError(
            f"the fact {head} {relation} {tail} has the confidence {confidence}: set it between 0 and 1 with `kg-recall cypher --write`"
        )


def _node_table(catalogue: Catalogue, nodes: pl.DataFrame) -> pl.DataFrame:
    """`key, name` of every node in the order of node ids."""
    known = catalogue.entities.select("key", pl.col("name").alias("catalogue_name"))
    of_lake = known.join(nodes, on="key", how="left", maintain_order="left")
    only_here = nodes.join(known, on="key", how="anti").sort("key").with_columns(catalogue_name=pl.lit(None, pl.String))
    name = pl.coalesce("name", "catalogue_name", "key").alias("name")
    return pl.concat([of_lake, only_here.select(of_lake.columns)]).select("key", name)


def _ids(keys: pl.Series, table: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    ids = pl.DataFrame({"key": table["key"]}).with_row_index("id")
    joined = pl.DataFrame({"key": keys}).join(ids, on="key", how="left", maintain_order="left")
    return joined["id"].cast(pl.Int32).to_numpy()
