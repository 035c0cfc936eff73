"""The talk's long and short route: two spaces in place of SDM's gate, two indexes, and a list that takes its share from each.

    u_S = short tower(session),                       v_i^S = song encoder(i)
    u_L = long tower(attribute sets with statistics), v_i^L = W [artist, album, style, language, era] + gamma E'[i]
    L = CE_S(u_S, next song) + lambda CE_L(u_L, song drawn from a longer window)

each with negatives and a temperature of its own. Were both losses about the next song, the long space would learn a copy of the short
one; that target is kept as a switch. A score is the larger of the two spaces' cosines, each standardised by what the user's cosines over
the whole catalogue have as mean and spread, so that it says how far above the rest a song stands, in whichever space.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from embeddings.song_encoder import SongEncoder
from embeddings.training import ProgressCallback, TrainingSettings
from etl.errors import UserError
from recall.attribute_songs import AttributeSongs
from recall.attributes import Attributes, Ints
from recall.candidates import Candidates, Paths
from recall.held_out import EXACT, VALIDATION_K, HeldOut, Search
from recall.histories import played_songs
from recall.latest import Latest
from recall.profile_features import ProfileSchema
from recall.route_settings import TrainedHead, part_of
from recall.sdm_batches import Batch, LongExamples, LongTarget, SdmExamples, context_of
from recall.sdm_network import NetworkSettings
from recall.sdm_training import fit_sdm, space_loss
from recall.serving import UserTables, Vectors, nearest_song, played_pairs, slices, song_paths
from recall.sittings import Sides, Sittings
from recall.snapshot import Snapshot
from recall.space_network import LongSpace, ShortSpace, TwoSpaces
from recall.space_quota import EVEN, learned_quota
from recall.space_reasons import either, long_paths
from recall.space_union import SERVING, Side, Space, union, union_score
from recall.stopped_training import HeldBack
from recall.vector_index import IndexSettings


@dataclass(frozen=True)
class TwoSpacesSettings(NetworkSettings, SdmExamples):
    """Model, examples and training."""

    short_songs: Literal["encoder", "attributes"] = "encoder"
    """Song vectors of the short space: the song encoder on everything the graph says, or attributes with a vector of the song's own."""
    short_temperature: float = 0.07
    long_temperature: float = 0.07
    long_weight: float = 1.0
    """Lambda: weight of the long space's loss."""
    long_target: LongTarget = "window"
    """What the long space learns from: songs of a longer `window`, or the `next` ones as the short space does."""
    long_horizon: int = 100
    """Tokens from the beginning of the session on that are the longer window."""
    long_targets: int = 8
    """Targets that a session gives the long space."""
    long_quota: float | None = None
    """Share of the list that comes from the long space, from 0 to 1; left out it is learned on the slice that stops training."""
    learning_rate: float = 2e-3
    max_epochs: int = 12
    patience: int = 2
    threads: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.long_quota is not None and not 0 <= self.long_quota <= 1:
            raise UserError(f"long_quota = {self.long_quota} in [recall.two_spaces] must lie between 0 and 1: set it so or leave it out")

    @property
    def long(self) -> LongExamples:
        """Targets of the long space."""
        return LongExamples(self.long_target, self.long_horizon, self.long_targets)


