"""Do capsules find the interests that a simulated listener has, and does their number depend on length with profit?

Usage: python benchmarks/capsules_interests.py --work FOLDER [--seeds 0 1 2] [--users 250] [--songs 1500] [--days 40]

For each seed a service is simulated with its truth, and each variant of the capsule route, the clusters of histories and the interest
route (one vector) are fitted on the train part. Then, as histories stand before the test part:

- adjusted Rand index, mean over users, of the songs' interests (the capsule with the largest routing weight, or the Ward cluster) against
  the planted ones. A song of a history belongs to the planted interest whose style it has; songs of no interest of the listener, and
  listeners with fewer than two interests in their history, are left out;
- recall of the test part, all songs and songs new to the listener;
- whether interests have collapsed: mean cosine of a listener's vectors, overlap of their top 100, share of listeners whose lists are
  the same.

A cell (seed, variant) is a JSON file in the work folder and is not measured twice.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from scipy.cluster.hierarchy import fcluster, linkage
from simulated_service import bring_to, simulated, with_vectors

from etl.simulation.settings import SimulationSettings
from kg_recall.context import Context
from kg_recall.evaluation.bootstrap import interval, paired_difference
from kg_recall.evaluation.metrics import Judged
from kg_recall.evaluation.split import TEST, TRAIN, VALID
from kg_recall.moments import Moments
from recall.capsules import CapsuleRoute, CapsuleSettings
from recall.clusters import ClusterRoute, ClusterSettings
from recall.interest import InterestRoute, InterestSettings
from recall.route import RecallRoute
from recall.snapshot import Snapshot

Ints = npt.NDArray[np.int64]
K: Final = 100
THREADS: Final = 1
CAPSULES: Final = CapsuleSettings(threads=THREADS)

VARIANTS: Final[dict[str, Callable[[], RecallRoute]]] = {
    "capsules": lambda: CapsuleRoute(CAPSULES),
    "fixed K": lambda: CapsuleRoute(replace(CAPSULES, dynamic_k=False)),
    "one interest": lambda: CapsuleRoute(replace(CAPSULES, max_interests=1)),
    "map of length 1": lambda: CapsuleRoute(replace(CAPSULES, map_gain=1.0)),
    "the paper's head": lambda: CapsuleRoute(replace(CAPSULES, residual=False)),
    "hard negatives": lambda: CapsuleRoute(replace(CAPSULES, hard_negatives=0.1)),
    "routing penalty": lambda: CapsuleRoute(replace(CAPSULES, routing_penalty=100.0)),
    "clusters": lambda: ClusterRoute(ClusterSettings()),
    "interest vector": lambda: InterestRoute(InterestSettings(threads=THREADS)),
}


class World:
    """One simulated service, cut for evaluation."""

    def __init__(self, folder: Path, seed: int, songs: int, users: int, days: int) -> None:
        self.folder = folder
        self._context = Context.open(simulated(folder, SimulationSettings(songs, users, days, seed), "truth.parquet"), quiet=True)
        bring_to(self._context, "etl", "graph", "embed")
        self.moments, self.seed = Moments.of(self._context), seed
        self.planted = planted_interests(folder, self.after(VALID))

    def after(self, part: int) -> Snapshot:
        """The snapshot where `part` ends, with its embeddings."""
        return replace(with_vectors(self._context, self.moments.after(part)), seed=self.seed)


def planted_interests(folder: Path, snapshot: Snapshot) -> Ints:
    """`[n_users, n_songs]` number of the user's planted interest with the song's style, -1 for none.

    Interests of one style are one interest, and those that a listener had at any time count: what is heard tells them apart no further.
    """
    catalogue = snapshot.catalogue
    users = catalogue.users.select("user_id").with_row_index("user")
    keys = catalogue.entities["key"].head(catalogue.n_songs)
    songs = pl.DataFrame({"song_id": keys.str.strip_prefix("song:"), "song": np.arange(catalogue.n_songs)})
    with closing(sqlite3.connect(folder / "music.db")) as source:
        tags = pl.read_database("SELECT song_id, tag FROM song_tags WHERE kind = 'style'", source)
    tastes = pl.read_parquet(folder / "truth.interests.parquet").select("user_id", "style").unique()
    tastes = tastes.with_columns(number=pl.col("style").rank("dense").over("user_id").cast(pl.Int64) - 1)
    pairs = tags.join(songs, on="song_id").join(tastes, left_on="tag", right_on="style").join(users, on="user_id")
    out = np.full((catalogue.n_users, catalogue.n_songs), -1, np.int64)
    out[pairs["user"].to_numpy(), pairs["song"].to_numpy()] = pairs["number"].to_numpy()
    return out


def adjusted_rand(one: Ints, two: Ints) -> float:
    """Hubert and Arabie (1985)."""
    table = np.zeros((int(one.max()) + 1, int(two.max()) + 1))
    np.add.at(table, (one, two), 1)
    both, rows, columns = ((counts * (counts - 1) / 2).sum() for counts in (table, table.sum(1), table.sum(0)))
    expected, most = rows * columns / (len(one) * (len(one) - 1) / 2), (rows + columns) / 2
    return 1.0 if most == expected else float((both - expected) / (most - expected))


def rand_of(world: World, offsets: Ints, songs: Ints, group: Ints) -> dict[int, float]:
    """Adjusted Rand index by user of the groups of histories; user `u` has `songs[offsets[u]:offsets[u + 1]]`, each song once."""
    found = {}
    for user in range(len(offsets) - 1):
        mine = slice(offsets[user], offsets[user + 1])
        truth = world.planted[user, songs[mine]]
        known = truth >= 0
        if len(np.unique(truth[known])) > 1:
            found[user] = adjusted_rand(group[mine][known], truth[known])
    return found


def of_capsules(world: World, route: CapsuleRoute, users: Ints) -> dict[str, dict[int, float]]:
    """Capsules, and as many of Ward's clusters of the same songs in the same vectors."""
    songs, count, weights = route.assignments(users)
    row, place = np.nonzero(np.arange(songs.shape[1]) < count[:, None])
    n = len(route.song_vectors)
    # Of a song heard twice the earlier place speaks.
    pair, first = np.unique(row * n + songs[row, place], return_index=True)
    offsets, heard = np.searchsorted(pair, np.arange(len(users) + 1) * n), pair % n
    group = weights[row[first], place[first]].argmax(axis=1)
    ward = np.zeros_like(group)
    for user, most in enumerate(route.interests(users).sizes.tolist()):
        mine = slice(offsets[user], offsets[user + 1])
        if len(group[mine]) > 1:
            ward[mine] = fcluster(linkage(route.song_vectors[heard[mine]].astype(np.float64), "ward"), most, "maxclust") - 1
    return {"rand": rand_of(world, offsets, heard, group), "rand_ward": rand_of(world, offsets, heard, ward)}


