"""What there is: entities numbered in the lake's order, songs with their side features, users."""

from __future__ import annotations

import polars as pl

from etl.catalogue import Catalogue
from etl.contract import KINDS, OWN_TABLE, TABLES
from etl.triples import Tables, key, sings
from etl.typed_columns import ROW, as_text, temporal_as_text
from etl.vectors import is_vector_column

SONG_COLUMNS = ("song_id", "title", "artist", "album_id", "language", "release_ts", "duration_ms", "popularity")


def entities(tables: Tables, facts: pl.DataFrame) -> pl.DataFrame:
    """`key, kind, name` of everything in an own table or named by a fact, in the lake's order: kind by kind, keys as text."""
    own = [
        tables[table].select(key=key(kind, id_column), kind=pl.lit(kind), name=pl.col(name))
        for kind, (table, id_column, name) in OWN_TABLE.items()
    ]
    named = pl.concat([facts["head"], facts["tail"]]).unique().to_frame("key")
    named = named.select("key", kind=pl.col("key").str.extract(r"^([^:]+):"), name=_name_in_key())
    every = pl.concat([*own, named]).unique("key", keep="first", maintain_order=True)
    place = pl.col("kind").replace_strict({kind: i for i, kind in enumerate(KINDS)}, default=len(KINDS), return_dtype=pl.Int64)
    return _name_seasons(every).sort(place, "kind", "key")


def _name_in_key() -> pl.Expr:
    """What an entity without a table is called: its id; of a tag, what follows its kind."""
    return pl.col("key").str.replace(r"^tag:[^/]*/", "").str.replace(r"^[^:/]+:", "")


def _name_seasons(every: pl.DataFrame) -> pl.DataFrame:
    """Name of a season: its show's name and its number."""
    shows = every.filter(pl.col("kind") == "show").select(show="key", show_name="name")
    split = every.with_columns(
        show=pl.col("key").str.extract(r"^season:(.*)/[^/]*$").str.replace("^", "show:"), number=pl.col("key").str.extract(r"/([^/]*)$")
    )
    joined = split.join(shows, on="show", how="left", maintain_order="left")
    named = pl.when(pl.col("show_name").is_not_null()).then(pl.format("{} {}", "show_name", "number")).otherwise("name")
    return joined.select("key", "kind", name=named)


def songs(tables: Tables, facts: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    """Rows of `Catalogue.songs`: the contract's columns, the artists' display line, side features; sorted by id."""
    frame = tables["songs"].rename({"release_date": "release_ts"})
    if "artist" in frame.columns:
        frame = frame.rename({"artist": "given artist"}).with_columns(as_text(tables["songs"]["artist"]).alias("given artist"))
    else:
        frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias("given artist"))
    frame = frame.join(_artist_lines(tables, named), on="song_id", how="left")
    frame = frame.with_columns(pl.coalesce("artist", "given artist").alias("artist"), pl.col("duration_ms").cast(pl.Int64))
    extras = [column for column in frame.columns if column not in (*SONG_COLUMNS, "given artist", ROW)]
    return _plain(frame.select(*SONG_COLUMNS, *extras).sort("song_id"), extras)


def _artist_lines(tables: Tables, named: pl.DataFrame) -> pl.DataFrame:
    """`song_id, artist`: the singers' names joined by comma, featured ones last, then by artist id."""
    names = named.filter(pl.col("kind") == "artist").select(artist_key="key", name="name")
    sung = tables["song_artists"].filter(sings()).with_columns(artist_key=key("artist", "artist_id"))
    guest = pl.col("role").str.to_lowercase().is_in(["featured", "feat", "guest"]).fill_null(False)
    lined = sung.join(names, on="artist_key").with_columns(guest=guest).sort("song_id", "guest", "artist_id")
    lined = lined.unique(["song_id", "artist_id"], keep="first", maintain_order=True)
    return lined.group_by("song_id", maintain_order=True).agg(pl.col("name").str.join(", ").alias("artist"))


def users(table: pl.DataFrame, *named: pl.Series) -> pl.DataFrame:
    """Rows of `Catalogue.users`: the users of `users` and all that events or comments name, with profile columns; sorted by id."""
    ids = pl.concat([table["user_id"], *named]).unique().sort().to_frame("user_id")
    whole = ids.join(table.drop(ROW), on="user_id", how="left", maintain_order="left")
    return _plain(whole, [column for column in whole.columns if column != "user_id"])


def catalogue(tables: Tables, facts: pl.DataFrame, user_rows: pl.DataFrame) -> Catalogue:
    """The catalogue of the cleaned tables and facts."""
    named = entities(tables, facts)
    return Catalogue(named, songs(tables, facts, named), user_rows, owners(tables, named, user_rows))


def owners(tables: Tables, named: pl.DataFrame, user_rows: pl.DataFrame) -> pl.DataFrame | None:
    """Rows of `Catalogue.owners`: playlists whose owner is the id of a user (it may also be a name); None where there are none."""
    stated = tables["playlists"].select(key=key("playlist", "playlist_id"), user_id=pl.col("owner").cast(pl.String))
    items = named.select("key").with_row_index("item")
    users = user_rows.select("user_id").with_row_index("user")
    found = stated.join(items, on="key").join(users, on="user_id").select(pl.col("item", "user").cast(pl.Int32)).sort("item")
    return found if found.height else None


def _plain(frame: pl.DataFrame, extras: list[str]) -> pl.DataFrame:
    """Side features as numbers or text (vectors of songs stay lists of f32)."""
    plain = []
    for name in extras:
        values = temporal_as_text(frame[name])
        if values.dtype == pl.Null or (isinstance(values.dtype, pl.List) and not is_vector_column(name)):
            values = as_text(values) if values.dtype == pl.Null else values.cast(pl.List(pl.String)).list.join(",")
        plain.append(values.alias(name))
    return frame.with_columns(plain)


def known_ids(tables: Tables, present: frozenset[str]) -> dict[str, pl.Series]:
    """Kind → ids of its own table, for the kinds whose table the source has."""
    return {kind: tables[table][column] for kind, (table, column, _) in OWN_TABLE.items() if table in present and table in tables}


def empty_raw(name: str) -> pl.DataFrame:
    """A table that the source lacks: the contract's columns without rows."""
    return pl.DataFrame(schema=dict.fromkeys(TABLES[name].names, pl.String()))
