"""The interest route: YouTube-DNN recall (Covington et al., RecSys 2016) with self-attention, on the shared song encoder.

A user vector is found from profile and the sequence of clicks and positive events, song vectors come from `SongEncoder`, and the
score is their cosine over a temperature. Against the paper: self-attention in place of the average, clicks in place of searches,
every place of a sequence is an example of what came after it, and a user without any history is served by the profile.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch

from embeddings.song_encoder import SongEncoder
from embeddings.training import ProgressCallback, TrainingSettings
from recall.candidates import Candidates, Paths
from recall.interest_sequences import Ints, Sequences, last_windows, token_rows
from recall.interest_tower import InterestModel, InterestTower, TowerShape
from recall.interest_training import ExampleSettings, fit_interest, user_vectors
from recall.profile_features import ProfileSchema
from recall.snapshot import Snapshot
from recall.vector_index import VectorIndex

USERS_AT_ONCE = 128
"""Users whose vectors are found together: always the same ones, so that a user's vector does not depend on who else asks."""


@dataclass(frozen=True)
class InterestSettings(TowerShape, ExampleSettings):
    """Model, examples and training."""

    temperature: float = 0.07
    """A score is a cosine divided by this."""
    id_dropout: float = 0.1
    """Share of songs whose id is withheld in a batch, so that facts alone serve a song that is new."""
    learning_rate: float = 4e-3
    weight_decay: float = 0.0
    max_epochs: int = 10
    patience: int = 2
    threads: int | None = None


