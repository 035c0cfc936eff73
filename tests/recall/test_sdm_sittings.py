from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from small_house import house

from etl.session_rules import SessionRules
from recall.attributes import Attributes
from recall.interest_sequences import Sequences
from recall.sampled_softmax import NegativeSampler
from recall.sdm_batches import Batches, LongExamples, SdmExamples
from recall.sittings import Sides, Sittings
from recall.snapshot import SECONDS_PER_DAY, Snapshot

MINUTE = 60 / SECONDS_PER_DAY
RULES = SessionRules()


def listening(minutes: list[int], songs: list[int] | None = None, *, ordinal: bool = False) -> Snapshot:
    """One listener's plays so many minutes before now; a second listener who hears nothing."""
    plays = [(0, song) for song in (songs or range(len(minutes)))]
    return house(plays, n_users=2, n_songs=max(40, len(plays)), days_ago=[m * MINUTE for m in minutes], ordinal=ordinal)


def held(sides: Sides) -> tuple[list[int], list[int]]:
    return list(range(sides.short_start[0], sides.short_end[0])), list(range(sides.long_start[0], sides.long_end[0]))


def test_the_session_is_short_and_what_came_before_is_long() -> None:
    sittings = Sittings.of(listening([300, 296, 290, 30, 26, 22]), RULES)
    assert held(sittings.latest(np.array([0]), 50, 300)) == ([3, 4, 5], [0, 1, 2])


def test_lengths_are_not_swapped() -> None:
    sittings = Sittings.of(listening([*range(400, 380, -1), *range(30, 10, -1)]), RULES)
    short, long = held(sittings.latest(np.array([0]), 3, 7))
    assert short == [37, 38, 39]
    assert long == list(range(13, 20))


def test_the_early_part_of_a_long_session_is_on_neither_side() -> None:
    sittings = Sittings.of(listening([*range(400, 395, -1), *range(30, 10, -1)]), RULES)
    assert held(sittings.latest(np.array([0]), 5, 300)) == (list(range(20, 25)), list(range(5)))


def test_without_a_clock_the_last_tokens_are_short() -> None:
    sittings = Sittings.of(listening([300, 296, 290, 30, 26, 22], ordinal=True), RULES)
    assert held(sittings.latest(np.array([0]), 2, 3)) == ([4, 5], [1, 2, 3])


def test_one_event_and_none() -> None:
    for ordinal in (True, False):
        sittings = Sittings.of(listening([30], ordinal=ordinal), RULES)
        assert held(sittings.latest(np.array([0]), 50, 300)) == ([0], [])
        assert held(sittings.latest(np.array([1]), 50, 300)) == ([], [])
        nothing = Sittings.of(listening([], ordinal=ordinal), RULES)
        assert held(nothing.latest(np.array([1]), 50, 300)) == ([], [])


def test_an_ended_session_is_long_where_only_a_live_one_is_short() -> None:
    snapshot = listening([300, 296, 20, 16])
    sittings = Sittings.of(snapshot, RULES)
    assert held(sittings.latest(np.array([0]), 50, 300, snapshot.now)) == ([2, 3], [0, 1])
    assert held(sittings.latest(np.array([0]), 50, 300, snapshot.now + 3_600)) == ([], [0, 1, 2, 3])


def test_a_cut_keeps_the_sessions() -> None:
    sittings = Sittings.of(listening([300, 296, 290, 30, 26, 22]), RULES)
    kept = sittings.take(np.array([True, False, True, True, True, False]))
    assert held(kept.latest(np.array([0]), 50, 300)) == ([2, 3], [0, 1])


PLAYS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.integers(0, 4_000)), max_size=60)


