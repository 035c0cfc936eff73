"""The capsule route: several interests of a user by dynamic routing (MIND, Li et al., CIKM 2019), on a song encoder.

Against the paper: songs and interests have length 1 and a score is their cosine over a temperature; the initial routing logits are
fixed by the seed, so that the same user gets the same list; the head adds to the interest (`residual`); a history is the window that
routing sees.
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
from recall.capsule_network import CapsuleNetwork, CapsuleShape
from recall.capsule_training import CapsuleExamples, CapsuleModel, capsules_of, fit_capsules, history_songs
from recall.histories import played_songs
from recall.interest_diagnostics import InterestDiagnostics, diagnose
from recall.interest_sequences import Ints, Sequences
from recall.interest_vectors import InterestVectors, best, search
from recall.profile_features import ProfileSchema
from recall.route_settings import TrainedHead, part_of
from recall.serving import USERS_AT_ONCE, played_pairs, slices, song_paths
from recall.snapshot import Snapshot
from recall.vector_index import VectorIndex


@dataclass(frozen=True)
class CapsuleSettings(CapsuleShape, CapsuleExamples):
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


class CapsuleRoute:
    """Songs near any of the user's interests."""

    name: ClassVar[str] = "capsules"
    epochs_found: int
    """Epochs that training took; a refit on all events takes them as `epochs`."""

    def __init__(
        self, settings: CapsuleSettings = CapsuleSettings(), epochs: int | None = None, progress: ProgressCallback | None = None
    ) -> None:
        """With `epochs` the fit takes exactly that many on all events; without, it stops early on the latest slice of them."""
        self.settings, self.epochs, self.progress = settings, epochs, progress
        self.epochs_found = epochs or 0

    def fit(self, snapshot: Snapshot) -> None:
        """Train encoder and capsules on the snapshot's events, then observe it."""
        self._schema = ProfileSchema.of(snapshot.catalogue.users)
        self._build(
            SongEncoder(snapshot.projection, snapshot.vectors, self.settings.dim, snapshot.seed, id_dropout=self.settings.id_dropout),
            snapshot.seed,
        )
        result = fit_capsules(
            self._model,
            Sequences.of(snapshot),
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
        self._sequences = Sequences.of(snapshot)
        self._profile = self._schema.encode(snapshot.catalogue.users)
        self._table = self._model.table()
        self._index = VectorIndex(self._table.numpy())
        n_users = snapshot.catalogue.n_users
        self._vectors = np.zeros((n_users, self.settings.max_interests, self.settings.dim), np.float32)
        self._sizes = np.zeros(n_users, np.int64)
        self._played = played_songs(snapshot)

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs nearest to any of the user's interests."""
        found = search(self._index, self.interests(users), k, played_pairs(self._played, users) if new_only else None)
        return Candidates(users[found.row].astype(np.int32), found.item, self._scaled(found.score))

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Largest cosine of the user's interests over temperature, of each pair `[n]`."""
        distinct, row = np.unique(users, return_inverse=True)
        return self._scaled(best(self._index, self.interests(distinct), row, items)[0])

    def interests(self, users: npt.NDArray[np.integer]) -> InterestVectors:
        """Active capsules of `users` `[n]`, each of length 1; found when first asked for."""
        blocks = np.unique(users[self._sizes[users] == 0] // USERS_AT_ONCE)
        for block in blocks.tolist():
            mates = self._block(block)
            found = capsules_of(self._model, self._table, self._sequences, self._profile, mates)
            place = np.arange(len(found.vectors)) - found.offsets[found.owner]
            self._vectors[mates[found.owner], place] = found.vectors
            self._sizes[mates] = found.sizes
        sizes = self._sizes[users]
        real = np.arange(self.settings.max_interests) < sizes[:, None]
        return InterestVectors.of_sizes(sizes, self._vectors[users][real])

    def diagnose(self, users: npt.NDArray[np.integer], k: int = 100) -> InterestDiagnostics:
        """Whether the interests of `users` `[n]` have collapsed."""
        return diagnose(self._index, self.interests(users), k)

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The song that speaks loudest in the interest nearest to the item: routing weight times cosine; else the profile."""
        return song_paths(self._evidence(users, items), items)

    def save(self, folder: Path) -> None:
        """Write settings, profile schema, encoder and network into `folder`."""
        self._model.encoder.save(folder)
        torch.save(self._model.network.state_dict(), folder / "capsules.pt")
        TrainedHead(asdict(self.settings), self.epochs_found, self._schema).write(folder / "capsules.json")

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route saved in `folder`, having observed `snapshot`."""
        head = TrainedHead.read(folder / "capsules.json")
        route = cls(CapsuleSettings(**head.settings))
        route.epochs_found, route._schema = head.epochs_found, head.schema
        route._build(SongEncoder.load(folder, snapshot.projection), seed=0)
        route._model.network.load_state_dict(torch.load(folder / "capsules.pt", weights_only=True))
        route.observe(snapshot)
        return route

    @property
    def song_vectors(self) -> npt.NDArray[np.float32]:
        """`[n_songs, dim]` of length 1, as learned."""
        return self._index.vectors

    def assignments(self, users: npt.NDArray[np.integer]) -> tuple[Ints, Ints, npt.NDArray[np.float32]]:
        """Histories of `users` as routing saw them: songs `[n, length]` padded at the end, their number `[n]`, weights `[n, length, K]`."""
        shape = self.settings
        songs, count = np.zeros((len(users), shape.length), np.int64), np.zeros(len(users), np.int64)
        weights = np.zeros((len(users), shape.length, shape.max_interests), np.float32)
        for block in np.unique(users // USERS_AT_ONCE).tolist():
            mates, mine = self._block(block), np.flatnonzero(users // USERS_AT_ONCE == block)
            heard, n = history_songs(self._sequences, mates, shape.length)
            vectors = self._table[torch.from_numpy(heard)]
            with torch.no_grad():
                found = self._model.network(vectors, torch.from_numpy(n), torch.from_numpy(self._profile[mates]))
            row = users[mine] - mates[0]
            songs[mine], count[mine], weights[mine] = heard[row], n[row], found.weights.numpy()[row]
        return songs, count, weights

    def _build(self, encoder: SongEncoder, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = CapsuleNetwork(part_of(self.settings, CapsuleShape), self._schema.sizes)
        self._model = CapsuleModel(encoder, network, self.settings.temperature)

    def _scaled(self, cosine: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(cosine / self.settings.temperature, np.float32)

    def _block(self, block: int) -> Ints:
        return np.arange(block * USERS_AT_ONCE, min((block + 1) * USERS_AT_ONCE, len(self._sizes)))

    def _evidence(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Ints:
        """Of each pair the song of the user's history that the speaking capsule was made of, the latest of equals; -1 without history."""
        out = np.full(len(users), -1, np.int64)
        for part in slices(len(users)):
            distinct, row = np.unique(users[part], return_inverse=True)
            interests = self.interests(distinct)
            capsule = best(self._index, interests, row, items[part])[1] - interests.offsets[row]
            songs, count, weights = self.assignments(distinct)
            songs, count, weights = songs[row], count[row], weights[row, :, capsule]
            cosine = np.einsum("nld,nd->nl", self._index.vectors[songs], self._index.vectors[items[part]])
            # The song itself is its own best evidence, whichever capsule it was routed to.
            loud = np.where(songs == items[part][:, None], np.inf, weights * cosine)
            loud = np.where(np.arange(songs.shape[1]) < count[:, None], loud, -np.inf)
            latest = songs.shape[1] - 1 - np.argmax(loud[:, ::-1], axis=1)
            out[part] = np.where(count > 0, songs[np.arange(len(songs)), latest], -1)
        return out
