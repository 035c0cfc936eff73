"""Next-item ranking on MovieLens-1M: sasrec beside popularity, item CF, EASE and RecTools' eSASRec, on the split of the published figures.

Each user's last item is the test and the one before it the validation; all items that the user has not met are ranked. Models learn
from what comes before the validation item; epochs are chosen on validation; the test, with the validation item in the history, is
looked at once. A cell that has a result in `--work` is not run again; sasrec keeps its best network there too.

Usage: python benchmarks/ml1m.py --source MUSIC.DB [--work DIR] [--cells popular itemcf ease sasrec rectools] [--peer-python PYTHON]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from leave_last import Histories, Ints, interval, ndcg, ranks_by_vectors, read

RESULT = Path(__file__).parent / "results" / "ml1m.md"
COUNTING = ("popular", "itemcf", "ease")
CELLS = (*COUNTING, "sasrec", "rectools")
NAMES = {
    "popular": "popularity",
    "itemcf": "item CF",
    "ease": "EASE",
    "sasrec": "sasrec (LiGR layers)",
    "rectools": "RecTools, SASRec with LiGR layers, full softmax",
}
PUBLISHED = "Published on nearly this protocol, NDCG@10: SASRec 0.126, gSASRec 0.173, eSASRec 0.177."
Cell = dict[str, Any]


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """On the clock and of the processor."""
        return {"wall": round(time.perf_counter() - self.wall, 1), "cpu": round(time.process_time() - self.cpu, 1)}


def measured(rank: Ints) -> dict[str, Any]:
    """NDCG@10 and recall@10 of all users with 95 % intervals."""
    gain, hit = ndcg(rank), (rank < 10).astype(np.float64)
    return {"ndcg": gain.mean(), "ndcg_interval": interval(gain), "recall": hit.mean(), "recall_interval": interval(hit)}


def counting(name: str, histories: Histories, n_items: int) -> Cell:
    """A route of the house, by its own list of ten songs that are new to the user."""
    from snapshot_of import snapshot_of

    from recall.registry import ROUTES

    watch, route, cell = Stopwatch(), ROUTES[name](), {}
    users = np.arange(histories.n_users, dtype=np.int32)
    for part, held in (("valid", 2), ("test", 1)):
        snapshot = snapshot_of(histories.without_last(held), n_items)
        if part == "valid":
            route.fit(snapshot)
            cell["training"] = watch.read()
        else:
            route.observe(snapshot)
        found = route.recall(users, 10, new_only=True)
        place = np.arange(len(found)) - np.searchsorted(found.user, found.user)
        rank = np.full(len(users), 10)
        hit = found.item == histories.last(held)[found.user]
        rank[found.user[hit]] = place[hit]
        cell[part] = measured(rank)
    return cell


def sasrec(histories: Histories, n_items: int, options: argparse.Namespace) -> Cell:
    """This project's network, stopped on validation NDCG@10."""
    from snapshot_of import snapshot_of

    from embeddings.training import TrainingSettings
    from recall.interest_sequences import Sequences
    from recall.sasrec_batches import SequenceExamples, dtype_of
    from recall.sasrec_network import SasRec, SequenceShape
    from recall.sasrec_training import fit_sasrec, user_vectors

    shape = SequenceShape(dim=options.dim, length=options.length, layers=options.layers, heads=options.heads, dropout=options.dropout)
    examples = SequenceExamples(loss=options.loss, n_negatives=options.negatives, max_examples_per_user=2 * (options.length + 1))
    training = TrainingSettings(options.epochs, options.patience, options.learning_rate, decay=options.decay, threads=options.threads)
    users, train = np.arange(histories.n_users), histories.without_last(2)
    torch.manual_seed(options.seed)
    network, watch, curve = SasRec(n_items, shape), Stopwatch(), list[dict[str, float]]()

    def ranked(held: int, network: SasRec, dtype: torch.dtype) -> Ints:
        seen = histories.without_last(held)
        vectors = user_vectors(network, Sequences.of(snapshot_of(seen, n_items)), users, dtype)
        return ranks_by_vectors(vectors, network.items.detach().numpy(), users, histories.last(held), seen)

    def validate(network: SasRec) -> float:
        value = float(ndcg(ranked(2, network, dtype_of(examples.precision))).mean())
        if value > max((point["ndcg"] for point in curve), default=0.0):
            torch.save(network.state_dict(), options.work / "sasrec.pt")
        curve.append({**watch.read(), "ndcg": value})
        print(curve[-1], flush=True)
        (options.work / "sasrec_curve.json").write_text(json.dumps(curve))
        return value

    sequences = Sequences.of(snapshot_of(train, n_items))
    fit_sasrec(network, sequences, ordinal=True, examples=examples, training=training, epochs=None, seed=options.seed, validate=validate)
    taken = watch.read()
    said = {"shape": asdict(shape), "examples": asdict(examples), "training": asdict(training), "seed": options.seed}
    parts = {part: measured(ranked(held, network, torch.float32)) for part, held in (("valid", 2), ("test", 1))}
    return {"settings": said, "curve": curve, "training": taken, **parts}


