"""Learned weights as tables that a person can read, and overrule in `[recall.graph.weights]` and `[recall.graph.relations]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from graph.metapaths import MetaPath
from recall.metapath_weights import MetaPathWeights

_WEIGHTS = {
    "meta_path": pl.String,
    "means": pl.String,
    "given": pl.Float64,
    "weight": pl.Float64,
    "plays": pl.Float64,
    "share": pl.Float64,
    "by_hand": pl.Boolean,
}
_RELATIONS = {"relation": pl.String, "weight": pl.Float64, "by_hand": pl.Boolean}


def weight_table(
    meta_paths: Sequence[MetaPath], counted: Mapping[str, float], learned: MetaPathWeights, by_hand: Mapping[str, float]
) -> pl.DataFrame:
    """One row a meta-path, those that explain most first.

    Columns: `meta_path` (its hops: the key in a config), `means`, `given` (weight before learning), `weight` (what counts), `plays` (new
    songs played that it explains) and their `share` of all that were learned from, `by_hand` (the config says the weight).
    `meta_paths` come with the weights given, `counted` holds by key those that count.
    """
    plays = {path.key: path.plays for path in learned.paths}
    rows = []
    for path in meta_paths:
        mine = plays.get(path.key, 0.0)
        rows.append((path.key, path.name, path.weight, counted[path.key], mine, mine / max(learned.n_plays, 1), path.key in by_hand))
    return pl.DataFrame(rows, schema=_WEIGHTS, orient="row").sort("plays", "meta_path", descending=[True, False])


def relation_table(learned: MetaPathWeights, by_hand: Mapping[str, float]) -> pl.DataFrame:
    """One row a relation: `relation`, `weight` (what a hop over it counts, 1 before learning), `by_hand`."""
    weights = {**learned.relations, **by_hand}
    rows = [(name, weight, name in by_hand) for name, weight in sorted(weights.items())]
    return pl.DataFrame(rows, schema=_RELATIONS, orient="row")
