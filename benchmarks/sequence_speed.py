"""Time to the same validation NDCG@10 on MovieLens-1M: this project's sasrec beside RecTools, RecBole and torch-rechub.

Every cell is a process of its own on the given threads: same split, same dim, layers, heads, length and dropout, the losses that the
library is used with. Time is that of training alone (reading and validation are not counted), as CPU time and on the clock. A cell
stops when the goal is reached or its CPU time is spent. The peers live in an environment of their own (`--peer-python`).

Usage: python benchmarks/sequence_speed.py --source MUSIC.DB --peer-python PYTHON [--work DIR] [--length 50] [--goal 0.1] [--limit 300]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import sequence_peers
import torch
from leave_last import Histories, read
from training_clock import Clock, Point

VALIDATION_USERS = 2000
RESULT = Path(__file__).parent / "results" / "sequence_speed.md"
OURS: dict[str, dict[str, Any]] = {
    "kg-recall, sampled softmax": {"loss": "sampled_softmax", "n_negatives": 512},
    "kg-recall, full softmax": {"loss": "full_softmax"},
    "kg-recall, sampled softmax, float32": {"loss": "sampled_softmax", "n_negatives": 512, "precision": "float32"},
    "kg-recall, sampled softmax, random start": {"loss": "sampled_softmax", "n_negatives": 512, "start_span": 0},
}
THEIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "RecTools, full softmax": ("rectools", {"loss": "softmax", "n_negatives": None}),
    "RecTools, sampled softmax, 256 negatives": ("rectools", {"loss": "sampled_softmax", "n_negatives": 256}),
    "torch-rechub, BCE": ("rechub", {}),
    "RecBole, full softmax": ("recbole", {}),
}
Cell = dict[str, Any]


def ours(train: Histories, n_items: int, size: dict[str, Any], clock: Clock, **examples: Any) -> None:
    """This project's network by its own training loop; asked after each epoch."""
    from snapshot_of import snapshot_of

    from embeddings.training import TrainingSettings
    from recall.interest_sequences import Sequences
    from recall.sasrec_batches import Batches, SequenceExamples
    from recall.sasrec_network import SasRec, SequenceShape
    from recall.sasrec_training import fit_sasrec, user_vectors

    settings = SequenceExamples(batch_tokens=4096, max_examples_per_user=2 * (size["length"] + 1), **examples)
    network, sequences = SasRec(n_items, SequenceShape(**size)), Sequences.of(snapshot_of(train, n_items))

    def validate(network: SasRec) -> float:
        clock.pause()
        windows = Batches(sequences, settings, size["length"], 0, len(clock.curve)).windows
        clock.examples += int((windows.end - windows.start).sum())
        stop = clock.check(user_vectors(network, sequences, clock.users), network.items.detach().numpy())
        # The loop ends at an epoch that is no better than the last.
        return float("-inf") if stop else float(len(clock.curve))

    training = TrainingSettings(max_epochs=10_000, patience=1, learning_rate=2e-3)
    clock.start()
    fit_sasrec(
        network,
        sequences,
        ordinal=True,
        examples=settings,
        training=training,
        epochs=None,
        seed=0,
        validate=validate,
        progress=lambda told: clock.step(0) if told.metric is None else None,
    )


def run_cell(name: str, options: argparse.Namespace) -> None:
    """Train one cell in this process and write its curve."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    histories = read(options.source)
    train, n_items = histories.without_last(2), int(histories.item.max()) + 1
    users = np.sort(np.random.default_rng(0).permutation(histories.n_users)[:VALIDATION_USERS])
    size = {"dim": options.dim, "layers": options.layers, "heads": options.heads, "length": options.length, "dropout": options.dropout}
    clock = Clock(train, users, histories.last(2)[users], options.goal, options.limit)
    if name in OURS:
        ours(train, n_items, size, clock, **OURS[name])
    else:
        library, arguments = THEIRS[name]
        getattr(sequence_peers, library)(train, users, n_items, size, clock, **arguments)
    said = {"cell": name, "size": size, "goal": options.goal, "limit": options.limit, "threads": options.threads, "curve": clock.curve}
    options.out.write_text(json.dumps(said) + "\n")


def run_apart(name: str, options: argparse.Namespace, path: Path) -> None:
    """Run one cell in a process of its own, under the peers' interpreter where it is a peer's."""
    python = sys.executable if name in OURS else options.peer_python
    print(f"--- {name}", flush=True)
    root = str(Path(__file__).parent.parent)
    env = os.environ | {"OMP_NUM_THREADS": str(options.threads), "MKL_NUM_THREADS": str(options.threads), "PYTHONPATH": root}
    subprocess.run([python, __file__, *sys.argv[1:], "--cell", name, "--out", str(path)], check=True, env=env)


def at_goal(cell: Cell) -> tuple[bool, Point]:
    """Whether the goal was reached, and the point there, or the last."""
    points = [Point(*point) for point in cell["curve"]]
    found = next((point for point in points if point.ndcg >= cell["goal"]), None)
    return found is not None, found or points[-1]


def table(cells: list[Cell]) -> str:
    """The cells as a table, fastest first."""
    head = cells[0]
    size = ", ".join(f"{name} {value}" for name, value in head["size"].items())
    lines = [
        "# Time to the same validation NDCG@10",
        "",
        "`python benchmarks/sequence_speed.py`; MovieLens-1M sequences, the last two items of each user held out; NDCG@10 of the one",
        f"before last of {VALIDATION_USERS} users among all items that they had not met; {size};",
        f"{head['threads']} thread(s); goal {head['goal']}. Training time alone, seed 0; a cell out of time says after how long.",
        "",
        "| | s CPU to the goal | s clock | last NDCG@10 | ms CPU a step | examples a step | examples a s CPU |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell in sorted(cells, key=lambda cell: (not at_goal(cell)[0], at_goal(cell)[1].cpu)):
        done, at = at_goal(cell)
        said = f"{at.cpu:.0f}" if done else f"not in {at.cpu:.0f}"
        rates = f"{at.cpu / at.steps * 1e3:.0f} | {at.examples / at.steps:.0f} | {at.examples / at.cpu:.0f}"
        lines.append(f"| {cell['cell']} | {said} | {at.wall:.0f} | {at.ndcg:.4f} | {rates} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the cells that have no result yet, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="an imported ml1m-sequences (SQLite)")
    parser.add_argument("--peer-python", help="interpreter of the environment that has the peers")
    parser.add_argument("--work", type=Path, default=Path("sequence-speed"), help="a result a cell lies here; delete one to run it anew")
    parser.add_argument("--cells", nargs="*", default=[*OURS, *THEIRS])
    parser.add_argument("--threads", type=int, default=1)
    for name, kind, value in (("dim", int, 64), ("layers", int, 2), ("heads", int, 2), ("length", int, 50), ("dropout", float, 0.2)):
        parser.add_argument(f"--{name}", type=kind, default=value)
    parser.add_argument("--goal", type=float, default=0.1)
    parser.add_argument("--limit", type=float, default=300.0, help="seconds of the processor a cell may take")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cell:
        return run_cell(options.cell, options)
    options.work.mkdir(parents=True, exist_ok=True)
    paths = {name: options.work / f"{name.replace(', ', '_').replace(' ', '-')}.json" for name in options.cells}
    for name, path in paths.items():
        if not path.exists() and (name in OURS or options.peer_python):
            run_apart(name, options, path)
    RESULT.write_text(table([json.loads(path.read_text()) for path in paths.values() if path.exists()]))
    print(RESULT.read_text())


if __name__ == "__main__":
    main()
