"""How long a history is worth it: 20 to 500 songs for DIN, DIEN and plain GRUs, and the remedy, a search in the whole history (SIM).

A service is simulated over a long period (or an import's plays are taken, `--source`). Each cell (model, length, seed of the network) is
fitted on the examples before validation, stopped on validation, and judged on the test part: AUC, gAUC with its interval over listeners,
log loss, examples per second of training, and for the recurrent ones how much an old song still moves the score (norm of the gradient
of the logit with respect to a song's vector, by its age in plays, over that of the latest ten). SIM has 20 recent songs and searches
for the rest of the length. Only listeners whose history holds `--at-least` full plays when the test part begins are judged.

A cell is a JSON file in the work folder and is not measured twice.

Usage: python benchmarks/history_length.py --work FOLDER [--users 200] [--days 400] [--songs 3000] [--lengths 20 50 100 200 500]
       [--seeds 0 1 2] [--models din dien gru sim] [--latest 150000] | --source MUSIC.DB
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import plain_features
import torch
from play_examples import PlayExamples, PlayService, house_examples
from simulated_service import bring_to, simulated

from etl.simulation.settings import SimulationSettings
from kg_recall.context import Context
from kg_recall.evaluation.bootstrap import interval, paired_difference
from kg_recall.evaluation.split import TEST, VALID
from kg_recall.moments import Moments
from ranking.auc import auc, group_auc, log_loss
from ranking.deep_ranker import DeepRanker
from ranking.dien import Dien
from ranking.dien_inputs import live_plays
from ranking.dien_network import DienBatch, DienNetwork, DienSettings
from ranking.din import Din
from ranking.din_network import DinSettings
from ranking.examples import exposure_examples
from ranking.ranker import Examples
from ranking.sim import Sim, SimSettings
from recall.snapshot import Snapshot

RESULT: Final = Path(__file__).parent / "results" / "history_length.md"
AGES: Final = (0, 10, 20, 50, 100, 200, 500)
"""Bounds of ages, in plays, whose songs' gradients are averaged."""
TITLES: Final = {"din": "DIN", "dien": "DIEN (AUGRU)", "gru": "two GRUs", "sim": "SIM (20 recent, the rest found)"}
Cell = dict[str, Any]


@dataclass(frozen=True)
class Service:
    """What all cells share."""

    snapshot: Snapshot
    train: Examples
    valid: Examples
    test: Examples
    has_features: bool

    def judged(self, at_least: int) -> Examples:
        """Test examples of listeners with so many full plays (or positive acts) before the first test example."""
        histories = live_plays(self.snapshot)
        users = np.arange(histories.n_users)
        known = histories.end(users, np.full(len(users), self.test.position.min())) - histories.offsets[:-1]
        return self.test.take(known[self.test.user] >= at_least)


def of_simulation(folder: Path, size: SimulationSettings, latest: int) -> Service:
    """Exposures of a simulated service; of those to train on the `latest`, whose listeners have the longest histories."""
    context = Context.open(simulated(folder, size), quiet=True)
    bring_to(context, "etl", "graph")
    moments = Moments.of(context)
    snapshot = moments.after(TEST)
    bounds = (0, moments.first_of(VALID), moments.first_of(TEST), len(snapshot.events))
    parts = [exposure_examples(snapshot, bounds[part], bounds[part + 1]) for part in range(3)]
    return Service(snapshot, parts[0].take(slice(max(len(parts[0]) - latest, 0), None)), parts[1], parts[2], True)


def of_plays(source: Path, users: int, at_least: int, latest: int) -> Service:
    """Plays of an import beside drawn songs, of the listeners with the longest histories; songs are told by id, artist and album alone."""
    service = PlayService.read(source, 1_000_000)
    length = np.diff(service.offsets)
    long = np.flatnonzero(length >= max(np.sort(length)[-min(users, len(length))], at_least))
    service = service.of_listeners(long)
    examples = PlayExamples.of(service)
    train, valid, test = (house_examples(service, examples, examples.rows(part)) for part in range(3))
    order = np.argsort(train.position, kind="stable")[-latest:]
    return Service(service.snapshot(), train.take(np.sort(order)), valid, test, False)


