from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.parquet as pq
import pytest
from tiny_workspace import StandIn, tiny_lake

from etl.errors import UserError
from kg_recall import batch_job
from kg_recall.batch import SCHEMA, Recommends, chosen_users
from kg_recall.batch_engines import write_batch
from kg_recall.batch_job import BatchJob
from kg_recall.listing import list_lines
from kg_recall.progress import Progress

QUIET = Progress(quiet=True)


def job(out: Path, opens: Callable[[], Recommends] = StandIn, users: Sequence[int] = (0, 1, 2), **changed: Any) -> BatchJob:
    return BatchJob(opens, np.array(users, dtype=np.int32), out, **{"k": 3} | changed)


def write(out: Path, opens: Callable[[], Recommends] = StandIn, users: tuple[int, ...] = (0, 1, 2), workers: int | None = None) -> int:
    return write_batch(job(out, opens, users), workers=workers, progress=QUIET)


def test_the_file_has_the_published_schema_ordered_by_user_and_rank(tmp_path: Path) -> None:
    assert write(tmp_path / "out.parquet") == 9
    assert pq.read_schema(tmp_path / "out.parquet").remove_metadata() == SCHEMA
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame.columns == ["user_id", "rank", "item_kind", "item_id", "score", "routes", "reason", "path"]
    assert frame.select("user_id", "rank").rows() == [(user, rank) for user in ("u1", "u2", "u3") for rank in (1, 2, 3)]


def test_chunks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "whole.parquet")
    monkeypatch.setattr(batch_job, "USERS_AT_ONCE", 2)
    write(tmp_path / "chunks.parquet")
    assert pl.read_parquet(tmp_path / "whole.parquet").equals(pl.read_parquet(tmp_path / "chunks.parquet"))
    write(tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "chunks.parquet").read_bytes()


def test_no_users_make_an_empty_file(tmp_path: Path) -> None:
    assert write(tmp_path / "out.parquet", users=()) == 0
    assert pl.read_parquet(tmp_path / "out.parquet").shape == (0, 8)


@pytest.mark.parametrize(("error", "expected"), [(ValueError("defect"), ValueError), (OSError(28, "No space left on device"), UserError)])
def test_a_failed_batch_leaves_the_old_file(tmp_path: Path, error: Exception, expected: type[Exception]) -> None:
    class Failing(StandIn):
        def recommend(self, *args: object, **kwargs: object) -> pl.DataFrame:
            raise error

    out = tmp_path / "out.parquet"
    out.write_text("old")
    with pytest.raises(expected):
        write(out, Failing)
    assert out.read_text() == "old"
    assert [path.name for path in (tmp_path / ".out.parquet.shards").iterdir()] == ["job.json"]


def test_a_job_that_was_cut_off_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    asked: list[int] = []

    class Dying(StandIn):
        def recommend(self, users: npt.NDArray[np.int32], *args: object, **kwargs: object) -> pl.DataFrame:
            if len(asked) == 2:
                raise KeyboardInterrupt
            asked.extend(users.tolist())
            return super().recommend(users, *args, **kwargs)  # type: ignore[arg-type]

    write_batch(job(tmp_path / "whole.parquet", users_per_shard=1), progress=QUIET)
    with pytest.raises(KeyboardInterrupt):
        write_batch(job(tmp_path / "out.parquet", Dying, users_per_shard=1), progress=QUIET)
    assert asked == [0, 1]
    assert job(tmp_path / "out.parquet", users_per_shard=1).missing() == [2]
    assert write_batch(job(tmp_path / "out.parquet", users_per_shard=1), progress=QUIET) == 9
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"out.parquet", "whole.parquet"}


@pytest.mark.parametrize("other", [{"k": 2}, {"scenario": "fm"}, {"repeats": "exclude"}, {"made_of": "newer models"}, {"users": (0, 2)}])
def test_shards_of_another_job_are_not_joined(tmp_path: Path, other: dict[str, Any]) -> None:
    first = job(tmp_path / "out.parquet", users_per_shard=1)
    assert first.missing() == [0, 1, 2]
    first.write_shard(StandIn(), 0)
    assert first.missing() == [1, 2]
    second = job(tmp_path / "out.parquet", **{"users_per_shard": 1} | other)
    assert second.missing() == list(range(len(second.users)))


def test_more_processes_write_the_same_file(tmp_path: Path) -> None:
    users = np.tile(np.arange(3), 3)
    for name, workers in (("one", 1), ("two", 2)):
        assert write_batch(job(tmp_path / name, users=users, users_per_shard=2), workers=workers, progress=QUIET) == 27
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_place_that_cannot_be_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it is a folder; name a file"):
        write(tmp_path)
    with pytest.raises(UserError, match="there is no folder"):
        write(tmp_path / "nowhere" / "out.parquet")


def test_users_of_a_file_come_in_the_catalogues_order(tmp_path: Path) -> None:
    catalogue = tiny_lake().catalogue
    assert chosen_users(catalogue, None).tolist() == [0, 1, 2]
    (tmp_path / "users.txt").write_text("\ufeffu3\n\n u1 \nu3\n", encoding="utf-8")
    chosen = chosen_users(catalogue, tmp_path / "users.txt")
    assert (chosen.tolist(), chosen.dtype) == ([0, 2], np.int32)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("u1\nnobody\nghost\n", "lists 2 unknown users, the first 'nobody'"),
        ("ghost\n", "lists 1 unknown user, the first 'ghost'"),
        ("U2x\n", "the first 'U2x': .*; the nearest are u2"),
        ("\n\n", "lists nobody"),
        (None, "cannot read"),
    ],
)
def test_a_wrong_file_of_users_is_refused(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "users.txt").write_text(text)
    with pytest.raises(UserError, match=says):
        chosen_users(tiny_lake().catalogue, tmp_path / "users.txt")


def test_a_line_holds_all_there_is_to_say() -> None:
    frame = StandIn().recommend(np.array([0], dtype=np.int32), 3)
    lines = list(list_lines(frame, explain=True))
    assert len(lines) == 6
    for part in ("1", "Harbour", "贝贝", "1.0000", "graph+repeat", "because it is daily"):
        assert part in lines[0]
    assert lines[1].strip() == "path: song:1 SUNG_BY artist:a"
    columns = {line.encode("gb18030").index(b"graph+repeat") for line in lines[::2]}
    assert len(columns) == 1  # aligned though Chinese characters take two cells


def test_a_long_title_is_cut() -> None:
    frame = StandIn().recommend(np.array([0], dtype=np.int32), 1).with_columns(title=pl.lit("海" * 60))
    (line,) = list_lines(frame)
    assert "海" * 15 + "…" in line.replace(" …", "…")
    assert "海" * 17 not in line
