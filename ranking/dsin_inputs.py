"""From examples to DSIN's batches: features, distinct histories, their distinct sessions, and the distinct songs of each batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from etl.behaviours import POSITIVE
from etl.sequences import BehaviourSequences, EventDetails
from etl.session_rules import NAMED_RULES
from etl.sessions import Sessions
from ranking.dsin_network import DsinBatch, SessionSettings
from ranking.facets import FacetVocabulary, song_facets
from ranking.features import Features
from ranking.ranker import Examples
from ranking.session_inputs import Divided, SessionHistories
from ranking.song_inputs import NO_FACETS, Rows, SongInputs, distinct, taken
from recall.snapshot import Snapshot


class SessionColumns(NamedTuple):
    """What is computed once for each of `n` examples of a network that looks back on sessions."""

    item: npt.NDArray[np.int32]
    label: npt.NDArray[np.float32]
    numeric: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int32]
    end: npt.NDArray[np.int64]
    """Row of the sequences where the history ends, -1 without one."""

    def take(self, rows: Rows) -> SessionColumns:
        """The columns at `rows`."""
        return taken(self, rows)


@dataclass(frozen=True)
class DsinInputs(SongInputs):
    """The inputs of DSIN on one snapshot."""

    histories: SessionHistories
    """Positive songs of each user."""

    @classmethod
    def of(
        cls, features: Features, vocabulary: FacetVocabulary, snapshot: Snapshot, given: npt.NDArray[np.float32], settings: SessionSettings
    ) -> Self:
        """Inputs on `snapshot`, whose features are `features`."""
        n_users, n_songs = snapshot.catalogue.n_users, snapshot.catalogue.n_songs
        sessions = Sessions.of(snapshot.events, NAMED_RULES[settings.session_rules], n_users, clock=not snapshot.ordinal)
        details = EventDetails(session=sessions.of_event)
        sequences = BehaviourSequences.of(snapshot.events, n_users, *POSITIVE, n_songs=n_songs, details=details)
        histories = SessionHistories(sequences, settings.sessions, settings.acts)
        return cls(features, song_facets(snapshot.projection, vocabulary), given, histories)

    def columns(self, examples: Examples) -> SessionColumns:
        """What the examples `[n]` need, as of their own moments."""
        end = self.histories.ends(examples.user, examples.position)
        return SessionColumns(examples.item, examples.label, self.features.numeric(examples), self.codes(examples), end)

    def batch(
        self, columns: SessionColumns, divided: Divided | None = None, known: npt.NDArray[np.bool_] | None = None
    ) -> tuple[DsinBatch, npt.NDArray[np.int64]]:
        """The batch of all rows of `columns`, songs' own inputs left out; and the distinct songs `[u]` that its song rows mean.

        Of the `divided` sessions those that are `known` are not encoded anew, see `SessionHistories.batch`.
        """
        sessions = self.histories.batch(columns.end, divided, known)
        acts = sessions.act.numpy()
        songs, place = distinct(self.n_songs, columns.item, acts)
        batch = DsinBatch(
            given=torch.empty(0),
            facets=NO_FACETS,
            target=torch.from_numpy(place[columns.item]),
            sessions=sessions._replace(act=torch.from_numpy(place[acts])),
            numeric=torch.from_numpy(columns.numeric),
            codes=torch.from_numpy(columns.codes),
            label=torch.from_numpy(columns.label),
        )
        return batch, songs

    def occurrences(self, columns: SessionColumns) -> Tensor:
        """`[vocabulary]` how often each id occurs in the examples, targets and histories together; at least 1."""
        return self.occurrences_of(self.histories.counts(columns.end, self.n_songs) + np.bincount(columns.item, minlength=self.n_songs))
