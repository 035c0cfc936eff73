"""What every deep ranker does alike: fit on examples with early stopping, stand at a snapshot, score, save and load."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor, nn

from embeddings.song_encoder import SongEncoder
from embeddings.training import ProgressCallback, TrainingSettings, generator
from embeddings.training import train as train_network
from etl.errors import UserError
from ranking.auc import gauc, log_loss
from ranking.examples import examples_at_now
from ranking.facets import FacetVocabulary
from ranking.features import Features, FeatureSchema
from ranking.places import with_places
from ranking.ranker import Examples
from ranking.song_inputs import Columns, Inputs, complete
from ranking.song_network import DeepSettings
from recall.snapshot import Snapshot

SCORED_AT_ONCE = 512
"""Examples in one pass of scoring: with their histories they stay in the processor's cache."""


class DeepRanker(ABC):
    """A network over songs' vectors and the declared features. A model says which network, and which inputs that reads."""

    name: ClassVar[str]
    settings_kind: ClassVar[type[DeepSettings]]
    network_kind: ClassVar[type[nn.Module]]
    """A `SongNetwork` with `logits(song, batch)` and `forward(batch)`, made of `given_dim, n_facets, code_sizes, n_numeric, settings`."""

    def __init__(self, encoder: SongEncoder | None = None, settings: DeepSettings | None = None, seed: int = 0) -> None:
        """`encoder` gives the songs' vectors and is not changed; without one a song is only its own id and facets."""
        self.encoder = encoder
        self.settings: Any = settings or self.settings_kind()
        self.seed = seed
        self.epochs_found = self.epochs_run = 0
        self._schema: FeatureSchema
        self._vocabulary: FacetVocabulary
        self._network: Any
        self._snapshot: Snapshot
        self._inputs: Any
        self._songs: Tensor

    @abstractmethod
    def _inputs_of(self, snapshot: Snapshot, features: Features, vocabulary: FacetVocabulary, given: npt.NDArray[np.float32]) -> Inputs:
        """What the network reads on `snapshot`."""

    def _loss(self, batch: Any) -> Tensor:
        """Loss of a batch, without the penalty of ids."""
        return nn.functional.binary_cross_entropy_with_logits(self._network(batch), batch.label)

    def _penalty(self, batch: Any, occurrences: Tensor) -> Tensor:
        """Penalty of the ids of a batch."""
        penalty: Tensor = self._network.id_penalty(batch.facets, occurrences)
        return penalty

    def _new_vocabulary(self, snapshot: Snapshot, train: Examples) -> FacetVocabulary:
        """Ids that the network has parameters of their own for."""
        return FacetVocabulary.of(snapshot.projection, known_songs(snapshot, train))

    def _batches(self, inputs: Any, columns: Any, rng: np.random.Generator) -> Iterable[Any]:
        """The examples once, in an order of their own; a model whose examples share work keeps those together."""
        order = rng.permutation(len(columns.item))
        return Batches(columns, order, self.settings.batch_size, lambda part: complete(inputs, *inputs.batch(part)))

    def fit(
        self,
        snapshot: Snapshot,
        train: Examples,
        valid: Examples,
        *,
        epochs: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        """Learn from `train`, stop early on `valid`, or after `epochs` where given; then observe `snapshot`.

        Raises:
            UserError: there are no examples of both kinds to learn from, or none to stop on.
        """
        check_examples(train, valid, epochs)
        self._schema, features = FeatureSchema.fit(snapshot, train)
        self._vocabulary = self._new_vocabulary(snapshot, train)
        inputs = self._inputs_on(snapshot, features)
        self._network = self._new_network(inputs.given.shape[1])
        learn, held_out = inputs.columns(with_places(snapshot, train, self.seed)), inputs.columns(valid)
        occurrences = inputs.occurrences(learn)
        result = train_network(
            self._network,
            lambda epoch: self._batches(inputs, learn, generator(self.seed, epoch)),
            lambda batch: self._loss(batch) + self.settings.id_l2 * self._penalty(batch, occurrences),
            seed=self.seed,
            settings=TrainingSettings(
                max_epochs=self.settings.max_epochs, patience=self.settings.patience, learning_rate=self.settings.learning_rate
            ),
            epochs=epochs,
            validate=lambda: self._metric(inputs, held_out, valid),
            progress=progress,
        )
        self.epochs_found, self.epochs_run = result.epochs_found, len(result.losses)
        self._observe(snapshot, inputs)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the snapshot's events and facts as what is known now; learned parameters stay.

        Raises:
            ValueError: the encoder belongs to another catalogue; set `encoder` to the one of this snapshot first.
        """
        self._observe(snapshot, self._inputs_on(snapshot, Features(self._schema, snapshot)))

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32], scene: int = -1) -> npt.NDArray[np.float32]:
        """Logit of each pair `[n]` at the snapshot's `now`, in the given scene."""
        return self.score_examples(examples_at_now(self._snapshot, users, items, scene=scene))

    def score_examples(self, examples: Examples) -> npt.NDArray[np.float32]:
        """Logit of each example `[n]` as of its own moment; positions refer to the observed snapshot's events."""
        return self._logits(self._inputs, self._songs, self._inputs.columns(examples))

    def save(self, folder: Path) -> None:
        """Write parameters, schema, vocabulary and settings into `folder`; the encoder is saved by its owner."""
        self._schema.save(folder / "schema.json")
        pl.DataFrame({"key": self._vocabulary.keys}).write_parquet(folder / "vocabulary.parquet")
        head = {"settings": asdict(self.settings), "seed": self.seed, "epochs_found": self.epochs_found, "given": self._given_dim}
        (folder / f"{self.name}.json").write_text(json.dumps(head), encoding="utf-8")
        torch.save(self._network.state_dict(), folder / "network.pt")

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot, encoder: SongEncoder | None = None) -> Self:
        """The ranker saved in `folder`, having observed `snapshot`; `encoder` is the one it was trained on.

        Raises:
            ValueError: the encoder is missing, or not as wide as the one it was trained on.
        """
        head = json.loads((folder / f"{cls.name}.json").read_text(encoding="utf-8"))
        plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in head["settings"].items()}
        ranker = cls(encoder, cls.settings_kind(**plain), head["seed"])
        if ranker._given_dim != head["given"]:
            raise ValueError(f"{cls.name} was trained on song vectors of width {head['given']}, the encoder given has {ranker._given_dim}")
        ranker.epochs_found = head["epochs_found"]
        ranker._schema = FeatureSchema.load(folder / "schema.json")
        ranker._vocabulary = FacetVocabulary(pl.read_parquet(folder / "vocabulary.parquet")["key"])
        ranker._network = ranker._new_network(head["given"])
        ranker._network.load_state_dict(torch.load(folder / "network.pt", weights_only=True))
        ranker._network.eval()
        ranker.observe(snapshot)
        return ranker

    @property
    def n_parameters(self) -> int:
        """Numbers that were learned."""
        return sum(parameter.numel() for parameter in self._network.parameters())

    @property
    def _given_dim(self) -> int:
        return self.encoder.dim if self.encoder is not None else 0

    def _new_network(self, given_dim: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            sizes = (given_dim, self._vocabulary.size, self._schema.code_sizes, len(self._schema.numeric_names))
            return self.network_kind(*sizes, self.settings)

    def _inputs_on(self, snapshot: Snapshot, features: Features) -> Inputs:
        n_songs = snapshot.catalogue.n_songs
        given = np.zeros((n_songs, 0), np.float32) if self.encoder is None else self.encoder.table().numpy()
        if len(given) != n_songs:
            raise ValueError(
                f"the song encoder knows {len(given)} songs, the snapshot has {n_songs}: set `encoder` to the snapshot's first"
            )
        return self._inputs_of(snapshot, features, self._vocabulary, given)

    def _observe(self, snapshot: Snapshot, inputs: Inputs) -> None:
        self._snapshot, self._inputs = snapshot, inputs
        self._songs = self._song_vectors(inputs)

    def _metric(self, inputs: Inputs, held_out: Columns, valid: Examples) -> float:
        logits = self._logits(inputs, self._song_vectors(inputs), held_out)
        if self.settings.stop_on == "gauc":
            return gauc(valid.user, valid.label, logits)
        return -log_loss(valid.label, logits)

    @torch.inference_mode()
    def _song_vectors(self, inputs: Inputs, chunk: int = 65_536) -> Tensor:
        """`[n_songs, width]` vectors of every song."""
        parts = [self._network.songs(*inputs.songs(slice(start, start + chunk))) for start in range(0, inputs.n_songs, chunk)]
        return torch.cat(parts) if parts else torch.zeros(0, self.settings.width)

    def _logits(self, inputs: Inputs, songs: Tensor, columns: Columns) -> npt.NDArray[np.float32]:
        """Logits `[n]`."""
        return self._network_logits(inputs, songs, columns)

    @torch.inference_mode()
    def _network_logits(self, inputs: Inputs, songs: Tensor, columns: Columns, shape: tuple[int, ...] = ()) -> npt.NDArray[np.float32]:
        """What the network says, `[n, *shape]`."""

        def of_part(part: slice) -> Tensor:
            batch, distinct = inputs.batch(columns.take(part))
            logits: Tensor = self._network.logits(songs[torch.from_numpy(distinct)], batch)
            return logits

        return scored_in_parts(len(columns.item), of_part, shape)


def scored_in_parts(n: int, score: Callable[[slice], Tensor], shape: tuple[int, ...] = ()) -> npt.NDArray[np.float32]:
    """What `score` gives, `[n, *shape]`, a cache-sized part of the rows at a time."""
    scores = np.empty((n, *shape), dtype=np.float32)
    for start in range(0, n, SCORED_AT_ONCE):
        part = slice(start, start + SCORED_AT_ONCE)
        scores[part] = score(part).numpy()
    return scores


class Batches:
    """The examples once, in a given order, in batches that are made as they are asked for."""

    def __init__(self, columns: Columns, order: npt.NDArray[np.intp], size: int, make: Callable[[Any], Any]) -> None:
        """`make` gives the complete batch of some columns."""
        self._columns, self.order, self._size, self._make = columns, order, size, make

    def __len__(self) -> int:
        return -(-len(self.order) // self._size)

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self.order), self._size):
            yield self._make(self._columns.take(self.order[start : start + self._size]))


def known_songs(snapshot: Snapshot, examples: Examples) -> npt.NDArray[np.int64]:
    """Songs that training can say something of by themselves: those of the examples and of listeners' histories."""
    return np.union1d(examples.item, snapshot.positives.item).astype(np.int64)


def check_examples(train: Examples, valid: Examples, epochs: int | None) -> None:
    """Raises:
    UserError: there are no examples of both kinds to learn from, or none to stop on.
    """
    positives = int(train.label.sum())
    if positives == 0 or positives == len(train):
        raise UserError(
            f"ranking: {len(train)} training examples with {positives} positives, both kinds are needed: "
            "add exposures with clicks or plays, or widen [evaluate] valid_share"
        )
    if epochs is None and not len(valid):
        raise UserError("ranking: no validation examples to stop training on: widen [evaluate] valid_share")
