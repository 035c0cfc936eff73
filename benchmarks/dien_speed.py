"""DIN, DIEN and DCN-V2 beside DeepCTR-Torch: training, scoring, one listener's 300 candidates, and AUC, on the same examples.

Same inputs (id, artist and album of a song from tables, no other feature), width of a song's vector, history length, layers, batch and
examples. Each cell is a process of its own on one thread; times are CPU times of that process. Both stop training when the validation
log loss has not been better for three epochs; training speed is that of one epoch by the library's own `fit`, everything counted that it
does with raw columns. The peer lives in an environment of its own (`--peer-python`, with `deepctr-torch` and `requests`). Its L2 of
embeddings is off: it would go over whole tables at every step. DCN-V2 reads no history but the listener's id. DSIN (five sessions of ten
plays, as many as the others' histories) stands alone: DeepCTR-Torch 0.3.0 has none.

Usage: python benchmarks/dien_speed.py --source MUSIC.DB --peer-python PYTHON [--work DIR] [--users 400] [--cells NAME …]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from play_examples import PlayExamples, PlayService, house_examples

RESULT = Path(__file__).parent / "results" / "dien_speed.md"
WIDTH, LENGTH, BATCH, HIDDEN, CANDIDATES, REQUESTS = 32, 50, 512, (200, 80), 300, 200
EPOCHS, PATIENCE = 15, 3
OURS: dict[str, dict[str, Any]] = {
    "kg-recall DIN": {"model": ("din", "Din"), "attention": (80, 40)},
    "kg-recall DIEN": {"model": ("dien", "Dien")},
    "kg-recall DIEN, freely shuffled": {"model": ("dien", "Dien"), "together": 1},
    "kg-recall DCN": {"model": ("dcn", "Dcn"), "structure": "parallel"},
    "kg-recall DSIN": {"model": ("dsin", "Dsin"), "sessions": LENGTH // 10, "acts": 10},
    "kg-recall DIN, song encoder": {"model": ("din", "Din"), "attention": (80, 40), "encoder": True},
    "kg-recall DIEN, song encoder": {"model": ("dien", "Dien"), "encoder": True},
}
"""A deep ranker of this project: module and class, settings, and whether the shared song encoder's vectors come in."""
THEIRS: dict[str, str] = {"DeepCTR-Torch DIN": "DIN", "DeepCTR-Torch DIEN": "DIEN", "DeepCTR-Torch DCN": "DCN"}
Cell = dict[str, Any]
Floats = npt.NDArray[np.floating]


def auc(label: Floats, score: Floats) -> float:
    """Area under the curve, ties half."""
    values, rank = np.unique(score, return_inverse=True)
    n = np.bincount(rank, minlength=len(values))
    middle = np.cumsum(n) - (n - 1) / 2
    positive = label > 0
    wins = middle[rank][positive].sum() - positive.sum() * (positive.sum() + 1) / 2
    return float(wins / (positive.sum() * (~positive).sum()))


def cpu_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU time of `work`, and what it returned."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def latencies(ask: Callable[[int], Any]) -> Cell:
    """Percentiles over requests of the CPU time (and p99 on the clock) of scoring one listener's candidates, after ten to warm up."""
    cpu, clock = [], []
    for request in range(REQUESTS + 10):
        begin, begin_clock = time.process_time(), time.perf_counter()
        ask(request)
        cpu.append(time.process_time() - begin)
        clock.append(time.perf_counter() - begin_clock)
    p50, p99 = np.percentile(np.array(cpu[10:]) * 1e3, (50, 99))
    return {"p50": float(p50), "p99": float(p99), "p99_clock": float(np.percentile(np.array(clock[10:]) * 1e3, 99))}


def ours(service: PlayService, examples: PlayExamples, model: tuple[str, str], encoder: bool = False, **changes: Any) -> Cell:
    """Cell of one of this project's rankers, by its own `fit` and `score`."""
    from importlib import import_module

    import plain_features

    from embeddings.song_encoder import SongEncoder

    snapshot = service.snapshot()
    parts = [house_examples(service, examples, examples.rows(part)) for part in range(3)]
    kind = getattr(import_module(f"ranking.{model[0]}"), model[1])
    if hasattr(kind.settings_kind, "history"):
        changes["history"] = LENGTH
    settings = kind.settings_kind(width=WIDTH, hidden=HIDDEN, batch_size=BATCH, max_epochs=EPOCHS, patience=PATIENCE, **changes)
    vectors = SongEncoder(snapshot.projection, None, dim=WIDTH) if encoder else None
    with plain_features.in_place():
        few = [part.take(slice(0, 1500)) for part in parts[:2]]
        kind(vectors, settings).fit(snapshot, *few, epochs=1)  # kernels are compiled, or read
        seconds, _ = cpu_seconds(lambda: kind(vectors, settings).fit(snapshot, *parts[:2], epochs=1))
        ranker = kind(vectors, settings)
        ranker.fit(snapshot, *parts[:2])
        ranker.score_examples(parts[2].take(slice(0, 1500)))
        scoring, scores = cpu_seconds(lambda: ranker.score_examples(parts[2]))
    rng = np.random.default_rng(1)
    users = rng.integers(0, snapshot.catalogue.n_users, REQUESTS + 10).astype(np.int32)
    items = rng.integers(0, service.n_songs, (REQUESTS + 10, CANDIDATES)).astype(np.int32)
    found = latencies(lambda request: ranker.score(np.full(CANDIDATES, users[request]), items[request]))
    n_parameters = sum(parameter.numel() for parameter in ranker._network.parameters())
    return _cell(examples, seconds, scoring, scores, ranker.epochs_found, found, n_parameters)


