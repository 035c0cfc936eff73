"""The simulated catalogue and its facts as tables of the source contract."""

from __future__ import annotations

import numpy as np
import polars as pl

from etl.simulation.catalogue import STYLES, STYLES_ZH, World
from etl.simulation.draws import Ints
from etl.simulation.facts import SCENES_ZH, TAGS, Facts
from etl.simulation.keys import ids, keys, labels
from etl.simulation.names import DRAMA, LABELS, LANGUAGES, NAMES, SHOW, TITLES, by_language, compose


def catalogue_tables(world: World, facts: Facts, rng: np.random.Generator) -> dict[str, pl.DataFrame]:
    """Every table that is about music, by name."""
    titles = pl.Series(by_language(rng, world.song_language, TITLES))
    dramas = compose(rng, world.n_dramas, "", DRAMA)
    return {
        "songs": _songs(world, titles),
        "albums": _albums(world, titles, pl.Series(dramas)),
        "artists": pl.DataFrame(
            {"artist_id": ids("artist", np.arange(world.n_artists)), "name": by_language(rng, world.artist_language, NAMES)}
        ),
        "song_artists": _song_artists(world),
        "song_tags": _song_tags(world, facts),
        "dramas": pl.DataFrame(
            {"drama_id": ids("drama", np.arange(world.n_dramas)), "title": dramas, "year": rng.integers(2008, 2026, world.n_dramas)}
        ),
        "soundtracks": _soundtracks(world, facts),
        "variety_shows": pl.DataFrame({"show_id": ids("show", np.arange(facts.n_shows)), "title": compose(rng, facts.n_shows, "", SHOW)}),
        "show_appearances": _appearances(facts),
        "mvs": _videos("mv", "《{}》MV", facts.mv_song, world, titles, rng),
        "mlogs": _videos("mlog", "《{}》的一分钟", facts.mlog_song, world, titles, rng),
        "playlists": _playlists(facts),
        "playlist_songs": _playlist_songs(facts),
        "triples": _triples(world, facts, rng),
    }


def _songs(world: World, titles: pl.Series) -> pl.DataFrame:
    heat = 100 * np.log1p(world.song_weight / world.song_weight.min()) / np.log1p(world.song_weight.max() / world.song_weight.min())
    return pl.DataFrame(
        {
            "song_id": ids("song", np.arange(world.n_songs)),
            "title": titles,
            "album_id": ids("album", world.song_album),
            "language": labels(LANGUAGES, world.song_language),
            "release_date": _dates(world.song_day),
            "duration_ms": world.song_ms,
            "popularity": np.round(heat, 1),
        }
    )


def _albums(world: World, titles: pl.Series, dramas: pl.Series) -> pl.DataFrame:
    """An album is named after its first song, a soundtrack after its drama."""
    first = np.searchsorted(world.song_album, np.arange(world.n_albums))
    drama = labels(tuple(dramas), world.album_drama)
    frame = pl.DataFrame({"album_id": ids("album", np.arange(world.n_albums)), "first": titles.gather(pl.Series(first)), "drama": drama})
    title = pl.when(pl.col("drama").is_null()).then(pl.col("first")).otherwise(pl.format("《{}》影视原声带", "drama"))
    return frame.select("album_id", title.alias("title"), _dates(world.album_day).alias("release_date"))


def _song_artists(world: World) -> pl.DataFrame:
    second = np.flatnonzero(world.song_featured >= 0)
    songs = np.concatenate([np.arange(world.n_songs), second])
    artists = np.concatenate([world.song_artist, world.song_featured[second]])
    role = np.where(np.arange(len(songs)) < world.n_songs, 0, 1)
    return pl.DataFrame({"song_id": ids("song", songs), "artist_id": ids("artist", artists), "role": labels(("singer", "featured"), role)})


def _song_tags(world: World, facts: Facts) -> pl.DataFrame:
    tags = np.array(list(TAGS.values()), dtype=object)[facts.tag_kind, facts.tag]
    kinds = labels(tuple(TAGS), facts.tag_kind)
    tagged = pl.DataFrame({"song_id": ids("song", facts.tag_song), "kind": kinds, "tag": pl.Series(tags.astype(str)), "weight": 0.5})
    style = pl.DataFrame({"song_id": ids("song", np.arange(world.n_songs)), "tag": labels(STYLES, world.song_style)})
    return pl.concat([style.select("song_id", pl.lit("style").alias("kind"), "tag", pl.lit(1.0).alias("weight")), tagged])