class TwoSpacesRoute:
    """Songs near the session in the short space, and near the lasting taste in the long one."""

    name: ClassVar[str] = "two_spaces"
    epochs_found: int
    """Epochs that training took; a refit on all events takes them as `epochs`."""
    long_quota: float
    """Share of the list that comes from the long space: as set, else as `fit` found it, else a half."""

    def __init__(
        self, settings: TwoSpacesSettings = TwoSpacesSettings(), epochs: int | None = None, progress: ProgressCallback | None = None
    ) -> None:
        """With `epochs` the fit takes exactly that many on all events; without, it stops early on the latest slice of them."""
        self.settings, self.epochs, self.progress = settings, epochs, progress
        self.epochs_found = epochs or 0
        self.long_quota = EVEN if settings.long_quota is None else settings.long_quota
        self._now: int | None = None

    def fit(self, snapshot: Snapshot) -> None:
        """Train both spaces on the snapshot's events, then observe it."""
        s = self.settings
        self._schema = ProfileSchema.of(snapshot.catalogue.users)
        self._profile = self._schema.encode(snapshot.catalogue.users)
        encoder = SongEncoder(snapshot.projection, snapshot.vectors, s.dim, snapshot.seed, id_dropout=s.id_dropout)
        self._build(Attributes.of(snapshot.projection), encoder, snapshot.seed)
        sittings = Sittings.of(snapshot, s)
        result = fit_sdm(
            self._model,
            sittings,
            self._attributes,
            self._profile,
            examples=s,
            long=s.long,
            training=part_of(s, TrainingSettings),
            epochs=self.epochs,
            seed=snapshot.seed,
            loss=self._loss,
            search=self._search_in,
            progress=self.progress,
        )
        self.epochs_found, self.metrics = result.epochs_found, result.metrics
        self.long_quota = self._learned_quota(sittings, snapshot.seed) if s.long_quota is None else s.long_quota
        self.observe(snapshot)

    @property
    def settled(self) -> TwoSpacesSettings:
        """The settings with the quota that `fit` found, for a refit on all events, which holds back nothing to find it on."""
        return replace(self.settings, long_quota=self.long_quota)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the snapshot's histories and profiles; parameters were learned."""
        self._model.eval()
        self._now = snapshot.now if self.settings.live_only else None
        self._sittings = Sittings.of(snapshot, self.settings)
        self._profile = self._schema.encode(snapshot.catalogue.users)
        self._spaces = self._new_spaces()
        self._played = played_songs(snapshot)
        self._sides = Latest(self._sides_at)
        dims = (self.settings.dim, self.settings.dim, 2)
        self._vectors = UserTables(snapshot.catalogue.n_users, dims, lambda users: self._vectors_in(self._sittings, users))

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The best of each space by its quota, at most `k` songs."""
        found = union(self.sides(users), k, played_pairs(self._played, users) if new_only else None)
        return Candidates(users[found.row].astype(np.int32), found.item, found.score)

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Standard deviations above the user's mean in the space where the song stands higher, of each pair `[n]`."""
        distinct, row = np.unique(users, return_inverse=True)
        return union_score(self.sides(distinct), row, items)

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """By the space in which the song stands higher: the nearest song of the session, or the attribute that speaks most for it."""
        distinct, row = np.unique(users, return_inverse=True)
        short, long = self.sides(distinct)
        requests = self._requests(self._sittings, users.astype(np.int64))
        wanted, sequence, s = items.astype(np.int64), self._sittings.sequences.item, self.settings
        table = self._spaces[0].index.vectors
        near = song_paths(nearest_song(table, sequence, requests.short_start, requests.short_end, wanted, s.short_length), items)
        vectors = self._vectors.of(users)[1]
        far = long_paths(self._model.long.songs, self._attributes, self._spaces[1].index.vectors, vectors, self._sittings, requests, wanted)
        return either(short.score(row, items) >= long.score(row, items), near, far)

    def sides(self, users: npt.NDArray[np.integer]) -> tuple[Side, Side]:
        """The users `[n]` in the short space and in the long one."""
        return self._sides.of(users)

    def _sides_at(self, users: npt.NDArray[np.int32]) -> tuple[Side, Side]:
        short, long, quota = self._vectors.of(users)
        return self._sides_of(self._spaces, short, long, quota)

    def save(self, folder: Path) -> None:
        """Write settings, vocabulary, profile schema and parameters into `folder`."""
        state = {name: value for name, value in self._model.state_dict().items() if not self._of_encoder(name)}
        torch.save({"keys": list(self._attributes.keys), "state": state}, folder / "two_spaces.pt")
        if isinstance(self._model.short.songs, SongEncoder):
            self._model.short.songs.save(folder)
        TrainedHead(asdict(self.settled), self.epochs_found, self._schema).write(folder / "two_spaces.json")

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route saved in `folder`, having observed `snapshot`."""
        head = TrainedHead.read(folder / "two_spaces.json")
        saved = torch.load(folder / "two_spaces.pt", weights_only=True)
        route = cls(TwoSpacesSettings(**head.settings))
        route.epochs_found, route._schema = head.epochs_found, head.schema
        encoder = SongEncoder.load(folder, snapshot.projection) if route.settings.short_songs == "encoder" else None
        route._build(Attributes.under(tuple(saved["keys"]), snapshot.projection), encoder, seed=0)
        own = {name: value for name, value in route._model.state_dict().items() if route._of_encoder(name)}
        route._model.load_state_dict({**own, **saved["state"]})
        route.observe(snapshot)
        return route

    def _build(self, attributes: Attributes, encoder: SongEncoder | None, seed: int) -> None:
        s, self._attributes = self.settings, attributes
        plain = AttributeSongs(attributes, attributes.names, s.dim, seed, id_dropout=s.id_dropout)
        lifted = AttributeSongs(attributes, attributes.names, s.dim, seed + 1, id_dropout=s.id_dropout)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            short = ShortSpace(encoder if s.short_songs == "encoder" and encoder is not None else plain, self._schema.sizes, s)
            long = LongSpace(lifted, self._schema.sizes, len(attributes.names), s)
        self._model = TwoSpaces(short, long)

    def _of_encoder(self, name: str) -> bool:
        """Whether a parameter is the song encoder's, which saves itself by key."""
        return self.settings.short_songs == "encoder" and name.startswith("short.songs.")

    def _loss(self, batch: Batch, log_q: Tensor) -> Tensor:
        s, model = self.settings, self._model
        loss = space_loss(model.short(batch.context), batch.next, model.short.items, s.short_temperature, log_q)
        if s.long_weight == 0 or batch.later is None:
            return loss
        long = model.long(batch.context)[:, None].expand(-1, batch.later.song.shape[1], -1)
        return loss + s.long_weight * space_loss(long, batch.later, model.long.items, s.long_temperature, log_q)

    def _new_spaces(self, index: IndexSettings = SERVING) -> tuple[Space, Space]:
        return Space(self._model.short.table().numpy(), index), Space(self._model.long.table().numpy(), index)

    def _sides_of(self, spaces: tuple[Space, Space], short: Vectors, long: Vectors, quota: Vectors) -> tuple[Side, Side]:
        wide = quota.astype(np.float64)
        return Side.of(spaces[0], short, wide[:, 0]), Side.of(spaces[1], long, wide[:, 1])

    def _requests(self, sittings: Sittings, users: Ints) -> Sides:
        return sittings.latest(users, self.settings.short_length, self.settings.long_length, self._now)

    @torch.no_grad()
    def _vectors_in(self, sittings: Sittings, users: Ints) -> tuple[Vectors, ...]:
        """Vectors in both spaces and quotas `[n, 2]`: a side that is missing gives its share to the other."""
        sides = self._requests(sittings, users)
        context = context_of(sittings, self._attributes, self._profile, sides, self.settings)
        short = self._model.short(context)[torch.arange(len(users)), context.n_short]
        has = np.stack([sides.short_end > sides.short_start, sides.long_end > sides.long_start], axis=1)
        share = np.array([1 - self.long_quota, self.long_quota])
        quota = np.where(has.any(1, keepdims=True), has, True) * share
        # Where the side that is there has no share by the setting, it still is all there is.
        quota = np.where(quota.sum(1, keepdims=True) > 0, quota, has).astype(np.float32)
        return short.numpy(), self._model.long(context).numpy(), quota

    def _search_in(self, sittings: Sittings, users: Ints) -> Search:
        sides = self._sides_in(sittings, users)
        return lambda exclude: union(sides, VALIDATION_K, exclude)

    def _sides_in(self, sittings: Sittings, users: Ints) -> tuple[Side, Side]:
        parts = [self._vectors_in(sittings, users[part]) for part in slices(len(users))]
        short, long, quota = (np.concatenate(column) for column in zip(*parts, strict=True))
        return self._sides_of(self._new_spaces(EXACT), short, long, quota)

    def _learned_quota(self, sittings: Sittings, seed: int) -> float:
        """The quota that finds most in the slice that stopped training; a half where everything was learned from."""
        s, sequences = self.settings, sittings.sequences
        late, _ = HeldBack.of(sequences, sittings.ordinal, s.valid_share, self.epochs, s.max_epochs)
        if late is None or not (sequences.positive & ~late).any():
            return EVEN
        seen, held = sittings.take(~late), HeldOut.of(sequences, late, self._attributes.n_songs, s.valid_users, seed)
        requests = self._requests(seen, held.users)
        both = (requests.short_end > requests.short_start) & (requests.long_end > requests.long_start)
        return learned_quota(self._sides_in(seen, held.users), held, both)
