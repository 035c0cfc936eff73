"""From examples to batches of the behaviour domains: histories of each domain, masses of refusals and likings, outcomes of each task."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from etl.sequences import BehaviourSequences
from etl.session_rules import NAMED_RULES
from ranking.domain_events import DomainEvents
from ranking.domain_masses import MASS_FACETS, DecayedMass, MassFacets
from ranking.domain_network import DomainBatch, HistoryBatch, NearBatch
from ranking.domain_settings import DomainSettings
from ranking.facets import FacetVocabulary, song_facets
from ranking.features import Features
from ranking.history_pairs import N_AGES
from ranking.own_clock import OwnClock
from ranking.ranges import packed
from ranking.ranker import Examples
from ranking.session_inputs import SessionBatch, SessionHistories
from ranking.song_inputs import NO_FACETS, Rows, SongInputs, distinct, taken
from ranking.utility import TASKS
from recall.snapshot import SECONDS_PER_DAY

EXAMPLES_AT_ONCE = 65_536
"""Examples whose masses are computed at a time: bounds memory."""
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TaskExamples(Examples):
    """Examples that are to be learned from, with what followed each."""

    outcome: npt.NDArray[np.float32]
    """`[n, 4]` in the order of `TASKS`: 1 it happened, 0 it did not, NaN unknown."""

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> TaskExamples:
        """Examples at `rows` (mask, indices or slice), in that order."""
        return TaskExamples(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


class DomainColumns(NamedTuple):
    """What is computed once for each of `n` examples."""

    item: npt.NDArray[np.int32]
    label: npt.NDArray[np.float32]
    outcome: npt.NDArray[np.float32]
    """`[n, 4]`, NaN where unknown."""
    scene: npt.NDArray[np.int16]
    clock: Ints
    numeric: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int32]
    mass: npt.NDArray[np.float32]
    """`[n, n_domains, n_masses]` log of one plus each decayed count."""
    end: Ints
    """`[n, n_domains]` row of the domain's sequence where the history ends, -1 without one."""
    first: Ints
    """`[n, n_domains]` the row where it begins: of the listener's first act, or of the first one that is near enough."""

    def take(self, rows: Rows) -> DomainColumns:
        """The columns at `rows`."""
        return taken(self, rows)


@dataclass(frozen=True)
class Domain:
    """One domain on one snapshot."""

    histories: SessionHistories
    clock: Ints
    """`[n_rows]` clock of each row of its sequence."""
    masses: DecayedMass

    @property
    def sequences(self) -> BehaviourSequences:
        """Its songs of each user."""
        return self.histories.sequences

    def first(self, users: npt.NDArray[np.integer], since: Ints | None) -> Ints:
        """`[n]` row of each user's first act, or of the first one whose clock is `since` or later."""
        offsets = self.sequences.offsets
        if since is None or not len(self.clock):
            start: Ints = offsets[users]
            return start
        wanted = users.astype(np.int64) * self._span + np.clip(since, 0, self._span - 1)
        return np.searchsorted(self._user_and_clock, wanted).astype(np.int64)

    @cached_property
    def _span(self) -> int:
        return int(self.clock.max()) + 2

    @cached_property
    def _user_and_clock(self) -> Ints:
        """`[n_rows]` ascending, so that a pair is one search."""
        owner = np.repeat(np.arange(self.sequences.n_users, dtype=np.int64), np.diff(self.sequences.offsets))
        return owner * self._span + self.clock


