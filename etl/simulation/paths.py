"""The way from what a listener knew to a song, as a line of keys and relations in turn; a hop against its edge is `<RELATION`."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from etl.simulation.catalogue import STYLES, World
from etl.simulation.choosing import EVIDENCE, ITEM, TWO, VIA, WHY, Picks
from etl.simulation.draws import Ints
from etl.simulation.facts import Facts
from etl.simulation.keys import ids, keys
from etl.simulation.settings import CAUSE

Parts = list[pl.Series | str]
FACETS: Final = {"artist": "SUNG_BY", "album": "IN_ALBUM", "style": "HAS_STYLE", "playlist": "IN_PLAYLIST"}


def paths_of(users: Ints, picks: Picks, world: World, facts: Facts) -> pl.Series:
    """Path of each pick, `[n]`, over true facts of the tables; empty for causes that go over no fact."""
    row, path = [np.zeros(0, dtype=np.int64)], [pl.Series([], dtype=pl.String)]
    for cause in ("repeat", *FACETS, "drama", "show", "friend"):
        at = np.flatnonzero((picks[:, WHY] == CAUSE[cause]) & (picks[:, EVIDENCE] >= 0))
        if len(at):
            row.append(at)
            path.append(_joined(_parts(cause, users[at], picks[at], world, facts)))
    found = np.full(len(picks), -1, dtype=np.int64)
    found[np.concatenate(row)] = np.arange(sum(len(at) for at in row))
    return pl.concat([*path, pl.Series([""])]).gather(np.where(found >= 0, found, sum(len(at) for at in row)))


def _joined(parts: Parts) -> pl.Series:
    return pl.select(pl.concat_str(*(pl.lit(part) for part in parts), separator=" ")).to_series()


def _parts(cause: str, users: Ints, picks: Picks, world: World, facts: Facts) -> Parts:
    song, heard = keys("song", picks[:, ITEM]), keys("song", picks[:, EVIDENCE])
    if cause == "repeat":
        return [song]
    if cause == "friend":
        return [keys("user", users), "FRIEND_OF", keys("user", picks[:, EVIDENCE])]
    if cause == "drama":
        return _drama_path(picks, world)
    if cause == "show":
        return _show_path(picks, facts)
    middle = pl.Series(["style:"]) + pl.Series(STYLES).gather(picks[:, VIA]) if cause == "style" else keys(cause, picks[:, VIA])
    return [heard, FACETS[cause], middle, f"<{FACETS[cause]}", song]


def _drama_path(picks: Picks, world: World) -> Parts:
    """Song to drama, over its album where the link is the album's, and back; then over the singer where there is one."""
    item, two = picks[:, ITEM], picks[:, TWO]
    middle = np.where(two >= 0, two, item)
    forth = _over_album(world, picks[:, EVIDENCE], "IN_ALBUM {} SOUNDTRACK_OF", "SOUNDTRACK_OF")
    back = _over_album(world, middle, "<SOUNDTRACK_OF {} <IN_ALBUM", "<SOUNDTRACK_OF")
    singer = keys("artist", np.where(two >= 0, world.song_artist[two], -1))
    frame = pl.DataFrame({"singer": singer, "song": keys("song", item), "middle": keys("song", middle)})
    through = pl.format("{} SUNG_BY {} <SUNG_BY {}", "middle", "singer", "song")
    tail = frame.select(pl.when(pl.col("singer").is_null()).then("song").otherwise(through)).to_series()
    return [keys("song", picks[:, EVIDENCE]), forth, keys("drama", picks[:, VIA]), back, tail]


def _over_album(world: World, songs: Ints, over: str, direct: str) -> pl.Series:
    albums = keys("album", np.where(world.song_drama_own[songs], -1, world.song_album[songs]))
    frame = pl.DataFrame({"album": albums})
    return frame.select(pl.when(pl.col("album").is_null()).then(pl.lit(direct)).otherwise(pl.format(over, "album"))).to_series()


def _show_path(picks: Picks, facts: Facts) -> Parts:
    """Artist to season to show, back to the other artist's season; within one season without the show."""
    here, there = picks[:, VIA], picks[:, TWO]
    frame = pl.DataFrame({"here": season_keys(facts, here), "there": season_keys(facts, there)})
    frame = frame.with_columns(show=keys("show", facts.appearance_show[here]))
    across = pl.format("{} SEASON_OF {} <SEASON_OF {}", "here", "show", "there")
    middle = frame.select(pl.when(pl.col("here") == pl.col("there")).then("here").otherwise(across)).to_series()
    heard, song = keys("song", picks[:, EVIDENCE]), keys("song", picks[:, ITEM])
    first, second = (keys("artist", facts.appearance_artist[rows]) for rows in (here, there))
    return [heard, "SUNG_BY", first, "COMPETED_IN", middle, "<COMPETED_IN", second, "<SUNG_BY", song]


def season_keys(facts: Facts, appearances: Ints) -> pl.Series:
    """Key of the season of each appearance."""
    number = pl.Series(facts.appearance_season[appearances]).cast(pl.String)
    return pl.Series(["season:"]) + ids("show", facts.appearance_show[appearances]) + pl.Series(["/"]) + number