def of_clusters(world: World, route: ClusterRoute, users: Ints) -> dict[str, dict[int, float]]:
    """Clusters of the graph's vectors."""
    offsets, heard, cluster, _ = route.clusters(users)
    return {"rand": rand_of(world, offsets, heard, cluster)}


def recall_of(world: World, route: RecallRoute) -> dict[str, dict[int, float]]:
    """Recall of the test part by user."""
    window, before = world.moments.window(TEST), world.after(VALID)
    n = before.catalogue.n_songs
    new = ~np.isin(window.user.astype(np.int64) * n + window.item, before.plays.user.astype(np.int64) * n + before.plays.item)
    out: dict[str, dict[int, float]] = {}
    for name, keep, new_only in (("all", np.ones(len(new), bool), False), ("new", new, True)):
        found = route.recall(window.users.astype(np.int32), K, new_only=new_only)
        start = np.flatnonzero(np.diff(found.user, prepend=-1))
        rank = np.arange(len(found)) - np.repeat(start, np.diff(np.append(start, len(found)))) + 1
        judged = Judged.of(found.user, found.item, rank, window.user[keep], window.item[keep])
        for k in (20, K):
            result = judged.recall(k)
            out[f"{name}@{k}"] = dict(zip(result.user.tolist(), result.value.tolist(), strict=True))
    return out


def measure(world: World, route: RecallRoute) -> dict[str, Any]:
    """One cell."""
    started = time.process_time()
    route.fit(world.after(TRAIN))
    cell: dict[str, Any] = {"seconds": time.process_time() - started, "epochs": getattr(route, "epochs_found", 0)}
    snapshot = world.after(VALID)
    route.observe(snapshot)
    cell |= recall_of(world, route)
    users = np.arange(snapshot.catalogue.n_users)
    if isinstance(route, CapsuleRoute):
        cell |= of_capsules(world, route, users) | {"diagnostics": route.diagnose(users).summary()}
    if isinstance(route, ClusterRoute):
        cell |= of_clusters(world, route, users) | {"diagnostics": route.diagnose(users).summary()}
    return cell


