"""The interest route: YouTube-DNN recall (Covington et al., RecSys 2016) with self-attention, on the shared song encoder.

A user vector is found from profile and the sequence of clicks and positive events, song vectors come from `SongEncoder`, and the
score is their cosine over a temperature. Against the paper: self-attention in place of the average, clicks in place of searches,
every place of a sequence is an example of what came after it, and a user without any history is served by the profile.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch

from embeddings.song_encoder import SongEncoder
from embeddings.training import ProgressCallback, TrainingSettings
from recall.candidates import Candidates, Paths
from recall.comments import CommentUse
from recall.histories import played_songs
from recall.interest_sequences import Ints, Sequences
from recall.interest_tower import InterestModel, InterestTower, TowerShape
from recall.interest_training import ExampleSettings, fit_interest, user_vectors
from recall.profile_features import ProfileSchema
from recall.route_settings import TrainedHead, part_of
from recall.serving import UserTables, Vectors, nearest_song, played_pairs, song_paths
from recall.snapshot import Snapshot
from recall.vector_index import VectorIndex


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
    comments: CommentUse = "ignored"
    """Comments in the sequence: `ignored`; `all_positive`, each as evidence for its song; or `by_sentiment`, those in favour as such
    evidence, while a song that the user has last spoken against is no evidence whatever else was done with it."""


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
            Sequences.of(snapshot, self.settings.comments),
            self._schema.encode(snapshot.catalogue.users),
            ordinal=snapshot.ordinal,
            examples=self.settings,
            training=part_of(self.settings, TrainingSettings),
            epochs=self.epochs,
            seed=snapshot.seed,
            progress=self.progress,
        )
        self.epochs_found, self.metrics = result.epochs_found, result.metrics
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the snapshot's histories and profiles; song vectors were learned."""
        self._model.eval()
        self._sequences = Sequences.of(snapshot, self.settings.comments)
        self._profile = self._schema.encode(snapshot.catalogue.users)
        self._table = self._model.table()
        self._index = VectorIndex(self._table.numpy())
        self._users = UserTables(snapshot.catalogue.n_users, (self.settings.dim,), self._vectors_in)
        self._played = played_songs(snapshot)

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs nearest to each user's vector."""
        exclude = played_pairs(self._played, users) if new_only else None
        found = self._index.search(self._vectors_of(users), k, exclude)
        return Candidates(users[found.row].astype(np.int32), found.item, self._scaled(found.score))

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Cosine over temperature of each pair `[n]`."""
        distinct, row = np.unique(users, return_inverse=True)
        return self._scaled(self._index.score(self._vectors_of(distinct), row, items))

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The most similar song of the history that the vector was made from (the song itself, if it is there); else the profile."""
        sequences, length = self._sequences, self.settings.length
        start, end = sequences.offsets[users], sequences.offsets[users.astype(np.int64) + 1]
        read = sequences.searched if self.settings.history == "searches" else None
        return song_paths(nearest_song(self._index.vectors, sequences.item, start, end, items.astype(np.int64), length, read), items)

    def save(self, folder: Path) -> None:
        """Write settings, profile schema, encoder and tower into `folder`."""
        self.encoder.save(folder)
        torch.save(self._model.tower.state_dict(), folder / "tower.pt")
        TrainedHead(asdict(self.settings), self.epochs_found, self._schema).write(folder / "interest.json")

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route saved in `folder`, having observed `snapshot`."""
        head = TrainedHead.read(folder / "interest.json")
        route = cls(InterestSettings(**head.settings))
        route.epochs_found, route._schema = head.epochs_found, head.schema
        route._build(SongEncoder.load(folder, snapshot.projection), seed=0)
        route._model.tower.load_state_dict(torch.load(folder / "tower.pt", weights_only=True))
        route.observe(snapshot)
        return route

    def _build(self, encoder: SongEncoder, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tower = InterestTower(part_of(self.settings, TowerShape), self._schema.sizes)
        self.encoder = encoder
        self._model = InterestModel(encoder, tower, self.settings.temperature)

    def _scaled(self, cosine: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(cosine / self.settings.temperature, np.float32)

    def _vectors_of(self, users: npt.NDArray[np.integer]) -> Vectors:
        """`[n, dim]`, found when first asked for."""
        return self._users.of(users)[0]

    def _vectors_in(self, users: Ints) -> tuple[Vectors]:
        return (user_vectors(self._model, self._table, self._sequences, self._profile, users),)