def ranker_of(model: str, length: int, seed: int, changes: dict[str, Any]) -> DeepRanker:
    """The untrained ranker of a cell."""
    if model == "din":
        return Din(None, DinSettings(history=length, **changes), seed)
    if model == "sim":
        return Sim(None, SimSettings(history=20, found=max(length - 20, 0), **changes), seed)
    return Dien(None, DienSettings(history=length, evolution="augru" if model == "dien" else "gru", **changes), seed)


def measured(service: Service, model: str, length: int, seed: int, options: argparse.Namespace) -> Cell:
    """One cell."""
    test = service.judged(options.at_least)
    ranker = ranker_of(model, length, seed, {"max_epochs": options.epochs, "patience": 1})
    start = time.process_time()
    with nullcontext() if service.has_features else plain_features.in_place():
        ranker.fit(service.snapshot, service.train, service.valid)
    seconds = time.process_time() - start
    scores = ranker.score_examples(test)
    of_user = group_auc(test.user, test.label, scores)
    both = ~np.isnan(of_user.auc)
    cell = {"user": of_user.group[both].tolist(), "auc_of_user": of_user.auc[both].tolist(), "n_of_user": of_user.n[both].tolist()}
    cell |= {"auc": auc(test.label, scores), "log_loss": log_loss(test.label, scores), "epochs": ranker.epochs_found, "seconds": seconds}
    cell |= {"n_train": len(service.train), "n_test": len(test), "reach": reach(ranker, test) if isinstance(ranker, Dien) else None}
    return cell


def reach(ranker: Dien, test: Examples, n: int = 300) -> list[float | None]:
    """Mean norm of d logit / d song vector by age of the song, relative to ages below 10; None where no history is that long."""
    inputs, network = ranker._inputs, ranker._network
    columns = inputs.columns(test)
    _, one_of_each_run = np.unique(columns.run, return_index=True)
    chosen = columns.take(np.sort(np.random.default_rng(0).permutation(one_of_each_run)[:n]))
    batch, songs = inputs.batch(chosen)
    norm, age = _gradients(network, ranker._songs[torch.from_numpy(songs)], batch)
    means = [norm[(age >= low) & (age < high)].mean() if ((age >= low) & (age < high)).any() else None for low, high in _spans()]
    return [None if mean is None or means[0] is None else float(mean / means[0]) for mean in means]


def _gradients(network: DienNetwork, song: torch.Tensor, batch: DienBatch) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Gradient norms of the logits with respect to every run's songs, as separate vectors, and the ages of those inside windows."""
    n = len(batch.history)
    vectors = song.index_select(0, batch.history).clone().requires_grad_()
    apart = batch._replace(history=torch.arange(n), target=n + torch.arange(len(batch.target)))
    network.logits(torch.cat((vectors, song.index_select(0, batch.target))), apart).sum().backward()  # type: ignore[no-untyped-call]
    assert vectors.grad is not None
    windows = batch.windows
    age = windows.offsets[1:][windows.owner] - 1 - np.arange(windows.n_steps)
    return vectors.grad.norm(dim=1).numpy()[windows.rows], age


def _spans() -> list[tuple[int, int]]:
    return list(pairwise(AGES))


