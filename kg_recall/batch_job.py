"""A batch as shards: each written whole, kept over a kill, joined at the end into one file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from kg_recall.batch import SCHEMA, Recommends, Repeats, as_table, check_place, whole_file
from kg_recall.durable_files import sync_folder, write_text

if TYPE_CHECKING:
    from kg_recall.context import Context

USERS_PER_SHARD: Final = 1024
USERS_AT_ONCE: Final = 256
"""Users of a shard that pass the recommender together: bounds memory."""


@dataclass(frozen=True)
class BatchJob:
    """Lists of many users, cut into shards. It can be sent to another process, which opens the recommender for itself."""

    open: Callable[[], Recommends]
    """Gives the recommender, once in each worker."""
    users: npt.NDArray[np.int32]
    """`[n]` rows of the catalogue, ascending."""
    out: Path
    k: int
    scenario: str = "daily"
    repeats: Repeats = "include"
    made_of: str = ""
    """Fingerprint of the models and settings that answer: shards of others are not joined with these."""
    users_per_shard: int = USERS_PER_SHARD

    @property
    def n_shards(self) -> int:
        """Number of shards; one, which is empty, where there are no users."""
        return max(1, -(-len(self.users) // self.users_per_shard))

    @property
    def folder(self) -> Path:
        """Where shards lie until all are there: beside the file, so that joining them needs no other disk."""
        return self.out.with_name(f".{self.out.name}.shards")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides the rows."""
        head = json.dumps([self.made_of, self.k, self.scenario, self.repeats, self.users_per_shard])
        return hashlib.sha256(head.encode() + self.users.astype("<i4").tobytes()).hexdigest()

    def path(self, shard: int) -> Path:
        """File of one shard."""
        return self.folder / f"{shard:08d}.parquet"

    def missing(self) -> list[int]:
        """Shards that have yet to be written, ascending; what another job has left in the folder is removed first.

        Raises:
            UserError: the place of `out` cannot be written.
        """
        check_place(self.out)
        mark = self.folder / "job.json"
        if not (mark.is_file() and mark.read_text(encoding="utf-8") == self.fingerprint):
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir()
            write_text(mark, self.fingerprint)
        return [shard for shard in range(self.n_shards) if not self.path(shard).is_file()]

    def write_shard(self, recommender: Recommends, shard: int) -> int:
        """Write one shard whole, and return its rows. Two workers may write the same one: both write the same bytes."""
        users = self.users[shard * self.users_per_shard : (shard + 1) * self.users_per_shard]
        chunks = np.array_split(users, range(USERS_AT_ONCE, len(users), USERS_AT_ONCE)) if len(users) else []
        tables = [as_table(recommender.recommend(chunk, self.k, self.scenario, self.repeats)) for chunk in chunks]
        table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
        draft = self.folder / f".{shard:08d}-{uuid.uuid4().hex}"
        try:
            pq.write_table(table, draft, compression="zstd")
            sync_folder(draft)
            os.replace(draft, self.path(shard))
        finally:
            draft.unlink(missing_ok=True)
        return int(table.num_rows)

    def join(self) -> int:
        """Put all shards into the file in their order, remove them, and return the number of rows.

        Raises:
            UserError: the file cannot be written, or the disk is full; a file that was there stays as it was, and so do the shards.
        """
        rows = 0
        with whole_file(self.out) as draft, pq.ParquetWriter(draft, SCHEMA, compression="zstd") as writer:
            for shard in range(self.n_shards):
                table = pq.read_table(self.path(shard), schema=SCHEMA)
                writer.write_table(table)
                rows += table.num_rows
        shutil.rmtree(self.folder)
        return rows


def workspace_job(
    context: Context, config: Path, users: npt.NDArray[np.int32], out: Path, k: int, scenario: str, repeats: Repeats
) -> BatchJob:
    """The lists of `users` by the models that serve in the workspace of `config`, whose context this is."""
    opens = partial(_open_recommender, config.absolute())
    return BatchJob(opens, users, out.absolute(), k, scenario, repeats, _made_of(context))


def _open_recommender(config: Path) -> Recommends:
    from kg_recall.context import Context
    from kg_recall.recommender import Recommender

    return Recommender.load(Context.open(config, quiet=True))


def _made_of(context: Context) -> str:
    """Fingerprint of what answers a batch: the package, the artefacts that serve, and the settings that order and phrase lists."""
    from kg_recall.steps import serving_step

    settings = context.settings
    steps = {name: context.require(name).content for name in ("etl", "graph", serving_step(settings))}
    said = {"recommend": settings.recommend.model_dump(mode="json"), "cascade": settings.cascade}
    return json.dumps([version("kg-recall"), steps, said], sort_keys=True, default=str)