def rectools(histories: Histories, n_items: int, options: argparse.Namespace) -> Cell:
    """RecTools' model of the same size, as it stands after the epoch in which `--limit` is passed."""
    import sequence_peers
    from training_clock import Clock

    train, users = histories.without_last(2), np.arange(histories.n_users)
    size = {name: getattr(options, name) for name in ("dim", "layers", "heads", "length", "dropout")}
    clock = Clock(train, users, histories.last(2), 1.0, options.limit)
    encode = sequence_peers.rectools(train, users, n_items, size, clock, "softmax", None)
    cell: Cell = {"training": {"wall": clock.wall, "cpu": clock.cpu}, "curve": clock.curve}
    for part, held in (("valid", 2), ("test", 1)):
        seen = histories.without_last(held)
        cell[part] = measured(ranks_by_vectors(*encode(seen), users, histories.last(held), seen))
    return cell


def run_cell(name: str, options: argparse.Namespace) -> None:
    """One cell in this process."""
    torch.set_num_threads(options.threads)
    histories = read(options.source)
    n_items = int(histories.item.max()) + 1
    if name in COUNTING:
        cell = counting(name, histories, n_items)
    else:
        cell = sasrec(histories, n_items, options) if name == "sasrec" else rectools(histories, n_items, options)
    (options.work / f"{name}.json").write_text(json.dumps(cell) + "\n")


def said(part: dict[str, Any], metric: str) -> str:
    """A figure with its interval."""
    low, high = part[f"{metric}_interval"]
    return f"{part[metric]:.4f} [{low:.4f}, {high:.4f}]"


def table(cells: dict[str, Cell]) -> str:
    """The results as a page."""
    lines = [
        "# `ml1m-sequences`: the next item",
        "",
        "`kg-recall import ml1m-sequences DIR --out sqlite:///music.db && python benchmarks/ml1m.py --source music.db`; 6,040 users,",
        "3,416 items, 987,019 events. Test: the last item of each user; validation: the one before; all items that the user has not met",
        f"are ranked. 95 % bootstrap intervals over users. {PUBLISHED}",
        "",
        "| | validation NDCG@10 | test NDCG@10 | test recall@10 | s training, clock | s CPU |",
        "|---|---|---|---|---|---|",
    ]
    for name, cell in cells.items():
        figures = f"{said(cell['valid'], 'ndcg')} | {said(cell['test'], 'ndcg')} | {said(cell['test'], 'recall')}"
        lines.append(f"| {NAMES[name]} | {figures} | {cell['training']['wall']:.0f} | {cell['training']['cpu']:.0f} |")
    if "sasrec" in cells:
        told = cells["sasrec"]["settings"]
        curve = ", ".join(f"{point['ndcg']:.4f}" for point in cells["sasrec"]["curve"])
        size = ", ".join(f"{key} {value}" for key, value in told["shape"].items())
        kind, rate, decay = told["examples"]["loss"], told["training"]["learning_rate"], told["training"]["decay"]
        lines += [
            "",
            f"sasrec: {size}; {kind}, learning rate {rate} falling by {decay} an epoch, seed {told['seed']},",
            f"{told['training']['threads']} thread(s).",
            f"Validation NDCG@10 after each epoch: {curve}.",
        ]
    if "rectools" in cells:
        curve = ", ".join(f"{point[2]:.4f}" for point in cells["rectools"]["curve"])
        lines += ["", f"RecTools, the same size, stopped after about the same time of the processor; after each epoch: {curve}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the cells that have no result yet, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="an imported ml1m-sequences (SQLite)")
    parser.add_argument("--work", type=Path, default=Path("ml1m"))
    parser.add_argument("--cells", nargs="*", default=list(CELLS), choices=CELLS)
    parser.add_argument("--peer-python", help="interpreter of the environment that has RecTools")
    parser.add_argument("--loss", default="full_softmax")
    for name, value in (("dim", 128), ("length", 200), ("layers", 2), ("heads", 2), ("negatives", 512), ("epochs", 14), ("patience", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    for name, rate in (("dropout", 0.3), ("learning-rate", 1.5e-3), ("decay", 0.9), ("limit", 771.0)):
        parser.add_argument(f"--{name}", type=float, default=rate)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.cell:
        return run_cell(options.cell, options)
    for name in options.cells:
        python = options.peer_python if name == "rectools" else sys.executable
        if python and not (options.work / f"{name}.json").exists():
            env = os.environ | {"OMP_NUM_THREADS": str(options.threads), "PYTHONPATH": str(Path(__file__).parent.parent)}
            subprocess.run([python, __file__, *sys.argv[1:], "--cell", name], check=True, env=env)
    found = {name: options.work / f"{name}.json" for name in CELLS}
    RESULT.write_text(table({name: json.loads(path.read_text()) for name, path in found.items() if path.exists()}))
    print(RESULT.read_text())


if __name__ == "__main__":
    main()
