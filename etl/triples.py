"""Contract tables → facts: head, relation, tail, each with its source, confidence and the time from which it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from etl.cleaning import Check, Known
from etl.contract import OWN_TABLE
from etl.lake import TRIPLE_SCHEMA
from etl.rules import CleaningRules
from etl.timestamps import start_of_year

Tables = Mapping[str, pl.DataFrame]
"""Cleaned tables by name; a table that the source lacks is there without rows."""
SINGING_ROLES: Final = (
    "singer",
    "vocal",
    "vocals",
    "vocalist",
    "artist",
    "main",
    "primary",
    "performer",
    "featured",
    "feat",
    "guest",
    "演唱",
    "主唱",
    "歌手",
    "合唱",
)
"""Roles of `song_artists` that are SUNG_BY; so is a row without a role."""
ROLE_RELATIONS: Final = {
    "composer": "COMPOSED_BY",
    "lyricist": "WRITTEN_BY",
    "writer": "WRITTEN_BY",
    "songwriter": "WRITTEN_BY",
    "producer": "PRODUCED_BY",
    "arranger": "ARRANGED_BY",
    "作曲": "COMPOSED_BY",
    "作词": "WRITTEN_BY",
    "编曲": "ARRANGED_BY",
    "制作人": "PRODUCED_BY",
}
OTHER_ROLE: Final = "CREDITED_TO"
"""Relations of other roles: one that is not listed is its own relation, upper-cased, if Latin letters write it."""
KEY_FORM: Final = r"^[^\s:]+:.*\S$"


def key(kind: str, column: str) -> pl.Expr:
    """`kind:id` of a column of ids; null where the id is null."""
    return pl.concat_str(pl.lit(f"{kind}:"), pl.col(column))


def season_key() -> pl.Expr:
    """`season:SHOW/N` of `show_appearances`."""
    return pl.concat_str(pl.lit("season:"), pl.col("show_id"), pl.lit("/"), pl.col("season"))


def relation_name(relation: pl.Expr) -> pl.Expr:
    """A name that Cypher takes as a relation type: upper case, letters, digits and underscores, a letter first."""
    return relation.str.replace_all(r"[^0-9A-Za-z]+", "_").str.strip_chars("_").str.to_uppercase().str.replace(r"^(\d)", "R_$1")


def sings() -> pl.Expr:
    """True for rows of `song_artists` whose role is singing."""
    return pl.col("role").is_null() | pl.col("role").str.to_lowercase().is_in(SINGING_ROLES)


def _role_relation() -> pl.Expr:
    named = pl.col("role").str.to_lowercase().replace_strict(ROLE_RELATIONS, default=None, return_dtype=pl.String)
    own = pl.when(~_not_latin(pl.col("role"))).then(relation_name(pl.col("role")))
    return pl.coalesce(named, own, pl.lit(OTHER_ROLE))


def _not_latin(name: pl.Expr) -> pl.Expr:
    return name.str.contains(r"[^\x00-\x7f]") | ~name.str.contains("[0-9A-Za-z]")


def triple_checks(known: Known) -> tuple[Check, ...]:
    """Reject rules of the table `triples`: keys must be well formed, and known where their kind has a table."""
    return (
        Check("malformed head", ~pl.col("head").str.contains(KEY_FORM)),
        Check("malformed tail", ~pl.col("tail").str.contains(KEY_FORM)),
        Check("relation not in Latin letters", _not_latin(pl.col("relation"))),
        Check("dangling head", _dangling_key("head", known)),
        Check("dangling tail", _dangling_key("tail", known)),
    )


def _dangling_key(column: str, known: Known) -> pl.Expr:
    """Of a kind that has a table (a season: whose show has one), but not in it."""
    owner = pl.col(column).str.replace(r"^season:(.*)/[^/]*$", "show:$1")
    closed = owner.str.extract(r"^([^:]+):").is_in([kind for kind in known if kind in OWN_TABLE or kind == "user"])
    keys = [pl.concat_str(pl.lit(f"{kind}:"), pl.lit(ids)) for kind, ids in known.items()]
    every = pl.select(pl.concat(keys)).to_series() if keys else pl.Series([], dtype=pl.String)
    return closed & ~owner.is_in(every.implode())


def facts(tables: Tables, rules: CleaningRules) -> pl.DataFrame:
    """All facts of the tables, by head, relation, tail; one that several tables state is taken from the first of them."""
    stated = [
        *_song_facts(tables),
        *_album_facts(tables, rules),
        *_show_facts(tables),
        *_media_facts(tables),
        friend_facts(tables["friends"]),
        _given(tables["triples"]),
    ]
    return unique_facts(stated)


def unique_facts(stated: list[pl.DataFrame]) -> pl.DataFrame:
    """Facts of several frames, each once: of equal ones the first frame's, then the most certain, then the earliest."""
    placed = pl.concat([frame.with_columns(place=pl.lit(place)) for place, frame in enumerate(stated)])
    best = placed.sort("place", pl.col("confidence").neg(), "valid_from", "source", nulls_last=False)
    whole = best.unique(["head", "relation", "tail"], keep="first", maintain_order=True)
    return whole.drop("place").sort("head", "relation", "tail")


