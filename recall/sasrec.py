"""The sasrec route: what is heard next, by the order in which songs were heard (SASRec with LiGR layers, as in eSASRec, RecSys 2025).

A sequence is that of `Sequences`: clicks and positive events, a song that follows itself counted once. Songs are told apart by their
ids alone, so the route lists only songs that training has met; other routes reach the rest through their facts. A user
without a sequence is served by the learned start of all sequences.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import logsumexp

from embeddings.training import ProgressCallback, TrainingSettings
from recall.candidates import Candidates, Paths
from recall.histories import played_songs
from recall.interest_sequences import Ints, Sequences
from recall.known_songs import song_ids
from recall.route_settings import part_of
from recall.sasrec_batches import SequenceExamples
from recall.sasrec_network import SasRec, SequenceShape
from recall.sasrec_training import fit_sasrec, user_vectors
from recall.serving import UserTables, Vectors, nearest_song, played_pairs, song_paths
from recall.snapshot import Snapshot
from recall.vector_index import VectorIndex

USERS_AT_ONCE = 4
"""Users whose vectors are found together, always the same ones: a few long sequences stay in a core's cache, many do not."""
SONGS_AT_ONCE = 65_536
"""Songs whose logits are in memory together where a user's are summed."""


@dataclass(frozen=True)
class SasRecSettings(SequenceShape, SequenceExamples):
    """Network, examples and training."""

    learning_rate: float = 2e-3
    decay: float = 0.93
    """Learning rate of an epoch over that of the one before."""
    weight_decay: float = 0.0
    max_epochs: int = 30
    patience: int = 3
    threads: int | None = None


