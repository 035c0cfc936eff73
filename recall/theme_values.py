"""Which style, scene and emotion a song has.

Styles are facts. Scenes and emotions are tags of the kinds of that name; where a catalogue has none, a scene is one of the events' scenes
in which a song is played more than songs are, and an emotion is what its comments feel. A kind of which nothing is known is left open.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.errors import UserError
from recall.snapshot import Snapshot

DIMENSIONS: Final = ("style", "scene", "emotion")
LIFT = 1.25
"""A song is of a scene that so many times more of its plays fall into than of all plays."""
LEAST_PLAYS = 5
"""Plays in a scene from which a song may be of it."""
WARM, WISTFUL = "warm", "wistful"
FEELING = 0.15
"""Mean sentiment, either way, from which comments speak of an emotion."""
DOUBT = 3.0
"""Indifferent comments that a song is thought to have besides its own."""


def theme_values(snapshot: Snapshot) -> pl.DataFrame:
    """`song, style, scene, emotion`: every combination of values of each song that is out; a column is null where nothing is known of any.

    Raises:
        UserError: the source says nothing of styles.
    """
    styles = _facet(snapshot, "HAS_STYLE", "style:")
    if styles.is_empty():
        raise UserError("themed playlists need styles, and the source has none: give song_tags of kind style")
    frame = styles.rename({"value": "style"}).filter(pl.Series(_out(snapshot))[styles["song"]])
    scenes, emotions = (_facet(snapshot, "TAGGED", f"tag:{kind}/") for kind in ("scene", "emotion"))
    scenes = _scenes_of_plays(snapshot) if scenes.is_empty() else scenes
    emotions = _emotions_of_comments(snapshot) if emotions.is_empty() else emotions
    for name, values in (("scene", scenes), ("emotion", emotions)):
        if values.is_empty():
            frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name))
        else:
            frame = frame.join(values.rename({"value": name}), on="song")
    return frame.select("song", *DIMENSIONS).sort("song", *DIMENSIONS)


def _out(snapshot: Snapshot) -> npt.NDArray[np.bool_]:
    """`[n_songs]` songs that are out."""
    songs = snapshot.catalogue.songs
    if snapshot.ordinal:
        return np.ones(songs.height, dtype=bool)
    return np.asarray(songs["release_ts"].fill_null(np.iinfo(np.int64).min).to_numpy() <= snapshot.now)


def _facet(snapshot: Snapshot, relation: str, prefix: str) -> pl.DataFrame:
    """`song, value` of a relation's values whose keys begin with `prefix`; the value is what follows."""
    offsets, values = snapshot.projection.facet(relation)
    song = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))
    distinct, place = np.unique(values, return_inverse=True)
    keys = pl.Series(snapshot.projection.keys[distinct].tolist(), dtype=pl.String).gather(pl.Series(place))
    frame = pl.DataFrame({"song": song, "key": keys}).filter(pl.col("key").str.starts_with(prefix))
    return frame.select("song", value=pl.col("key").str.slice(len(prefix))).unique(maintain_order=True)


def _scenes_of_plays(snapshot: Snapshot) -> pl.DataFrame:
    """`song, value`: the events' scenes of which a song's plays hold more than their share."""
    plays = snapshot.plays
    known = plays.take(plays.scene >= 0)
    frame = pl.DataFrame({"song": known.item, "scene": known.scene.astype(np.int32), "n": known.count})
    both = frame.group_by("song", "scene").agg(pl.col("n").sum())
    of_scene = frame.group_by("scene").agg(whole=pl.col("n").sum() / max(float(known.count.sum()), 1e-9))
    both = both.with_columns(share=pl.col("n") / pl.col("n").sum().over("song")).join(of_scene, on="scene")
    fitting = both.filter((pl.col("n") >= LEAST_PLAYS) & (pl.col("share") >= LIFT * pl.col("whole"))).sort("song", "scene")
    names = pl.Series(snapshot.scenes, dtype=pl.String)
    return fitting.select("song", value=names.gather(fitting["scene"]) if len(names) else pl.lit(None, dtype=pl.String))


def _emotions_of_comments(snapshot: Snapshot) -> pl.DataFrame:
    """`song, value`: what the comments of a song feel, where they feel anything."""
    sentiment = snapshot.sentiment()
    judged = np.flatnonzero(~np.isnan(sentiment))
    said = pl.DataFrame({"song": snapshot.events.item[judged], "sentiment": sentiment[judged].astype(np.float64)})
    mean = said.group_by("song").agg(mean=pl.col("sentiment").sum() / (pl.len() + DOUBT)).sort("song")
    felt = mean.filter(pl.col("mean").abs() >= FEELING)
    return felt.select("song", value=pl.when(pl.col("mean") > 0).then(pl.lit(WARM)).otherwise(pl.lit(WISTFUL)))
