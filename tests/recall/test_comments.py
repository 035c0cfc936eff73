"""Comments in recall: by what they feel, never before they were said, and without any nothing changes."""

from dataclasses import fields, replace

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from small_house import house

from etl.behaviours import Behaviour
from recall.comments import CommentUse, Feelings
from recall.interest import InterestRoute, InterestSettings
from recall.interest_sequences import Sequences
from recall.snapshot import Snapshot

N_USERS, N_SONGS = 4, 6
Act = tuple[int, int, float | None]
"""User, song, and the sentiment of a comment; None is a full play."""


def world(acts: list[Act]) -> Snapshot:
    behaviour = [Behaviour.FULL_PLAY if felt is None else Behaviour.COMMENT for _, _, felt in acts]
    snapshot = house([act[:2] for act in acts], n_users=N_USERS, n_songs=N_SONGS, behaviour=behaviour, artists=[0, 0, 1, 1, 2, 2])
    said = np.array([felt is not None for _, _, felt in acts], bool)
    columns = {name: getattr(snapshot.events, name)[said] for name in ("user", "item", "ts")}
    felt = pl.Series([act[2] for act in acts if act[2] is not None], dtype=pl.Float32)
    return replace(snapshot, comments=pl.DataFrame({**columns, "sentiment": felt}))


def tokens(snapshot: Snapshot, use: CommentUse) -> list[tuple[int, int, bool]]:
    found = Sequences.of(snapshot, use)
    return list(zip(found.user.tolist(), found.item.tolist(), found.positive.tolist(), strict=True))


def same(one: Sequences, two: Sequences) -> None:
    for field in fields(Sequences):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(two, field.name))


ACTS: list[Act] = [(0, 1, None), (0, 2, None), (0, 3, 0.9), (0, 1, -0.9), (0, 4, 0.05), (1, 1, None), (1, 5, -0.8), (1, 5, 0.8)]


def test_a_comment_counts_by_its_own_feeling_and_the_last_word_decides() -> None:
    snapshot = world(ACTS)
    assert tokens(snapshot, "ignored") == [(0, 1, True), (0, 2, True), (1, 1, True)]
    # Song 1 of user 0 was spoken against after it was played, song 4 neither way; user 1 took back what was said of song 5.
    assert tokens(snapshot, "by_sentiment") == [(0, 2, True), (0, 3, True), (1, 1, True), (1, 5, True)]
    plain = [(0, 1, True), (0, 2, True), (0, 3, True), (0, 1, True), (0, 4, True), (1, 1, True), (1, 5, True)]
    assert tokens(snapshot, "all_positive") == plain
    assert set(Sequences.of(snapshot, "by_sentiment").behaviour.tolist()) == {Behaviour.FULL_PLAY, Behaviour.COMMENT}


acts = st.lists(
    st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_SONGS - 1), st.sampled_from([None, None, -0.9, -0.1, 0.1, 0.9])), max_size=30
)


@settings(max_examples=60, deadline=None)
@given(acts)
def test_a_song_last_spoken_against_is_no_evidence_and_one_in_favour_is(drawn: list[Act]) -> None:
    last = {(user, song): felt for user, song, felt in drawn if felt is not None and abs(felt) > 0.2}
    found = {(user, song) for user, song, positive in tokens(world(drawn), "by_sentiment") if positive}
    against = {pair for pair, felt in last.items() if felt < 0}
    assert not found & against
    assert {pair for pair, felt in last.items() if felt > 0} <= found
    assert found - set(last) == {(user, song) for user, song, felt in drawn if felt is None} - set(last)


@settings(max_examples=30, deadline=None)
@given(acts, st.integers(0, 30))
def test_what_is_said_later_changes_nothing_now(drawn: list[Act], cut: int) -> None:
    whole, past = world(drawn), world(drawn[:cut])
    seen = replace(whole, events=whole.events.take(slice(0, cut)))
    for use in ("by_sentiment", "all_positive"):
        now, then = (Feelings.of(each, use) for each in (seen, replace(seen, comments=seen.comments.head(len(past.comments)))))  # type: ignore[union-attr]
        np.testing.assert_array_equal(now.liking, then.liking)
        np.testing.assert_array_equal(now.refused, then.refused)


@settings(max_examples=20, deadline=None)
@given(acts)
def test_without_comments_every_use_is_the_same_to_the_bit(drawn: list[Act]) -> None:
    silent = world([act for act in drawn if act[2] is None])
    for each in (silent, replace(silent, comments=None)):
        for use in ("by_sentiment", "all_positive"):
            same(Sequences.of(each, use), Sequences.of(silent))
    # Comments that nobody has judged say nothing, and take nothing away.
    unjudged = replace(world(drawn), comments=None)
    same(Sequences.of(unjudged, "by_sentiment"), Sequences.of(silent if not len(drawn) else world(drawn)))


def lists(use: CommentUse, snapshot: Snapshot) -> bytes:
    route = InterestRoute(InterestSettings(dim=8, length=4, layers=1, n_negatives=4, threads=1, comments=use), epochs=1)
    route.fit(snapshot)
    return route.recall(np.arange(N_USERS, dtype=np.int32), N_SONGS).score.tobytes()


def test_the_route_hears_them_as_its_settings_say() -> None:
    silent, said = world([act for act in ACTS if act[2] is None]), world(ACTS)
    assert lists("ignored", silent) == lists("by_sentiment", silent) == lists("all_positive", silent)
    assert len({lists(use, said) for use in ("ignored", "by_sentiment", "all_positive")}) == 3


def test_the_default_is_to_ignore_them() -> None:
    assert InterestSettings().comments == "ignored"
