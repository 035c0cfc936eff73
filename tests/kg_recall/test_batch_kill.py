"""`kill -9` of a batch and its workers in the middle of their shards; begun again it writes what it would have written undisturbed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from tiny_workspace import SlowStandIn, StandIn

from kg_recall.batch_engines import write_batch
from kg_recall.batch_job import BatchJob
from kg_recall.progress import Progress

TESTS = Path(__file__).parents[1]
BATCH = """
import sys
from pathlib import Path
from test_batch_kill import job
from kg_recall.batch_engines import write_batch
from kg_recall.progress import Progress

if __name__ == "__main__":
    write_batch(job(Path(sys.argv[1])), workers=2, progress=Progress(quiet=True))
"""


def job(out: Path) -> BatchJob:
    return BatchJob(SlowStandIn, np.tile(np.arange(3, dtype=np.int32), 20), out, k=3, users_per_shard=3)


def test_a_killed_batch_of_two_workers_goes_on_to_the_same_file(tmp_path: Path) -> None:
    script, out = tmp_path / "batch.py", tmp_path / "out.parquet"
    script.write_text(BATCH)
    path = os.pathsep.join([str(TESTS), str(Path(__file__).parent)])
    killed = job(out)
    with subprocess.Popen(
        [sys.executable, str(script), str(out)], env=os.environ | {"PYTHONPATH": path}, start_new_session=True
    ) as process:
        while process.poll() is None and len(list(killed.folder.glob("0*.parquet"))) < 2:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    assert (killed.folder / "opened").is_dir()  # what the workers shared was left behind, and is in nobody's way
    assert 0 < len(killed.missing()) < killed.n_shards
    assert write_batch(killed, workers=2, progress=Progress(quiet=True)) == 180
    whole = BatchJob(StandIn, killed.users, tmp_path / "whole.parquet", k=3, users_per_shard=3)
    write_batch(whole, workers=1, progress=Progress(quiet=True))
    assert out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert not killed.folder.exists()
