"""A cascade of counting routes and a small merge over a house of a few songs and listeners."""

import numpy as np
import polars as pl
from small_house import house, random_plays

from kg_recall.cascade import Cascade, CascadeSettings
from recall.graph import GraphRoute
from recall.itemcf import ItemCfRoute
from recall.merge import LearnedMerge, MergeSettings
from recall.popular import PopularRoute
from recall.repeat import RepeatRoute
from recall.route import RecallRoute
from recall.snapshot import Snapshot

N_USERS, N_SONGS = 30, 40
SNAPSHOT = house(
    random_plays(5, 400, N_USERS, N_SONGS),
    n_users=N_USERS,
    n_songs=N_SONGS,
    albums=[song // 4 for song in range(N_SONGS)],
    artists=[song // 8 for song in range(N_SONGS)],
)
SNAPSHOT.catalogue.songs.insert_column(1, pl.Series("title", [f"song {song}" for song in range(N_SONGS)]))
SNAPSHOT.catalogue.songs.insert_column(2, pl.Series("artist", [f"artist {song // 8}" for song in range(N_SONGS)]))


def cascade(snapshot: Snapshot) -> Cascade:
    routes: dict[str, RecallRoute] = {"popular": PopularRoute(), "repeat": RepeatRoute(), "itemcf": ItemCfRoute(), "graph": GraphRoute()}
    for route in routes.values():
        route.fit(snapshot)
    built = Cascade(snapshot, routes, CascadeSettings(route_k=12, new_k=8, rank_k=5, users_per_chunk=7))
    table = built.candidates(np.arange(N_USERS, dtype=np.int32))
    built.merge = LearnedMerge(MergeSettings(trees=10, min_leaf=5, threads=1))
    built.merge.fit(table, table.item % 3 == 0, snapshot)
    return built
