from pathlib import Path

import pytest

from etl.errors import UserError
from etl.imports.film_songs import import_film_songs
from etl.imports.lastfm import import_lastfm
from etl.imports.ml1m import import_ml1m
from etl.imports.registry import IMPORTS, run_import
from etl.imports.source import END_TS
from etl.imports.thirtymusic import import_thirtymusic
from etl.imports.xiami import import_xiami


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8", newline="")
    return folder


@pytest.fixture
def xiami(tmp_path: Path) -> Path:
    tracks = "track\tartist\talbum\n1\t7\t9\n2\t7\t-1\n3\t-1\t9\n4\t8\t5\n"
    return write(tmp_path, sequences__lst="20,1:2:1\n10,3:2\n", tracks__tsv=tracks)


def test_xiami_keeps_order_and_ends_at_one_date(xiami: Path) -> None:
    events = import_xiami(xiami).tables["events"]
    assert events.rows() == [
        ("20", "1", "play", END_TS - 480),
        ("20", "2", "play", END_TS - 240),
        ("20", "1", "play", END_TS),
        ("10", "3", "play", END_TS - 240),
        ("10", "2", "play", END_TS),
    ]


def test_xiami_leaves_out_unknown_albums_and_artists_and_unplayed_songs(xiami: Path) -> None:
    source = import_xiami(xiami)
    assert source.tables["songs"].rows() == [("1", "Song 1", "9"), ("2", "Song 2", None), ("3", "Song 3", "9")]
    assert source.tables["albums"].rows() == [("9", "Album 9")]
    assert source.tables["artists"].rows() == [("7", "Artist 7")]
    assert source.tables["song_artists"]["song_id"].to_list() == ["1", "2"]
    assert source.evaluate.split == "last"


def test_a_broken_number_is_named(xiami: Path) -> None:
    write(xiami, sequences__lst="20,1:two:1\n")
    with pytest.raises(UserError, match="'two', which is no integer"):
        import_xiami(xiami)


def test_a_file_with_other_columns_is_refused(xiami: Path) -> None:
    write(xiami, tracks__tsv="song\tartist\talbum\n1\t2\t3\n")
    with pytest.raises(UserError, match="expected track, artist, album"):
        import_xiami(xiami)


def test_thirtymusic_keeps_duplicates_and_orders_by_time(tmp_path: Path) -> None:
    head = "user\tsession\ttrack\tartist\tunix_time\test_played_ratio\test_gap_s\tslice\n"
    rows = "5\t1\t11\t3\t200\t0.4\t0\t0\n6\t2\t12\t3\t100\t1.0\t0\t0\n5\t1\t11\t3\t200\t0.4\t0\t0\n"
    source = import_thirtymusic(write(tmp_path, events__tsv=head + rows))
    assert source.tables["events"].rows() == [("6", "12", "play", 100), ("5", "11", "play", 200), ("5", "11", "play", 200)]
    assert source.tables["song_artists"].rows() == [("11", "3", "singer"), ("12", "3", "singer")]
    assert source.evaluate.split == "time"


def lastfm(folder: Path) -> Path:
    return write(
        folder,
        artists__dat='id\tname\turl\tpictureURL\n51\tSay "No"\thttp://x\t\n52\tRóisín\thttp://y\thttp://z\n',
        tags__dat="tagID\ttagValue\r\n1\tmetal\r\n",
        user_artists__dat="userID\tartistID\tweight\r\n2\t51\t13883\r\n2\t52\t3\r\n",
        user_friends__dat="userID\tfriendID\r\n2\t10\r\n10\t2\r\n",
        kg__txt="0\tmusic.artist.origin\t9\r\n7\tfilm.film.music\t1\r\n",
        item_index2entity_id__txt="51\t0\r\n52\t1\r\n",
    )


def test_lastfm_items_are_artists_with_play_counts(tmp_path: Path) -> None:
    source = import_lastfm(lastfm(tmp_path))
    assert source.tables["songs"].rows() == [("51", 'Say "No"'), ("52", "Róisín")]
    assert source.tables["events"].rows() == [("2", "51", "play", END_TS - 240, 13883), ("2", "52", "play", END_TS, 3)]
    assert source.tables["users"]["user_id"].to_list() == ["2", "10"]
    assert (source.evaluate.split, source.evaluate.test_share, source.evaluate.valid_share) == ("random", 0.2, 0.2)