def friend_facts(friends: pl.DataFrame) -> pl.DataFrame:
    """FRIEND_OF of the cleaned table `friends`."""
    return _links(friends, "FRIEND_OF", key("user", "user_id"), key("user", "friend_id"), "friends")


def _links(
    frame: pl.DataFrame,
    relation: str | pl.Expr,
    head: pl.Expr,
    tail: pl.Expr,
    source: str | pl.Expr,
    valid_from: pl.Expr | None = None,
    confidence: pl.Expr | None = None,
) -> pl.DataFrame:
    """One fact per row of `frame` whose head and tail are there."""
    columns = {
        "head": head,
        "relation": pl.lit(relation) if isinstance(relation, str) else relation,
        "tail": tail,
        "source": pl.lit(source) if isinstance(source, str) else source,
        "confidence": pl.lit(1.0) if confidence is None else confidence.fill_null(1.0),
        "valid_from": pl.lit(None) if valid_from is None else valid_from,
    }
    return frame.select(**columns).cast(TRIPLE_SCHEMA).drop_nulls(["head", "tail"])  # type: ignore[arg-type]


def _song_facts(tables: Tables) -> list[pl.DataFrame]:
    songs = tables["songs"]
    song, released = key("song", "song_id"), pl.col("release_date")
    releases = songs.select("song_id", "release_date")
    artists = tables["song_artists"].join(releases, on="song_id", how="left")
    tags = tables["song_tags"].join(releases, on="song_id", how="left")
    decade = pl.from_epoch(released, time_unit="s").dt.year() // 10 * 10
    style = pl.col("kind").str.to_lowercase() == "style"
    weight = pl.col("weight").clip(upper_bound=1.0)
    return [
        _links(songs, "IN_ALBUM", song, key("album", "album_id"), "songs", released),
        _links(songs, "IN_LANGUAGE", song, key("language", "language"), "songs", released),
        _links(songs, "FROM_ERA", song, pl.format("era:{}s", decade), "songs", released),
        _links(artists.filter(sings()), "SUNG_BY", song, key("artist", "artist_id"), "song_artists", released),
        _links(
            artists.filter(~sings()),
            _role_relation(),
            song,
            key("artist", "artist_id"),
            "song_artists",
            released,
        ),
        _links(tags.filter(style), "HAS_STYLE", song, key("style", "tag"), "song_tags", released, weight),
        _links(
            tags.filter(~style), "TAGGED", song, pl.concat_str(pl.lit("tag:"), "kind", pl.lit("/"), "tag"), "song_tags", released, weight
        ),
    ]


def _album_facts(tables: Tables, rules: CleaningRules) -> list[pl.DataFrame]:
    tracks = tables["soundtracks"].join(tables["dramas"].select("drama_id", "year"), on="drama_id", how="left")
    drama, aired = key("drama", "drama_id"), start_of_year(pl.col("year"))
    released = _released_by(tables, rules.released_by_share).join(tables["albums"], on="album_id", how="left")
    return [
        _links(released, "RELEASED_BY", key("album", "album_id"), key("artist", "artist_id"), "song_artists", pl.col("release_date")),
        _links(tracks, "SOUNDTRACK_OF", key("album", "album_id"), drama, "soundtracks", aired),
        _links(tracks, "SOUNDTRACK_OF", key("song", "song_id"), drama, "soundtracks", aired),
    ]


def _released_by(tables: Tables, share: float) -> pl.DataFrame:
    """`album_id, artist_id` of artists who sing at least `share` of the album's songs: no source table states it."""
    songs = tables["songs"].select("album_id", "song_id").drop_nulls()
    sung = tables["song_artists"].filter(sings()).select("song_id", "artist_id").unique()
    counted = songs.join(sung, on="song_id").group_by("album_id", "artist_id").len("sung")
    return counted.join(songs.group_by("album_id").len("songs"), on="album_id").filter(pl.col("sung") >= share * pl.col("songs"))


def _show_facts(tables: Tables) -> list[pl.DataFrame]:
    shown = tables["show_appearances"]
    source = "show_appearances"
    return [
        _links(shown, "COMPETED_IN", key("artist", "artist_id"), season_key(), source),
        _links(shown, "SEASON_OF", season_key(), key("show", "show_id"), source),
        _links(shown, "PERFORMED_ON", key("song", "song_id"), season_key(), source),
    ]


def _media_facts(tables: Tables) -> list[pl.DataFrame]:
    song, published = key("song", "song_id"), pl.col("published_at")
    return [
        _links(tables["mvs"], "MV_OF", key("mv", "mv_id"), song, "mvs", published),
        _links(tables["mlogs"], "USES_SONG", key("mlog", "mlog_id"), song, "mlogs", published),
        _links(tables["playlist_songs"], "IN_PLAYLIST", song, key("playlist", "playlist_id"), "playlist_songs"),
    ]


def _given(triples: pl.DataFrame) -> pl.DataFrame:
    source = pl.col("source").fill_null("triples")
    return _links(
        triples, relation_name(pl.col("relation")), pl.col("head"), pl.col("tail"), source, pl.col("valid_from"), pl.col("confidence")
    )
