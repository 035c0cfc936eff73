import math
from collections import defaultdict
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_house import ARTIST_X, DAY, KEYS, MV, N_SONGS, N_USERS, START, catalogue, lake, log, played, triples

from etl.behaviours import Behaviour
from etl.errors import UserError
from etl.events import Events
from etl.facets import SongFacets
from etl.live_profile import LiveProfiles
from etl.profile_rules import ProfileRules
from etl.user_profile import Profile, UserProfiles

FACETS = SongFacets.of(catalogue(), triples())
RULES = ProfileRules(half_life_days=1.5, half_life_events=3.0)
YEARS = 12 * 365 * DAY
TINY = 1e-290
"""What is smaller has lost digits to the range of doubles."""
EVENT = st.tuples(
    st.integers(0, N_USERS - 1),
    st.sampled_from([0, 1, 2, MV, ARTIST_X]),
    st.sampled_from(list(Behaviour)),
    st.one_of(st.integers(0, 10 * DAY), st.integers(0, YEARS)).map(lambda gap: START - 3 * DAY + gap),
    st.floats(0.5, 20, width=32),
    st.integers(0, 3),
)


def recomputed(events: Events, user: int, sentiment: Any, at: int | None) -> dict[int, tuple[float, float]]:
    """The definition, read off the log row by row."""
    own = [row for row in range(len(events)) if events.user[row] == user]
    acts = [n for n, row in enumerate(own) if n == 0 or events.source[row] != events.source[own[n - 1]]]
    masses: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for n, row in enumerate(own):
        age = at - events.ts[row] if at is not None else sum(act > n for act in acts)
        decay = 0.5 ** (age / (RULES.half_life_days * DAY if at is not None else RULES.half_life_events))
        behaviour = Behaviour(events.behaviour[row])
        weight = RULES.weights[behaviour] * events.count[row] * (sentiment[row] if behaviour == Behaviour.COMMENT else 1.0)
        for value, confidence in facets_of(events, row, dated=at is not None) if weight else ():
            masses[value][int(weight < 0)] += abs(weight) * decay * confidence
    return {value: (liked, refused) for value, (liked, refused) in masses.items()}


def facets_of(events: Events, row: int, *, dated: bool) -> list[tuple[int, float]]:
    item = int(events.item[row])
    if events.behaviour[row] == Behaviour.BLOCK_ARTIST and item == ARTIST_X:
        return [(item, 1.0)]
    if item >= N_SONGS:
        return []
    facts = range(FACETS.offsets[item], FACETS.offsets[item + 1])
    return [(int(FACETS.value[f]), float(FACETS.weight[f])) for f in facts if not dated or FACETS.valid_from[f] <= events.ts[row]]


def assert_same(profile: Profile, wanted: dict[int, tuple[float, float]]) -> None:
    told = dict(zip(profile.value.tolist(), zip(profile.positive.tolist(), profile.negative.tolist(), strict=True), strict=True))
    for value in told.keys() | wanted.keys():
        assert told.get(value, (0.0, 0.0)) == pytest.approx(wanted.get(value, (0.0, 0.0)), rel=1e-9, abs=TINY)


def in_order(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=lambda row: row[3])


def sentiments(n: int) -> Any:
    return np.resize([0.8, -0.6, np.nan, 0.0, -1.0], n)


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENT, max_size=25).map(in_order), st.booleans())
def test_after_every_event_the_live_profile_is_that_of_the_log(rows: list[tuple[Any, ...]], ordinal: bool) -> None:
    events, sentiment = log(rows), sentiments(len(rows))
    live = LiveProfiles(FACETS, RULES, ordinal=ordinal)
    for row in range(len(events)):
        take(live, events, row, sentiment[row])
        user, at, so_far = int(events.user[row]), None if ordinal else int(events.ts[row]), events.take(slice(0, row + 1))
        wanted = recomputed(so_far, user, np.nan_to_num(sentiment), at)
        assert_same(live.user(user, at), wanted)
        assert_same(UserProfiles.of(so_far, FACETS, N_USERS, RULES, at=at, sentiment=sentiment[: row + 1]).user(user), wanted)


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENT, max_size=40).map(in_order), st.booleans(), st.integers(0, YEARS))
def test_all_live_profiles_are_those_of_the_log(rows: list[tuple[Any, ...]], ordinal: bool, later: int) -> None:
    events, sentiment = log(rows), sentiments(len(rows))
    at = None if ordinal else int(events.ts.max(initial=START)) + later
    live = LiveProfiles(FACETS, RULES, ordinal=ordinal)
    live.extend(events.take(slice(0, 10)), sentiment[:10])
    live.extend(events.take(slice(10, None)), sentiment[10:])
    told, batch = live.profiles(N_USERS, at), UserProfiles.of(events, FACETS, N_USERS, RULES, at=at, sentiment=sentiment)
    assert told.offsets.tolist() == batch.offsets.tolist()
    assert told.value.tolist() == batch.value.tolist()
    np.testing.assert_allclose(told.positive, batch.positive, rtol=1e-9, atol=TINY)
    np.testing.assert_allclose(told.negative, batch.negative, rtol=1e-9, atol=TINY)


