"""What re-ranking costs and gives: the order of recall alone, with the ranker, and with each declared constraint, on simulated services.

    python benchmarks/rerank_price.py --seeds 0 1 2 --work rerank-price

The cascade of the train and validation parts lists songs at the moment where the test part begins. Judged are the first ten places: NDCG
against what was liked in the test part, and what the listeners truly want then, from the simulation itself: the mean over the places of
the log odds of liking, and of the place wanted most, both over the interest that the listener may have in mind. Differences are paired
by listener, intervals are bootstraps over the listeners of all seeds. A cell is one order of one service; what has been measured is not
measured again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from rerank_price_page import page, plot
from simulated_service import bring_to, simulated
from true_wants import TrueWants

from etl.simulation.settings import SimulationSettings
from kg_recall.cascade import Cascade, RankedLists
from kg_recall.context import Context
from kg_recall.evaluation.metrics import Judged
from kg_recall.evaluation.split import TEST, VALID
from kg_recall.listening import is_played
from kg_recall.moments import Moments, Window
from kg_recall.reranking import Reranking
from kg_recall.training import load
from ranking.rerank.kept import allowed, distinct_groups, first_places, intra_list_distance, kept, style_divergence
from ranking.rerank.reranker import Reranker
from ranking.rerank.settings import Constraints, RerankSettings
from recall.reciprocal_rank import reciprocal_rank

PLACES: Final = 10
STAGES: Final = ("reciprocal rank", "merge", "ranker")
BASE: Final[dict[str, Any]] = {"places": PLACES, "pool": 100, "tail_quantile": 0.5}
"""The tail is the less played half of the catalogue."""
VARIANTS: Final[dict[str, dict[str, Any]]] = {
    **{f"max_per_artist = {n}": {"max_per_artist": n} for n in (3, 2, 1)},
    **{f"max_per_album = {n}": {"max_per_album": n} for n in (2, 1)},
    "max_per_artist = 1, window = 3": {"max_per_artist": 1, "window": 3},
    **{f"tail_share = {share}": {"tail_share": share} for share in (0.1, 0.2, 0.4)},
    **{f"repeats_at_most = {share}": {"repeats_at_most": share} for share in (0.5, 0.2)},
    "repeats_at_least = 0.8": {"repeats_at_least": 0.8},
    "repeats = 0.5": {"repeats_at_least": 0.5, "repeats_at_most": 0.5},
    **{f"explore = {n}": {"explore": n} for n in (1, 2)},
    **{f"calibration = {weight}": {"calibration": weight} for weight in (0.1, 0.3, 0.5, 0.8)},
    **{f"diversity = {weight}": {"diversity": weight} for weight in (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)},
    "together": {
        "max_per_artist": 2, "tail_share": 0.1, "repeats_at_most": 0.8, "explore": 1, "calibration": 0.2, "diversity": 0.1,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Service:
    """One service where its test part begins: what may be listed, in three orders, and what is true."""

    cascade: Cascade
    window: Window
    wants: TrueWants
    orders: dict[str, RankedLists]
    """All candidates of the judged listeners by each of `STAGES`."""
    look: Reranker
    """Knows of songs and tastes what metrics ask for."""

    @classmethod
    def of(cls, folder: Path, size: SimulationSettings) -> Service:
        """Simulate, train what is missing, and collect the candidates of every listener with a liked song in the test part."""
        context = Context.open(simulated(folder, size), quiet=True)
        bring_to(context, "etl", "graph", "embed", "train")
        moments = Moments.of(context)
        cascade = load(context, context.workspace.path("models", "evaluated"), moments, VALID)
        window = moments.window(TEST)
        wants = TrueWants.at(size, cascade.snapshot.catalogue, cascade.snapshot.now)
        parts = [_orders(cascade, users) for users in cascade.chunks(np.unique(window.user))]
        joined = {name: _joined([part[name] for part in parts]) for name in STAGES}
        asked = Constraints(**BASE, diversity=0.5, calibration=0.5)
        vectors = Reranking(cascade, RerankSettings(**BASE, diversity=0.5)).reranker
        return cls(cascade, window, wants, joined, vectors(asked))


def _orders(cascade: Cascade, users: npt.NDArray[np.int32]) -> dict[str, RankedLists]:
    table = cascade.candidates(users)
    merged = cascade.merged(table)
    scores = dict(zip(STAGES, (reciprocal_rank(table), merged, cascade.ranked(table, merged)), strict=True))
    lists = {name: RankedLists.of(table.user, table.item, score) for name, score in scores.items()}
    return {name: each.take(~cascade.later_versions(each)) for name, each in lists.items()}


def _joined(parts: list[RankedLists]) -> RankedLists:
    return RankedLists(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("user", "item", "score", "rank")))


def measure(service: Service, name: str) -> dict[str, Any]:
    """Metrics of every listener under one order, and what was asked and kept."""
    constraints = Constraints(**BASE, **VARIANTS.get(name, {}))
    reranking = Reranking(service.cascade, RerankSettings(**BASE, **VARIANTS.get(name, {})))
    lists = service.orders.get(name) or reranking.of(service.orders["ranker"], "daily")
    columns = reranking.columns(lists)
    found = kept(columns, service.look.songs, constraints)
    return {
        "users": columns.user[columns.first[:-1]].tolist(),
        "metrics": {metric: values.round(5).tolist() for metric, values in _metrics(service, lists).items()},
        "kept": {one.name: [one.holds.tolist(), allowed(columns, service.look.songs, constraints, one.name).tolist()] for one in found},
    }


def _metrics(service: Service, lists: RankedLists) -> dict[str, npt.NDArray[np.float64]]:
    """`[n_users]` each, listeners ascending."""
    songs, snapshot = service.look.songs, service.cascade.snapshot
    judged = Judged.of(lists.user, lists.item, lists.rank, service.window.user, service.window.item)
    new = ~is_played(snapshot, service.window.user, service.window.item)
    of_new = Judged.of(lists.user, lists.item, lists.rank, service.window.user[new], service.window.item[new])
    columns = Reranking(service.cascade).columns(lists)
    top = first_places(columns, PLACES)
    users, first = top.user[top.first[:-1]], top.first
    wanted, chances = service.wants.of(top.user, top.item), service.wants.chances(users)
    most, mean = (reduce(wanted, first[:-1], axis=0) for reduce in (np.maximum.reduceat, np.add.reduceat))
    size = np.diff(first)
    found_new = np.full(len(users), np.nan)
    found_new[np.searchsorted(users, of_new.user)] = of_new.ndcg(PLACES).value
    return {
        "ndcg": judged.ndcg(PLACES).value,
        "ndcg of new": found_new,
        "want": (chances * mean).sum(axis=1) / size,
        "most wanted": (chances * most).sum(axis=1),
        "distance": intra_list_distance(top, songs),
        "artists": distinct_groups(top, songs.artists),
        "styles": distinct_groups(top, songs.styles),
        "style divergence": style_divergence(top, songs, service.look.tastes(users)),
        "tail": np.add.reduceat(songs.is_tail[top.item].astype(np.float64), first[:-1]) / size,
        "repeats": np.add.reduceat(top.played.astype(np.float64), first[:-1]) / size,
    }


def main() -> None:
    """Measure what is missing, write the page and the plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["default", "kg-strong"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--songs", type=int, default=2_000)
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--work", type=Path, default=Path("rerank-price"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "rerank_price.md")
    given = parser.parse_args()
    torch.set_num_threads(1)
    size = SimulationSettings(n_songs=given.songs, n_users=given.users, n_days=given.days)

    @lru_cache(maxsize=1)
    def service_of(preset: str, seed: int) -> Service:
        return Service.of(given.work / f"{preset}-{seed}", replace(size, preset=preset, seed=seed))

    cells = given.work / "cells"
    cells.mkdir(parents=True, exist_ok=True)
    names = [*STAGES, *VARIANTS]
    for preset in given.presets:
        for seed in given.seeds:
            for name in names:
                file = cells / f"{preset}-{seed}-{name}.json"
                if not file.is_file():
                    cell = measure(service_of(preset, seed), name)
                    file.write_text(json.dumps(cell), encoding="utf-8")
                    print(
                        file.stem,
                        f"ndcg {np.mean(cell['metrics']['ndcg']):.4f}",
                        f"want {np.mean(cell['metrics']['want']):.3f}",
                        flush=True,
                    )
    text = page(cells, given.presets, given.seeds, STAGES, tuple(VARIANTS), size)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(text, encoding="utf-8")
    for preset in given.presets:
        plot(cells, preset, given.seeds, tuple(VARIANTS), given.out.parent / "figures" / f"rerank-price-{preset}.png")
    print(text)


if __name__ == "__main__":
    main()
