from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from merge_house import N_SONGS, N_USERS, SNAPSHOT, cascade
from small_house import house

from etl.behaviours import Behaviour
from etl.errors import UserError
from kg_recall.feedback_file import Feedback
from kg_recall.fm import FmSession
from kg_recall.fm_odds import StreamHouse, fm_odds, is_unheard
from kg_recall.fm_stream import FmStream
from kg_recall.recommender import BATCH_SCHEMA, Recommender
from ranking.dien import Dien
from ranking.dien_network import DienSettings
from ranking.dien_session import DienSession
from ranking.examples import candidate_examples
from ranking.stream_settings import StreamSettings

ARTIST_OF = [song // 8 for song in range(N_SONGS)]
USER = 3
TOLD = ("skip", "collect", "full_play", "dislike", "block_song", "play")


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    return Recommender(cascade(SNAPSHOT), ())


def songs(frame: pl.DataFrame) -> list[int]:
    return [int(item) for item in frame["item_id"]]


def of_artist(listed: list[int], artist: int) -> int:
    return sum(ARTIST_OF[song] == artist for song in listed)


def test_without_feedback_the_stream_is_the_batch_list(recommender: Recommender) -> None:
    for repeats in ("include", "exclude"):
        for user in (0, USER, N_USERS - 1):  # the last has no history
            listed = recommender.recommend(np.array([user], dtype=np.int32), N_SONGS, "fm", repeats)
            stream = recommender.fm(user, repeats).next(N_SONGS)
            assert songs(stream) == songs(listed)
            assert stream.select(list(BATCH_SCHEMA)).schema == pl.Schema(BATCH_SCHEMA)
            assert stream["reason"].to_list() == listed["reason"].to_list()
            assert stream["path"].to_list() == listed["path"].to_list()


def test_songs_taken_one_by_one_are_those_taken_at_once(recommender: Recommender) -> None:
    session = recommender.fm(USER)
    one_by_one = [songs(session.next())[0] for _ in range(12)]
    assert one_by_one == songs(recommender.fm(USER).next(12))


def test_a_skip_takes_its_artist_out_of_the_next_songs_and_lets_her_return(recommender: Recommender) -> None:
    plain, skipped = recommender.fm(USER), recommender.fm(USER)
    first = songs(plain.next())[0]
    assert songs(skipped.next())[0] == first
    skipped.tell(str(first), "skip")
    artist = ARTIST_OF[first]
    with_skip, without = songs(skipped.next(N_SONGS - 1)), songs(plain.next(N_SONGS - 1))
    assert of_artist(without[:10], artist) > 0
    assert of_artist(with_skip[:10], artist) < of_artist(without[:10], artist)
    assert set(with_skip) == set(without)  # nothing is lost for good


def test_a_heart_brings_its_artist_and_says_so(recommender: Recommender) -> None:
    user = N_USERS - 1
    near = Recommender(recommender.cascade, (), stream=StreamSettings(entry_place=8))
    plain, hearted = near.fm(user), near.fm(user)
    last = songs(recommender.fm(user).next(N_SONGS))[-1]
    for session, behaviour in ((plain, "play"), (hearted, "red_heart")):
        session.tell(str(last), behaviour)
    without, frame = songs(plain.next(10)), hearted.next(10)
    artist = ARTIST_OF[last]
    assert of_artist(songs(frame), artist) > of_artist(without, artist)
    brought = frame.filter(pl.col("reason").str.contains("red heart"))
    assert brought.height > 0
    for row in brought.to_dicts():
        assert row["path"][0] == f"song:{last}"
        assert row["path"][-1] == f"song:{row['item_id']}"
        assert row["path"][1] in ("SUNG_BY", "IN_ALBUM")
        assert row["reason"].startswith(f"because you just gave “song:{last}” a red heart, ")
        assert row["reason"].endswith("this song")
    chinese = Recommender(recommender.cascade, (), "zh", StreamSettings(entry_place=8)).fm(user)
    chinese.tell(str(last), "heart")
    assert chinese.next(10)["reason"].str.contains("因为你刚给").any()


def test_blocks_are_absolute_and_nothing_comes_twice(recommender: Recommender) -> None:
    session = recommender.fm(USER)
    session.tell("0", "block_artist")
    session.block_artist("1")
    session.tell("16", "dislike")
    session.tell("17", "block_song")
    session.tell("18", "full_play")
    listed = songs(session.next(N_SONGS))
    assert sorted(listed) == list(range(19, N_SONGS))
    assert session.next(3).height == 0


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, N_SONGS - 1), st.sampled_from(["skip", "collect", "full_play", "dislike", "block_song", "play"])),
        max_size=8,
    ),
    st.integers(0, N_SONGS - 1),
)
def test_laws_of_streams(told: list[tuple[int, str]], song: int) -> None:
    built = Recommender(CASCADE, ())
    outcome = {act: session_after(built, [*told, (song, act)]).next(10) for act in ("play", "skip", "collect")}
    listed = {act: songs(frame) for act, frame in outcome.items()}
    said = {song, *(other for other, _ in told)}
    for items in listed.values():
        assert len(set(items)) == len(items)
        assert not said & set(items)
    artist = ARTIST_OF[song]
    assert of_artist(listed["skip"], artist) <= of_artist(listed["play"], artist) <= of_artist(listed["collect"], artist)


