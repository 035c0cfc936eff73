"""Laws of re-ranking: a permutation, caps and shares kept, exactly k, nobody else's business."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import UserError
from ranking.rerank import dpp, shares
from ranking.rerank.calibration import divergence, style_shares
from ranking.rerank.exploration import draw
from ranking.rerank.kept import allowed, distinct_groups, first_places, intra_list_distance, kept, most_of_a_group, style_divergence
from ranking.rerank.order import Draw, Lists, falling, reordered
from ranking.rerank.settings import Constraints, RerankSettings, SceneConstraints
from ranking.rerank.songs import Groups, Songs, tail

N_SONGS, N_ARTISTS, N_STYLES = 60, 9, 5
BY = Draw(7, 1_000)


def groups(of_song: list[list[int]], n: int) -> Groups:
    first = np.concatenate([[0], np.cumsum([len(own) for own in of_song])]).astype(np.int64)
    return Groups(first, np.array([code for own in of_song for code in own], np.int32), n)


def some_songs(seed: int, n: int = N_SONGS, n_artists: int = N_ARTISTS) -> Songs:
    rng = np.random.default_rng(seed)
    artists = groups([rng.choice(n_artists, min(1 + (song % 5 == 0), n_artists), replace=False).tolist() for song in range(n)], n_artists)
    albums = groups([[song // 4] if song % 7 else [] for song in range(n)], n)
    styles = groups([rng.choice(N_STYLES, rng.integers(0, 3), replace=False).tolist() for _ in range(n)], N_STYLES)
    units = dpp.unit_rows(rng.normal(size=(n, 6)))
    return Songs(artists, albums, styles, rng.random(n) < 0.4, rng.random(n) < 0.3, units)


def some_lists(seed: int, sizes: list[int], n: int = N_SONGS) -> Lists:
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(len(sizes), dtype=np.int32) * 3 + 1, sizes)
    item = np.concatenate([rng.permutation(n)[:size] for size in sizes] or [[]]).astype(np.int32)
    score = np.concatenate([np.sort(rng.normal(size=size))[::-1] for size in sizes] or [[]]).astype(np.float32)
    return Lists(user, item, score, rng.random(len(user)) < 0.5, np.zeros(len(user), bool))


def some_tastes(seed: int, n: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).dirichlet(np.ones(N_STYLES), n)


def taken(lists: Lists, rows: npt.NDArray[np.intp]) -> Lists:
    return Lists(*(column[rows] for column in lists))


def run(lists: Lists, songs: Songs, constraints: Constraints, seed: int = 0) -> tuple[npt.NDArray[np.intp], Lists]:
    rows = reordered(lists, some_tastes(seed, len(lists.first) - 1), songs, constraints, BY)
    return rows, taken(lists, rows)


ANY = st.builds(
    Constraints,
    places=st.integers(1, 12),
    pool=st.integers(12, 60),
    max_per_artist=st.integers(0, 3),
    max_per_album=st.integers(0, 2),
    window=st.integers(0, 6),
    tail_share=st.sampled_from([0.0, 0.25, 0.5]),
    repeats_at_least=st.sampled_from([0.0, 0.2]),
    repeats_at_most=st.sampled_from([0.2, 0.6, 1.0]),
    explore=st.integers(0, 1),
    diversity=st.sampled_from([0.0, 0.3, 0.9]),
    diversity_window=st.integers(0, 5),
    calibration=st.sampled_from([0.0, 0.4]),
)
SIZES = st.lists(st.integers(1, 50), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(ANY, SIZES, st.integers(0, 99))
def test_a_list_stays_a_permutation_and_depends_on_nobody_else(constraints: Constraints, sizes: list[int], seed: int) -> None:
    lists, songs, tastes = some_lists(seed, sizes), some_songs(seed), some_tastes(seed, len(sizes))
    rows = reordered(lists, tastes, songs, constraints, BY)
    assert sorted(rows.tolist()) == list(range(len(lists.user)))
    assert (lists.user[rows] == lists.user).all()
    first = lists.first
    for one in range(len(sizes)):
        alone = taken(lists, np.arange(first[one], first[one + 1]))
        assert (reordered(alone, tastes[one : one + 1], songs, constraints, BY) + first[one] == rows[first[one] : first[one + 1]]).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.integers(0, 2), st.integers(0, 6), st.integers(0, 99))
def test_caps_hold_in_every_window(per_artist: int, per_album: int, window: int, seed: int) -> None:
    lists, songs = some_lists(seed, [60, 60]), some_songs(seed, n_artists=30)
    constraints = Constraints(places=10, pool=60, max_per_artist=per_artist, max_per_album=per_album, window=window)
    top = first_places(run(lists, songs, constraints)[1], 10)
    for groups_of, most in ((songs.artists, per_artist), (songs.albums, per_album)):
        if most:
            assert (most_of_a_group(top, groups_of, window) <= most).all()
            width = window or 10
            for start in range(20 - width):
                run_of = top.item[start : start + width][top.user[start : start + width] == top.user[start]]
                codes = np.concatenate([groups_of.group[groups_of.first[song] : groups_of.first[song + 1]] for song in run_of])
                assert np.bincount(codes, minlength=1).max() <= most


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([0.1, 0.3, 0.5]), st.sampled_from([0.2, 0.4]), st.integers(0, 2), st.integers(0, 99))
def test_shares_are_met_in_every_beginning(tail_share: float, repeats: float, explore: int, seed: int) -> None:
    lists, songs = some_lists(seed, [60, 60, 60]), some_songs(seed)
    constraints = Constraints(
        places=10, pool=30, tail_share=tail_share, repeats_at_least=repeats, repeats_at_most=repeats, explore=explore, max_per_artist=4
    )
    after = run(lists, songs, constraints)[1]
    assert all(one.holds.all() for one in kept(after, songs, constraints))
    for j in range(1, 11):
        top = first_places(after, j)
        counts = np.bincount(np.repeat(np.arange(3), j), songs.is_tail[top.item])
        assert (counts >= np.floor(tail_share * j + 1e-9)).all()
        played = np.bincount(np.repeat(np.arange(3), j), top.played)
        assert (np.floor(repeats * j + 1e-9) <= played).all()
        assert (played <= np.ceil(repeats * j - 1e-9)).all()


@settings(max_examples=30, deadline=None)
@given(SIZES, st.integers(0, 99))
def test_without_constraints_the_order_stays(sizes: list[int], seed: int) -> None:
    lists, songs = some_lists(seed, sizes), some_songs(seed)
    assert not Constraints().are_on
    assert (run(lists, songs, Constraints())[0] == np.arange(len(lists.user))).all()
    # Weights at their limits: λ = 0, and θ → ∞.
    nearly = Constraints(diversity=1e-12, calibration=0.0)
    assert (run(lists, songs, nearly)[0] == np.arange(len(lists.user))).all()


def determinant_greedy(
    similarity: npt.NDArray[np.float64], score: npt.NDArray[np.float64], weight: float, k: int, window: int
) -> list[int]:
    """Best by score + weight · log (det S of the window with i / det S of the window without)."""
    picks: list[int] = []
    for _ in range(k):
        held = picks[max(len(picks) - (window - 1), 0) :] if window else picks

        def gain(i: int, held: list[int] = held) -> float:
            below = np.linalg.slogdet(similarity[np.ix_(held, held)])[1] if held else 0.0
            return float(score[i] + weight * (np.linalg.slogdet(similarity[np.ix_([*held, i], [*held, i])])[1] - below))

        picks.append(max((i for i in range(len(score)) if i not in picks), key=gain))
    return picks


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.sampled_from([0, 2, 3, 5]), st.sampled_from([0.2, 0.5, 0.9]))
def test_greedy_dpp_is_the_greedy_of_determinants(seed: int, window: int, diversity: float) -> None:
    songs, lists = some_songs(seed, 12), some_lists(seed, [12], 12)
    constraints = Constraints(places=8, pool=12, diversity=diversity, diversity_window=window)
    rows, _ = run(lists, songs, constraints)
    score = (lists.score - lists.score.mean(dtype=np.float64)) / lists.score.std(dtype=np.float64)
    similarity = dpp.similarity_matrix(songs.units[lists.item])
    assert rows[:8].tolist() == determinant_greedy(similarity, score, diversity / (1 - diversity), 8, window)


def test_greedy_finds_the_likeliest_pair_where_scores_are_equal() -> None:
    songs = some_songs(3, 8)
    lists = some_lists(3, [8], 8)._replace(score=np.zeros(8, np.float32))
    rows, _ = run(lists, songs, Constraints(places=2, pool=8, diversity=0.9, diversity_window=0))
    similarity = dpp.similarity_matrix(songs.units[lists.item])
    with_first = [pair for pair in combinations(range(8), 2) if rows[0] in pair]
    best = max(with_first, key=lambda pair: np.linalg.det(similarity[np.ix_(pair, pair)]))
    assert set(rows[:2].tolist()) == set(best)


def test_more_diversity_makes_lists_more_different() -> None:
    lists, songs = some_lists(1, [60] * 8), some_songs(1)
    distance = [
        intra_list_distance(first_places(run(lists, songs, Constraints(places=10, pool=60, diversity=weight))[1], 10), songs).mean()
        for weight in (0.0, 0.5, 0.99)
    ]
    assert distance[0] < distance[1] < distance[2]


def test_songs_with_the_same_vector_still_fill_the_places() -> None:
    songs = some_songs(0)._replace(units=dpp.unit_rows(np.ones((N_SONGS, 3))))
    rows, _ = run(some_lists(0, [40]), songs, Constraints(places=30, pool=40, diversity=0.9, diversity_window=0))
    assert rows.tolist() == list(range(40))


def test_forgetting_the_first_is_never_having_held_it() -> None:
    rng = np.random.default_rng(0)
    units, item = dpp.unit_rows(rng.normal(size=(9, 4))), np.arange(9, dtype=np.int32)
    rows, left = np.zeros((9, 4)), np.full(9, 1 + dpp.NOISE)
    for n_held, chosen in enumerate((2, 5, 7)):
        dpp.condition(units, item, rows, left, n_held, chosen)
    dpp.forget_first(rows, left, np.array([2, 5, 7]), 3)
    fresh, fresh_left = np.zeros((9, 4)), np.full(9, 1 + dpp.NOISE)
    for n_held, chosen in enumerate((5, 7)):
        dpp.condition(units, item, fresh, fresh_left, n_held, chosen)
    others = [0, 1, 3, 4, 6, 8]
    assert left[others] == pytest.approx(fresh_left[others], abs=1e-9)


def test_calibration_brings_lists_nearer_to_the_listener() -> None:
    lists, songs, tastes = some_lists(5, [60] * 8), some_songs(5), some_tastes(0, 8)
    apart = [
        style_divergence(first_places(run(lists, songs, Constraints(places=10, pool=60, calibration=weight))[1], 10), songs, tastes).mean()
        for weight in (0.0, 0.5, 0.95)
    ]
    assert apart[0] > apart[1] > apart[2]


def test_calibrated_greedy_against_its_definition() -> None:
    lists, songs, tastes = some_lists(2, [15]), some_songs(2), some_tastes(0, 1)
    rows, _ = run(lists, songs, Constraints(places=5, pool=15, calibration=0.6))
    score = (lists.score - lists.score.mean(dtype=np.float64)) / lists.score.std(dtype=np.float64)
    picks: list[int] = []
    for _ in range(5):
        tried = {
            i: 0.4 * score[i] - 0.6 * style_divergence(taken(lists, np.array([*picks, i])), songs, tastes)[0]
            for i in range(15)
            if i not in picks
        }
        picks.append(max(tried, key=lambda i: tried[i]))
    assert rows[:5].tolist() == picks


def test_who_likes_no_style_is_not_calibrated() -> None:
    lists, songs = some_lists(2, [30]), some_songs(2)
    rows = reordered(lists, np.zeros((1, N_STYLES)), songs, Constraints(calibration=0.9), BY)
    assert (rows == np.arange(30)).all()


def test_shares_of_styles_by_hand() -> None:
    first, style = np.array([0, 2, 3, 3]), np.array([0, 1, 1], np.int32)
    shares_of = style_shares(np.array([0, 0, 1]), np.array([0, 1, 2]), np.array([2.0, 1.0, 5.0]), first, style, 2, 2)
    assert shares_of.tolist() == [[1 / 3, 2 / 3], [0, 0]]
    assert divergence(shares_of, shares_of).tolist() == [0, 0]
    assert divergence(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))[0] == pytest.approx(np.log(100))


def test_all_of_one_artist_gives_up_the_cap_and_nothing_else() -> None:
    songs = some_songs(4)._replace(artists=groups([[0]] * N_SONGS, 1))
    lists = some_lists(4, [40, 40])
    constraints = Constraints(places=10, pool=40, max_per_artist=1, tail_share=0.3)
    found = {one.name: one for one in kept(run(lists, songs, constraints)[1], songs, constraints)}
    assert not found["max_per_artist"].holds.any()
    assert not allowed(lists, songs, constraints, "max_per_artist").any()
    assert allowed(lists, songs, constraints, "tail_share").all()
    assert found["tail_share"].holds.all()


def test_what_is_declared_first_is_given_up_first() -> None:
    # Only played songs are of the tail: 40 % of the tail and 10 % repeats cannot both be.
    lists, songs = some_lists(6, [60]), some_songs(6)
    lists = lists._replace(played=songs.is_tail[lists.item])
    constraints = Constraints(places=10, pool=60, tail_share=0.4, repeats_at_most=0.1)
    found = {one.name: one for one in kept(run(lists, songs, constraints)[1], songs, constraints)}
    assert found["tail_share"].holds.all()
    assert found["tail_share"].value[0] == 0.4
    assert not found["repeats_at_most"].holds.any()


@pytest.mark.parametrize("sizes", [[], [1], [1, 30], [3]])
def test_short_and_empty_lists(sizes: list[int]) -> None:
    lists, songs = some_lists(0, sizes), some_songs(0)
    constraints = Constraints(places=10, pool=20, max_per_artist=1, tail_share=0.5, explore=3, diversity=0.5, calibration=0.5)
    rows, after = run(lists, songs, constraints)
    assert sorted(rows.tolist()) == list(range(sum(sizes)))
    assert len(kept(after, songs, constraints)) == 3


def test_other_versions_stay_last() -> None:
    lists = some_lists(0, [30, 30])
    last = np.tile(np.arange(30) >= 25, 2)
    _, after = run(lists._replace(last=last), some_songs(0), Constraints(places=10, pool=30, tail_share=0.5, max_per_artist=1))
    assert (after.last == last).all()


def test_drawn_songs_are_the_listeners_own() -> None:
    lists, songs = some_lists(8, [60] * 30), some_songs(8)
    songs = songs._replace(is_unsure=np.arange(N_SONGS) >= 5)
    lists = lists._replace(item=np.tile(np.arange(N_SONGS, dtype=np.int32), 30))
    constraints = Constraints(places=5, pool=5, explore=2)
    after = run(lists, songs, constraints)[1]
    assert kept(after, songs, constraints)[0].holds.all()
    top = first_places(after, 5)
    found = {tuple(top.item[one * 5 : one * 5 + 5][songs.is_unsure[top.item[one * 5 : one * 5 + 5]]]) for one in range(30)}
    assert len(found) > 5  # not the same songs for all
    other = reordered(lists, some_tastes(0, 30), songs, constraints, Draw(8, 1_000))
    assert (lists.item[other] != after.item).any()
    assert (draw(1, 5, lists.user, lists.item) == draw(1, 5, lists.user, lists.item)).all()
    assert abs(draw(1, 5, lists.user, lists.item).mean() - 0.5) < 0.03


def test_bounds_by_hand() -> None:
    assert shares.at_least(0.3, 10).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert shares.at_most(0.3, 10).tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3, 3]
    assert shares.at_least(0.35, 2).tolist() == [0, 1]
    assert shares.at_most(0.0, 3).tolist() == [0, 0, 0]


def test_scores_fall_and_are_kept_where_they_can_be() -> None:
    score = np.array([3, 1, 2, 1, 5, 5], np.float32)
    out = falling(score, np.array([0, 4, 6]))
    assert out[[0, 1, 4]].tolist() == [3, 1, 5]
    assert out[1] > out[2] > out[3] > 0.999
    assert 4.999 < out[5] < out[4]


def test_distances_and_numbers_by_hand() -> None:
    songs = some_songs(0, 4)._replace(
        units=dpp.unit_rows(np.array([[1, 0], [0, 1], [1, 0], [-1, 0]])), artists=groups([[0], [0, 1], [1], [2]], 3)
    )
    lists = Lists(
        np.array([5, 5, 9], np.int32), np.array([0, 1, 3], np.int32), np.zeros(3, np.float32), np.zeros(3, bool), np.zeros(3, bool)
    )
    assert intra_list_distance(lists, songs).tolist() == [0.5, 0]
    assert distinct_groups(lists, songs.artists).tolist() == [2, 1]
    assert most_of_a_group(lists, songs.artists).tolist() == [2, 1]


def test_the_tail_by_plays_or_by_quantile() -> None:
    plays = np.array([9, 0, 4, 5])
    assert tail(plays, Constraints()).tolist() == [False, True, True, False]
    assert tail(plays, Constraints(tail_quantile=0.75)).tolist() == [False, True, True, True]
    assert tail(np.zeros(4, int), Constraints(tail_quantile=0.5)).tolist() == [True, True, False, False]


def test_a_scene_says_only_what_is_otherwise() -> None:
    given = RerankSettings(max_per_artist=2, tail_share=0.2, fm=SceneConstraints(max_per_artist=1, repeats_at_most=0.3))
    assert given.of("daily") == Constraints(max_per_artist=2, tail_share=0.2)
    assert given.of("fm") == Constraints(max_per_artist=1, tail_share=0.2, repeats_at_most=0.3)
    assert given.of("playlist") == given.of("daily")
    assert given.of("fm").declared == ("repeats_at_most", "tail_share", "max_per_artist")
    assert not RerankSettings().of("daily").are_on
    assert set(vars(SceneConstraints())) == set(vars(Constraints()))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"tail_share": 1.5}, "tail_share = 1.5: give a share from 0 to 1"),
        ({"max_per_artist": -1}, "max_per_artist = -1: give 0 or more"),
        ({"places": 0}, "places = 0: give 1 or more"),
        ({"pool": 5}, "pool = 5: give at least as many as places"),
        ({"diversity": 1.0}, "diversity = 1.0: give a weight from 0 to below 1"),
        ({"repeats_at_least": 0.5, "repeats_at_most": 0.2}, "above repeats_at_most"),
        ({"explore": 30}, "there are 20 places"),
        ({"half_life_days": 0.0}, "above 0"),
    ],
)
def test_wrong_settings_are_the_users_mistake(wrong: dict[str, float], says: str) -> None:
    with pytest.raises(UserError, match=rf"\[recommend.rerank\] .*{says}"):
        Constraints(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=rf"\[recommend.rerank.fm\] .*{says}"):
        RerankSettings(fm=SceneConstraints(**wrong))  # type: ignore[arg-type]