def _soundtracks(world: World, facts: Facts) -> pl.DataFrame:
    """Albums, then theme songs, then songs of which the link is spurious; each of the last two in the order of songs."""
    albums = np.flatnonzero(world.album_drama >= 0)
    own = np.flatnonzero(world.song_drama_own)
    songs = np.concatenate([own, facts.spurious_drama_song])
    dramas = np.concatenate([world.song_drama[own], facts.spurious_drama[: len(facts.spurious_drama_song)]])
    order = np.argsort(songs, kind="stable")
    none_of_album, none_of_song = np.full(len(songs), -1), np.full(len(albums), -1)
    return pl.DataFrame(
        {
            "drama_id": ids("drama", np.concatenate([world.album_drama[albums], dramas[order]])),
            "album_id": ids("album", np.concatenate([albums, none_of_album])),
            "song_id": ids("song", np.concatenate([none_of_song, songs[order]])),
        }
    )


def _appearances(facts: Facts) -> pl.DataFrame:
    order = np.lexsort([facts.appearance_artist, facts.appearance_season, facts.appearance_show])
    return pl.DataFrame(
        {
            "show_id": ids("show", facts.appearance_show[order]),
            "season": facts.appearance_season[order],
            "artist_id": ids("artist", facts.appearance_artist[order]),
            "song_id": ids("song", facts.appearance_song[order]),
        }
    )


def _videos(kind: str, title: str, songs: Ints, world: World, titles: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
    """Videos of `songs`, published within two months of the release."""
    return pl.DataFrame({"titles": titles.gather(pl.Series(songs))}).select(
        ids(kind, np.arange(len(songs))).alias(f"{kind}_id"),
        pl.format(title, "titles").alias("title"),
        ids("song", songs).alias("song_id"),
        _dates(world.song_day[songs] + rng.integers(0, 60, len(songs))).alias("published_at"),
    )


def _playlists(facts: Facts) -> pl.DataFrame:
    parts = pl.DataFrame({"scene": labels(SCENES_ZH, facts.playlist_scene), "style": labels(STYLES_ZH, facts.playlist_style)})
    title = pl.format("{} · {}歌单 {}", "scene", "style", pl.int_range(1, pl.len() + 1).over("scene", "style"))
    return parts.select(ids("playlist", np.arange(facts.n_playlists)).alias("playlist_id"), title.alias("title"))


def _playlist_songs(facts: Facts) -> pl.DataFrame:
    frame = pl.DataFrame({"playlist_id": ids("playlist", facts.entry_playlist), "song_id": ids("song", facts.entry_song)})
    return frame.with_columns(pl.int_range(1, pl.len() + 1).over("playlist_id").alias("position"))


def _triples(world: World, facts: Facts, rng: np.random.Generator) -> pl.DataFrame:
    """Facts beyond the catalogue, none of which causes listening: labels of albums, and whom artists were influenced by."""
    published = rng.integers(0, len(LABELS), world.n_albums)
    sure = np.round(rng.uniform(0.5, 1.0, len(facts.influence)), 2)
    days = pl.DataFrame(
        {
            "head": keys("album", np.arange(world.n_albums)),
            "relation": "published_by",
            "tail": pl.Series(["label:"]) + labels(LABELS, published),
            "valid_from": _dates(world.album_day),
            "source": "label catalogue",
            "confidence": 1.0,
        }
    )
    influences = pl.DataFrame(
        {
            "head": keys("artist", facts.influenced),
            "relation": "influenced_by",
            "tail": keys("artist", facts.influence),
            "valid_from": pl.Series([None] * len(sure), dtype=pl.String),
            "source": "encyclopedia",
            "confidence": sure,
        }
    )
    return pl.concat([days, influences])


def _dates(days: Ints) -> pl.Series:
    """ISO-8601 dates of days from 1970."""
    return pl.Series(days.astype(np.int32)).cast(pl.Date).dt.to_string("%Y-%m-%d")