def drawn(plays: list[tuple[int, int, int]], ordinal: bool) -> tuple[Snapshot, Sittings]:
    plays = sorted(plays, key=lambda play: -play[2])
    acts, days = [play[:2] for play in plays], [play[2] * MINUTE for play in plays]
    snapshot = house(acts, n_users=3, n_songs=10, days_ago=days, artists=[song // 2 for song in range(10)], ordinal=ordinal)
    return snapshot, Sittings.of(snapshot, RULES)


def check(sides: Sides, sequences: Sequences, short_length: int, long_length: int) -> None:
    assert (sides.long_end <= sides.short_start).all()
    assert (sides.long_start >= sequences.offsets[sides.user]).all()
    assert (sides.short_end <= sequences.offsets[sides.user + 1]).all()
    assert (sides.short_end - sides.short_start <= short_length).all()
    assert (sides.long_end - sides.long_start <= long_length).all()
    assert (sides.long_start <= sides.long_end).all()
    assert (sides.short_start <= sides.short_end).all()


@settings(max_examples=40, deadline=None)
@given(PLAYS, st.booleans(), st.integers(1, 6), st.integers(1, 9))
def test_the_sides_never_share_a_token(plays: list[tuple[int, int, int]], ordinal: bool, short: int, long: int) -> None:
    _, sittings = drawn(plays, ordinal)
    sequences = sittings.sequences
    check(sittings.latest(np.arange(3), short, long), sequences, short, long)
    sides = sittings.training(short, long, 1_000, np.random.default_rng(0))
    check(sides, sequences, short, long)
    covered = [row for a, b in zip(sides.short_start, sides.short_end, strict=True) for row in range(a, b)]
    assert sorted(covered) == list(range(len(sequences)))
    if not ordinal:
        assert (sequences.ts[sides.short_end - 1] - sequences.ts[sittings.first[sides.short_start]] <= RULES.max_duration).all()


@settings(max_examples=25, deadline=None)
@given(PLAYS, st.booleans(), st.sampled_from(["window", "next"]))
def test_targets_come_after_what_is_seen(plays: list[tuple[int, int, int]], ordinal: bool, target: str) -> None:
    snapshot, sittings = drawn(plays, ordinal)
    sequences = sittings.sequences
    long = LongExamples(target, 6, 5)  # type: ignore[arg-type]
    examples = SdmExamples(short_length=4, long_length=8, batch_sessions=3, n_negatives=4, repeat_weight=1.0)
    sampler = NegativeSampler(np.ones(10, np.int64))
    batches = Batches(sittings, Attributes.of(snapshot.projection), np.zeros((3, 0), np.int64), sampler, examples, long, 0, 0)
    sides, seen = iter(range(len(batches.sides))), 0
    for batch in batches:
        assert batch.later is not None
        for row in range(len(batch.context.n_short)):
            number = next(sides)
            start, n = int(batches.sides.short_start[number]), int(batch.context.n_short[row])
            last = int(sequences.offsets[batches.sides.user[number] + 1])
            for t in range(batch.next.song.shape[1]):
                real = t <= n and start + t < last
                assert (batch.next.weight[row, t] > 0) == real
                if real:
                    assert batch.next.song[row, t] == sequences.item[start + t]
                    seen += 1
            window = sequences.item[start : min(last, start + (6 if target == "window" else n))]
            assert set(batch.later.song[row][batch.later.weight[row] > 0].tolist()) <= set(window.tolist())
    assert seen >= len(sequences)


def test_the_busiest_listener_weighs_no_more_than_the_cap() -> None:
    plays = [(0, n % 30) for n in range(300)] + [(1, n) for n in range(6)]
    sittings = Sittings.of(house(plays, n_users=2, n_songs=30, days_ago=[n * MINUTE for n in range(306, 0, -1)], ordinal=False), RULES)
    sides = sittings.training(10, 50, 40, np.random.default_rng(0))
    tokens = np.bincount(sides.user, weights=sides.short_end - sides.short_start)
    assert 40 <= tokens[0] < 50
    assert tokens[1] == 6


def test_what_the_long_space_draws_leaves_the_short_batches_alone() -> None:
    snapshot, sittings = drawn([(user, user + n % 4, 10 * n) for n in range(30) for user in range(3)], False)
    examples, sampler = replace(SdmExamples(), batch_sessions=4), NegativeSampler(np.ones(10, np.int64))
    attributes, profile = Attributes.of(snapshot.projection), np.zeros((3, 0), np.int64)
    one, two = (list(Batches(sittings, attributes, profile, sampler, examples, long, 0, 0)) for long in (None, LongExamples()))
    for a, b in zip(one, two, strict=True):
        assert a.context.short.equal(b.context.short)
        assert a.next.negatives.equal(b.next.negatives)
