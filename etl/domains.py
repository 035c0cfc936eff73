"""Behaviour domains: a listener's log as one sequence for each thing that an act can say about a song."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import Behaviour
from etl.events import Events
from etl.sequences import BehaviourSequences, EventDetails

DOMAINS: Final[Mapping[str, tuple[Behaviour, ...]]] = {
    "click": (Behaviour.CLICK,),
    "full_play": (Behaviour.FULL_PLAY,),
    "heart": (Behaviour.COLLECT, Behaviour.DOWNLOAD, Behaviour.SHARE),
    "skip": (Behaviour.SKIP,),
    "negative": (Behaviour.DISLIKE, Behaviour.BLOCK_SONG, Behaviour.BLOCK_ARTIST),
    "comment": (Behaviour.COMMENT,),
}
"""The talk's domains. Red heart, download and share are one domain of three types, as are the three refusals (`behaviour` tells);
a comment is for or against its song by its sentiment. Exposures and plays as such say nothing of taste and have none."""


def domain_sequences(events: Events, n_users: int, n_songs: int, details: EventDetails | None = None) -> dict[str, BehaviourSequences]:
    """The sequences of every domain, by its name in `DOMAINS`.

    A blocked artist stands in the negative domain under the artist's own entity id, which is no song (`item >= n_songs`): one act
    stays one entry, and who reads the domain decides whether the artist has a vector of its own or stands for its songs. Every other
    entry of every domain is a song.
    """
    return {
        name: BehaviourSequences.of(
            events, n_users, *behaviours, n_songs=n_songs, blocked_artists=Behaviour.BLOCK_ARTIST in behaviours, details=details
        )
        for name, behaviours in DOMAINS.items()
    }


def comment_sentiment(events: Events, comments: pl.DataFrame) -> npt.NDArray[np.float32]:
    """Sentiment of every event, for `EventDetails.sentiment`.

    Args:
        events: the events.
        comments: `user, item` (ids), `ts`, `sentiment` from -1 to 1: `Lake.comments` with its judged column. Of several comments of
            one user on one song in one second the mean counts.

    Returns:
        `[n_events]`, NaN for what is no comment or has no judged text.
    """
    rows = np.flatnonzero(events.behaviour == Behaviour.COMMENT)
    key = ["user", "item", "ts"]
    said = pl.DataFrame({"user": events.user[rows], "item": events.item[rows], "ts": events.ts[rows]})
    judged = comments.group_by(key).agg(pl.col("sentiment").cast(pl.Float32).mean())
    sentiment = np.full(len(events), np.nan, dtype=np.float32)
    sentiment[rows] = said.join(judged, on=key, how="left", maintain_order="left")["sentiment"].fill_null(np.nan).to_numpy()
    return sentiment
