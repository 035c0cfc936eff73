"""The route of SDM with its gate (Lv et al., CIKM 2019): one user vector of the session under way and of what was heard before it.

As in the paper: LSTM, self-attention and user attention over the session; one set an attribute (song, artist, album, style, language,
era) of what came before, pooled by the user; a vector gate; a separate table of item vectors; sampled softmax with log-Q correction.
Ours: the sum of a map of each attribute in place of one map of their concatenation (the same function); the long side in tokens, not in
days, so that it serves sources without a clock; users who lack a side (`SdmNetwork.mixed`); example weights as in the interest route.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from embeddings.training import ProgressCallback, TrainingSettings
from recall.attribute_songs import AttributeSongs
from recall.attributes import SONG, Attributes, Ints
from recall.candidates import Candidates, Paths
from recall.held_out import EXACT, VALIDATION_K, Search
from recall.histories import played_songs
from recall.profile_features import ProfileSchema
from recall.route_settings import TrainedHead, part_of
from recall.sdm_batches import Batch, SdmExamples, context_of
from recall.sdm_network import Mixed, NetworkSettings, SdmNetwork
from recall.sdm_training import fit_sdm, space_loss
from recall.serving import UserTables, Vectors, nearest_song, played_pairs, slices, song_paths
from recall.sittings import Sides, Sittings
from recall.snapshot import Snapshot
from recall.vector_index import Exclude, Found, VectorIndex


@dataclass(frozen=True)
class SdmSettings(NetworkSettings, SdmExamples):
    """Model, examples and training."""

    items: Literal["song", "attributes"] = "song"
    """Item vectors: a table of songs alone, as in the paper, or lifted to attributes too, which reaches songs that nobody has heard."""
    temperature: float | None = None
    """None: the score is the inner product, as in the paper; a number: the cosine divided by it."""
    learning_rate: float = 2e-3
    max_epochs: int = 12
    patience: int = 2
    threads: int | None = None


class SdmRoute:
    """Songs near the gated mixture of long and short taste."""

    name: ClassVar[str] = "sdm"
    epochs_found: int
    """Epochs that training took; a refit on all events takes them as `epochs`."""

    def __init__(self, settings: SdmSettings = SdmSettings(), epochs: int | None = None, progress: ProgressCallback | None = None) -> None:
        """With `epochs` the fit takes exactly that many on all events; without, it stops early on the latest slice of them."""
        self.settings, self.epochs, self.progress = settings, epochs, progress
        self.epochs_found = epochs or 0
        self._now: int | None = None

    def fit(self, snapshot: Snapshot) -> None:
        """Train on the snapshot's events, then observe it."""
        s = self.settings
        self._schema = ProfileSchema.of(snapshot.catalogue.users)
        self._profile = self._schema.encode(snapshot.catalogue.users)
        self._build(Attributes.of(snapshot.projection), snapshot.seed)
        result = fit_sdm(
            self._model,
            Sittings.of(snapshot, s),
            self._attributes,
            self._profile,
            examples=s,
            long=None,
            training=part_of(s, TrainingSettings),
            epochs=self.epochs,
            seed=snapshot.seed,
            loss=self._loss,
            search=self._search_in,
            progress=self.progress,
        )
        self.epochs_found, self.metrics = result.epochs_found, result.metrics
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the snapshot's histories and profiles; parameters were learned."""
        self._model.eval()
        self._now = snapshot.now if self.settings.live_only else None
        self._sittings = Sittings.of(snapshot, self.settings)
        self._profile = self._schema.encode(snapshot.catalogue.users)
        self._index = VectorIndex(self._item_table())
        self._unit: Vectors | None = None
        self._played = played_songs(snapshot)
        dims = (self.settings.dim,) * 3
        self._mixed = UserTables(snapshot.catalogue.n_users, dims, lambda users: self._sides_in(self._sittings, users))

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs with the largest inner product with each user's vector."""
        found = self._index.search(self.vectors(users), k, played_pairs(self._played, users) if new_only else None)
        return Candidates(users[found.row].astype(np.int32), found.item, found.score)

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Inner product of user and item of each pair `[n]`."""
        distinct, row = np.unique(users, return_inverse=True)
        return self._index.score(self.vectors(distinct), row, items)

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The song of either side whose item vector is nearest to the item's; without a history the profile."""
        sequences, s = self._sittings.sequences, self.settings
        start, end = sequences.offsets[users], sequences.offsets[users.astype(np.int64) + 1]
        if self._unit is None:
            self._unit = np.asarray(functional.normalize(torch.from_numpy(self._index.vectors), dim=-1).numpy())
        evidence = nearest_song(self._unit, sequences.item, start, end, items.astype(np.int64), s.short_length)
        return song_paths(evidence, items)

    def vectors(self, users: npt.NDArray[np.integer]) -> Vectors:
        """`o_u` of each user as it is searched with, `[n, dim]`."""
        gate, long, short = self.sides(users)
        return self.mixed((1 - gate) * long, gate * short)

    def sides(self, users: npt.NDArray[np.integer]) -> tuple[Vectors, Vectors, Vectors]:
        """Gate `G`, long side `p` and short side `s` of each user, `[n, dim]`."""
        gate, long, short = self._mixed.of(users)
        return gate, long, short

    def has_both(self, users: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Whether each user `[n]` has a session and something before it, so that the gate has something to choose."""
        requests = self._requests(self._sittings, users.astype(np.int64))
        return (requests.short_end > requests.short_start) & (requests.long_end > requests.long_start)

    def mixed(self, long: Vectors, short: Vectors) -> Vectors:
        """The vector to search with, of the two gated contributions `[n, dim]`."""
        return self._scaled(long + short)

    def search(self, vectors: Vectors, k: int, exclude: Exclude = None) -> Found:
        """The `k` songs of largest inner product with each of the vectors of `mixed` `[n, dim]`, without the pairs of `exclude`."""
        return self._index.search(vectors, k, exclude)

    def save(self, folder: Path) -> None:
        """Write settings, vocabulary, profile schema and parameters into `folder`."""
        torch.save({"keys": list(self._attributes.keys), "state": self._model.state_dict()}, folder / "sdm.pt")
        TrainedHead(asdict(self.settings), self.epochs_found, self._schema).write(folder / "sdm.json")

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route saved in `folder`, having observed `snapshot`."""
        head = TrainedHead.read(folder / "sdm.json")
        saved = torch.load(folder / "sdm.pt", weights_only=True)
        route = cls(SdmSettings(**head.settings))
        route.epochs_found, route._schema = head.epochs_found, head.schema
        route._build(Attributes.under(tuple(saved["keys"]), snapshot.projection), seed=0)
        route._model.load_state_dict(saved["state"])
        route.observe(snapshot)
        return route

    def _build(self, attributes: Attributes, seed: int) -> None:
        s, self._attributes = self.settings, attributes
        names = attributes.names if s.items == "attributes" else (SONG,)
        inputs = AttributeSongs(attributes, attributes.names, s.dim, seed, id_dropout=s.id_dropout)
        items = AttributeSongs(attributes, names, s.dim, seed + 1, id_dropout=s.id_dropout)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._model = SdmNetwork(inputs, items, self._schema.sizes, len(attributes.names), s)

    def _loss(self, batch: Batch, log_q: Tensor) -> Tensor:
        mixed: Mixed = self._model(batch.context)
        users, cosine = mixed.vector(), self.settings.temperature is not None
        items = self._model.items
        if cosine:
            users = functional.normalize(users, dim=-1)
            return space_loss(users, batch.next, lambda songs: functional.normalize(items(songs), dim=-1), self._temperature, log_q)
        return space_loss(users, batch.next, items, 1.0, log_q)

    @property
    def _temperature(self) -> float:
        return self.settings.temperature or 1.0

    def _item_table(self) -> Vectors:
        table = self._model.items.table()
        out: Vectors = (table if self.settings.temperature is None else functional.normalize(table, dim=-1)).numpy()
        return out

    def _scaled(self, vectors: Vectors) -> Vectors:
        if self.settings.temperature is None:
            return vectors
        length = np.maximum(np.sqrt((vectors.astype(np.float64) ** 2).sum(1, keepdims=True)), 1e-12)
        return np.asarray(vectors / length / self.settings.temperature, np.float32)

    def _requests(self, sittings: Sittings, users: Ints) -> Sides:
        return sittings.latest(users, self.settings.short_length, self.settings.long_length, self._now)

    @torch.no_grad()
    def _sides_in(self, sittings: Sittings, users: Ints) -> tuple[Vectors, ...]:
        context = context_of(sittings, self._attributes, self._profile, self._requests(sittings, users), self.settings)
        mixed: Mixed = self._model(context)
        return tuple(part[torch.arange(len(users)), context.n_short].numpy() for part in mixed)

    def _search_in(self, sittings: Sittings, users: Ints) -> Search:
        parts = [self._sides_in(sittings, users[part]) for part in slices(len(users))]
        gate, long, short = (np.concatenate(column) for column in zip(*parts, strict=True))
        index, vectors = VectorIndex(self._item_table(), settings=EXACT), self.mixed((1 - gate) * long, gate * short)
        return lambda exclude: index.search(vectors, VALIDATION_K, exclude)
