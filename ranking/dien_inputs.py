"""From examples to DIEN's batches: runs of the extractor that examples share, windows in them, and what was refused between plays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from etl.behaviours import POSITIVE, Behaviour
from etl.events import Events
from etl.sequences import BehaviourSequences
from ranking.dien_network import DienBatch, NextPlays
from ranking.din_inputs import in_histories
from ranking.facets import FacetVocabulary, song_facets
from ranking.features import Features
from ranking.gru import Packed
from ranking.ranker import Examples
from ranking.refusals import NONE, refused_before
from ranking.song_inputs import NO_FACETS, Rows, SongInputs, complete, distinct, taken
from recall.snapshot import Snapshot

Ints = npt.NDArray[np.int64]


class DienColumns(NamedTuple):
    """What is computed once for each of `n` examples."""

    item: npt.NDArray[np.int32]
    label: npt.NDArray[np.float32]
    numeric: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int32]
    run: Ints
    """Row of the sequences where the extractor begins."""
    start: Ints
    """First row of the window."""
    end: Ints

    def take(self, rows: Rows) -> DienColumns:
        """The columns at `rows`."""
        return taken(self, rows)


@dataclass(frozen=True)
class DienInputs(SongInputs):
    """The inputs of DIEN on one snapshot.

    The window of an example is its listener's last `length` full plays. The extractor does not begin at the window's first row, which
    moves with every play, but at the latest multiple of `length` plays that is not inside the window: a run of at most `2·length` rows,
    the same for `length` plays on end. So examples share runs, and a new play is one more step of what is there.
    """

    histories: BehaviourSequences
    """Full plays of each user; of a source without any, the positive songs."""
    length: int
    events: Events
    """The events that the sequences come from."""

    @classmethod
    def of(cls, features: Features, vocabulary: FacetVocabulary, snapshot: Snapshot, given: npt.NDArray[np.float32], length: int) -> Self:
        """Inputs on `snapshot`, whose features are `features`."""
        histories = live_plays(snapshot)
        return cls(features, song_facets(snapshot.projection, vocabulary), given, histories, length, snapshot.events)

    @cached_property
    def refused(self) -> npt.NDArray[np.int32]:
        """`[len(histories)]` song refused between the play before and this one, `NONE` without; only training asks."""
        return refused_before(self.histories, self.events, self.n_songs)

    def columns(self, examples: Examples) -> DienColumns:
        """What the examples `[n]` need, as of their own moments."""
        begin = self.histories.offsets[examples.user]
        end = self.histories.end(examples.user, examples.position)
        start = np.maximum(begin, end - self.length)
        run = run_start(begin, end, self.length)
        return DienColumns(examples.item, examples.label, self.features.numeric(examples), self.codes(examples), run, start, end)

    def batch(self, columns: DienColumns) -> tuple[DienBatch, Ints]:
        """The batch of all rows of `columns`, songs' own inputs left out; and the distinct songs `[u]` that its song rows mean."""
        return self._batch(columns, None)

    def training_batch(self, columns: DienColumns, rng: np.random.Generator) -> DienBatch:
        """The complete batch of all rows of `columns`, with what the auxiliary loss asks; `rng` draws songs where none was refused."""
        batch: DienBatch = complete(self, *self._batch(columns, rng))
        return batch

    def occurrences(self, columns: DienColumns) -> Tensor:
        """`[vocabulary]` how often each id occurs in the examples, targets and histories together; at least 1."""
        of_history = in_histories(self.histories, columns.start, columns.end, self.n_songs)
        return self.occurrences_of(of_history + np.bincount(columns.item, minlength=self.n_songs))

    def _batch(self, columns: DienColumns, rng: np.random.Generator | None) -> tuple[DienBatch, Ints]:
        runs, place = _runs(columns)
        history = self.histories.item[runs.rows]
        asked = _NOTHING if rng is None else self._next_plays(runs, history, rng)
        songs, row = distinct(self.n_songs, columns.item, history, asked.refused)
        numbers = (torch.from_numpy(column) for column in (columns.numeric, columns.codes, columns.label))
        windows = Packed.of(runs.offsets[place] + columns.start - columns.run, columns.end - columns.start)
        next_plays = NextPlays(*(torch.from_numpy(column) for column in (asked.state, row[asked.heard], row[asked.refused])))
        target, past = torch.from_numpy(row[columns.item]), torch.from_numpy(row[history])
        in_runs = Packed(runs.offsets[:-1], runs.offsets)
        return DienBatch(torch.empty(0), NO_FACETS, target, past, in_runs, windows, next_plays, *numbers), songs

    def _next_plays(self, runs: Packed, history: npt.NDArray[np.int32], rng: np.random.Generator) -> _Asked:
        """Every row of a run that another follows; where the listener refused nothing between, the song of a row drawn from the batch."""
        follows = np.ones(len(history), dtype=bool)
        follows[runs.offsets[:-1][np.diff(runs.offsets) > 0]] = False
        place = np.flatnonzero(follows)
        heard, refused = history[place], self.refused[runs.rows[place]]
        drawn = history[rng.integers(0, max(len(history), 1), len(place))] if len(place) else heard
        refused = np.where(refused == NONE, drawn, refused)
        differs = refused != heard
        return _Asked(place[differs] - 1, heard[differs], refused[differs])


class _Asked(NamedTuple):
    state: Ints
    heard: npt.NDArray[np.int32]
    refused: npt.NDArray[np.int32]


_NOTHING = _Asked(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int32))


def live_plays(snapshot: Snapshot) -> BehaviourSequences:
    """Full plays of each user (the talk's live sequence); where the source tells no full play, its positive acts."""
    told = bool((snapshot.events.behaviour == Behaviour.FULL_PLAY).any())
    domain = (Behaviour.FULL_PLAY,) if told else POSITIVE
    return BehaviourSequences.of(snapshot.events, snapshot.catalogue.n_users, *domain, n_songs=snapshot.catalogue.n_songs)


def run_start(begin: Ints, end: Ints, length: int) -> Ints:
    """Row `[n]` where the extractor begins for histories `begin:end`: a multiple of `length`, the latest with that many after it."""
    start: Ints = begin + np.maximum((end - begin) // length - 1, 0) * length
    return start


def _runs(columns: DienColumns) -> tuple[Packed, npt.NDArray[np.intp]]:
    """The distinct runs, in rows of the sequences, each up to the latest end that needs it; and which one each example uses."""
    first, place = np.unique(columns.run, return_inverse=True)
    end = first.copy()
    np.maximum.at(end, place, columns.end)
    return Packed.of(first, end - first), place


def bundled(run: Ints, together: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Order `[n]`: examples of each run in random order, cut into bundles of at most `together`, bundles in random order."""
    order = np.lexsort((rng.random(len(run)), run))
    first = np.searchsorted(run[order], run[order])
    bundle = (np.arange(len(order)) - first) // together + first  # no two runs share a number: a run's numbers stay below the next first
    _, which = np.unique(bundle, return_inverse=True)
    shuffled = rng.permutation(which.max(initial=-1) + 1)[which]
    return order[np.argsort(shuffled, kind="stable")]
