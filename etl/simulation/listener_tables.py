"""Listeners, their friends, their events and comments as tables of the source contract; and the truth behind the plays."""

from __future__ import annotations

import numpy as np
import polars as pl

from etl.simulation.catalogue import START_DAY, STYLES, World
from etl.simulation.comments import write
from etl.simulation.draws import Ints
from etl.simulation.facts import Facts
from etl.simulation.keys import PREFIX, ids, keys, labels
from etl.simulation.listeners import COUNTRIES, Listeners
from etl.simulation.log import BEHAVIOURS, KINDS, SCENES, EventLog
from etl.simulation.settings import CAUSE, CAUSES

ONCE = ("collect", "download", "block_song", "block_artist")
"""Behaviours that a listener shows an item once; later rows are no event."""


def users_table(listeners: Listeners) -> pl.DataFrame:
    """Profiles; gender and birth year are unknown for some."""
    n = listeners.n_users
    birth = pl.select(pl.when(pl.Series(listeners.birth_known)).then(pl.Series(listeners.birth_year))).to_series()
    signup = pl.Series((START_DAY + listeners.signup_day).astype(np.int32)).cast(pl.Date).dt.to_string("%Y-%m-%d")
    return pl.DataFrame(
        {
            "user_id": ids("user", np.arange(n)),
            "gender": labels(("female", "male"), listeners.gender - 1),
            "birth_year": birth,
            "country": labels(COUNTRIES, listeners.country),
            "signup_at": signup,
        }
    )


def friends_table(listeners: Listeners) -> pl.DataFrame:
    """Pairs of friends, in both directions."""
    return pl.DataFrame({"user_id": ids("user", listeners.friend_from), "friend_id": ids("user", listeners.friend_to)})


class Timeline:
    """The log sorted by time: which rows are events, and what id each has."""

    def __init__(self, log: EventLog) -> None:
        self.columns = log.events()
        self.truth_columns = log.truth()
        order = np.argsort(self.columns["ts"], kind="stable")
        self.order = order[~self._again(order)]
        self.place = np.full(log.n, -1, dtype=np.int64)
        self.place[self.order] = np.arange(len(self.order))

    def _again(self, order: Ints) -> np.ndarray:
        frame = pl.DataFrame({name: self.columns[name][order] for name in ("user", "kind", "item", "behaviour")})
        once = pl.col("behaviour").is_in([BEHAVIOURS.index(name) for name in ONCE])
        return np.asarray(frame.select(once & ~pl.struct(pl.all()).is_first_distinct()).to_series())

    def __getitem__(self, name: str) -> Ints:
        column: Ints = self.columns[name][self.order]
        return column


def events_table(timeline: Timeline) -> pl.DataFrame:
    """`events`, in order of time; `position` is where an exposure stood in its list, from 1."""
    kinds = timeline["kind"]
    frame = pl.DataFrame(
        {
            "event_id": ids("event", np.arange(len(timeline.order))),
            "user_id": ids("user", timeline["user"]),
            "item_id": labels(tuple(PREFIX[kind] for kind in KINDS), kinds) + pl.Series(timeline["item"]).cast(pl.String).str.zfill(6),
            "behaviour": labels(BEHAVIOURS, timeline["behaviour"]),
            "ts": timeline["ts"],
            "item_kind": labels(KINDS, kinds),
            "scene": labels(SCENES, timeline["scene"]),
            "play_ms": timeline["play_ms"],
            "is_organic": timeline["organic"].astype(np.bool_),
            "position": timeline["position"],
        }
    )
    known = (pl.when(pl.col(name) >= 0).then(pl.col(name)).alias(name) for name in ("play_ms", "position"))
    return frame.with_columns(*known)


def comments_table(timeline: Timeline, rng: np.random.Generator) -> pl.DataFrame:
    """The text of each comment event: the same user, song and time. It is warm where the play before was heard to the end."""
    rows = np.flatnonzero(timeline["behaviour"] == BEHAVIOURS.index("comment"))
    users, items, ts = timeline["user"][rows], timeline["item"][rows], timeline["ts"][rows]
    texts, _ = write(rng, np.where(timeline["warm"][rows] == 1, 1, -1).astype(np.int8))
    return pl.DataFrame({"user_id": ids("user", users), "song_id": ids("song", items), "ts": ts, "text": texts})


def truth_table(timeline: Timeline, world: World, facts: Facts) -> pl.DataFrame:
    """Why each play of a song happened: `event_id, user_id, item_id, ts, cause, evidence_event, evidence_path`.

    The path is a line of keys and relations in turn, from what the listener knew to the song, over facts of the tables; it is
    empty for causes that go over no fact. A hop against its edge is written `<RELATION`.
    """
    truth = timeline.truth_columns
    row = truth["row"]
    user, item, cause = timeline.columns["user"][row], timeline.columns["item"][row], truth["cause"]
    frame = pl.DataFrame(
        {
            "place": timeline.place[row],
            "event_id": ids("event", timeline.place[row]),
            "user_id": ids("user", user),
            "item_id": ids("song", item),
            "ts": timeline.columns["ts"][row],
            "cause": labels(CAUSES, cause),
            "evidence_event": ids("event", np.where(truth["event"] >= 0, timeline.place[truth["event"]], -1)),
            "evidence_path": _paths(truth, user, item, world, facts),
        }
    )
    return frame.sort("place").drop("place")


