"""Vowpal Wabbit and river as peers of `ftrl_speed.py`: a process that learns the same examples once and prints what it took.

It imports nothing of the house, so that the peers may live in an environment of their own. Usage: ftrl_peers.py FOLDER PEER CORE
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def vowpal(folder: Path, job: dict[str, Any], *, cache: bool) -> dict[str, float]:
    """One pass by VW's own driver over its text, or over its cache, in which the text is parsed and the fields are hashed already."""
    import vowpalwabbit

    letters = "abcdefghijklmnopqrstuvwxyz"
    place = {name: letters[at] for at, name in enumerate(job["columns"])}
    crosses = " ".join("--interactions " + "".join(place[name] for name in cross) for cross in job["crosses"])
    rates = f"--ftrl_alpha {job['alpha']} --ftrl_beta {job['beta']} --l1 {job['l1']} --l2 {job['l2']}"
    source = f"-d {folder / 'examples.vw'}" + (f" --cache_file {folder / 'examples.cache'}" if cache else "")
    started = time.process_time(), time.perf_counter()
    model = vowpalwabbit.Workspace(f"--ftrl -b {job['bits']} --loss_function logistic --quiet {rates} {crosses} {source}")
    took = time.process_time() - started[0], time.perf_counter() - started[1]
    n = model.get_weighted_examples()
    return {"n": n, "cpu": took[0], "wall": took[1], "loss": model.get_sum_loss() / n}


def river(folder: Path, job: dict[str, Any]) -> dict[str, float]:
    """River's logistic regression with its FTRL-Proximal over dicts, the making of which is included; the hashing is Python's."""
    import math

    import numpy as np
    from river import linear_model, optim

    codes, labels = np.load(folder / "codes.npy")[: job["river_rows"]].tolist(), np.load(folder / "labels.npy").tolist()
    columns = {name: at for at, name in enumerate(job["columns"])}
    crosses = [tuple(columns[name] for name in cross) for cross in job["crosses"]]
    rates = optim.FTRLProximal(job["alpha"], job["beta"], job["l1"], job["l2"])
    model = linear_model.LogisticRegression(optimizer=rates, intercept_lr=0.0)
    loss = 0.0
    started = time.process_time(), time.perf_counter()
    for row, label in zip(codes, labels, strict=False):
        terms = {("bias",): 1.0} | dict.fromkeys(enumerate(row), 1.0)
        terms |= {(left, right, row[left], row[right]): 1.0 for left, right in crosses}
        p = min(max(model.predict_proba_one(terms).get(True, 0.5), 1e-9), 1 - 1e-9)
        loss -= math.log(p if label else 1 - p)
        model.learn_one(terms, bool(label))
    took = time.process_time() - started[0], time.perf_counter() - started[1]
    return {"n": len(codes), "cpu": took[0], "wall": took[1], "loss": loss / len(codes)}


def main() -> None:
    """Run one peer on one core."""
    folder, peer = Path(sys.argv[1]), sys.argv[2]
    os.sched_setaffinity(0, {int(sys.argv[3])})
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    result = river(folder, job) if peer == "river" else vowpal(folder, job, cache=peer == "vw-cache")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
