"""`kill -9` at several moments of `kg-recall run`, then `run` again: the same batch rows as an undisturbed run?

    python benchmarks/kill_and_resume.py --songs 600 --users 150 --days 25 --kills 5

The moments spread over the time of the undisturbed run. Exits 1 where rows differ.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def kg_recall(folder: Path, *arguments: str) -> None:
    """Run one command in `folder`."""
    subprocess.run([sys.executable, "-m", "kg_recall", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def run_killed_after(folder: Path, seconds: float) -> str:
    """Start `run` and kill it with SIGKILL after so long."""
    process = subprocess.Popen([sys.executable, "-m", "kg_recall", "run"], cwd=folder, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        process.wait(timeout=seconds)
        return "had already finished"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "killed"


def published(folder: Path) -> str:
    """What the workspace holds, as a word list."""
    names = {"lake": "etl", "graph": "graph", "models/embeddings": "embed", "models/evaluated": "train", "models/serving": "refit"}
    return " ".join(name for place, name in names.items() if (folder / "kg-recall-workspace" / place).exists()) or "nothing"


def batch_digest(folder: Path) -> str:
    """SHA-256 of the batch rows of every user."""
    kg_recall(folder, "batch", "--out", "rows.parquet", "-k", "50")
    return hashlib.sha256((folder / "rows.parquet").read_bytes()).hexdigest()


def main() -> int:
    """Compare a disturbed workspace with a calm one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("songs", 600), ("users", 150), ("days", 25), ("seed", 0), ("kills", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        calm, disturbed = Path(place) / "calm", Path(place) / "disturbed"
        for folder in (calm, disturbed):
            folder.mkdir()
            sizes = [f"--{name}={getattr(arguments, name)}" for name in ("songs", "users", "days", "seed")]
            kg_recall(folder, "simulate", *sizes, "--out", "sqlite:///music.db")
        start = time.monotonic()
        kg_recall(calm, "run")
        whole = time.monotonic() - start
        print(f"undisturbed run: {whole:.1f} s")
        expected = batch_digest(calm)
        for kill in range(arguments.kills):
            # A resumed run starts with the step that was killed, so later kills come later to reach later steps.
            seconds = whole * 0.5 * (kill + 1) / arguments.kills
            outcome = run_killed_after(disturbed, seconds)
            print(f"kill {kill + 1} after {seconds:.1f} s: {outcome}; published: {published(disturbed)}")
        kg_recall(disturbed, "run")
        same = batch_digest(disturbed) == expected
        print(f"rows after resuming: {'identical' if same else 'DIFFERENT'} (sha256 {expected[:16]})")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
