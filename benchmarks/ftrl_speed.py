"""FTRL-Proximal over 30 hashed features beside Vowpal Wabbit and river: the same examples, one pass, one core, in turns.

Every cell is a process of its own, bound to one core, that loads or opens the examples and times one pass; hashing is in every time.
Vowpal Wabbit runs its own driver over its own text, and over the cache that it makes of it. Time is processor time of all threads.

Usage: python benchmarks/ftrl_speed.py --work DIR [--peer-python PATH] [--rows 1000000] [--rounds 5] [--out benchmarks/results/ftrl.md]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from ftrl_kernels import memory, variants
from planted_clicks import COLUMNS, CROSSES, planted_clicks

from ranking.auc import auc, log_loss
from ranking.ftrl import Ftrl, FtrlSettings
from ranking.ftrl_calibration import Calibration, calibration_error
from ranking.ftrl_progress import progressive
from ranking.hashing import HashedTerms

BITS: Final = 24
RATES: Final = FtrlSettings(alpha=0.1, beta=1.0, l1=1.0, l2=1.0)
TERMS: Final = HashedTerms(COLUMNS, CROSSES, BITS)
RIVER_ROWS: Final = 20_000
HERE: Final = Path(__file__).parent
PEERS: Final = {"vw-text": "Vowpal Wabbit, from text", "vw-cache": "Vowpal Wabbit, from its cache", "river": "river"}


def prepare(work: Path, rows: int) -> None:
    """The examples as arrays and as Vowpal Wabbit's text, and the job that peers read; made once."""
    if (work / "job.json").is_file():
        return
    codes, labels = planted_clicks(rows)
    np.save(work / "codes.npy", codes)
    np.save(work / "labels.npy", labels)
    letters = "abcdefghijklmnopqrstuvwxyz"
    frame = pl.DataFrame(codes, schema=list(COLUMNS)).with_columns(label=pl.Series(np.where(labels > 0, "1 ", "-1 ")))
    text = [pl.format("|" + letters[at] + " {} ", pl.col(name)) for at, name in enumerate(COLUMNS)]
    frame.select(pl.concat_str("label", *text)).write_csv(work / "examples.vw", include_header=False, quote_style="never")
    plain = {"alpha": RATES.alpha, "beta": RATES.beta, "l1": RATES.l1, "l2": RATES.l2, "bits": BITS}
    job = plain | {"columns": COLUMNS, "crosses": CROSSES, "river_rows": RIVER_ROWS}
    (work / "job.json").write_text(json.dumps(job), encoding="utf-8")


def ours(work: Path, rows: int | None = None) -> dict[str, float]:
    """One pass of the product over columns, hashing included."""
    codes, labels = np.load(work / "codes.npy")[:rows], np.load(work / "labels.npy")[:rows]
    small = Ftrl(HashedTerms(COLUMNS, CROSSES, 4), RATES)
    small.learn(codes[:100], labels[:100]), small.logits(codes[:100])  # compiled or read before they are timed
    started = time.process_time(), time.perf_counter()
    model = Ftrl(TERMS, RATES)
    logits = model.learn(codes, labels)
    took = time.process_time() - started[0], time.perf_counter() - started[1]
    scored = time.process_time()
    model.logits(codes)
    scored = time.process_time() - scored
    loss = {"loss": log_loss(labels, logits), "auc": auc(labels, logits)}
    return {"n": len(codes), "cpu": took[0], "wall": took[1], "score_cpu": scored} | loss


def cell(work: Path, name: str, command: list[str]) -> dict[str, Any]:
    """The result of a process, kept in a file, so that a benchmark that was cut off goes on."""
    file = work / f"{name}.json"
    if not file.is_file():
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"})
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
        file.write_text(done.stdout.strip().splitlines()[-1], encoding="utf-8")
        print(name, file.read_text(), flush=True)
    result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return result


