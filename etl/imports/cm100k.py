"""CM100k: 103,584 ratings of 1,084 songs by 1,054 people, each asked about 100 songs drawn uniformly (Cañamares and Castells, SIGIR 2018).

What was asked about owes nothing to popularity or to a recommender, so likes and dislikes are free of their bias. A rating becomes
an `exposure` of the clip, and what the answer amounts to: 4 "I really like it" a `full_play` and a `collect`, 3 "I enjoy listening to
it" a `full_play`, 2 "so-so" nothing, 1 "I don't like it" a `dislike`. A song that the person had heard before has a `play` of theirs
before all ratings: so what was known is a past like any other, and songs new to people can be judged apart. The data set has no clock;
ratings keep the file's order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from etl.config_out import EvaluateDefaults
from etl.errors import UserError
from etl.imports.source import SECONDS_BETWEEN_PLAYS, ImportedSource, existing, integers, read_separated, spaced_ts

ANSWERS: Final = {4: ("full_play", "collect"), 3: ("full_play",), 2: (), 1: ("dislike",)}
"""What each rating amounts to."""
ANSWER_SECONDS: Final = 30
"""An answer comes so long after the clip: a listener heard it."""
LAST_SPLIT = EvaluateDefaults("last", why="no clock: each person's last ratings are the test")


def import_cm100k(folder: Path) -> ImportedSource:
    """Tables of the data set in `folder`: songs with their artists, and each rating as an exposure and its answers."""
    path = existing(folder, "ratings.txt")
    items = read_separated(existing(folder, "items.txt"), ["Item", "Url", "Title", "Artist"])
    ratings = integers(read_separated(path, ["user", "item", "rating", "known"], header=False), path, "rating", "known")
    strange = ratings.filter(~pl.col("rating").is_in(list(ANSWERS)))
    if strange.height:
        raise UserError(f"{path}: a rating is {strange['rating'][0]}, expected 1 to 4: mend or remove the line")
    artists = items.select(artist_id="Artist", name="Artist").unique(maintain_order=True)
    tables = {
        "songs": items.select(song_id="Item", title="Title"),
        "artists": artists,
        "song_artists": items.select(song_id="Item", artist_id="Artist"),
        "users": ratings.select(user_id="user").unique(maintain_order=True),
        "events": _events(ratings.with_columns(spaced_ts("user"))),
    }
    note = "a rating is an exposure with what the answer amounts to (4, 3 full_play; 4 collect; 1 dislike), a known song a play before"
    return ImportedSource(tables, LAST_SPLIT, note)


def _events(ratings: pl.DataFrame) -> pl.DataFrame:
    """Events of ratings with a `ts`: plays of known songs, then exposures and answers in the order of time."""
    most = ratings.group_by("user").len()["len"].max()
    before = (int(most) if isinstance(most, int) else 0) * SECONDS_BETWEEN_PLAYS
    known = ratings.filter(pl.col("known") == 1).with_columns(pl.col("ts") - before, behaviour=pl.lit("play"))
    exposed = ratings.with_columns(behaviour=pl.lit("exposure"))
    answered = ratings.with_columns(
        pl.col("ts") + ANSWER_SECONDS, behaviour=pl.col("rating").replace_strict(ANSWERS, return_dtype=pl.List(pl.String))
    )
    answered = answered.explode("behaviour").drop_nulls("behaviour")
    events = pl.concat([part.select("user", "item", "behaviour", "ts") for part in (known, exposed, answered)])
    return events.rename({"user": "user_id", "item": "item_id"}).sort("ts", maintain_order=True)