def table(cells: dict[tuple[str, int, int], Cell], options: argparse.Namespace) -> str:
    """Length by length: each model's gAUC, and what its length adds to the shortest."""
    first = next(iter(cells.values()))
    models, lengths = (list(dict.fromkeys(cell[side] for cell in cells)) for side in (0, 1))
    of = f"plays of {options.source.parent.name}" if options.source else f"simulated, {options.users} listeners over {options.days} days"
    lines = [
        "# Length of the history",
        "",
        f"`python benchmarks/history_length.py`; {of}; {first['n_train']:,} examples to learn from; judged on {first['n_test']:,} of "
        f"{len(first['user'])} listeners with at least {options.at_least} full plays. Mean over {len(options.seeds)} seeds of the network; "
        "intervals are 95 % over listeners; Δ is to the shortest history of the same model.",
        "",
        "| model | length | gAUC | Δ gAUC | AUC | log loss | training, examples/s |",
        "|---|---|---|---|---|---|---|",
    ]
    for model in models:
        base = _per_user(cells, model, lengths[0], options.seeds)
        for length in lengths:
            values = _per_user(cells, model, length, options.seeds)
            weight, mine = np.array(first["n_of_user"], float), [cells[model, length, seed] for seed in options.seeds]
            own, gain = interval(values, 0, weight=weight), paired_difference(values, base, 0, weight=weight)
            rate = np.mean([cell["n_train"] * min(cell["epochs"] + 1, options.epochs) / cell["seconds"] for cell in mine])
            means = [np.mean([cell[name] for cell in mine]) for name in ("auc", "log_loss")]
            lines.append(
                f"| {TITLES[model]} | {length} | {own.value:.4f} [{own.low:.4f}, {own.high:.4f}] "
                f"| {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] | {means[0]:.4f} | {means[1]:.4f} | {rate:,.0f} |"
            )
    return "\n".join([*lines, *_reach_lines(cells, lengths, options)]) + "\n"


def _per_user(cells: dict[tuple[str, int, int], Cell], model: str, length: int, seeds: list[int]) -> npt.NDArray[np.float64]:
    """AUC of each listener, mean over the seeds; the listeners are the same in all cells, for they depend on labels alone."""
    return np.mean([cells[model, length, seed]["auc_of_user"] for seed in seeds], axis=0)


def _reach_lines(cells: dict[tuple[str, int, int], Cell], lengths: list[int], options: argparse.Namespace) -> list[str]:
    """How much songs of each age still move the score."""
    lines = ["", "How much a song of an age (in plays) moves the score, of what one of the latest ten does:", ""]
    lines += ["| model | length | " + " | ".join(f"{low}–{high - 1}" for low, high in _spans()) + " |", "|---" * (2 + len(_spans())) + "|"]
    for model in ("dien", "gru"):
        for length in lengths:
            found = [cells[model, length, seed]["reach"] for seed in options.seeds if (model, length, seed) in cells]
            if found:
                means = [None if None in ages else float(np.mean(ages)) for ages in zip(*found, strict=True)]
                lines.append(
                    f"| {TITLES[model]} | {length} | " + " | ".join("" if mean is None else f"{mean:.3g}" for mean in means) + " |"
                )
    return lines


def main() -> None:
    """Measure what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--source", type=Path)
    for name, default in (("users", 200), ("days", 400), ("songs", 3000), ("latest", 150_000), ("at-least", 100), ("epochs", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--lengths", type=int, nargs="+", default=[20, 50, 100, 200, 500])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", choices=list(TITLES), default=list(TITLES))
    parser.add_argument("--result", type=Path, default=RESULT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    wanted = [(model, length, seed) for model in options.models for length in options.lengths for seed in options.seeds]
    path = {cell: options.work / "{}_{}_{}.json".format(*cell) for cell in wanted}
    missing = [cell for cell in wanted if not path[cell].exists()]
    if missing:
        if options.source:
            service = of_plays(options.source, options.users, options.at_least, options.latest)
        else:
            size = SimulationSettings(options.songs, options.users, options.days, seed=0)
            service = of_simulation(options.work / "service", size, options.latest)
        for cell in missing:
            print("---", *cell, flush=True)
            path[cell].write_text(json.dumps(measured(service, *cell, options)) + "\n")
    options.result.write_text(table({cell: json.loads(path[cell].read_text()) for cell in wanted}, options))
    print(options.result.read_text())


if __name__ == "__main__":
    main()