@dataclass(frozen=True)
class DomainInputs(SongInputs):
    """The inputs of the behaviour domains on one snapshot."""

    settings: DomainSettings
    ordinal: bool
    own_clock: OwnClock
    mass_facets: MassFacets
    n_nodes: int
    domains: tuple[Domain, ...]
    """In the order of `settings.domains`."""

    @classmethod
    def of(
        cls,
        features: Features,
        vocabulary: FacetVocabulary,
        events: DomainEvents,
        given: npt.NDArray[np.float32],
        settings: DomainSettings,
    ) -> Self:
        """Inputs on the snapshot of `events`, in which `features` are."""
        snapshot, clock = events.snapshot, events.clock
        facets = MassFacets.of(snapshot.projection)
        domains = tuple(_domain(name, events, clock, facets, settings) for name in settings.domains)
        table = song_facets(snapshot.projection, vocabulary)
        return cls(features, table, given, settings, snapshot.ordinal, clock, facets, snapshot.projection.n_nodes, domains)

    def columns(self, examples: Examples) -> DomainColumns:
        """What the examples `[n]` need, as of their own moments."""
        n, unit = len(examples), _unit(self.ordinal)
        clock = self.own_clock.of(examples.user, examples.position, examples.ts)
        window = self.settings.near_events if self.ordinal else self.settings.near_days
        since = (clock - window * unit).astype(np.int64)
        near = [domain in self.settings.near for domain in self.settings.domains]
        return DomainColumns(
            examples.item,
            examples.label,
            examples.outcome if isinstance(examples, TaskExamples) else np.full((n, len(TASKS)), np.nan, dtype=np.float32),
            examples.scene,
            clock,
            self.features.numeric(examples),
            self.codes(examples),
            self._masses(examples, clock),
            _side_by_side([domain.histories.ends(examples.user, examples.position) for domain in self.domains], n),
            _side_by_side([d.first(examples.user, since if is_near else None) for d, is_near in zip(self.domains, near, strict=True)], n),
        )

    def batch(self, columns: DomainColumns) -> tuple[DomainBatch, npt.NDArray[np.int64]]:
        """The batch of all rows of `columns`, songs' own inputs left out; and the distinct songs `[u]` that its song rows mean."""
        read = tuple(self._read(place, columns) for place in self.settings.places(self.settings.encoded))
        near = tuple(self._near(place, columns) for place in self.settings.places(self.settings.near))
        acts = [look.act.numpy() for look in (*read, *near)]
        songs, place_of = distinct(self.n_songs, columns.item, *acts)
        batch = DomainBatch(
            given=torch.empty(0),
            facets=NO_FACETS,
            target=torch.from_numpy(place_of[columns.item]),
            read=tuple(_with_songs(look, place_of) for look in read),
            near=tuple(_with_songs(look, place_of) for look in near),
            mass=torch.from_numpy(columns.mass),
            numeric=torch.from_numpy(columns.numeric),
            codes=torch.from_numpy(columns.codes),
            label=torch.from_numpy(columns.label),
            outcome=torch.from_numpy(columns.outcome),
        )
        return batch, songs

    def occurrences(self, columns: DomainColumns) -> Tensor:
        """`[vocabulary]` how often each id occurs in the examples, targets and the encoded histories together; at least 1."""
        of_song = np.bincount(columns.item, minlength=self.n_songs).astype(np.float64)
        for place in self.settings.places(self.settings.encoded):
            of_song += self.domains[place].histories.counts(columns.end[:, place], self.n_songs)
        return self.occurrences_of(of_song)

    def _masses(self, examples: Examples, clock: Ints) -> npt.NDArray[np.float32]:
        n_kinds, n_lives = len(MASS_FACETS), len(self.settings.half_lives(ordinal=self.ordinal))
        result = np.zeros((len(examples), len(self.domains), n_kinds * n_lives), dtype=np.float32)
        for start in range(0, len(examples), EXAMPLES_AT_ONCE):
            rows = slice(start, start + EXAMPLES_AT_ONCE)
            part = examples.take(rows)
            pairs = self.mass_facets.pairs(part.item)
            keys = part.user[pairs.owner].astype(np.int64) * self.n_nodes + pairs.node
            cell, size = pairs.owner * n_kinds + pairs.facet, len(part) * n_kinds
            for place, domain in enumerate(self.domains):
                mass = domain.masses.before(keys, part.position[pairs.owner], clock[rows][pairs.owner]) * pairs.share[:, None]
                summed = [np.bincount(cell, weights=mass[:, life], minlength=size).reshape(-1, n_kinds) for life in range(n_lives)]
                result[rows, place] = np.log1p(np.concatenate(summed, axis=1))
        return result

    def _read(self, place: int, columns: DomainColumns) -> SessionBatch | HistoryBatch:
        domain, end = self.domains[place], columns.end[:, place]
        if self.settings.encoder == "sessions":
            return domain.histories.batch(end)
        stop = np.maximum(end, columns.first[:, place])
        owner, rows = packed(np.maximum(columns.first[:, place], stop - self.settings.history), stop)
        age = np.maximum(columns.clock[owner] - domain.clock[rows], 0) / (1 if self.ordinal else 3_600)
        bucket = np.clip(np.log2(1.0 + age), 0, N_AGES - 1).astype(np.int64)
        return HistoryBatch(*(torch.from_numpy(column) for column in (domain.sequences.item[rows].astype(np.int64), owner, bucket)))

    def _near(self, place: int, columns: DomainColumns) -> NearBatch:
        end = np.maximum(columns.end[:, place], columns.first[:, place])
        histories, history = np.unique(np.stack((columns.first[:, place], end), axis=1), axis=0, return_inverse=True)
        owner, rows = packed(histories[:, 0], histories[:, 1])
        act = self.domains[place].sequences.item[rows].astype(np.int64)
        return NearBatch(torch.from_numpy(act), torch.from_numpy(owner), torch.from_numpy(history.reshape(-1)), len(histories))


def _domain(name: str, events: DomainEvents, clock: OwnClock, facets: MassFacets, settings: DomainSettings) -> Domain:
    snapshot = events.snapshot
    sequences = events.sequences(name, NAMED_RULES[settings.session_rules])
    rows = events.acts(name)
    pairs = facets.pairs(snapshot.events.item[rows])
    keys = snapshot.events.user[rows][pairs.owner].astype(np.int64) * snapshot.projection.n_nodes + pairs.node
    position, weight = rows[pairs.owner], snapshot.events.count[rows][pairs.owner]
    half_lives = np.array(settings.half_lives(ordinal=snapshot.ordinal)) * _unit(snapshot.ordinal)
    masses = DecayedMass.of(keys, position, clock.of_rows(rows)[pairs.owner], weight, half_lives)
    return Domain(SessionHistories(sequences, settings.sessions, settings.acts), clock.of_rows(sequences.event), masses)


def _unit(ordinal: bool) -> float:
    """Of the clock, in one of the settings' days or events."""
    return 1.0 if ordinal else SECONDS_PER_DAY


def _side_by_side(columns: list[Ints], n: int) -> Ints:
    return np.stack(columns, axis=1) if columns else np.zeros((n, 0), dtype=np.int64)


def _with_songs(look: Any, place: Ints) -> Any:
    return look._replace(act=torch.from_numpy(place[look.act.numpy()]))
