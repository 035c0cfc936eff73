import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.behaviours import Behaviour
from etl.domains import DOMAINS, comment_sentiment, domain_sequences
from etl.events import Events
from etl.sequences import BehaviourSequences, EventDetails
from etl.session_rules import SessionRules
from etl.sessions import Sessions

N_USERS, N_SONGS = 3, 5
ARTIST = N_SONGS + 1
DURATION = np.array([200_000, 0, 100_000, 100_000, 100_000])
COLUMNS = ("offsets", "item", "ts", "scene", "behaviour", "play_share", "session", "sentiment")
Row = tuple[int, int, int, int, int, int]


def log(rows: list[Row]) -> Events:
    """Events from (user, item, behaviour, ts, scene, play_ms), put in time order as the lake does."""
    rows = sorted(rows, key=lambda row: row[3])
    user, item, behaviour, ts, scene, play_ms = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(6))
    n = len(rows)
    return Events(
        user.astype(np.int32), item.astype(np.int32), behaviour.astype(np.int8), ts, scene.astype(np.int16),
        play_ms.astype(np.int32), np.full(n, -1, np.int8), np.ones(n, np.float32), np.arange(n),
    )  # fmt: skip


def domains_of(events: Events) -> dict[str, BehaviourSequences]:
    session = Sessions.of(events, SessionRules(max_duration=60, gap=10), N_USERS).of_event
    return domain_sequences(events, N_USERS, N_SONGS, EventDetails(DURATION, session))


def item_of(behaviour: int, item: int) -> int:
    """A song, or the artist where an artist is blocked."""
    return ARTIST if behaviour == Behaviour.BLOCK_ARTIST else item


ROWS = st.lists(
    st.builds(
        lambda user, item, behaviour, ts, scene, ms: (user, item_of(behaviour, item), behaviour, ts, scene, ms),
        st.integers(0, N_USERS - 1), st.integers(0, N_SONGS), st.integers(0, 11), st.integers(0, 200), st.integers(-1, 2),
        st.integers(-1, 250_000),
    ),
    max_size=50,
)  # fmt: skip
DISTINCT = ROWS.map(lambda rows: list({(row[0], row[3]): row for row in rows}.values()))


def test_the_domains_share_no_behaviour_and_leave_out_what_says_nothing_of_taste() -> None:
    named = [behaviour for behaviours in DOMAINS.values() for behaviour in behaviours]
    assert len(named) == len(set(named))
    assert set(Behaviour) - set(named) == {Behaviour.EXPOSURE, Behaviour.PLAY}


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_every_act_on_a_song_stands_once_in_its_domain(rows: list[Row]) -> None:
    events = log(rows)
    for name, sequences in domains_of(events).items():
        mine = np.isin(events.behaviour, DOMAINS[name])
        wanted = mine & ((events.item < N_SONGS) | (events.behaviour == Behaviour.BLOCK_ARTIST))
        assert sorted(sequences.event.tolist()) == np.flatnonzero(wanted).tolist()
        np.testing.assert_array_equal(sequences.behaviour, events.behaviour[sequences.event])
        if name != "negative":
            assert np.all(sequences.item < N_SONGS)


@settings(max_examples=60, deadline=None)
@given(DISTINCT, st.randoms(use_true_random=False))
def test_sequences_of_a_permuted_table_are_equal(rows: list[Row], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    tables = [domains_of(log(order)) for order in (rows, shuffled)]
    for name in DOMAINS:
        for column in COLUMNS:
            np.testing.assert_array_equal(getattr(tables[0][name], column), getattr(tables[1][name], column))


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(0, 200))
def test_later_events_change_nothing_before_them(rows: list[Row], t: int) -> None:
    early, whole = domains_of(log([row for row in rows if row[3] < t])), domains_of(log(rows))
    n_early = sum(row[3] < t for row in rows)
    users = np.arange(N_USERS)
    for name in DOMAINS:
        then = whole[name].last_rows(users, 8, np.full(N_USERS, n_early))
        now = early[name].last_rows(users, 8)
        for column in ("item", "ts", "scene", "behaviour", "play_share"):
            known = [sequences.take(getattr(sequences, column), at) for sequences, at in ((whole[name], then), (early[name], now))]
            np.testing.assert_array_equal(known[0], known[1])


def test_types_shares_sessions_and_the_blocked_artist() -> None:
    events = log([
        (0, 0, Behaviour.FULL_PLAY, 0, -1, 180_000), (0, 0, Behaviour.COLLECT, 1, -1, -1), (0, 1, Behaviour.FULL_PLAY, 2, -1, 90_000),
        (0, 2, Behaviour.SHARE, 50, -1, -1), (0, ARTIST, Behaviour.BLOCK_ARTIST, 51, -1, -1), (0, ARTIST, Behaviour.CLICK, 52, -1, -1),
        (0, 3, Behaviour.DISLIKE, 53, -1, -1),
    ])  # fmt: skip
    domains = domains_of(events)
    np.testing.assert_array_equal(domains["full_play"].play_share, np.array([0.9, np.nan], np.float32))
    assert domains["heart"].behaviour.tolist() == [Behaviour.COLLECT, Behaviour.SHARE]
    assert np.isnan(domains["heart"].play_share).all()
    assert domains["heart"].session.tolist() == [0, 1]
    assert domains["negative"].item.tolist() == [ARTIST, 3]
    assert not len(domains["click"])


def test_without_details_they_are_unknown() -> None:
    sequences = domain_sequences(log([(0, 0, Behaviour.FULL_PLAY, 0, -1, 10)]), N_USERS, N_SONGS)["full_play"]
    assert np.isnan(sequences.play_share).all()
    assert np.isnan(sequences.sentiment).all()
    assert sequences.session.tolist() == [-1]


def test_a_comment_is_signed_by_its_sentiment() -> None:
    comment = Behaviour.COMMENT
    events = log([(0, 1, comment, 5, -1, -1), (0, 2, comment, 6, -1, -1), (1, 1, comment, 5, -1, -1), (1, 1, Behaviour.CLICK, 5, -1, -1)])
    judged = {"user": [0, 0, 1], "item": [1, 1, 1], "ts": [5, 5, 5], "sentiment": [1.0, 0.0, -1.0]}
    comments = pl.DataFrame(judged, schema={"user": pl.Int32, "item": pl.Int32, "ts": pl.Int64, "sentiment": pl.Float64})
    sentiment = comment_sentiment(events, comments)
    details = EventDetails(sentiment=sentiment)
    np.testing.assert_array_equal(sentiment, np.array([0.5, -1.0, np.nan, np.nan], np.float32))
    assert domain_sequences(events, N_USERS, N_SONGS, details)["comment"].sentiment[2] == -1.0
    assert np.isnan(comment_sentiment(events, comments.clear())).all()