def _paths(truth: dict[str, Ints], user: Ints, item: Ints, world: World, facts: Facts) -> pl.Series:
    evidence, via, two, cause = truth["evidence"], truth["via"], truth["via_two"], truth["cause"]
    song, heard = keys("song", item), keys("song", np.where(cause == CAUSE["friend"], -1, evidence))
    appeared = np.where((cause == CAUSE["show"])[:, None], np.stack([via, two], axis=1), -1)
    style = pl.Series(["style:"]) + labels(STYLES, np.where(cause == CAUSE["style"], via, -1))
    paths: dict[str, list[pl.Series | str]] = {
        "repeat": [song],
        "artist": [heard, "SUNG_BY", keys("artist", via), "<SUNG_BY", song],
        "album": [heard, "IN_ALBUM", keys("album", via), "<IN_ALBUM", song],
        "style": [heard, "HAS_STYLE", style, "<HAS_STYLE", song],
        "playlist": [heard, "IN_PLAYLIST", keys("playlist", via), "<IN_PLAYLIST", song],
        "drama": _drama_path(heard, np.where(cause == CAUSE["drama"], evidence, -1), via, two, item, world),
        "show": _show_path(heard, song, appeared, facts),
        "friend": [keys("user", user), "FRIEND_OF", keys("user", evidence)],
    }
    out = pl.Series([""]).extend_constant("", len(item) - 1) if len(item) else pl.Series([], dtype=pl.String)
    for name, parts in paths.items():
        rows = pl.Series(cause == CAUSE[name])
        out = pl.select(pl.when(rows).then(pl.concat_str(*_columns(parts), separator=" ", ignore_nulls=False)).otherwise(out)).to_series()
    return out.fill_null("")


def _columns(parts: list[pl.Series | str]) -> list[pl.Expr]:
    return [pl.lit(part) for part in parts]


def _drama_path(heard: pl.Series, evidence: Ints, via: Ints, two: Ints, item: Ints, world: World) -> list[pl.Series | str]:
    """Song to drama, over its album where the link is the album's, and back; then over the singer where there is one."""
    drama, middle = keys("drama", via), np.where(two >= 0, two, item)
    forth = _over_album(world, evidence, "IN_ALBUM {} SOUNDTRACK_OF", "SOUNDTRACK_OF")
    back = _over_album(world, middle, "<SOUNDTRACK_OF {} <IN_ALBUM", "<SOUNDTRACK_OF")
    singer, song = keys("artist", np.where(two >= 0, world.song_artist[two], -1)), keys("song", item)
    frame = pl.DataFrame({"singer": singer, "song": song, "middle": keys("song", middle)})
    through = pl.format("{} SUNG_BY {} <SUNG_BY {}", "middle", "singer", "song")
    tail = frame.select(pl.when(pl.col("singer").is_null()).then("song").otherwise(through)).to_series()
    return [heard, forth, drama, back, tail]


def _over_album(world: World, songs: Ints, over: str, direct: str) -> pl.Series:
    albums = keys("album", np.where(world.song_drama_own[songs], -1, world.song_album[songs]))
    frame = pl.DataFrame({"album": albums})
    return frame.select(pl.when(pl.col("album").is_null()).then(pl.lit(direct)).otherwise(pl.format(over, "album"))).to_series()


def _show_path(heard: pl.Series, song: pl.Series, appeared: Ints, facts: Facts) -> list[pl.Series | str]:
    """Artist to season to show, back to the other artist's season; within one season without the show."""
    here, there = appeared[:, 0], appeared[:, 1]
    seasons = [_seasons(facts, rows) for rows in (here, there)]
    frame = pl.DataFrame({"here": seasons[0], "there": seasons[1], "show": keys("show", facts.appearance_show[here])})
    across = pl.format("{} SEASON_OF {} <SEASON_OF {}", "here", "show", "there")
    middle = frame.select(pl.when(pl.col("here") == pl.col("there")).then("here").otherwise(across)).to_series()
    artists = [keys("artist", np.where(rows >= 0, facts.appearance_artist[rows], -1)) for rows in (here, there)]
    return [heard, "SUNG_BY", artists[0], "COMPETED_IN", middle, "<COMPETED_IN", artists[1], "<SUNG_BY", song]


def _seasons(facts: Facts, rows: Ints) -> pl.Series:
    number = pl.Series(facts.appearance_season[rows]).cast(pl.String)
    show = ids("show", np.where(rows >= 0, facts.appearance_show[rows], -1))
    return pl.Series(["season:"]) + show + pl.Series(["/"]) + number
