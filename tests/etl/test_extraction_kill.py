"""A process killed with SIGKILL while it extracts: the next one ends with the lake that an undisturbed one writes."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from source_house import DAY, NOW, house, rows, write_sqlite

EXTRACT = """
import os, signal, sys
from pathlib import Path
import etl.arrow_stream, etl.chunks, etl.event_writer, etl.extraction, etl.pipeline
from etl.rules import CleaningRules
from etl.source import Source

database, folder, scratch, moment, count = sys.argv[1:]
etl.arrow_stream.BATCH_ROWS = etl.chunks.CHUNK_ROWS = 100
etl.chunks.BLOCK_ROWS = 100
module, _, name = moment.rpartition(":")
if module:
    target, _, owner = module.partition("/")
    holder = getattr(sys.modules[target], owner) if owner else sys.modules[target]
    original, left = getattr(holder, name), [int(count)]
    def killed(*arguments, **named):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)
    setattr(holder, name, killed)
source = Source(f"sqlite:///{database}")
now = 1_700_000_000
report = etl.pipeline.write_lake(source, CleaningRules(), Path(folder), max_rejected=1.0, scratch=Path(scratch), now=now)
print(report.extraction.rows_read)
"""
MOMENTS = {
    "the first batch": ("etl.extraction:stage_batch", 1),
    "the third chunk": ("etl.chunks/Chunks:_note", 3),
    "a chunk without its line": ("etl.chunks/Chunks:_append", 4),
    "days half sorted": ("etl.extraction:by_day", 2),
    "days half written": ("etl.event_writer:write_days", 3),
    "the last line": ("etl.event_writer:write_meta", 1),
}


def extract(database: Path, folder: Path, scratch: Path, moment: str = "", count: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", EXTRACT, str(database), str(folder), str(scratch), moment, str(count)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*")) if path.is_file()}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kill") / "music.db"
    log = [
        (f"e{i}", f"u{i % 9}", f"s{i % 4}", ("play", "click")[i % 2], NOW - 20 * DAY + i * 1000, (None, "fm")[i % 2]) for i in range(1_500)
    ]
    write_sqlite(path, house() | {"events": rows("event_id user_id item_id behaviour ts scene", *log, *log[:5])})
    return path


@pytest.fixture(scope="module")
def undisturbed(database: Path) -> dict[str, bytes]:
    folder = database.parent / "undisturbed"
    assert extract(database, folder, database.parent / "scratch").returncode == 0
    return files(folder)


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_next_extraction_ends_with_the_same_bytes(database: Path, undisturbed: dict[str, bytes], tmp_path: Path, moment: str) -> None:
    killed = extract(database, tmp_path / "draft", tmp_path / "scratch", *MOMENTS[moment])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = extract(database, tmp_path / "new", tmp_path / "scratch")
    assert again.returncode == 0, again.stderr
    assert files(tmp_path / "new") == undisturbed
    assert pl.read_parquet(tmp_path / "new" / "lake" / "rejected.parquet")["reason"].value_counts().height == 2


def test_what_was_read_before_the_kill_is_not_read_again(database: Path, tmp_path: Path) -> None:
    extract(database, tmp_path / "draft", tmp_path / "scratch", "etl.extraction:by_day", 1)
    assert len((tmp_path / "scratch" / "chunks.jsonl").read_text().splitlines()) > 2
    with_reading = extract(database, tmp_path / "new", tmp_path / "scratch", "etl.extraction:stage_batch", 1)
    assert with_reading.returncode == 0  # no batch was staged again: the kill at the first one never came


def test_a_source_that_changed_meanwhile_is_read_anew(database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "music.db"
    copy.write_bytes(database.read_bytes())
    extract(copy, tmp_path / "draft", tmp_path / "scratch", "etl.event_writer:write_meta", 1)
    with sqlite3.connect(copy) as connection:
        connection.execute("UPDATE events SET item_id = 's1' WHERE event_id = 'e0'")
    os.utime(copy)
    again = extract(copy, tmp_path / "new", tmp_path / "scratch")
    assert again.returncode == 0, again.stderr
    whole = extract(copy, tmp_path / "whole", tmp_path / "scratch2")
    assert whole.returncode == 0
    assert files(tmp_path / "new") == files(tmp_path / "whole")
