"""Which checks are made of what: groups for the gate `check_leaks`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etl.behaviours import POSITIVE
from etl.sequences import BehaviourSequences
from kg_recall.cascade import Cascade, RankedLists
from kg_recall.evaluation.leaks import counts, examples, lists, log, parts
from kg_recall.evaluation.leaks.finding import Finding
from kg_recall.evaluation.metrics import Judged
from kg_recall.evaluation.split import TEST, TRAIN, VALID, SplitKind
from kg_recall.evaluation.tally import Truth
from kg_recall.moments import Moments
from ranking.ranker import Examples
from recall.candidate_table import CandidateTable
from recall.popular import PopularRoute
from recall.snapshot import Snapshot

if TYPE_CHECKING:
    from ranking.ranker import Ranker

Found = Iterator[Finding | None]
FEW_USERS = 4
"""Users whose lists are made twice and explained."""
EXPLAINED = 10
"""Songs of each of their lists that are explained."""
NDCG_K = 10


def of_data(moments: Moments, kind: SplitKind) -> Found:
    """The log, and how it is cut."""
    events, split, catalogue = moments.events, moments.split, moments.lake.catalogue
    yield log.events_in_time_order(events)
    yield log.ids_within_catalogue(events, catalogue)
    yield log.no_duplicate_event(events)
    yield log.no_derived_event_without_its_play(events, moments.lake.events)
    yield log.flagged_not_trained_on(events, moments.lake.events, moments.lake.flag)
    yield parts.validation_before_test(split)
    yield parts.user_split_is_by_time(events, split, kind)
    yield parts.no_pair_on_both_sides(events, split, kind)
    yield counts.profile_not_counted_later(catalogue.users, events, split.seen(VALID))


def of_snapshot(moments: Moments, snapshot: Snapshot, part: int) -> Found:
    """What is known where `part` ends."""
    yield parts.no_event_after_the_split(snapshot.events, moments.events, moments.split, part)
    yield log.no_derived_event_without_its_play(snapshot.events, moments.lake.events)
    yield parts.stands_at_the_split(snapshot, moment_after(moments, part))
    yield parts.no_fact_after_the_split(snapshot.projection, snapshot.now, ordinal=snapshot.ordinal)
    yield parts.no_count_of_the_extraction(snapshot.catalogue)
    histories = BehaviourSequences.of(snapshot.events, snapshot.catalogue.n_users, *POSITIVE, n_songs=snapshot.catalogue.n_songs)
    yield log.sequence_order(histories, snapshot.events)


def moment_after(moments: Moments, part: int) -> int:
    """Unix seconds at which one stands once `part` has happened, whatever a snapshot says."""
    if part == TEST or moments.split.ordinal:
        return moments.now
    return moments.split.valid_from if part == TRAIN else moments.split.test_from


def of_cascade(moments: Moments, cascade: Cascade, part: int) -> Found:
    """A cascade that stands where `part` ends."""
    yield from of_snapshot(moments, cascade.snapshot, part)
    popular = cascade.routes.get("popular")
    if isinstance(popular, PopularRoute):
        seen = moments.events.take(moments.split.seen(part))
        yield counts.popularity_as_of_the_split(popular, seen, moment_after(moments, part), ordinal=moments.split.ordinal)


def of_truth(moments: Moments, truth: Truth) -> Found:
    """What the report counts as relevant."""
    yield lists.truth_is_the_test_part(truth, moments.events.take(moments.split.part == TEST), moments.lake.catalogue.n_songs)


def of_learning(
    moments: Moments, cascade: Cascade, table: CandidateTable, label: npt.NDArray[np.bool_], held_out: npt.NDArray[np.bool_], part: int
) -> Found:
    """Labelled candidates that merge, blend and, without exposures, rankers learn from."""
    yield examples.merge_trained_on_later_window(cascade.snapshot, moments.events, moments.split, part)
    yield examples.labels_of_their_window(table, label, moments.window(part))
    yield examples.held_out_by_user(table.user, held_out)


def of_examples(moments: Moments, snapshot: Snapshot, learned: Examples, window_start: int, part: int) -> Found:
    """Examples that a ranker learns from before `part`, on a snapshot whose facts are those of the window's start."""
    yield parts.no_fact_after_the_split(snapshot.projection, window_start, ordinal=snapshot.ordinal)
    yield examples.no_later_example_trained_on(learned, snapshot.events, moments.events, moments.split, part)
    yield from _of_histories(snapshot, learned)


def _of_histories(snapshot: Snapshot, given: Examples) -> Found:
    n_users, n_songs = snapshot.catalogue.n_users, snapshot.catalogue.n_songs
    histories = BehaviourSequences.of(snapshot.events, n_users, *POSITIVE, n_songs=n_songs)
    yield examples.target_not_in_its_own_history(histories, snapshot.events, POSITIVE, given, n_songs)


def of_judged_examples(snapshot: Snapshot, judged: Examples) -> Found:
    """Examples of the test part, on a snapshot whose facts are those of its start."""
    yield parts.no_fact_after_the_split(snapshot.projection, int(judged.ts.min(initial=snapshot.now)), ordinal=snapshot.ordinal)
    yield from _of_histories(snapshot, judged)


def of_ranker(ranker: Ranker, snapshot: Snapshot) -> Found:
    """A ranker that has observed `snapshot` scores early exposures as if nothing came after them. It is left at an earlier moment."""
    few = examples.early_examples(snapshot)
    if len(few):
        score = ranker.score_examples(few)
        ranker.observe(examples.without_future(snapshot, few))
        yield examples.features_as_of_their_event(few, score, ranker.score_examples(few))


def of_lists(cascade: Cascade, truth: Truth, made: RankedLists) -> Found:
    """Lists of a few users: made once more, explained and judged."""
    few = np.unique(made.user)[:FEW_USERS]
    first = _final_lists(cascade, few)
    yield lists.no_chance_in_lists(first, _final_lists(cascade, few))
    top = first.take(first.rank <= EXPLAINED)
    for route in cascade.routes.values():
        yield lists.no_path_over_held_out_edge(route.explain(top.user, top.item), top.user, top.item, cascade.snapshot)
    mine = np.isin(truth.user, made.user)
    judged = Judged.of(made.user, made.item, made.rank, truth.user[mine], truth.item[mine])
    yield lists.ndcg_counts_all_relevant(judged, judged.ndcg(NDCG_K), NDCG_K, truth)


def _final_lists(cascade: Cascade, users: npt.NDArray[np.int32]) -> RankedLists:
    table = cascade.candidates(users)
    return RankedLists.of(table.user, table.item, cascade.ranked(table, cascade.merged(table)))


def of_ordinal_ranker(ranker: Ranker, snapshot: Snapshot, given: Examples) -> Found:
    """A ranker that has observed `snapshot`, where times may give order only."""
    yield examples.ordinal_has_no_clock_features(ranker, given, ordinal=snapshot.ordinal)
