"""`kill -9` of a real process at several moments; the next run completes it to what an undisturbed run gives."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_steps import STEPS, context_at, tree

from kg_recall.runner import run_steps

TESTS = Path(__file__).parents[1]
WAITING_RUN = """
import sys, time
from pathlib import Path
import fake_steps
from fake_steps import STEPS, context_at
from kg_recall.runner import run_steps

folder, moment = Path(sys.argv[1]), sys.argv[2]

def wait():
    print("ready", flush=True)
    time.sleep(60)

def waiting_after(name, real):
    def step(context, home):
        real(context, home)
        wait()
    setattr(fake_steps, name, step)

def waiting_before(name):
    def step(context, home):
        wait()
    setattr(fake_steps, name, step)

{"first begins": lambda: waiting_before("first"), "first has written": lambda: waiting_after("first", fake_steps.first),
 "second begins": lambda: waiting_before("second"), "second has written": lambda: waiting_after("second", fake_steps.second),
 "all is done": lambda: None}[moment]()
list(run_steps(context_at(folder), STEPS))
wait()
"""
MOMENTS = ("first begins", "first has written", "second begins", "second has written", "all is done")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_goes_on_to_the_same_result(tmp_path: Path, moment: str) -> None:
    folder, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    folder.mkdir()
    undisturbed.mkdir()
    list(run_steps(context_at(undisturbed), STEPS))
    path = str(TESTS)
    command = [sys.executable, "-c", WAITING_RUN, str(folder), moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    started = time.perf_counter()
    outcomes = {outcome.step: outcome.did for outcome in run_steps(context_at(folder), STEPS)}
    assert time.perf_counter() - started < 5
    wanted = {"etl": "done" if moment.startswith("first") else "up to date", "graph": "up to date" if moment == "all is done" else "done"}
    assert outcomes == wanted
    assert tree(folder) == tree(undisturbed)
    assert not list((folder / "kg-recall-workspace").glob(".*"))