@settings(max_examples=40, deadline=None)
@given(st.lists(EVENT, max_size=20).map(in_order), st.randoms(use_true_random=False))
def test_late_events_count_as_if_they_had_come_in_time(rows: list[tuple[Any, ...]], rng: Any) -> None:
    events, at = log(rows), START + 2 * YEARS
    live = LiveProfiles(FACETS, RULES)
    for row in rng.sample(range(len(rows)), len(rows)):
        take(live, events, row, 0.5)
    half = np.full(len(rows), 0.5)
    for user in range(N_USERS):
        assert_same(live.user(user, at), recomputed(events, user, half, at))


@settings(max_examples=40, deadline=None)
@given(st.lists(EVENT, max_size=20).map(in_order), st.integers(-2 * DAY, YEARS))
def test_what_comes_later_changes_nothing_before(rows: list[tuple[Any, ...]], after: int) -> None:
    t, events = START + after, log(rows)
    whole = UserProfiles.as_of(lake(events), t, RULES)
    known = UserProfiles.as_of(lake(events.take(events.ts < t)), t, RULES)
    assert whole.frame().equals(known.frame())
    assert np.array_equal(whole.value, known.value)


def take(live: LiveProfiles, events: Events, row: int, sentiment: float) -> None:
    live.update(
        int(events.user[row]),
        int(events.item[row]),
        Behaviour(events.behaviour[row]),
        int(events.ts[row]),
        count=float(events.count[row]),
        sentiment=0.0 if math.isnan(sentiment) else float(sentiment),
        source=int(events.source[row]),
    )


def test_a_full_play_puts_its_decayed_weight_on_every_facet_known_then() -> None:
    events = log([(0, 0, Behaviour.FULL_PLAY, START), (0, 0, Behaviour.FULL_PLAY, START + 6 * DAY, 2.0)])
    profiles = UserProfiles.of(events, FACETS, N_USERS, ProfileRules(half_life_days=3), at=START + 6 * DAY)
    masses = {KEYS[value]: mass for value, mass in zip(*profiles.user(0)[:2], strict=True)}
    assert masses == pytest.approx(
        {"artist:x": 2.25, "artist:y": 2.25, "album:b": 2.25, "style:folk": 1.125, "tag:scene/night": 0.5}  # the tag came between
    )
    assert profiles.user(0).negative.tolist() == [0] * 5
    assert len(profiles.user(1).value) == 0


def test_refusals_and_sentiment_have_their_side() -> None:
    rows = [(0, 2, Behaviour.SKIP), (1, 1, Behaviour.SKIP), (1, 1, Behaviour.DISLIKE), (2, ARTIST_X, Behaviour.BLOCK_ARTIST)]
    rows += [(3, 1, Behaviour.COMMENT), (3, 1, Behaviour.COMMENT), (3, 1, Behaviour.COMMENT), (0, MV, Behaviour.COLLECT)]
    events = log([(*row, START) for row in rows])
    sentiment = np.array([np.nan] * 4 + [0.5, -1.0, np.nan, np.nan])
    rules = ProfileRules(skip=0.5, dislike=3, block_artist=7, comment=2)
    profiles = UserProfiles.of(events, FACETS, N_USERS, rules, at=START, sentiment=sentiment)
    assert len(profiles.user(0).value) == 0  # a song without facets, and no song at all
    assert set(profiles.user(1).negative) == {3.5, 0.75 * 3.5}
    assert profiles.user(2) == ([ARTIST_X], [0.0], [7.0])
    artist = KEYS.index("artist:y")
    place = profiles.user(3).value.tolist().index(artist)
    assert (profiles.user(3).positive[place], profiles.user(3).negative[place]) == (1.0, 2.0)
    without = UserProfiles.of(events, FACETS, N_USERS, rules, at=START)
    assert len(without.user(3).value) == 0