def test_lastfm_links_entities_to_artists_on_both_sides(tmp_path: Path) -> None:
    triples = import_lastfm(lastfm(tmp_path)).tables["triples"]
    assert triples.select("head", "relation", "tail").rows() == [
        ("song:51", "MUSIC_ARTIST_ORIGIN", "entity:9"),
        ("entity:7", "FILM_FILM_MUSIC", "song:52"),
    ]


def films(folder: Path) -> Path:
    head = "album_uuid,album_title,album_year,album_category,album_music_director,album_lyricist,album_label,album_rating\n"
    albums = 'A,Dil,1990,"Hindi, Film","Anand - Milind, R.D. Burman",Traditional,Venus,0\nB,Ghazals,1991,"English, Non Film",,Gulzar,,0\n'
    song_head = "song_uuid,album_uuid,track_number,song_title,song_singers,song_rating,youtube_url\n"
    songs = 's1,A,1,One,"Asha , Kumar,  Asha",0,\ns2,B,1,Two,,0,\n'
    again = 'A,Dil again,1999,"English, Non Film",,,,0\n'
    return write(folder, albums_1__csv=head + albums, albums_2__csv=head + again, songs_1__csv=song_head + songs)


def test_a_film_album_is_the_soundtrack_of_a_drama(tmp_path: Path) -> None:
    tables = import_film_songs(films(tmp_path)).tables
    assert tables["dramas"].rows() == [("A", "Dil", 1990)]
    assert tables["soundtracks"].rows() == [("A", "A")]
    assert tables["albums"]["album_id"].to_list() == ["A", "B"]
    assert tables["songs"].rows() == [("s1", "One", "A", "Hindi", "1990-01-01"), ("s2", "Two", "B", "English", "1991-01-01")]


def test_film_people_are_split_trimmed_and_credited(tmp_path: Path) -> None:
    tables = import_film_songs(films(tmp_path)).tables
    assert tables["song_artists"].rows() == [("s1", "Asha", "singer"), ("s1", "Kumar", "singer")]
    assert set(tables["triples"].select("head", "relation", "tail").rows()) == {
        ("album:A", "COMPOSED_BY", "artist:Anand - Milind"),
        ("album:A", "COMPOSED_BY", "artist:R.D. Burman"),
        ("album:B", "WRITTEN_BY", "artist:Gulzar"),
        ("album:A", "PUBLISHED_BY", "label:Venus"),
    }
    assert set(tables["artists"]["artist_id"]) == {"Asha", "Kumar", "Anand - Milind", "R.D. Burman", "Gulzar"}
    assert tables["events"].height == 0


def test_ml1m_lines_are_users(tmp_path: Path) -> None:
    tables = import_ml1m(write(tmp_path, sequences__txt="3 1\n1\n")).tables
    assert tables["events"].select("user_id", "item_id").rows() == [("1", "3"), ("1", "1"), ("2", "1")]
    assert tables["songs"].rows() == [("1", "Film 1"), ("3", "Film 3")]


@pytest.mark.parametrize("name", IMPORTS)
def test_a_folder_without_the_files_is_a_users_mistake(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"give the folder that holds the data set's files"):
        IMPORTS[name](tmp_path)


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="knows xiami, thirtymusic-sessions, lastfm-2k, film-songs, ml1m-sequences"):
        run_import("spotify", tmp_path, f"sqlite:///{tmp_path}/music.db")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        run_import("xiami", tmp_path / "nowhere", f"sqlite:///{tmp_path}/music.db")


def test_run_import_writes_database_and_config(xiami: Path, tmp_path: Path) -> None:
    message = run_import("xiami", xiami, f"sqlite:///{tmp_path}/out/music.db")
    assert "5 events" in message
    assert 'split = "last"' in (tmp_path / "out" / "kg-recall.toml").read_text()
    assert (tmp_path / "out" / "music.db").is_file()
