import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_house import house

from etl.behaviours import Behaviour
from etl.errors import UserError
from ranking.stream_feedback import SongGroups, StreamFeedback
from ranking.stream_settings import StreamSettings

N_SONGS = 24
ARTIST = [song % 6 for song in range(N_SONGS)]
ALBUM = [song // 4 for song in range(N_SONGS)]
GROUPS = SongGroups(house([(0, 0)], n_users=1, n_songs=N_SONGS, artists=ARTIST, albums=ALBUM).projection)
SETTINGS = StreamSettings()
Act = tuple[int, float, float]
acts = st.lists(st.tuples(st.integers(0, N_SONGS - 1), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 1.0, 2.0])), max_size=12)


def after(told: list[Act], *, songs_between: int = 0, settings: StreamSettings = SETTINGS) -> tuple[np.ndarray, np.ndarray]:
    """`[n_songs]` logarithms of what raises and of what lowers each song."""
    feedback = StreamFeedback(GROUPS, settings)
    for song, liked, refused in told:
        for _ in range(songs_between):
            feedback.pass_song()
        feedback.add(song, liked, refused)
    return feedback.raised(), feedback.lowered()


def test_a_skip_lowers_its_artist_most_then_its_album_and_nothing_else() -> None:
    raised, lowered = after([(0, 0.0, 1.0)])
    assert not raised.any()
    factor = np.exp(lowered)
    assert factor[0] == pytest.approx(21 * 21**0.5)  # song 0 itself: artist and album
    assert factor[6] == pytest.approx(21)  # the artist alone
    assert factor[1] == pytest.approx(21**0.5)  # the album alone
    assert (factor[[song for song in range(N_SONGS) if ARTIST[song] != 0 and ALBUM[song] != 0]] == 1).all()


def test_half_as_much_counts_after_the_half_life() -> None:
    feedback = StreamFeedback(GROUPS, SETTINGS)
    feedback.add(0, 1.0, 0.0)
    for _ in range(10):
        feedback.pass_song()
    assert np.exp(feedback.raised()[6]) == pytest.approx(1 + SETTINGS.raised_by / 2)


@settings(max_examples=60, deadline=None)
@given(acts, st.integers(0, N_SONGS - 1), st.sampled_from([0.5, 1.0, 2.0]))
def test_a_skip_never_raises_and_a_heart_never_lowers_any_song(told: list[Act], song: int, strength: float) -> None:
    raised, lowered = after(told)
    for act in ((song, 0.0, strength), (song, strength, 0.0)):
        more_raised, more_lowered = after([*told, act])
        assert (more_raised >= raised - 1e-12).all()
        assert (more_lowered >= lowered - 1e-12).all()


@settings(max_examples=60, deadline=None)
@given(acts, st.randoms(use_true_random=False))
def test_acts_on_songs_that_were_heard_come_in_any_order(told: list[Act], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(told, len(told))
    np.testing.assert_allclose(after(told), after(shuffled), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(acts)
def test_every_factor_is_bounded(told: list[Act]) -> None:
    raised, lowered = after(told * 5, songs_between=1)
    exponents = sum(SETTINGS.exponents)
    assert (raised <= exponents * np.log1p(SETTINGS.raised_by * SETTINGS.most) + 1e-9).all()
    assert (lowered <= exponents * np.log1p(SETTINGS.lowered_by * SETTINGS.most) + 1e-9).all()


def test_a_duet_meets_half_of_what_one_of_its_singers_does() -> None:
    duet = house([(0, 0)], n_users=1, n_songs=3, artists=[0, 1, -1]).projection
    keys = duet.keys.tolist()
    singers = (keys.index("artist:0"), keys.index("artist:1"))
    built = type(duet).build(keys, keys, 3, [0, 1, 2, 2], ["SUNG_BY"] * 4, [*singers, *singers])
    feedback = StreamFeedback(SongGroups(built), SETTINGS)
    feedback.add(0, 0.0, 1.0)
    np.testing.assert_allclose(np.exp(feedback.lowered()), [21, 1, 11])
    assert not feedback.raised().any()
    assert SongGroups(built).common(2, 1) == (0, singers[1])
    assert SongGroups(built).common(0, 1) == (-1, -1)


def test_a_song_without_facts_speaks_for_nothing() -> None:
    bare = SongGroups(house([(0, 0)], n_users=1, n_songs=2).projection)
    feedback = StreamFeedback(bare, SETTINGS)
    feedback.add(1, 0.0, 1.0)
    assert feedback.lowered().tolist() == [0, 0]
    assert bare.close(1).tolist() == []
    assert bare.songs_of_artists(bare.artists_of(1)).tolist() == []


def test_songs_close_to_one_share_its_artist_or_album() -> None:
    expected = [song for song in range(N_SONGS) if ARTIST[song] == ARTIST[5] or ALBUM[song] == ALBUM[5]]
    assert GROUPS.close(5).tolist() == expected
    assert GROUPS.songs_of_artists(GROUPS.artists_of(5)).tolist() == [song for song in range(N_SONGS) if ARTIST[song] == ARTIST[5]]


def test_what_each_behaviour_says() -> None:
    assert [SETTINGS.liking(b) for b in (Behaviour.COLLECT, Behaviour.FULL_PLAY, Behaviour.PLAY, Behaviour.SKIP)] == [1.0, 0.5, 0.0, 0.0]
    assert [SETTINGS.refusing(b) for b in (Behaviour.SKIP, Behaviour.DISLIKE, Behaviour.COMMENT, Behaviour.COLLECT)] == [1.0, 2.0, 0.0, 0.0]


@pytest.mark.parametrize(("name", "value"), [("unheard", 0.5), ("lowered_by", -1.0), ("half_life_songs", 0.0), ("raised_by", float("nan"))])
def test_settings_that_mean_nothing_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"\[recommend.fm\] {name} = "):
        StreamSettings(**{name: value})