def theirs(service: PlayService, examples: PlayExamples, model: str) -> Cell:
    """Cell of one of DeepCTR-Torch's models, by its own `fit` and `predict`; a request calls the network on a ready tensor."""
    import torch
    from deepctr_torch import models
    from deepctr_torch.inputs import SparseFeat, VarLenSparseFeat

    fields = {"item": (service.n_songs, WIDTH // 2), "artist": (int(service.artist.max()) + 1, WIDTH // 4)}
    fields["album"] = (int(service.album.max()) + 1, WIDTH // 4)
    prefixes = {"DIEN": ("hist_", "neg_hist_"), "DIN": ("hist_",), "DCN": ()}[model]
    columns: list[Any] = [SparseFeat(name, size + 1, embedding_dim=dim) for name, (size, dim) in fields.items()]
    for prefix in prefixes:
        for name, (size, dim) in fields.items():
            one = SparseFeat(prefix + name, size + 1, embedding_dim=dim, embedding_name=name)
            columns.append(VarLenSparseFeat(one, maxlen=LENGTH, length_name="seq_length"))
    shape: dict[str, Any] = {"dnn_hidden_units": HIDDEN, "l2_reg_embedding": 0.0, "dnn_dropout": 0.1}
    if model == "DIEN":
        shape |= {"gru_type": "AUGRU", "use_negsampling": True}
    elif model == "DCN":
        columns.append(SparseFeat("user", len(service.offsets), embedding_dim=WIDTH))
        shape |= {"cross_num": 2, "cross_parameterization": "matrix", "l2_reg_cross": 0.0, "l2_reg_linear": 0.0}
    else:
        shape |= {"att_hidden_size": (80, 40)}

    def network() -> Any:
        given = (columns, list(fields)) if prefixes else ([], columns)
        made = getattr(models, model)(*given, **shape)
        made.compile("adam", "binary_crossentropy")
        return made

    def inputs(rows: npt.NDArray[np.int64]) -> dict[str, Any]:
        history, n = examples.histories(service, rows, LENGTH)
        return inputs_of(service.user[examples.play[rows]], examples.item[rows], history, n)

    def inputs_of(
        user: npt.NDArray[np.int64], item: npt.NDArray[np.int64], history: npt.NDArray[np.int64], n: npt.NDArray[np.int64]
    ) -> dict[str, Any]:
        drawn = np.where(history >= 0, service.item[np.random.default_rng(2).integers(0, len(service.item), history.shape)], -1)
        found: dict[str, Any] = {"user": user, "seq_length": np.maximum(n, 1)}
        for prefix, songs in zip(("", *prefixes), (item, history, drawn), strict=False):
            known = songs >= 0
            found[prefix + "item"] = songs + 1
            for name, of_song in (("artist", service.artist), ("album", service.album)):
                found[prefix + name] = np.where(known, of_song[np.maximum(songs, 0)] + 1, 0)
        return found

    parts = [(inputs(examples.rows(part)), examples.label[examples.rows(part)]) for part in range(3)]
    fit = {"batch_size": BATCH, "epochs": 1, "verbose": 0}
    first = network()
    seconds, _ = cpu_seconds(lambda: first.fit(*parts[0], **fit))
    best, best_state, epochs = np.inf, first.state_dict(), 0
    for epoch in range(1, EPOCHS + 1):
        if epoch > 1:
            first.fit(*parts[0], **fit)
        chance = np.clip(first.predict(parts[1][0], BATCH).ravel(), 1e-7, 1 - 1e-7)
        loss = float(-np.mean(np.where(parts[1][1] > 0, np.log(chance), np.log(1 - chance))))
        if loss < best:
            best, epochs, best_state = loss, epoch, {name: value.clone() for name, value in first.state_dict().items()}
        elif epoch - epochs >= PATIENCE:
            break
    first.load_state_dict(best_state)
    scoring, scores = cpu_seconds(lambda: first.predict(parts[2][0], BATCH).ravel())
    first.eval()
    rng = np.random.default_rng(1)
    ready = []
    for user in rng.integers(0, len(service.offsets) - 1, REQUESTS + 10):
        mine = service.item[service.offsets[user] : service.offsets[user + 1]][-LENGTH:]
        history = np.tile(np.concatenate((mine, np.full(LENGTH - len(mine), -1))), (CANDIDATES, 1))
        items, n_heard = rng.integers(0, service.n_songs, CANDIDATES), np.full(CANDIDATES, len(mine))
        columns_of = inputs_of(np.full(CANDIDATES, user), items, history, n_heard)
        arrays = [columns_of[name] for name in first.feature_index]
        ready.append(torch.from_numpy(np.concatenate([a if a.ndim == 2 else a[:, None] for a in arrays], 1)).float())
    with torch.no_grad():
        found = latencies(lambda request: first(ready[request]))
    n_parameters = sum(parameter.numel() for parameter in first.parameters())
    return _cell(examples, seconds, scoring, scores, epochs, found, n_parameters)


def _cell(examples: PlayExamples, seconds: float, scoring: float, scores: Floats, epochs: int, found: Cell, n_parameters: int) -> Cell:
    n_train, test = len(examples.rows(0)), examples.rows(2)
    speeds = {"train": n_train / seconds, "score": len(test) / scoring, "request": found}
    return speeds | {"auc": auc(examples.label[test], scores), "epochs": epochs, "parameters": n_parameters, "n": [n_train, len(test)]}


def run_cell(name: str, options: argparse.Namespace) -> None:
    """One cell, in this process."""
    import torch

    torch.set_num_threads(1)
    service = PlayService.read(options.source, options.users)
    examples = PlayExamples.of(service)
    cell = ours(service, examples, **OURS[name]) if name in OURS else theirs(service, examples, THEIRS[name])
    options.out.write_text(json.dumps({"cell": name, "users": options.users, "songs": service.n_songs} | cell) + "\n")


def run_apart(name: str, options: argparse.Namespace, path: Path) -> None:
    """One cell in a process of its own, a peer's under the peer's interpreter."""
    print(f"--- {name}", flush=True)
    root = str(Path(__file__).parent.parent)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
    python = sys.executable if name in OURS else options.peer_python
    command = [python, __file__, "--source", options.source, "--users", str(options.users), "--cell", name, "--out", path]
    subprocess.run([str(word) for word in command], check=True, env=os.environ | threads | {"PYTHONPATH": root})


def table(cells: list[Cell]) -> str:
    """The cells, and what this project's are times the peer's of the same model."""
    head = cells[0]
    lines = [
        "# DIN, DIEN and DCN-V2 beside DeepCTR-Torch",
        "",
        "`python benchmarks/dien_speed.py`; Xiami plays, each beside a song drawn as often as it is played: "
        f"{head['users']} listeners, {head['songs']:,} songs, {head['n'][0]:,} examples to learn from, {head['n'][1]:,} to test. "
        f"Id, artist and album from tables, width {WIDTH}, history {LENGTH}, batch {BATCH}, layers {HIDDEN}, one thread, CPU time, "
        f"seed 0. A request is one listener's {CANDIDATES} candidates ({REQUESTS} requests).",
        "",
        "| | training, examples/s | scoring, examples/s | request p50, ms | p99, ms | p99 by the clock | test AUC | epochs | parameters |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    peers = {cell["cell"].split()[-1]: cell for cell in cells if cell["cell"] in THEIRS}
    for cell in cells:
        peer = peers.get(cell["cell"].removeprefix("kg-recall ").split(",")[0]) if cell["cell"] in OURS else None
        times = [""] * 3
        if peer is not None:
            times = [f" ({ratio:.1f}×)" for ratio in (cell["train"] / peer["train"], cell["score"] / peer["score"])]
            times.append(f" ({peer['request']['p50'] / cell['request']['p50']:.1f}×)")
        request = cell["request"]
        lines.append(
            f"| {cell['cell']} | {cell['train']:,.0f}{times[0]} | {cell['score']:,.0f}{times[1]} | {request['p50']:.1f}{times[2]} "
            f"| {request['p99']:.1f} | {request['p99_clock']:.1f} | {cell['auc']:.4f} | {cell['epochs']} | {cell['parameters']:,} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the command line and make the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--peer-python", type=Path)
    parser.add_argument("--work", type=Path, default=Path("dien_speed_cells"))
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--cells", nargs="*", default=[*OURS, *THEIRS])
    parser.add_argument("--result", type=Path, default=RESULT)
    parser.add_argument("--cell")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.cell:
        run_cell(options.cell, options)
        return
    options.work.mkdir(parents=True, exist_ok=True)
    paths = {name: options.work / f"{name.replace(' ', '_').replace(',', '')}_{options.users}.json" for name in options.cells}
    for name, path in paths.items():
        if not path.exists():
            run_apart(name, options, path)
    options.result.write_text(table([json.loads(path.read_text()) for path in paths.values()]))
    print(options.result.read_text())


if __name__ == "__main__":
    main()