class SasRecRoute:
    """Songs that are likely to be heard next."""

    name: ClassVar[str] = "sasrec"
    epochs_found: int
    """Epochs that training took; a refit on all events takes them as `epochs`."""

    def __init__(
        self, settings: SasRecSettings = SasRecSettings(), epochs: int | None = None, progress: ProgressCallback | None = None
    ) -> None:
        """With `epochs` the fit takes exactly that many on all events; without, it stops early on the latest slice of them."""
        self.settings, self.epochs, self.progress = settings, epochs, progress
        self.epochs_found = epochs or 0

    def fit(self, snapshot: Snapshot) -> None:
        """Train on the snapshot's sequences, then observe it."""
        sequences = Sequences.of(snapshot)
        songs = np.unique(sequences.item)
        self._keys = snapshot.catalogue.song_keys[songs].tolist()
        self._network = self._built(len(songs), snapshot.seed)
        s = self.settings
        result = fit_sasrec(
            self._network,
            replace(sequences, item=np.searchsorted(songs, sequences.item)),
            ordinal=snapshot.ordinal,
            examples=s,
            training=part_of(s, TrainingSettings),
            epochs=self.epochs,
            seed=snapshot.seed,
            progress=self.progress,
        )
        self.epochs_found, self.metrics = result.epochs_found, result.metrics
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the snapshot's histories; song vectors were learned. Songs that training has not met are no tokens."""
        self._network.eval()
        ids = song_ids(self._keys, snapshot.catalogue)
        rows = np.argsort(ids, kind="stable")[int((ids < 0).sum()) :]
        self.songs = ids[rows]
        """`[n]` ids of the songs that the route can list, ascending."""
        self._index = VectorIndex(self._network.items.detach().numpy()[rows])
        row_of_song = np.full(snapshot.catalogue.n_songs, -1, np.int64)
        row_of_song[self.songs] = rows
        sequences = Sequences.of(snapshot)
        self._heard = sequences.take(row_of_song[sequences.item] >= 0)
        self._sequences = replace(self._heard, item=row_of_song[self._heard.item])
        self._place = np.full(snapshot.catalogue.n_songs, -1, np.int64)
        self._place[self.songs] = np.arange(len(self.songs))
        self._users = UserTables(snapshot.catalogue.n_users, (self.settings.dim, 1), self._vectors_of, USERS_AT_ONCE)
        self._played = played_songs(snapshot)
        self._unit: Vectors | None = None

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs likeliest to come next, of those that training has met."""
        vectors, total = self._users.of(users)
        found = self._index.search(vectors, k, self._played_places(users) if new_only else None)
        lift = self._lift(found.score, total[found.row, 0])
        order = np.lexsort((found.item, -lift, found.row))
        return Candidates(users[found.row[order]].astype(np.int32), self.songs[found.item[order]], lift[order])

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """How many times likelier each song is to come next than one drawn at random, `[n]`; 0 for a song that training has not met."""
        distinct, row = np.unique(users, return_inverse=True)
        vectors, total = self._users.of(distinct)
        place = self._place[items]
        known = place >= 0
        out = np.zeros(len(users), np.float32)
        out[known] = self._lift(self._index.score(vectors, row[known], place[known]), total[row[known], 0])
        return out

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The song of the window that is nearest to the item in the table (the song itself, if it is there); nothing without one."""
        table, sequences = self._unit_table(), self._heard
        start, end = sequences.offsets[users], sequences.offsets[users.astype(np.int64) + 1]
        evidence = nearest_song(table, self._place[sequences.item], start, end, self._place[items], self.settings.length)
        known = (evidence >= 0) & (self._place[items] >= 0)
        songs = np.where(known, np.append(self.songs, -1)[evidence], -1)
        paths = song_paths(songs.astype(np.int64), items)
        nodes, steps = np.where(known[:, None], paths.nodes, -1), np.where(known[:, None], paths.steps, -1)
        return replace(paths, nodes=nodes, steps=steps, length=np.where(known, paths.length, 0).astype(np.int8), from_profile=None)

    def save(self, folder: Path) -> None:
        """Write settings, keys of the songs and the network into `folder`."""
        torch.save(self._network.state_dict(), folder / "sasrec.pt")
        head: dict[str, Any] = {"settings": asdict(self.settings), "epochs_found": self.epochs_found, "songs": self._keys}
        (folder / "sasrec.json").write_text(json.dumps(head, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route saved in `folder`, having observed `snapshot`."""
        head = json.loads((folder / "sasrec.json").read_text(encoding="utf-8"))
        route = cls(SasRecSettings(**head["settings"]))
        route.epochs_found, route._keys = head["epochs_found"], head["songs"]
        route._network = route._built(len(route._keys), seed=0)
        route._network.load_state_dict(torch.load(folder / "sasrec.pt", weights_only=True))
        route.observe(snapshot)
        return route

    def _built(self, n_items: int, seed: int) -> SasRec:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return SasRec(n_items, part_of(self.settings, SequenceShape))

    def _vectors_of(self, users: Ints) -> tuple[Vectors, Vectors]:
        """Vector and log of the summed odds of all listed songs, for each of `users`."""
        vectors = user_vectors(self._network, self._sequences, users)
        table = self._index.vectors
        parts = [logsumexp(vectors @ table[a : a + SONGS_AT_ONCE].T, axis=1) for a in range(0, len(table), SONGS_AT_ONCE)]
        total = logsumexp(np.column_stack(parts), axis=1) if parts else np.zeros(len(users))
        return vectors, np.asarray(total, np.float32)[:, None]

    def _lift(self, logit: Vectors, total: Vectors) -> Vectors:
        """Probability among the listed songs over that of a uniform draw, `[n]`."""
        return np.asarray(np.exp(logit.astype(np.float64) - total) * len(self._index), np.float32)

    def _played_places(self, users: npt.NDArray[np.int32]) -> tuple[Ints, Ints]:
        """Pairs (place in `users`, place in the index) of what each has played."""
        row, song = played_pairs(self._played, users)
        place = self._place[song]
        return row[place >= 0], place[place >= 0]

    def _unit_table(self) -> Vectors:
        """`[n, dim]` vectors of the listed songs, each of length 1; found when first asked for."""
        if self._unit is None:
            table = self._index.vectors
            self._unit = np.asarray(table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12), np.float32)
        return self._unit
