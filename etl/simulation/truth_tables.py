"""What is true of a simulated service and stands in none of its tables: for judging, and for no other code to read."""

from __future__ import annotations

import numpy as np
import polars as pl

from etl.simulation.catalogue import STYLES
from etl.simulation.choosing import EVIDENCE_EVENT, WHY
from etl.simulation.draws import Ints
from etl.simulation.engine import Day, Engine
from etl.simulation.keys import ids, keys, labels
from etl.simulation.names import LANGUAGES
from etl.simulation.paths import paths_of, season_keys
from etl.simulation.rows import PLAY
from etl.simulation.settings import CAUSE, CAUSES, DAY, START_TS


def truth_table(day: Day, engine: Engine) -> pl.DataFrame:
    """Why each play of a song happened: `event_id, user_id, item_id, ts, cause, evidence_event, evidence_path, is_robot`.

    The path runs from what the listener knew to the song, over true facts of the tables; it is empty for causes that go over none.
    """
    rows = day.rows
    at = np.flatnonzero((rows.behaviour == PLAY) & (rows.kind == 0))
    picks = np.full((len(at), 6), -1, dtype=np.int64)
    of_step = rows.step[at] >= 0
    picks[of_step] = day.picks[rows.step[at][of_step]]
    picks[~of_step, WHY] = CAUSE["robot"]
    users = rows.user[at].astype(np.int64)
    return pl.DataFrame(
        {
            "event_id": ids("event", day.first_event + at),
            "user_id": ids("user", users),
            "item_id": ids("song", day.item[at]),
            "ts": START_TS + rows.ts[at],
            "cause": labels(CAUSES, picks[:, WHY]),
            "evidence_event": ids("event", picks[:, EVIDENCE_EVENT]),
            "evidence_path": paths_of(users, picks, engine.world, engine.facts),
            "is_robot": rows.robot[at] == 1,
        }
    )


def spurious_table(engine: Engine) -> pl.DataFrame:
    """Facts of the tables that cause nothing: `head, relation, tail`."""
    facts = engine.facts
    songs = facts.spurious_drama_song
    false = np.flatnonzero(~facts.appearance_true)
    dramas = pl.DataFrame(
        {"head": keys("song", songs), "relation": "SOUNDTRACK_OF", "tail": keys("drama", facts.spurious_drama[: len(songs)])}
    )
    shows = pl.DataFrame(
        {"head": keys("artist", facts.appearance_artist[false]), "relation": "COMPETED_IN", "tail": season_keys(facts, false)}
    )
    return pl.concat([dramas, shows])


def interests_table(engine: Engine) -> pl.DataFrame:
    """Every listener's interests: `user_id, interest, style, language, artists, from_ts, until_ts`; until is null for the last.

    Where tastes do not follow facts, style, language and artists are numbers of hidden groups.
    """
    interests, versions = engine.listeners.interests, []
    never = engine.settings.n_days + 1
    n_users = engine.listeners.n_users
    since = np.concatenate([np.zeros((1, n_users, interests.style.shape[2]), dtype=np.int64), interests.change_day])
    until = np.concatenate([interests.change_day, np.full_like(since[:1], never)])
    for version in range(len(since)):
        user, interest = np.nonzero((interests.style[version] >= 0) & (since[version] < until[version]))
        artists = interests.artists[version, user, interest]
        frame = pl.DataFrame({"row": user, "user_id": ids("user", user), "interest": interest}).with_columns(
            style=_names(engine, STYLES, interests.style[version, user, interest]),
            language=_names(engine, LANGUAGES, interests.language[version, user, interest]),
            artists=_artists(engine, artists),
            from_ts=_time(since[version, user, interest], never),
            until_ts=_time(until[version, user, interest], never),
        )
        versions.append(frame)
    return pl.concat(versions).sort("row", "interest", "from_ts").drop("row")


def _names(engine: Engine, names: tuple[str, ...], codes: Ints) -> pl.Series:
    hidden = tuple(f"hidden {number}" for number in range(len(names)))
    return labels(names if engine.settings.world.tastes_follow_facts else hidden, codes)


def _artists(engine: Engine, artists: Ints) -> pl.Series:
    """Lists of favourites, without those that nobody is."""
    names = ids("artist", artists.ravel())
    if not engine.settings.world.tastes_follow_facts:
        names = names.str.replace("a", "hidden ")
    lists = names.reshape((len(artists), artists.shape[1])).arr.to_list()
    return lists.list.drop_nulls().list.unique(maintain_order=True)


def _time(days: Ints, never: int) -> pl.Series:
    frame = pl.DataFrame({"day": days})
    return frame.select(pl.when(pl.col("day") < never).then(START_TS + DAY * pl.col("day"))).to_series()
