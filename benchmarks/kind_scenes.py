"""Scenes of items made of songs: playlists, MVs and Mlogs by their songs, by what is done with them, and by both.

    python benchmarks/kind_scenes.py --seeds 0 1 2 --work kind-scenes

Every seed is a simulated service of its own, whose cascade stands where the validation part ends. Relevant are the items of a kind that a
listener takes up in the test part (clicks, plays, collects). Lists leave nothing out but what the listener has refused, so what was
taken up before may be taken up again. Of MVs and Mlogs the service shows pages drawn at random: AUC within a listener of what was taken up
over what was shown and left is free of what an older ranking chose to show. Cells (a seed, a kind) are kept in the work folder: what has
been measured is not measured again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from simulated_service import bring_to, simulated

from etl.behaviours import Behaviour
from etl.simulation.settings import SimulationSettings
from kg_recall.cascade import Cascade, RankedLists
from kg_recall.context import Context
from kg_recall.evaluation.bootstrap import interval, paired_difference
from kg_recall.evaluation.metrics import Judged, auc_per_user
from kg_recall.evaluation.split import TEST, VALID
from kg_recall.kinds import KindLists
from kg_recall.moments import Moments
from kg_recall.training import load
from recall.kind_settings import KindSettings
from recall.made_of_songs import KINDS, TAKEN_UP

DEPTH: Final = 20
VARIANTS: Final = {
    "graph route alone": None,
    "songs alone": KindSettings(graph=0.0, neighbours=0.0, popular=0.0),
    "own clicks alone": KindSettings(songs=0.0, graph=0.0),
    "how many clicked": KindSettings(songs=0.0, graph=0.0, neighbours=0.0),
    "songs and clicks": KindSettings(graph=0.0),
    "songs, clicks and graph": KindSettings(),
}
"""What orders the items; None: `GraphRoute.recall_kind`, evidence over chains of facts, which is all that ordered them before."""
AGAINST: Final = "songs, clicks and graph"
ROUTES_OFF: Final = "\n[routes]\ninterest = false\nials = false\nlifted = false\n\n[embed]\nepochs = 3\n"
"""Only what counts: whether songs or clicks lead does not rest on the last route, and a cell takes minutes."""
Pairs = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]


def service(folder: Path, size: SimulationSettings) -> Context:
    """A simulated service, trained on its first part."""
    fresh = not (folder / "kg-recall.toml").is_file()
    config = simulated(folder, size)
    if fresh:
        text = config.read_text(encoding="utf-8").replace("test_share = 0.1", "test_share = 0.2")
        config.write_text(text + ROUTES_OFF, encoding="utf-8")
    context = Context.open(config, quiet=True)
    bring_to(context, "etl", "graph", "embed", "train")
    return context


def met(moments: Moments, item: npt.NDArray[np.int32], *behaviours: Behaviour) -> Pairs:
    """Users and items that met by one of `behaviours` in the test part."""
    events = moments.events.take(moments.split.part == TEST).of(*behaviours)
    events = events.take(np.isin(events.item, item))
    return events.user, events.item


def lists_of(cascade: Cascade, kind: str, settings: KindSettings | None, users: npt.NDArray[np.int32], n_items: int) -> RankedLists:
    """All items in order for each user."""
    if settings is None:
        found: Any = cascade.routes["graph"]
        best = found.recall_kind(users, n_items, kind)
        return RankedLists.of(best.user, best.item, best.score)
    scenes = cascade.snapshot.scenes
    made = KindLists(cascade.snapshot, KINDS[kind], settings)
    return made.of(cascade, users, n_items, scenes.index(kind) if kind in scenes else -1).lists


def auc_of_shown(lists: RankedLists, shown: Pairs, taken: Pairs) -> dict[str, list[float]]:
    """AUC within each listener of what was shown by its place in the list, and the number of examples behind it."""
    codes = [np.unique(user.astype(np.int64) << 32 | item) for user, item in (shown, taken)]
    listed = lists.user.astype(np.int64) << 32 | lists.item
    order = np.argsort(listed)
    place = np.minimum(np.searchsorted(listed[order], codes[0]), max(len(listed) - 1, 0))
    rank = np.where(listed[order][place] == codes[0], lists.rank[order][place], lists.rank.max(initial=0) + 1)
    label = np.isin(codes[0], codes[1]).astype(np.float64)
    of_user = auc_per_user(codes[0] >> 32, label, -rank.astype(np.float64))
    return {"auc": of_user.value.tolist(), "weight": of_user.weight.tolist()}


def measure(moments: Moments, cascade: Cascade, kind: str) -> dict[str, Any]:
    """Recall and NDCG of every listener who takes up an item of the kind, for each variant."""
    item = KindLists(cascade.snapshot, KINDS[kind]).tastes.makeup.item
    user, relevant = met(moments, item, *TAKEN_UP)
    shown = met(moments, item, Behaviour.EXPOSURE)
    cell: dict[str, Any] = {"items": len(item), "variants": {}}
    asked = np.union1d(user, shown[0]).astype(np.int32)
    for name, settings in VARIANTS.items():
        lists = lists_of(cascade, kind, settings, asked, len(item))
        judged = Judged.of(lists.user, lists.item, lists.rank, user, relevant)
        of_shown = auc_of_shown(lists, shown, (user, relevant))
        cell["variants"][name] = {"recall": judged.recall(DEPTH).value.tolist(), "ndcg": judged.ndcg(10).value.tolist(), **of_shown}
    return cell


def run(seeds: list[int], size: SimulationSettings, work: Path) -> None:
    """Measure the cells that are missing."""
    for seed in seeds:
        missing = [kind for kind in KINDS if not (work / f"{kind}-{seed}.json").is_file()]
        if not missing:
            continue
        context = service(work / f"service-{seed}", replace(size, seed=seed))
        moments = Moments.of(context)
        cascade = load(context, context.workspace.path("models", "evaluated"), moments, VALID)
        for kind in missing:
            (work / f"{kind}-{seed}.json").write_text(json.dumps(measure(moments, cascade, kind)), encoding="utf-8")


def rows(seeds: list[int], work: Path) -> list[str]:
    """A line for each kind and variant, listeners of all seeds together."""
    lines = []
    for kind in KINDS:
        cells = [json.loads((work / f"{kind}-{seed}.json").read_text(encoding="utf-8")) for seed in seeds]

        def values(name: str, metric: str, cells: list[dict[str, Any]] = cells) -> npt.NDArray[np.float64]:
            return np.concatenate([np.array(cell["variants"][name][metric], dtype=np.float64) for cell in cells])

        items, n = "/".join(str(cell["items"]) for cell in cells), len(values(AGAINST, "recall"))
        weight = values(AGAINST, "weight")
        for name in VARIANTS:
            found = [interval(values(name, "recall"), seed=0), interval(values(name, "ndcg"), seed=0)]
            found.append(interval(values(name, "auc"), seed=0, weight=weight))
            if name != AGAINST:
                found.append(paired_difference(values(AGAINST, "ndcg"), values(name, "ndcg"), seed=0))
                found.append(paired_difference(values(AGAINST, "auc"), values(name, "auc"), seed=0, weight=weight))
            shown = [f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" if np.isfinite(one.value) else "" for one in found]
            lines.append(f"| {kind} | {items} | {n} | {name} | {' | '.join(shown)} |" + " | |" * (name == AGAINST))
    return lines


def page(seeds: list[int], size: SimulationSettings, work: Path) -> str:
    """The results as a page."""
    command = f"--seeds {' '.join(map(str, seeds))} --songs {size.n_songs} --users {size.n_users} --days {size.n_days}"
    return "\n".join(
        [
            "# Playlists, MVs and Mlogs: by their songs, by their own clicks, by both",
            "",
            f"`python benchmarks/kind_scenes.py {command}`: simulated services (default preset),",
            "the last fifth of the events is the test part. Relevant is what a listener takes up in it. *AUC of shown*: MVs and Mlogs",
            "that a page drawn at random showed, taken up over left, within a listener. 95 % bootstrap intervals over the listeners of all",
            "seeds; differences are paired by listener: the last variant minus the row's.",
            "The cascade is a light one: routes interest, ials and lifted are off, embeddings are trained for 3 epochs. The weights of",
            "`[recommend.kinds]` were chosen on seed 9, which is not among these.",
            "",
            f"| kind | items | listeners | ordered by | recall@{DEPTH} | NDCG@10 | AUC of shown | last − it, NDCG@10 | last − it, AUC |",
            "|---|---|---|---|---|---|---|---|---|",
            *rows(seeds, work),
            "",
        ]
    )


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--songs", type=int, default=2_400)
    parser.add_argument("--users", type=int, default=600)
    parser.add_argument("--days", type=int, default=45)
    parser.add_argument("--work", type=Path, default=Path("kind-scenes"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "kind_scenes.md")
    given = parser.parse_args()
    size = SimulationSettings(n_songs=given.songs, n_users=given.users, n_days=given.days)
    given.work.mkdir(parents=True, exist_ok=True)
    run(given.seeds, size, given.work)
    text = page(given.seeds, size, given.work)
    given.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