CASCADE = cascade(SNAPSHOT)


def session_after(built: Recommender, told: list[tuple[int, str]]) -> FmSession:
    session = built.fm(USER)
    for song, behaviour in told:
        session.tell(str(song), behaviour)
    return session


def test_acts_on_different_artists_that_were_served_come_in_any_order(recommender: Recommender) -> None:
    lists = []
    for order in (1, -1):
        session = recommender.fm(USER)
        served = songs(session.next(12))
        one, two = served[0], next(song for song in served if ARTIST_OF[song] != ARTIST_OF[served[0]])
        for song, behaviour in ((one, "skip"), (two, "collect"))[::order]:
            session.tell(str(song), behaviour)
        lists.append(session.next(15).rows())
    assert lists[0] == lists[1]


def test_everything_skipped_still_gives_every_song_once(recommender: Recommender) -> None:
    session, heard = recommender.fm(USER), []
    while (frame := session.next()).height:
        heard += songs(frame)
        session.tell(str(heard[-1]), "skip")
    assert sorted(heard) == list(range(N_SONGS))


def test_a_catalogue_of_one_song() -> None:
    one = house([(0, 0), (1, 0)], n_users=3, n_songs=1, artists=[0])
    one.catalogue.songs.insert_column(1, pl.Series("title", ["only"]))
    one.catalogue.songs.insert_column(2, pl.Series("artist", ["she"]))
    alone = replace(CASCADE, snapshot=one, ranker=None)
    alone.observe(one)
    session = Recommender(alone, ()).fm(2)
    assert songs(session.next(5)) == [0]
    session.tell("0", "skip")
    assert session.next(5).height == 0


def test_one_version_of_a_work_until_all_else_is_used_up() -> None:
    titles = pl.Series("title", ["same", "same (Live)", *(f"song {song}" for song in range(2, N_SONGS))])
    catalogue = replace(SNAPSHOT.catalogue, songs=SNAPSHOT.catalogue.songs.with_columns(titles))
    built = Recommender(cascade(replace(SNAPSHOT, catalogue=catalogue)), ())
    session = built.fm(USER)
    session.tell("1", "full_play")
    listed = songs(session.next(N_SONGS))
    assert listed[-1] == 0
    assert songs(built.fm(USER).next(N_SONGS)) == songs(built.recommend(np.array([USER], np.int32), N_SONGS, "fm"))


def test_unheard_songs_are_favoured_by_days_or_by_plays() -> None:
    plays = [(0, 0), (0, 1), (1, 2), (0, 0)]
    user, item = np.zeros(3, np.int32), np.arange(3, dtype=np.int32)
    by_days = house(plays, n_users=2, n_songs=3, days_ago=[50, 40, 1, 2], ordinal=False)
    assert is_unheard(by_days, user, item, StreamSettings()).tolist() == [False, True, True]
    by_plays = house(plays, n_users=2, n_songs=3)
    assert is_unheard(by_plays, user, item, StreamSettings(unheard_plays=1)).tolist() == [False, True, True]
    score = np.array([3, 2, 1], np.float32)
    odds = fm_odds(by_days, user, item, score, StreamSettings(unheard=4.0))
    np.testing.assert_allclose(np.exp(odds), [1, 4 / 2, 4 / 3], rtol=1e-6)
    plain = fm_odds(by_days, user, item, score, StreamSettings(unheard=1.0))
    np.testing.assert_allclose(np.exp(plain), [1, 1 / 2, 1 / 3], rtol=1e-6)