def rounds(work: Path, n_rounds: int, peer_python: str, core: int) -> dict[str, list[dict[str, Any]]]:
    """All in turns; the first Vowpal Wabbit from text makes nothing that the others read, but the cache is made before it is timed."""
    here = [sys.executable, __file__, "--work", str(work), "--core", str(core), "--child"]
    peer = [peer_python, str(HERE / "ftrl_peers.py"), str(work)]
    cell(work, "cache-made", [*peer, "vw-cache", str(core)])
    found: dict[str, list[dict[str, Any]]] = {}
    for turn in range(n_rounds):
        found.setdefault("ours", []).append(cell(work, f"ours-{turn}", [*here, "ours"]))
        for name in ("vw-text", "vw-cache"):
            found.setdefault(name, []).append(cell(work, f"{name}-{turn}", [*peer, name, str(core)]))
        if turn < 2:
            found.setdefault("river", []).append(cell(work, f"river-{turn}", [*peer, "river", str(core)]))
        found.setdefault("kernels", []).append(cell(work, f"kernels-{turn}", [*here, "kernels"]))
    found["quality"] = [cell(work, "quality", [*here, "quality"])]
    return found


def quality(work: Path) -> dict[str, Any]:
    """Loss by window, sparsity by λ1, collisions by the table's size, calibration."""
    codes, labels = np.load(work / "codes.npy"), np.load(work / "labels.npy")
    logits = Ftrl(TERMS, RATES).learn(codes, labels)
    windows = progressive(labels, logits, max(len(labels) // 5, 1))
    half = len(labels) // 2
    fitted = Calibration.fit(labels[:half], logits[:half])
    errors = [calibration_error(labels[half:], each) for each in (logits[half:], fitted.apply(logits[half:]))]
    sparsity = []
    for l1 in (0.0, 0.3, 1.0, 3.0):
        model = Ftrl(TERMS, FtrlSettings(RATES.alpha, RATES.beta, l1, RATES.l2))
        late = model.learn(codes, labels)[half:]
        sparsity.append([l1, model.n_weights, model.n_touched, log_loss(labels[half:], late), auc(labels[half:], late)])
    sizes = []
    for bits, crosses in ((24, CROSSES), (22, CROSSES), (20, CROSSES), (18, CROSSES), (24, ())):
        terms = HashedTerms(COLUMNS, crosses, bits)
        met = terms.collisions(codes)
        late = Ftrl(terms, RATES).learn(codes, labels)[half:]
        row = [bits, len(crosses), met.n_features, met.shared, met.shared_occurrences]
        sizes.append([*row, log_loss(labels[half:], late), auc(labels[half:], late)])
    plain = {"windows": [column.tolist() for column in windows], "errors": errors, "calibration": [fitted.slope, fitted.offset]}
    return plain | {"sparsity": sparsity, "sizes": sizes}


def kernels(work: Path) -> dict[str, Any]:
    """The memory's speed and the variants of the kernel, in one process."""
    codes, labels = np.load(work / "codes.npy"), np.load(work / "labels.npy")
    return {"memory": memory(TERMS, codes[:300_000]), "variants": variants(TERMS, codes, labels, RATES.rates)}


def page(work: Path, found: dict[str, list[dict[str, Any]]]) -> str:
    """The results as Markdown."""

    def nanoseconds(name: str, field: str = "cpu") -> float:
        return min(one[field] / one["n"] for one in found[name]) * 1e9

    def row(name: str, label: str) -> str:
        ratios = [one["cpu"] / one["n"] / (our["cpu"] / our["n"]) for one, our in zip(found[name], found["ours"], strict=False)]
        times = f"{nanoseconds(name):,.0f} | {1e9 / nanoseconds(name):,.0f} | {1e9 / nanoseconds(name, 'wall'):,.0f}"
        beside = f"{np.median(ratios):.1f} × ({min(ratios):.1f}–{max(ratios):.1f})" if name != "ours" else ""
        return f"| {label} | {found[name][0]['n']:,.0f} | {times} | {beside} | {found[name][0]['loss']:.4f} |"

    n = int(found["ours"][0]["n"])
    start = cell(work, "ours-at-river", [sys.executable, __file__, "--work", str(work), "--child", "start"])
    speed = min(one["memory"]["gather"] for one in found["kernels"])
    chain, uniform = (min(one["memory"][key] for one in found["kernels"]) for key in ("chain", "uniform"))
    ways = {name: min(one["variants"][name] for one in found["kernels"]) for name in found["kernels"][0]["variants"]}
    limit = ways["hashing alone"] + TERMS.n_terms * speed
    q = found["quality"][0]
    window_rows = [f"| {a:,.0f} | {b:.4f} | {c:.4f} | {d:.4f} | {e:.4f} |" for a, b, c, d, e in zip(*q["windows"], strict=True)]
    lines = [
        "# FTRL-Proximal over hashed features",
        "",
        f"{n:,} planted clicks, {TERMS.n_terms} features each (bias, {len(COLUMNS)} fields, {len(CROSSES)} crosses), a table of "
        f"2^{BITS} weights, α {RATES.alpha}, β {RATES.beta}, λ1 {RATES.l1}, λ2 {RATES.l2} for all; one pass in the same order, "
        f"progressive log loss. Each cell is a process on one core, best of {len(found['ours'])} rounds in turns; the ratio is of the "
        "same round, its median and range. Hashing is in every time; Vowpal Wabbit's cache is parsed and its fields hashed already, "
        "so only its crosses are hashed there.",
        "",
        "| | examples | ns an example (processor) | examples/s (processor) | examples/s (wall) | time beside ours | log loss |",
        "|---|---:|---:|---:|---:|---:|---:|",
        row("ours", "kg-recall"),
        *(row(name, label) for name, label in PEERS.items()),
        "",
        f"On river's {RIVER_ROWS:,} examples kg-recall's log loss is {start['loss']:.4f}. "
        f"Scoring: {nanoseconds('ours', 'score_cpu'):,.0f} ns an example, {1e9 / nanoseconds('ours', 'score_cpu'):,.0f} a second. "
        f"AUC of the pass {found['ours'][0]['auc']:.4f}.",
        "",
        "## How near the memory's limit",
        "",
        f"A read that waits for the one before takes {chain:.1f} ns in a table of this size; reads and writes of pairs that wait for "
        f"nothing {uniform:.1f} ns at uniformly drawn slots and {speed:.1f} ns at the slots that these examples need, of which many are "
        f"warm. So {TERMS.n_terms} accesses cost at least {TERMS.n_terms * speed:,.0f} ns and with the hashing "
        f"({ways['hashing alone']:,.0f} ns) {limit:,.0f} ns an example; the product takes "
        f"{ways['the product']:,.0f} ns in the same process, so it runs at "
        f"{limit / ways['the product']:.0%} of that limit ({TERMS.n_terms * speed / ways['the product']:.0%} of the accesses alone; one "
        f"dependent read after another would take {TERMS.n_terms * chain:,.0f} ns).",
        "",
        "| way to learn | ns an example | beside the product |",
        "|---|---:|---:|",
        *(f"| {name} | {value:,.0f} | {value / ways['the product']:.2f} × |" for name, value in ways.items()),
        "",
        "## Progressive validation",
        "",
        "| examples | log loss | AUC | positives | predicted |",
        "|---:|---:|---:|---:|---:|",
        *window_rows,
        "",
        f"Calibration error over the second half {q['errors'][0]:.4f}; with slope {q['calibration'][0]:.3f} and offset "
        f"{q['calibration'][1]:.3f} fitted on the first half's progressive predictions {q['errors'][1]:.4f}.",
        "",
        "## Sparsity, and the table's size",
        "",
        "| λ1 | weights that are not 0 | slots met | log loss, second half | AUC |",
        "|---:|---:|---:|---:|---:|",
        *(f"| {a} | {b:,} | {c:,} | {d:.4f} | {e:.4f} |" for a, b, c, d, e in q["sparsity"]),
        "",
        "| table | crosses | distinct features | share a slot | of their occurrences | log loss, second half | AUC |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *(f"| 2^{a} | {b} | {c:,} | {d:.1%} | {e:.1%} | {f:.4f} | {g:.4f} |" for a, b, c, d, e, f, g in q["sizes"]),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, then write the page; or be a cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--peer-python", default=sys.executable, help="a Python that has vowpalwabbit and river")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "ftrl.md")
    parser.add_argument("--child", choices=["ours", "start", "kernels", "quality"])
    options = parser.parse_args()
    if options.child:
        os.sched_setaffinity(0, {options.core})
        of_child = {"ours": ours, "start": lambda work: ours(work, RIVER_ROWS), "kernels": kernels, "quality": quality}
        print(json.dumps(of_child[options.child](options.work)))
        return
    options.work.mkdir(parents=True, exist_ok=True)
    prepare(options.work, options.rows)
    found = rounds(options.work, options.rounds, options.peer_python, options.core)
    options.out.write_text(page(options.work, found), encoding="utf-8")


if __name__ == "__main__":
    main()