def test_a_derived_event_is_one_act_with_its_play_where_time_is_ordinal() -> None:
    rows = [row for place in range(3) for row in played(0, 1, START + place, Behaviour.FULL_PLAY, place)]
    profiles = UserProfiles.of(log(rows), FACETS, N_USERS, ProfileRules(half_life_events=1.0), at=None)
    assert profiles.user(0).positive.max() == pytest.approx(1 + 0.5 + 0.25)


def test_frame_likes_and_dislikes() -> None:
    rows = [(0, 0, Behaviour.FULL_PLAY, START)] * 3 + [(0, 1, Behaviour.SKIP, START)] * 2 + [(0, ARTIST_X, Behaviour.BLOCK_ARTIST, START)]
    profiles = UserProfiles.of(log(rows), FACETS, N_USERS, ProfileRules(skip=0.5), at=START)
    frame = profiles.frame()
    assert frame["facet"].unique(maintain_order=True).to_list() == ["artist", "album", "style", "language", "era", "emotion", "tempo"]
    artists = frame.filter(pl.col("facet") == "artist")
    assert artists["positive_share"].to_list() == [0.5, 0.5]
    assert artists["negative_share"].to_list() == pytest.approx([10 / 11, 1 / 11])
    assert frame.filter(pl.col("facet") == "style")["negative_share"].to_list() == [0.0]
    liked = profiles.likes(1).filter(pl.col("facet") == "artist")
    assert liked.select("value", "rank").rows() == [(KEYS.index("artist:y"), 1)]
    refused = profiles.dislikes(5).filter(pl.col("facet") == "artist")
    assert refused["value"].to_list() == [ARTIST_X]
    assert profiles.dislikes(5).filter(pl.col("facet") == "style").is_empty()


def test_comments_count_by_their_sentiment_where_the_lake_has_one() -> None:
    events = log([(0, 1, Behaviour.COMMENT, START), (1, 1, Behaviour.COMMENT, START)])
    comments = pl.DataFrame(
        [(0, 1, START, "a", 0.5), (0, 1, START, "b", -0.1)], schema=["user", "item", "ts", "text", "sentiment"], orient="row"
    )
    comments = comments.cast({"user": pl.Int32, "item": pl.Int32})
    profiles = UserProfiles.as_of(lake(events, comments), START + 1, ProfileRules(comment=2))
    assert profiles.user(0).positive.max() == pytest.approx(0.4, rel=1e-4)
    assert len(profiles.user(1).value) == 0
    assert len(UserProfiles.as_of(lake(events, comments.drop("sentiment")), START + 1).value) == 0


def test_the_future_has_no_part() -> None:
    events = log([(0, 0, Behaviour.FULL_PLAY, START)])
    with pytest.raises(ValueError, match="cannot be part"):
        UserProfiles.of(events, FACETS, N_USERS, at=START - 1)
    live = LiveProfiles(FACETS)
    live.extend(events)
    assert len(live.user(0, START).value) == 4
    assert len(live.user(9_999, START).value) == 0
    with pytest.raises(ValueError, match="read from the log"):
        live.user(0, START - 1)
    with pytest.raises(ValueError, match="read from the log"):
        live.profiles(N_USERS)


def test_room_grows_with_users_and_values() -> None:
    live = LiveProfiles(FACETS, RULES)
    for user in range(0, 9_000, 7):
        live.update(user, 0, Behaviour.FULL_PLAY, START)
    assert live.profiles(9_000, START).offsets[-1] == 4 * len(range(0, 9_000, 7))
    assert live.user(7 * 1_000, START).positive.tolist() == pytest.approx([1, 1, 1, 0.5])


@pytest.mark.parametrize("wrong", [{"half_life_days": 0}, {"skip": -1}, {"collect": float("nan")}, {"half_life_events": float("inf")}])
def test_wrong_rules_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=f"profile.*{next(iter(wrong))}"):
        ProfileRules(**wrong)
