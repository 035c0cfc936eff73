"""The talk's claims about recall, each as one experiment: two variants of a route on the same data, and the paired difference.

    python benchmarks/recall_claims.py --claim attention --seeds 0 1 2

Every seed is a simulated service of its own. Both variants are fitted on the train part with the same seed and judged on the test part
by full ranking; the difference is taken listener by listener and its interval found by bootstrap over the listeners of all seeds.
Cells are kept in the work folder: what has been measured is not measured again. Without --claim all are run.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from simulated_service import bring_to, simulated, with_vectors

from etl.behaviours import POSITIVE
from etl.lake import Lake
from etl.simulation.settings import SimulationSettings
from kg_recall.cascade import RankedLists
from kg_recall.context import Context
from kg_recall.evaluation.bootstrap import Interval, interval
from kg_recall.evaluation.metrics import Judged
from kg_recall.evaluation.split import TRAIN, VALID
from kg_recall.moments import Moments
from kg_recall.rooms import room_class
from recall.registry import ROUTES
from recall.snapshot import Snapshot

DEPTH: Final = 100
SLICES: Final = ("all", "new", "no history")


@dataclass(frozen=True)
class Claim:
    """What the talk says, and the two variants that test it."""

    says: str
    route: str
    first: dict[str, Any]
    """Settings of the variant that the talk prefers."""
    second: dict[str, Any]
    preset: str = "default"
    with_flagged: bool = False
    """Learn from the events of robots as well: what the cap is for."""
    hidden_share: float = 0.0
    """Share of the listeners whose whole past is hidden from both variants."""
    other_route: str = ""
    """Route of the second variant, where it is another one."""
    watch: str = field(default="all")
    """Slice that the verdict rests on."""
    also_watch: tuple[str, ...] = ()
    """Further slices that get a verdict of their own."""


CLAIMS: Final = {
    "attention": Claim("self-attention pools a history better than the average", "interest", {}, {"pooling": "average"}),
    "clicks": Claim("clicks are a better history than searches", "interest", {}, {"history": "searches"}),
    "cap": Claim(
        "a cap on the examples of a user helps where robots play",
        "interest",
        {},
        {"max_examples_per_user": 1_000_000},
        preset="robots",
        with_flagged=True,
    ),
    "dynamic": Claim("as many interests as the history is long, not a fixed number", "capsules", {}, {"dynamic_k": False}),
    "profile": Claim(
        "the profile serves listeners without any history, better than what is popular",
        "interest",
        {},
        {},
        hidden_share=0.3,
        other_route="popular",
        watch="no history",
    ),
    "comments": Claim(
        "comments tell taste by what they feel, beside none at all",
        "interest",
        {"comments": "by_sentiment"},
        {},
        also_watch=("new",),
    ),
    "comments_feeling": Claim(
        "what a comment feels says more than that there is one",
        "interest",
        {"comments": "by_sentiment"},
        {"comments": "all_positive"},
        also_watch=("new",),
    ),
}


class Unflagged(Context):
    """A context that learns from the events of robots too: what the cap is for."""

    def lake(self) -> Lake:
        """The lake with no event flagged."""
        lake = super().lake()
        return replace(lake, flag=np.zeros_like(lake.flag))


def without_past(snapshot: Snapshot, share: float, seed: int) -> Snapshot:
    """The snapshot without any event of a drawn share of the listeners; of both moments they are the same ones."""
    hidden = np.random.default_rng(seed).random(snapshot.catalogue.n_users) < share
    return replace(snapshot, events=snapshot.events.take(~hidden[snapshot.events.user]))


def measure(route: str, settings: dict[str, Any], before: Snapshot, now: Snapshot, truth: Truth) -> dict[str, Any]:
    """Fit one variant and judge it: recall@20 and @100 of every listener in each slice, and the seconds of the fit."""
    kind: Any = ROUTES[route]
    fitted = kind(room_class(f"recall.{route}")(**settings))
    start = time.perf_counter()
    fitted.fit(before)
    seconds = time.perf_counter() - start
    fitted.observe(now)
    cell: dict[str, Any] = {"seconds": round(seconds, 1)}
    for part, new_only in (("all", False), ("new", True), ("no history", False)):
        user, item = truth.of(part)
        found = fitted.recall(np.unique(user).astype(np.int32), DEPTH, new_only=new_only)
        lists = RankedLists.of(found.user, found.item, found.score)
        judged = Judged.of(lists.user, lists.item, lists.rank, user, item)
        cell[part] = {str(k): judged.recall(k).value.round(6).tolist() for k in (20, DEPTH)}
    return cell


@dataclass(frozen=True)
class Truth:
    """Relevant pairs of the test part."""

    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    is_new: npt.NDArray[np.bool_]
    has_past: npt.NDArray[np.bool_]

    @classmethod
    def from_moments(cls, moments: Moments, now: Snapshot, real: npt.NDArray[np.bool_]) -> Truth:
        """Test pairs of real listeners (`real` `[n_users]`: robots are nobody to please)."""
        window = moments.window(2)
        mine = real[window.user]
        user, item = window.user[mine], window.item[mine]
        n_songs = now.catalogue.n_songs
        played = np.unique(now.plays.user.astype(np.int64) * n_songs + now.plays.item)
        liked = now.events.of(*POSITIVE).user
        past = np.isin(user, liked)
        return cls(user, item, ~np.isin(user.astype(np.int64) * n_songs + item, played), past)

    def of(self, part: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Pairs of a slice."""
        rows = {"all": self.has_past, "new": self.has_past & self.is_new, "no history": ~self.has_past}[part]
        return self.user[rows], self.item[rows]


