from types import SimpleNamespace

import numpy as np
import pytest
from small_house import house, random_plays

from etl.events import Events
from kg_recall.evaluation.run import kgcn_pairs
from kg_recall.moments import Window

N_USERS, N_SONGS = 12, 60


def protocol(plays: list[tuple[int, int]], n_linked: int, extra_item: int | None = None):
    """Pairs where the first `n_linked` songs have an artist, and every other play is of the test part."""
    artists = [song % 5 if song < n_linked else -1 for song in range(N_SONGS)]
    snapshot = house(plays, n_users=N_USERS, n_songs=N_SONGS, artists=artists)
    test = np.unique(np.array(plays[::2]), axis=0).astype(np.int32)
    events: Events = snapshot.events
    if extra_item is not None:
        events = Events(**{**vars(events), "item": np.where(np.arange(len(events)) == 1, extra_item, events.item).astype(np.int32)})
    moments, window = SimpleNamespace(events=events, seed=3), Window(test[:, 0], test[:, 1])
    user, item, label = kgcn_pairs(SimpleNamespace(snapshot=snapshot), moments, window)  # type: ignore[arg-type]
    return user, item, label.astype(bool), {(int(a), int(b)) for a, b in test if b < n_linked}


@pytest.mark.parametrize("seed", range(4))
def test_as_many_distinct_negatives_of_each_user_never_played(seed: int) -> None:
    plays = random_plays(seed, 120, N_USERS, N_SONGS)
    user, item, label, positives = protocol(plays, 50)
    pairs = list(zip(user.tolist(), item.tolist(), strict=True))
    assert {pair for pair, good in zip(pairs, label, strict=True) if good} == positives
    negatives = [pair for pair, good in zip(pairs, label, strict=True) if not good]
    assert len(set(negatives)) == len(negatives) == len(positives)
    assert not set(negatives) & set(plays)
    assert all(song < 50 for _, song in negatives)
    np.testing.assert_array_equal(np.bincount(user[label]), np.bincount(user[~label]))


def test_who_has_played_nearly_everything_gets_what_is_left() -> None:
    plays = [(0, song) for song in range(9)]
    _, item, label, positives = protocol(plays, 10)
    assert label.sum() == len(positives) == 5
    assert item[~label].tolist() == [9]


def test_an_event_on_another_kind_of_item_takes_no_song_away() -> None:
    # Entity 60 + 1 of user 0 must not be read as song 1 of user 1, the only song that user 1 has not played.
    plays = [(1, 0), (0, 0), *((1, song) for song in range(2, 5))]
    _, item, label, _ = protocol(plays, 5, extra_item=N_SONGS + 1)
    assert 1 in item[~label]
