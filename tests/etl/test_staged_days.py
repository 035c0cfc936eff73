"""Staged rows: what tells them apart, and how chunks of them become days."""

from pathlib import Path

import polars as pl
import pytest
from source_house import DAY, NOW, Rows, house, rows, write_sqlite

from etl.lake import label_of, write_parts
from etl.pipeline import write_lake
from etl.rules import CleaningRules
from etl.source import Source
from etl.staged_rows import Codebooks, stage_batch
from etl.typed_columns import SAMPLE, as_text

START = NOW // DAY * DAY - 9 * DAY


def staged(folder: Path, events: Rows) -> Path:
    """The folder that an extraction of `events` writes."""
    write_sqlite(folder / "music.db", house() | {"events": events, "comments": []})
    write_lake(Source(f"sqlite:///{folder / 'music.db'}"), CleaningRules(), folder, max_rejected=1.0, now=NOW)
    return folder


def log(days: int, a_day: int) -> list[tuple[str, str, str, str, int]]:
    return [(f"e{i}", "u1", f"s{i % 4}", "play", START + i * (DAY // a_day)) for i in range(days * a_day)]


def test_rows_without_an_id_are_told_apart_by_their_content() -> None:
    raw = pl.DataFrame(
        {"event_id": [None, None, None, "e1"], "user_id": ["u1", "u1", "u2", "u1"], "item_id": "s1", "behaviour": "play", "ts": 9}
    )
    keys = stage_batch(raw, Codebooks(), NOW).rows["key"].to_list()
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    assert stage_batch(raw[3:], Codebooks(), NOW).rows["key"].to_list() == keys[3:]


def test_text_is_trimmed_however_often_it_comes() -> None:
    often = pl.Series(["a", "b"] * SAMPLE)
    assert as_text(often).equals(often)
    for late in (" a", "a ", "", "  "):
        read = as_text(pl.concat([often, pl.Series([late, None])]))
        assert read.tail(2).to_list() == [late.strip() or None, None]
        assert read.head(-2).equals(often)


@pytest.mark.parametrize("chunk", [10, 25, 1_000])
def test_days_are_the_same_however_chunks_part_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    events = log(days=6, a_day=20)
    events += [events[3], events[70], ("late", "u2", "s1", "play", START + 30)]
    monkeypatch.setattr("etl.arrow_stream.BATCH_ROWS", 5)
    monkeypatch.setattr("etl.chunks.CHUNK_ROWS", chunk)
    folder = staged(tmp_path, rows("event_id user_id item_id behaviour ts", *events)) / "staged"
    days = {path.stem: pl.read_parquet(path) for path in (folder / "rows").glob("*.parquet")}
    assert sorted(days) == [label_of(START // DAY + day) for day in range(6)]
    whole = pl.concat([days[label] for label in sorted(days)])
    assert whole["ts"].is_sorted()
    assert sorted(whole["event_id"]) == sorted({event[0] for event in events})
    set_aside = pl.concat([pl.read_parquet(path) for path in (folder / "rejected").glob("*.parquet")])
    assert sorted(set_aside["key"]) == ["e3", "e70"]


def test_a_day_that_one_chunk_holds_in_order_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    def noted(parts: dict[Path, pl.DataFrame]) -> None:
        written.extend(path.stem for path in parts)
        write_parts(parts)

    monkeypatch.setattr("etl.extraction.write_parts", noted)
    monkeypatch.setattr("etl.chunks.CHUNK_ROWS", 50)
    monkeypatch.setattr("etl.arrow_stream.BATCH_ROWS", 50)
    staged(tmp_path, rows("event_id user_id item_id behaviour ts", *log(days=5, a_day=20)))
    # Chunks of 50 rows part only the third day of 20.
    assert written == [label_of(START // DAY + 2)]