def run_claim(name: str, claim: Claim, seeds: list[int], size: SimulationSettings, work: Path) -> None:
    """Measure what is missing of a claim."""
    for seed in seeds:
        cells = [work / "cells" / f"{name}-{side}-{seed}.json" for side in ("first", "second")]
        if all(cell.is_file() for cell in cells):
            continue
        config = simulated(work / f"{claim.preset}-{seed}", replace(size, preset=claim.preset, seed=seed))
        context = (Unflagged if claim.with_flagged else Context).open(config, quiet=True)
        bring_to(context, "etl", "graph", "embed")
        moments = Moments.of(context)
        parts = (with_vectors(context, moments.after(part)) for part in (TRAIN, VALID))
        before, now = (without_past(part, claim.hidden_share, seed) for part in parts)
        robots = context.lake().robots
        real = np.ones(now.catalogue.n_users, dtype=bool)
        if claim.with_flagged and robots.height:
            real[robots["user"].to_numpy()] = False
        truth = Truth.from_moments(moments, now, real)
        variants = ((claim.route, claim.first), (claim.other_route or claim.route, claim.second))
        for cell, (route, settings) in zip(cells, variants, strict=True):
            if not cell.is_file():
                cell.parent.mkdir(parents=True, exist_ok=True)
                cell.write_text(json.dumps(measure(route, settings, before, now, truth)))


def differences(name: str, seeds: list[int], part: str, k: int, work: Path) -> tuple[float, float, Interval]:
    """Means of both variants and the paired difference, listeners of all seeds together."""
    sides = []
    for side in ("first", "second"):
        cells = [json.loads((work / "cells" / f"{name}-{side}-{seed}.json").read_text()) for seed in seeds]
        sides.append(np.concatenate([np.array(cell[part][str(k)], dtype=np.float64) for cell in cells]))
    first, second = sides
    return float(first.mean()) if len(first) else np.nan, float(second.mean()) if len(second) else np.nan, interval(first - second, seed=0)


def verdict(found: Interval) -> str:
    """Held where the whole interval is above 0, the contrary where it is below."""
    return "held" if found.low > 0 else "the contrary" if found.high < 0 else "not shown"


def table(names: list[str], seeds: list[int], size: SimulationSettings, work: Path) -> str:
    """The results as a page."""
    lines = [
        "# The talk's claims about recall",
        "",
        f"`python benchmarks/recall_claims.py --seeds {' '.join(map(str, seeds))}`: simulated services of {size.n_songs:,} songs,",
        f"{size.n_users:,} listeners and {size.n_days} days. Difference of recall, the talk's variant minus the other, paired by listener,",
        "95 % bootstrap interval over the listeners of all seeds. A claim is held where the interval of its slice at 100 is above 0.",
        "",
        "| claim | preset | slice | K | the talk's | the other | difference | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        claim = CLAIMS[name]
        for part in SLICES:
            for k in (20, DEPTH):
                first, second, found = differences(name, seeds, part, k, work)
                if np.isfinite(found.value):
                    judged = f"**{verdict(found)}**" if part in (claim.watch, *claim.also_watch) and k == DEPTH else ""
                    span = f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
                    lines.append(f"| {claim.says} | {claim.preset} | {part} | {k} | {first:.4f} | {second:.4f} | {span} | {judged} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the claims and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--claim", choices=list(CLAIMS), nargs="+", default=list(CLAIMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--songs", type=int, default=2_000)
    parser.add_argument("--users", type=int, default=800)
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--work", type=Path, default=Path("recall-claims"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "recall_claims.md")
    given = parser.parse_args()
    size = SimulationSettings(n_songs=given.songs, n_users=given.users, n_days=given.days)
    for name in given.claim:
        run_claim(name, CLAIMS[name], given.seeds, size, given.work)
    page = table(given.claim, given.seeds, size, given.work)
    given.out.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