def pooled(cells: list[dict[str, Any]], metric: str) -> npt.NDArray[np.float64]:
    """Users' values over all seeds, in one order."""
    return np.array([value for cell in cells for _, value in sorted(cell.get(metric, {}).items(), key=lambda pair: int(pair[0]))])


def shown(cells: list[dict[str, Any]], metric: str, base: list[dict[str, Any]] | None = None) -> str:
    """Mean with its interval, or the paired difference from `base`."""
    values = pooled(cells, metric)
    if not len(values):
        return ""
    found = interval(values, 0) if base is None else paired_difference(values, pooled(base, metric), 0)
    return f"{found.value:{'.3f' if base is None else '+.3f'}} [{found.low:.3f}, {found.high:.3f}]"


def mean_of(cells: list[dict[str, Any]], name: str) -> str:
    """Mean over seeds of a diagnostic."""
    values = [cell["diagnostics"][name] for cell in cells if name in cell.get("diagnostics", {})]
    return f"{np.mean(values):.2f}" if values else ""


def table(cells: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Quality and collapse of every variant, and the differences from the default."""
    columns = ("all@20", "all@100", "new@20", "new@100")
    lines = [
        "| variant | Rand, planted | Ward, same vectors | " + " | ".join(columns) + " | epochs, by seed | s to fit |",
        "|---|" + "---:|" * (len(columns) + 4),
    ]
    for name, found in cells.items():
        quality = " | ".join(shown(found, column) for column in columns)
        seconds = np.mean([cell["seconds"] for cell in found])
        epochs = ", ".join(str(cell["epochs"]) for cell in found)
        lines.append(f"| {name} | {shown(found, 'rand')} | {shown(found, 'rand_ward')} | {quality} | {epochs} | {seconds:.0f} |")
    lines += ["", "Differences from `capsules`, the same listeners:", "", "| variant | " + " | ".join(("Rand", *columns)) + " |"]
    lines.append("|---|" + "---:|" * (len(columns) + 1))
    base = cells["capsules"]
    for name, found in cells.items():
        if name != "capsules":
            rand = shown(found, "rand", base) if len(pooled(found, "rand")) == len(pooled(base, "rand")) else ""
            lines.append(f"| {name} | {rand} | " + " | ".join(shown(found, column, base) for column in columns) + " |")
    names = ("interests", "cosine", "overlap", "same_lists")
    lines += [
        "",
        "| variant | interests a listener | cosine of two | overlap of top 100 | share with the same lists |",
        "|---|" + "---:|" * 4,
    ]
    return lines + [f"| {name} | " + " | ".join(mean_of(found, each) for each in names) + " |" for name, found in cells.items()]


def main() -> None:
    """Measure what is missing, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--users", type=int, default=250)
    parser.add_argument("--songs", type=int, default=1_500)
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "capsules_interests.md")
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    cells: dict[str, list[dict[str, Any]]] = {name: [] for name in arguments.variants}
    for seed in arguments.seeds:
        world = World(arguments.work.resolve() / f"seed-{seed}", seed, arguments.songs, arguments.users, arguments.days)
        for name in arguments.variants:
            path = world.folder / f"{name.replace(' ', '-')}.json"
            if not path.exists():
                path.write_text(json.dumps(measure(world, VARIANTS[name]())), encoding="utf-8")
            cells[name].append(json.loads(path.read_text(encoding="utf-8")))
            print(
                seed, name, *(f"{metric} {np.mean(pooled(cells[name][-1:], metric)):.3f}" for metric in ("all@20", "new@100")), flush=True
            )
    lines = [
        "# Interests of simulated listeners",
        "",
        f"`python benchmarks/capsules_interests.py --seeds {' '.join(map(str, arguments.seeds))} --users {arguments.users}"
        f" --songs {arguments.songs} --days {arguments.days}`, preset `default`, one thread.",
        "",
        "Adjusted Rand index of each listener's history, grouped by interest, against the planted tastes; recall of the test part; means",
        "over the listeners of all seeds with 95 % bootstrap intervals over listeners. *Ward, same vectors*: Ward's clusters, as many as",
        "there are capsules, of the same songs in the song vectors that the variant learned. The clusters' own are of the graph's vectors.",
        "",
        *table(cells),
        "",
        "Training stops early by so few listeners' recall that the epochs found differ between variants by chance: they are shown because",
        "they move a row as much as its variant may. Fixed and dynamic K differ only for listeners with fewer than 16 tokens.",
    ]
    print("\n".join(lines))
    arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