class InterestRoute:
    """Songs near the user's interest vector."""

    name: ClassVar[str] = "interest"
    encoder: SongEncoder
    """The song encoder, to be shared with ranking; set by `fit` and `load`."""
    epochs_found: int
    """Epochs that training took; a refit on all events takes them as `epochs`."""

    def __init__(
        self, settings: InterestSettings = InterestSettings(), epochs: int | None = None, progress: ProgressCallback | None = None
    ) -> None:
        """With `epochs` the fit takes exactly that many on all events; without, it stops early on the latest slice of them."""
        self.settings, self.epochs, self.progress = settings, epochs, progress
        self.epochs_found = epochs or 0

    def fit(self, snapshot: Snapshot) -> None:
        """Train both towers on the snapshot's events, then observe it."""
        self._schema = ProfileSchema.of(snapshot.catalogue.users)
        encoder = SongEncoder(snapshot.projection, snapshot.vectors, self.settings.dim, snapshot.seed, id_dropout=self.settings.id_dropout)
        self._build(encoder, snapshot.seed)
        result = fit_interest(
            self._model,
            Sequences.of(snapshot),
            self._schema.encode(snapshot.catalogue.users),
            ordinal=snapshot.ordinal,
            examples=self.settings,
            training=self._training(),
            epochs=self.epochs,
            seed=snapshot.seed,
            progress=self.progress,
        )
        self.epochs_found, self.metrics = result.epochs_found, result.metrics
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the snapshot's histories and profiles; song vectors were learned."""
        self._model.eval()
        self._sequences = Sequences.of(snapshot)
        self._profile = self._schema.encode(snapshot.catalogue.users)
        self._table = self._model.table()
        self._index = VectorIndex(self._table.numpy())
        n_users = snapshot.catalogue.n_users
        self._vectors = np.zeros((n_users, self.settings.dim), np.float32)
        self._found = np.zeros(-(-n_users // USERS_AT_ONCE), bool)
        plays = snapshot.plays
        self._played = np.unique(plays.user.astype(np.int64) * len(self._index) + plays.item)

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs nearest to each user's vector."""
        exclude = self._played_by(users) if new_only else None
        found = self._index.search(self._vectors_of(users), k, exclude)
        return Candidates(users[found.row].astype(np.int32), found.item, self._scaled(found.score))

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Cosine over temperature of each pair `[n]`."""
        distinct, row = np.unique(users, return_inverse=True)
        return self._scaled(self._index.score(self._vectors_of(distinct), row, items))

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The most similar song of the history that the vector was made from (the song itself, if it is there); else the profile."""
        evidence = self._nearest(users, items)
        itself, profile = evidence == items, evidence < 0
        nodes = np.column_stack((evidence, np.where(itself, -1, items))).astype(np.int32)
        steps = np.where(itself, -1, profile.astype(np.int16)).astype(np.int16)[:, None]
        length = np.where(itself, 1, 2).astype(np.int8)
        return Paths(nodes, steps, length, ("SIMILAR_TO", "PROFILE"), profile)

    def save(self, folder: Path) -> None:
        """Write settings, profile schema, encoder and tower into `folder`."""
        self.encoder.save(folder)
        torch.save(self._model.tower.state_dict(), folder / "tower.pt")
        head: dict[str, Any] = {
            "settings": asdict(self.settings),
            "epochs_found": self.epochs_found,
            "profile": [asdict(column) for column in self._schema.columns],
        }
        (folder / "interest.json").write_text(json.dumps(head, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route saved in `folder`, having observed `snapshot`."""
        head = json.loads((folder / "interest.json").read_text(encoding="utf-8"))
        route = cls(InterestSettings(**head["settings"]))
        route.epochs_found = head["epochs_found"]
        route._schema = ProfileSchema.from_json(head["profile"])
        route._build(SongEncoder.load(folder, snapshot.projection), seed=0)
        route._model.tower.load_state_dict(torch.load(folder / "tower.pt", weights_only=True))
        route.observe(snapshot)
        return route

    def _build(self, encoder: SongEncoder, seed: int) -> None:
        shape = TowerShape(**{name: getattr(self.settings, name) for name in TowerShape.__dataclass_fields__})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tower = InterestTower(shape, self._schema.sizes)
        self.encoder = encoder
        self._model = InterestModel(encoder, tower, self.settings.temperature)

    def _training(self) -> TrainingSettings:
        s = self.settings
        return TrainingSettings(s.max_epochs, s.patience, s.learning_rate, s.weight_decay, threads=s.threads)

    def _scaled(self, cosine: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(cosine / self.settings.temperature, np.float32)

    def _vectors_of(self, users: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """`[n, dim]`, found when first asked for."""
        blocks = np.unique(users // USERS_AT_ONCE)
        for block in blocks[~self._found[blocks]].tolist():
            mates = np.arange(block * USERS_AT_ONCE, min((block + 1) * USERS_AT_ONCE, len(self._vectors)))
            self._vectors[mates] = user_vectors(self._model, self._table, self._sequences, self._profile, mates)
            self._found[block] = True
        found: npt.NDArray[np.float32] = self._vectors[users]
        return found

    def _played_by(self, users: npt.NDArray[np.int32]) -> tuple[Ints, Ints]:
        """Pairs (place in `users`, song) of what each has played."""
        n = len(self._index)
        first, last = np.searchsorted(self._played, (users.astype(np.int64) * n, (users.astype(np.int64) + 1) * n))
        count = last - first
        row = np.repeat(np.arange(len(users)), count)
        place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        return row, self._played[first[row] + place] % n

    def _nearest(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Ints:
        """Of each pair the song of the user's window with the largest cosine to the item, the latest of equals; -1 without history."""
        out = np.full(len(users), -1, np.int64)
        length, table = self.settings.length, self._index.vectors
        for start in range(0, len(users) if len(self._sequences) else 0, 2048):
            part = slice(start, start + 2048)
            rows, real = token_rows(last_windows(self._sequences, users[part].astype(np.int64), length), length)
            if self.settings.history == "searches":
                real &= self._sequences.searched[rows]
            songs = self._sequences.item[rows]
            cosine = np.einsum("nld,nd->nl", table[songs], table[items[part]])
            # The song itself is its own best evidence, whatever rounding says of cosines near 1.
            cosine = np.where(songs == items[part][:, None], 2.0, cosine)
            best = length - 1 - np.argmax(np.where(real, cosine, -np.inf)[:, ::-1], axis=1)
            out[part] = np.where(real.any(axis=1), songs[np.arange(len(songs)), best], -1)
        return out
