import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_house import N_SONGS, catalogue, events_of

from etl.behaviours import Behaviour
from ranking.examples import ExposureSettings, candidate_examples, exposure_examples
from recall.snapshot import Snapshot


def snapshot_of(rows: list[tuple[int, int, int, Behaviour]], now: int, ordinal: bool = False) -> Snapshot:
    """Rows are user, item, ts, behaviour."""
    known, projection = catalogue(4)
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], [], []]
    return Snapshot(known, events_of(columns[0], columns[1], columns[3], columns[2]), projection, now=now, ordinal=ordinal)


def test_an_exposure_is_positive_when_its_listener_answers_it_in_time() -> None:
    rows = [
        (0, 1, 0, Behaviour.EXPOSURE),  # answered
        (0, 2, 0, Behaviour.EXPOSURE),  # answered too late
        (1, 1, 10, Behaviour.EXPOSURE),  # answered by another listener only
        (0, 1, 60, Behaviour.CLICK),
        (2, 3, 70, Behaviour.EXPOSURE),  # liked, but neither clicked nor played
        (2, 3, 80, Behaviour.COLLECT),
        (0, 2, 1_801, Behaviour.PLAY),
    ]
    examples = exposure_examples(snapshot_of(rows, now=10_000), 0, 7)
    assert examples.position.tolist() == [0, 1, 2, 4]
    assert examples.label.tolist() == [1, 0, 0, 0]
    assert examples.ts.tolist() == [0, 0, 10, 70]


def test_an_answer_is_credited_to_the_latest_exposure_only() -> None:
    rows = [(0, 1, 0, Behaviour.EXPOSURE), (0, 1, 5, Behaviour.EXPOSURE), (0, 1, 9, Behaviour.PLAY), (0, 1, 20, Behaviour.EXPOSURE)]
    assert exposure_examples(snapshot_of(rows, now=10_000), 0, 4).label.tolist() == [0, 1, 0]


def test_a_song_that_was_skipped_is_no_success_unless_asked() -> None:
    rows = [(0, 1, 0, Behaviour.EXPOSURE), (0, 1, 1, Behaviour.PLAY), (0, 1, 1, Behaviour.SKIP), (0, 1, 9, Behaviour.EXPOSURE)]
    snapshot = snapshot_of([*rows, (0, 1, 10, Behaviour.PLAY)], now=10_000)
    assert exposure_examples(snapshot, 0, 5).label.tolist() == [0, 1]
    assert exposure_examples(snapshot, 0, 5, ExposureSettings(skip_is_negative=False)).label.tolist() == [1, 1]


def test_a_range_neither_looks_past_its_end_nor_keeps_what_is_still_open() -> None:
    rows = [
        (0, 1, 0, Behaviour.EXPOSURE),
        (1, 1, 100, Behaviour.EXPOSURE),
        (0, 1, 1_000, Behaviour.PLAY),
        (1, 1, 1_900, Behaviour.EXPOSURE),
        (1, 1, 1_901, Behaviour.CLICK),
    ]
    snapshot = snapshot_of(rows, now=2_000)
    cut = exposure_examples(snapshot, 0, 2, ExposureSettings(window_seconds=900))
    assert (cut.position.tolist(), cut.label.tolist()) == ([0, 1], [0, 0])
    assert len(exposure_examples(snapshot, 0, 2)) == 0  # at 1,000 seconds the half hour after both is still open
    whole = exposure_examples(snapshot, 1, 5, ExposureSettings(window_seconds=60))
    assert (whole.position.tolist(), whole.label.tolist()) == ([1, 3], [0, 1])


def test_ordinal_time_has_no_window_and_other_kinds_no_examples() -> None:
    rows = [(0, 1, 0, Behaviour.EXPOSURE), (0, N_SONGS + 1, 0, Behaviour.EXPOSURE), (0, 1, 10**6, Behaviour.PLAY)]
    examples = exposure_examples(snapshot_of(rows, now=10**6, ordinal=True), 0, 3)
    assert (examples.item.tolist(), examples.label.tolist()) == ([1], [1])
    assert len(exposure_examples(snapshot_of([], now=0), 0, 0)) == 0


@settings(max_examples=80, deadline=None)
@given(
    acts=st.lists(
        st.tuples(
            st.integers(0, 1),
            st.integers(0, 2),
            st.integers(0, 3),
            st.sampled_from([Behaviour.EXPOSURE, Behaviour.PLAY, Behaviour.SKIP, Behaviour.CLICK]),
        ),
        max_size=25,
    ),
    since=st.integers(0, 5),
)
def test_labels_against_a_plain_reading_of_the_log(acts: list[tuple[int, int, int, Behaviour]], since: int) -> None:
    window, clock, rows = 3, 0, []
    for user, item, wait, behaviour in acts:
        clock += wait
        rows.append((user, item, clock, behaviour))
    examples = exposure_examples(snapshot_of(rows, now=10**6), since, len(rows), ExposureSettings(window))
    exposed = {place: 0 for place in range(since, len(rows)) if rows[place][3] == Behaviour.EXPOSURE}
    for place in range(since, len(rows)):
        user, item, ts, behaviour = rows[place]
        earlier = [other for other in exposed if other < place and rows[other][:2] == (user, item)]
        if behaviour in (Behaviour.PLAY, Behaviour.CLICK) and earlier and ts - rows[max(earlier)][2] <= window:
            exposed[max(earlier)] = 1
    for place in range(since, len(rows)):
        user, item, ts, behaviour = rows[place]
        earlier = [other for other in exposed if other < place and rows[other][:2] == (user, item)]
        if behaviour == Behaviour.SKIP and earlier and ts - rows[max(earlier)][2] <= window:
            exposed[max(earlier)] = 0
    assert dict(zip(examples.position.tolist(), examples.label.astype(int).tolist(), strict=True)) == exposed


def test_candidate_examples_draw_negatives_among_the_users_own_by_seed() -> None:
    snapshot = snapshot_of([(0, 0, 5, Behaviour.PLAY)], now=9)
    users = np.repeat(np.array([2, 0, 1], np.int32), 12)
    items = np.tile(np.arange(12, dtype=np.int32), 3)
    labels = np.zeros(36, np.float32)
    labels[[0, 1, 14]] = 1  # user 2 has two positives, user 0 one, user 1 none
    drawn = candidate_examples(snapshot, users, items, labels, negatives_per_positive=4, seed=1)
    assert np.bincount(drawn.user, drawn.label).tolist() == [1, 0, 2]
    assert np.bincount(drawn.user).tolist() == [5, 0, 10]
    assert set(zip(drawn.user.tolist(), drawn.item.tolist(), drawn.label.tolist(), strict=True)) <= set(
        zip(users.tolist(), items.tolist(), labels.tolist(), strict=True)
    )
    assert (drawn.position == 1).all()
    assert (drawn.ts == 9).all()
    again = candidate_examples(snapshot, users, items, labels, negatives_per_positive=4, seed=1)
    other = candidate_examples(snapshot, users, items, labels, negatives_per_positive=4, seed=2)
    assert drawn.item.tolist() == again.item.tolist() != other.item.tolist()
