"""SIM, search-based interest (Pi et al., CIKM 2020), by hard search: recent songs, and from the whole history those like the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ranking.deep_ranker import DeepRanker
from ranking.din_inputs import DinInputs, HistoryColumns
from ranking.din_network import DinBatch, DinNetwork, DinSettings
from ranking.facets import FacetVocabulary
from ranking.features import Features
from ranking.long_history import HistorySearch
from ranking.ranges import packed
from ranking.ranker import Examples
from ranking.song_inputs import NO_FACETS, Rows, distinct
from ranking.song_network import Bag, DeepSettings
from recall.snapshot import Snapshot

SEARCHED_AT_ONCE = 65_536
"""Examples whose finds are counted together: bounds memory."""


@dataclass(frozen=True)
class SimSettings(DinSettings):
    """Sizes and training of SIM."""

    history: int = 20
    """Latest positive songs, whatever they are."""
    found: int = 50
    """Songs before those that share the target's artist, or else a style, at most: the latest."""


class SearchColumns(NamedTuple):
    """What is computed once for each of `n` examples."""

    recent: HistoryColumns
    user: npt.NDArray[np.int32]

    @property
    def item(self) -> npt.NDArray[np.int32]:
        """`[n]` songs."""
        return self.recent.item

    def take(self, rows: Rows) -> SearchColumns:
        """The columns at `rows`."""
        return SearchColumns(self.recent.take(rows), self.user[rows])


@dataclass(frozen=True)
class SimInputs:
    """The inputs of SIM on one snapshot: DIN's, and what the search finds before them."""

    recent: DinInputs
    search: HistorySearch
    found: int

    @classmethod
    def of(
        cls, features: Features, vocabulary: FacetVocabulary, snapshot: Snapshot, given: npt.NDArray[np.float32], settings: SimSettings
    ) -> Self:
        """Inputs on `snapshot`, whose features are `features`."""
        recent = DinInputs.of(features, vocabulary, snapshot, given, settings.history)
        return cls(recent, HistorySearch.of(recent.histories, snapshot.projection), settings.found)

    @property
    def n_songs(self) -> int:
        """Number of songs."""
        return self.recent.n_songs

    @property
    def given(self) -> npt.NDArray[np.float32]:
        """`[n_songs, given_dim]` vectors of the shared encoder."""
        return self.recent.given

    def songs(self, songs: npt.NDArray[np.int64] | slice) -> tuple[Tensor, Bag]:
        """Encoder vectors `[u, given_dim]` and facets of songs."""
        return self.recent.songs(songs)

    def columns(self, examples: Examples) -> SearchColumns:
        """What the examples `[n]` need, as of their own moments."""
        return SearchColumns(self.recent.columns(examples), examples.user)

    def batch(self, columns: SearchColumns) -> tuple[DinBatch, npt.NDArray[np.int64]]:
        """The batch of all rows of `columns`, songs' own inputs left out; and the distinct songs `[u]` that its song rows mean."""
        recent = columns.recent
        owner, rows = self._entries(columns)
        history = self.recent.histories.item[rows]
        songs, place = distinct(self.n_songs, recent.item, history)
        numbers = (
            owner,
            self.recent.ages(recent, owner, rows),
            np.ones(len(owner), np.float32),
            recent.numeric,
            recent.codes,
            recent.label,
        )
        parts = (torch.from_numpy(part) for part in (place[recent.item], place[history], *numbers))
        return DinBatch(torch.empty(0), NO_FACETS, *parts), songs

    def occurrences(self, columns: SearchColumns) -> Tensor:
        """`[vocabulary]` how often each id occurs in the examples: as target, recently heard, or found; at least 1."""
        n_of_song = np.bincount(columns.item, minlength=self.n_songs)
        for start in range(0, len(columns.item), SEARCHED_AT_ONCE):
            _, rows = self._entries(columns.take(slice(start, start + SEARCHED_AT_ONCE)))
            n_of_song += np.bincount(self.recent.histories.item[rows], minlength=self.n_songs)
        return self.recent.occurrences_of(n_of_song)

    def _entries(self, columns: SearchColumns) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64]]:
        """Found entries and then recent ones of every example: which example each is of, ascending, and its row. `[p]` each."""
        found = self.search.last(columns.user, columns.item, columns.recent.start, self.found)
        owner, rows = packed(columns.recent.start, columns.recent.end)
        owners = np.concatenate((found.owner, owner))
        order = np.argsort(owners, kind="stable")
        return owners[order], np.concatenate((found.rows, rows))[order]


class Sim(DeepRanker):
    """Ranks as DIN does, by a history that reaches as far back as there is something like the target."""

    name: ClassVar[str] = "sim"
    settings_kind: ClassVar[type[DeepSettings]] = SimSettings
    network_kind: ClassVar[type[nn.Module]] = DinNetwork
    settings: SimSettings

    def _inputs_of(self, snapshot: Snapshot, features: Features, vocabulary: FacetVocabulary, given: npt.NDArray[np.float32]) -> SimInputs:
        return SimInputs.of(features, vocabulary, snapshot, given, self.settings)
