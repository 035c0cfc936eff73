import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_house import N_SONGS, catalogue, events_of, service

from etl.behaviours import Behaviour
from ranking.examples import ExposureSettings, examples_at_now, exposure_examples
from ranking.outcomes import TASK_BEHAVIOURS, TASKS, outcomes
from recall.snapshot import Snapshot


def snapshot_of(rows: list[tuple[int, int, int, Behaviour]], now: int, ordinal: bool = False) -> Snapshot:
    """Rows are user, item, ts, behaviour."""
    known, projection = catalogue(4)
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], [], []]
    return Snapshot(known, events_of(columns[0], columns[1], columns[3], columns[2]), projection, now=now, ordinal=ordinal)


def test_each_answer_is_a_task_of_its_own() -> None:
    rows = [
        (0, 1, 0, Behaviour.EXPOSURE),  # clicked, heard to its end, and kept
        (0, 2, 0, Behaviour.EXPOSURE),  # skipped; the heart comes too late
        (1, 1, 10, Behaviour.EXPOSURE),  # only another listener answered
        (0, 1, 20, Behaviour.CLICK),
        (0, 1, 21, Behaviour.PLAY),
        (0, 1, 21, Behaviour.FULL_PLAY),
        (0, 2, 30, Behaviour.SKIP),
        (0, 1, 40, Behaviour.COLLECT),
        (0, 2, 1_801, Behaviour.COLLECT),
    ]
    snapshot = snapshot_of(rows, now=10_000)
    found = outcomes(snapshot, exposure_examples(snapshot, 0, len(rows)))
    assert TASKS == ("click", "full_play", "heart", "skip")
    assert found.tolist() == [[1, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert found.dtype == np.float32


def test_an_answer_is_credited_to_the_latest_exposure_only() -> None:
    rows = [(0, 1, 0, Behaviour.EXPOSURE), (0, 1, 5, Behaviour.EXPOSURE), (0, 1, 9, Behaviour.CLICK), (0, 1, 20, Behaviour.EXPOSURE)]
    snapshot = snapshot_of(rows, now=10_000)
    assert outcomes(snapshot, exposure_examples(snapshot, 0, 4))[:, 0].tolist() == [0, 1, 0]


def test_what_is_not_known_yet_is_no_outcome() -> None:
    rows = [(0, 1, 0, Behaviour.EXPOSURE), (0, 1, 5, Behaviour.CLICK), (1, 1, 900, Behaviour.EXPOSURE)]
    snapshot = snapshot_of(rows, now=2_000)
    examples = exposure_examples(snapshot_of(rows, now=10_000), 0, 3)
    found = outcomes(snapshot, examples)
    assert found[0].tolist() == [1, 0, 0, 0]
    assert np.isnan(found[1]).all()  # its half hour is still open
    at_now = examples_at_now(snapshot, np.array([0]), np.array([1]))
    assert np.isnan(outcomes(snapshot, at_now)).all()
    assert outcomes(snapshot, examples.take(slice(0, 0))).shape == (0, len(TASKS))


def test_a_part_of_ordinal_time_ends_where_it_is_said_to() -> None:
    rows = [(0, 1, 0, Behaviour.EXPOSURE), (0, 1, 1, Behaviour.CLICK), (0, 1, 2, Behaviour.SKIP)]
    snapshot = snapshot_of(rows, now=3, ordinal=True)
    examples = exposure_examples(snapshot, 0, 2)
    assert outcomes(snapshot, examples, until=2).tolist() == [[1, 0, 0, 0]]
    assert outcomes(snapshot, examples).tolist() == [[1, 0, 0, 1]]


def test_a_later_log_changes_no_outcome_that_was_known() -> None:
    house = service(n_users=6, n_exposures=300)
    cut = len(house.events) // 2
    early = dataclasses.replace(house, events=house.events.take(slice(0, cut)), now=int(house.events.ts[cut]))
    examples = exposure_examples(house, 0, cut)
    assert len(examples) > 50
    assert np.array_equal(outcomes(early, examples), outcomes(house, examples))


@pytest.mark.parametrize("skip", [True, False])
def test_the_label_of_an_example_follows_from_its_outcomes(skip: bool) -> None:
    house = service(n_users=6, n_exposures=300)  # what is played there is heard to its end
    examples = exposure_examples(house, 0, len(house.events), ExposureSettings(skip_is_negative=skip))
    found = outcomes(house, examples)
    assert np.array_equal(examples.label, found[:, 1] * (1 - found[:, 3]))


ACTS = (Behaviour.EXPOSURE, *TASK_BEHAVIOURS, Behaviour.PLAY)


@settings(max_examples=80, deadline=None)
@given(
    acts=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 3), st.sampled_from(ACTS)), max_size=25),
    ordinal=st.booleans(),
    tail=st.integers(0, 5),
)
def test_outcomes_against_a_plain_reading_of_the_log(acts: list[tuple[int, int, int, Behaviour]], ordinal: bool, tail: int) -> None:
    window, clock, rows = 3, 0, []
    for user, item, wait, behaviour in acts:
        clock += wait
        rows.append((user, item, clock, behaviour))
    until = max(len(rows) - tail, 0)
    snapshot = snapshot_of(rows, now=10**6, ordinal=ordinal)
    rules = ExposureSettings(window)
    examples = exposure_examples(snapshot, 0, until, rules)
    expected = {int(place): [0.0] * len(TASKS) for place in examples.position}
    for place, (user, item, ts, behaviour) in enumerate(rows[:until]):
        exposed = [p for p in range(place) if rows[p][:2] == (user, item) and rows[p][3] == Behaviour.EXPOSURE]
        in_time = exposed and (ordinal or ts - rows[exposed[-1]][2] <= window)
        if behaviour in TASK_BEHAVIOURS and in_time and exposed[-1] in expected:
            expected[exposed[-1]][TASK_BEHAVIOURS.index(behaviour)] = 1.0
    found = outcomes(snapshot, examples, rules, until)
    assert dict(zip(examples.position.tolist(), found.tolist(), strict=True)) == expected


def test_other_kinds_of_item_answer_for_no_song() -> None:
    rows = [(0, 1, 0, Behaviour.EXPOSURE), (0, N_SONGS + 1, 1, Behaviour.CLICK)]
    snapshot = snapshot_of(rows, now=10_000)
    assert outcomes(snapshot, exposure_examples(snapshot, 0, 2)).tolist() == [[0, 0, 0, 0]]