def test_a_session_changes_nothing_outside_it(recommender: Recommender) -> None:
    before = recommender.recommend(np.array([USER], dtype=np.int32), 12, "fm")
    events = len(recommender.cascade.snapshot.events)
    session = recommender.fm(USER)
    for song in songs(session.next(5)):
        session.tell(str(song), "block_artist")
    assert recommender.recommend(np.array([USER], dtype=np.int32), 12, "fm").equals(before)
    assert len(recommender.cascade.snapshot.events) == events


def with_dien() -> Recommender:
    built = cascade(SNAPSHOT)
    table = built.candidates(np.arange(N_USERS, dtype=np.int32))
    examples = candidate_examples(SNAPSHOT, table.user, table.item, (table.item % 3 == 0).astype(np.float32), seed=0)
    held_out = examples.user >= N_USERS * 4 // 5
    built.ranker = Dien(None, DienSettings(width=8, hidden=(16, 8), history=4, batch_size=256, max_epochs=1), seed=1)
    built.ranker.fit(SNAPSHOT, examples.take(~held_out), examples.take(held_out))
    built.blend, built.settings = 30.0, replace(built.settings, rank_k=N_SONGS)
    return Recommender(built, ())


def test_a_full_play_brings_dien_forward_and_a_fork_goes_its_own_way() -> None:
    built = with_dien()
    table = built.cascade.candidates(np.array([USER], dtype=np.int32))
    stream = FmStream(built.cascade, StreamHouse.of(SNAPSHOT), table, USER, StreamSettings())
    listed = songs(built.recommend(np.array([USER], np.int32), N_SONGS, "fm"))
    fork = stream.fork()
    assert fork.next(N_SONGS).item.tolist() == listed
    for played in listed[-3:]:
        stream.tell(played, Behaviour.FULL_PLAY)
    users = np.repeat(np.int32(USER), len(table))
    session = DienSession(built.cascade.ranker, users[:1])  # type: ignore[arg-type]
    before = session.score(users, table.item)
    session.heard(users[:3], np.array(listed[-3:]))
    assert (session.score(users, table.item) != before).all()
    for standing, expected in ((stream, session.score(users, table.item)), (fork, before)):
        ranker = standing._standing._after(standing._standing._played).ranker
        assert ranker is not None
        np.testing.assert_allclose(ranker.score(users, table.item), expected, atol=1e-6)


def test_looking_ahead_leaves_the_session_where_it_is(recommender: Recommender) -> None:
    session = recommender.fm(USER)
    ahead = songs(session.fork().next(5))
    session.fork().tell(str(ahead[0]), "block_artist")
    assert songs(session.next(5)) == ahead


def test_acts_of_a_file_are_applied_in_order_and_mistakes_name_their_line(recommender: Recommender) -> None:
    session, told = recommender.fm(USER), recommender.fm(USER)
    acts = [("skip", 3), ("collect", 12), ("full_play", 30)]
    for behaviour, song in acts:
        told.tell(str(song), behaviour)
    session.tell_all(Feedback("f, line 1", Behaviour[name.upper()], str(song)) for name, song in acts)
    session.tell_all([Feedback("f, line 4", Behaviour.BLOCK_ARTIST, None, "2")])
    told.block_artist("2")
    assert session.next(12).equals(told.next(12))
    with pytest.raises(UserError, match="f, line 5: unknown song 'x'"):
        session.tell_all([Feedback("f, line 5", Behaviour.SKIP, "x")])
    with pytest.raises(UserError, match="f, line 6: unknown artist 'x'"):
        session.tell_all([Feedback("f, line 6", Behaviour.BLOCK_ARTIST, None, "x")])


def test_unknown_songs_artists_and_behaviours_are_the_users_mistake(recommender: Recommender) -> None:
    session = recommender.fm(USER)
    with pytest.raises(UserError, match="unknown song '999'"):
        session.tell("999", "skip")
    with pytest.raises(UserError, match="unknown song 'artist:1'"):
        session.tell("artist:1", "skip")
    with pytest.raises(UserError, match="unknown artist 'x'"):
        session.block_artist("x")
    with pytest.raises(UserError, match="unknown behaviour 'hated'"):
        session.tell("1", "hated")
    session.tell("song:1", "Skip")
    assert 1 not in songs(session.next(N_SONGS))
