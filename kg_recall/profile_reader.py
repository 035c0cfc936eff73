"""What a listener's log says of them, with the evidence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import BLOCKING, Behaviour
from etl.domains import comment_sentiment
from etl.event_rows import listens
from etl.events import SECONDS_PER_DAY, Events
from etl.facets import SongFacets
from etl.lake import Lake
from etl.profile_rules import DEFAULT_RULES, ProfileRules
from etl.session_rules import SessionRules
from etl.sessions import Sessions
from etl.user_profile import UserProfiles, own_later_events
from kg_recall.profile import Activity, Change, Favourite, ListenerProfile, Refusal, Song, Taste
from kg_recall.profile_changes import changed_shares

RECENT_DAYS: Final = 30
RECENT_EVENTS: Final = 50
"""The same, in the listener's own latest events, where the source's times give order only."""
EVIDENCE: Final = ("plays", "songs", "hearts", "downloads", "shared", "skips", "refusals")
"""Counts that stand beside a taste."""
THURSDAY: Final = 3
"""1970 began on one; weekdays count from Monday."""
KEPT: Final = (Behaviour.COLLECT, Behaviour.DOWNLOAD, Behaviour.SHARE)


@dataclass(frozen=True)
class ProfileReader:
    """What to tell, and as of when."""

    now: int | None = None
    """Events up to this time (Unix seconds); None: all."""
    ordinal: bool = False
    k: int = 5
    """The most values of a facet, favourites, rises and falls."""
    rules: ProfileRules = DEFAULT_RULES
    sessions: SessionRules = field(default_factory=SessionRules)

    def read(self, lake: Lake, user: int) -> ListenerProfile:
        """The profile of a user (id). All that they did counts as activity; taste comes from the events that the lake learns from."""
        rows = np.flatnonzero((lake.events.user == user) & (True if self.now is None else lake.events.ts <= self.now))
        row = lake.catalogue.users.row(user, named=True)
        user_id = row.pop("user_id")
        known = {name: value for name, value in row.items() if value is not None}
        at = None if self.ordinal else self.now if self.now is not None else lake.last_ts
        robot = lake.robots.filter(pl.col("user") == user).drop("user").to_dicts()
        if not len(rows):
            return ListenerProfile(user_id, known, at, robot, None, {}, {}, [], [], [])
        told = _Told(lake, rows, at, self)
        likes, dislikes = told.tastes(liked=True), told.tastes(liked=False)
        return ListenerProfile(
            user_id, known, at, robot, told.activity(), likes, dislikes, told.blocked(), told.favourites(), told.changes()
        )


class _Told:
    """One listener's events, each with its mass and what it says, and the facets of their songs."""

    def __init__(self, lake: Lake, rows: npt.NDArray[np.intp], at: int | None, reader: ProfileReader) -> None:
        self.lake, self.events, self.at, self.k = lake, lake.events.take(rows), at, reader.k
        events, rules, ordinal = self.events, reader.rules, at is None
        facets, learned = SongFacets.of(lake.catalogue, lake.triples), lake.flag[rows] == 0
        sentiment = comment_sentiment(events, lake.comments) if "sentiment" in lake.comments.columns else None
        alone = replace(events, user=np.zeros_like(events.user))  # a batch of one
        sittings = Sessions.of(alone, reader.sessions, 1, clock=at is not None).n_plays
        self.sitting = sittings[sittings > 0]
        own_sentiment = None if sentiment is None else sentiment[learned]
        self.profile = UserProfiles.of(alone.take(learned), facets, 1, rules, at=at, sentiment=own_sentiment).frame()
        age = own_later_events(alone.user, alone.source, 1) if at is None else at - events.ts
        signal = rules.signals(events, sentiment) * learned
        recent = age < RECENT_EVENTS if ordinal else age < RECENT_DAYS * SECONDS_PER_DAY
        self.acts = _acts(events, lake.catalogue.n_songs, signal, np.exp2(-age / rules.half_life(ordinal=ordinal)), recent)
        of_taste = self.acts.filter(pl.lit(pl.Series(learned)) & (pl.col("play") | (pl.col("signal") != 0)))
        self.valued = _valued(of_taste, facets.timeless() if ordinal else facets)

    def activity(self) -> Activity:
        """How much, and when."""
        plays = self.acts.filter("play")
        n, songs = float(plays["count"].sum()), plays["item"].n_unique()
        of = {behaviour: self._sum(behaviour) for behaviour in (Behaviour.FULL_PLAY, Behaviour.SKIP, *KEPT, Behaviour.COMMENT)}
        measured = bool(n) and bool(np.any(self.lake.events.play_ms >= 0) or np.any(self.lake.events.behaviour == Behaviour.SKIP))
        clock, timed, ts = self.at is not None, self.at is not None and bool(n), self.events.ts
        return Activity(
            since=int(ts.min()) if clock else None,
            last=int(ts.max()) if clock else None,
            plays=n,
            songs=songs,
            repeat_share=1 - songs / n if n else None,
            full_play_rate=of[Behaviour.FULL_PLAY] / n if measured else None,
            skip_rate=of[Behaviour.SKIP] / n if measured else None,
            acts={behaviour.name.lower(): of[behaviour] for behaviour in (*KEPT, Behaviour.COMMENT) if of[behaviour]},
            hours=_shares(plays["ts"] // 3_600 % 24, plays["count"], 24) if timed else None,
            weekdays=_shares((plays["ts"] // SECONDS_PER_DAY + THURSDAY) % 7, plays["count"], 7) if timed else None,
            scenes=self._scenes(plays),
            sessions=len(self.sitting),
            plays_a_session=float(np.median(self.sitting)) if len(self.sitting) else None,
        )

    def tastes(self, *, liked: bool) -> dict[str, list[Taste]]:
        """By facet, the k values most liked more than refused (or refused more than liked), by their share."""
        sign, surplus = ("positive", 1) if liked else ("negative", -1)
        evidence = self.valued.group_by("value").agg(
            plays=pl.col("count").filter("play").sum(),
            songs=pl.col("item").filter("play").n_unique(),
            hearts=_count(Behaviour.COLLECT),
            downloads=_count(Behaviour.DOWNLOAD),
            shared=_count(Behaviour.SHARE),
            skips=_count(Behaviour.SKIP),
            refusals=_count(*BLOCKING),
        )
        mass = (pl.col("mass") * surplus).clip(0).sum()
        best = self.valued.filter("is_song").group_by("value", "item").agg(mass).filter(pl.col("mass") > 0)
        best = best.sort(pl.col("mass").neg(), "item").unique("value", keep="first", maintain_order=True)
        joined = self.profile.join(evidence, on="value", how="left").join(best.select("value", example="item"), on="value", how="left")
        joined = joined.with_columns(surplus=(pl.col("positive") - pl.col("negative")) * surplus, share=pl.col(f"{sign}_share"))
        ranked = (
            joined.filter(self._told_of(liked=liked))
            .sort(pl.col("surplus").neg(), "value")
            .group_by("facet", maintain_order=True)
            .head(self.k)
        )
        ranked = ranked.sort(pl.col("share").neg(), "value")
        return {
            facet: [self._taste(row) for row in ranked.filter(pl.col("facet") == facet).iter_rows(named=True)]
            for facet in self._facets(ranked)
        }

    def _told_of(self, *, liked: bool) -> pl.Expr:
        """A blocked artist is disliked, however often they were heard before; nothing else is on the strength of one skip."""
        blocked = self.acts.filter(pl.col("behaviour") == int(Behaviour.BLOCK_ARTIST))["item"]
        barred = pl.col("value").is_in(blocked.implode())
        if liked:
            return (pl.col("surplus") > 0) & ~barred
        return barred | (pl.col("surplus") > 0) & ((pl.col("refusals") > 0) | (pl.col("skips") > 1))

    def blocked(self) -> list[Refusal]:
        """What is never to be recommended again, each thing once."""
        said = self.acts.filter(pl.col("behaviour").is_in([int(behaviour) for behaviour in BLOCKING]))
        said = said.sort("row", descending=True).unique("item", keep="first", maintain_order=True)
        rows = said.select("item", "behaviour", "ts").iter_rows()
        dated = self.at is not None
        return [Refusal(*self._entity(item), Behaviour(behaviour).name.lower(), ts if dated else None) for item, behaviour, ts in rows]

    def favourites(self) -> list[Favourite]:
        """Songs of the recent span by their liking in it, not counting what is refused."""
        refused = self.acts.filter(pl.col("behaviour").is_in([int(behaviour) for behaviour in BLOCKING]))["item"]
        recent = self.acts.filter("recent", "is_song", ~pl.col("item").is_in(refused.implode()))
        sums = recent.group_by("item").agg(
            liking=pl.col("signal").sum(), plays=pl.col("count").filter("play").sum(), hearts=_count(Behaviour.COLLECT)
        )
        best = sums.filter(pl.col("liking") > 0).sort(pl.col("liking").neg(), "item").head(self.k)
        return [Favourite(self._song(row["item"]), row["plays"], row["hearts"]) for row in best.iter_rows(named=True)]

    def changes(self) -> list[Change]:
        """At most k rises, then as many falls."""
        likings = self.valued.filter(pl.col("signal") > 0)
        found = changed_shares(likings.with_columns(day=pl.col("row") if self.at is None else pl.col("ts") // SECONDS_PER_DAY))
        kept = pl.concat([found.filter(pl.col("z") > 0).head(self.k), found.filter(pl.col("z") < 0).head(self.k)])
        rows = kept.select("facet", "value", "before", "recent").iter_rows()
        return [Change(facet, *self._entity(value), before, recent) for facet, value, before, recent in rows]

    def _sum(self, behaviour: Behaviour) -> float:
        return float(self.acts.filter(pl.col("behaviour") == int(behaviour))["count"].sum())

    def _scenes(self, plays: pl.DataFrame) -> dict[str, float]:
        known = plays.filter(pl.col("scene") >= 0).group_by("scene").agg(pl.col("count").sum()).sort(pl.col("count").neg(), "scene")
        return {self.lake.scenes[scene]: n / plays["count"].sum() for scene, n in known.iter_rows()}

    def _facets(self, ranked: pl.DataFrame) -> list[str]:
        """The facets that hold something, in the order of their codes."""
        held = set(ranked["facet"])
        return [facet for facet in self.profile["facet"].unique(maintain_order=True) if facet in held]

    def _taste(self, row: dict[str, Any]) -> Taste:
        key, name = self._entity(row["value"])
        counted = {name: row[name] or 0 for name in EVIDENCE}
        example = None if row["example"] is None else self._song(row["example"])
        return Taste(key, name, row["positive"], row["negative"], row["share"], **counted, example=example)

    def _entity(self, entity: int) -> tuple[str, str]:
        """Key and name."""
        key, name = self.lake.catalogue.entities.select("key", "name").row(entity)
        return key, name

    def _song(self, song: int) -> Song:
        title, artist = self.lake.catalogue.songs.select("title", "artist").row(song)
        return Song(self.lake.catalogue.entities["key"][song], title, artist)


def _acts(
    events: Events, n_songs: int, signal: npt.NDArray[np.float64], decay: npt.NDArray[np.float64], recent: npt.NDArray[np.bool_]
) -> pl.DataFrame:
    """Events as a frame, with what each says and whether it is a listen of a song."""
    is_song = events.item < n_songs
    columns = {name: getattr(events, name) for name in ("item", "behaviour", "ts", "scene", "count")}
    told = {"signal": signal, "mass": signal * decay, "recent": recent, "play": is_song & listens(events), "is_song": is_song}
    return pl.DataFrame(columns | told).with_row_index("row")


def _valued(acts: pl.DataFrame, facets: SongFacets) -> pl.DataFrame:
    """A row for each act and facet value of its song known at its time; a blocked artist is a value itself."""
    songs = acts.filter("is_song")["item"].unique()
    facts = pl.DataFrame({"item": facets.song, "value": facets.value, "valid_from": facets.valid_from}).filter(
        pl.col("item").is_in(songs.implode())
    )
    of_songs = acts.join(facts, on="item").filter(pl.col("valid_from") <= pl.col("ts")).drop("valid_from")
    blocked = acts.filter(pl.col("behaviour") == int(Behaviour.BLOCK_ARTIST)).with_columns(value="item")
    every = pl.concat([of_songs, blocked.select(of_songs.columns)])
    code = pl.Series(facets.facet_of[every["value"].to_numpy()])
    return every.with_columns(facet=pl.Series(facets.names, dtype=pl.String).gather(code.replace(-1, None)))


def _count(*behaviours: Behaviour) -> pl.Expr:
    return pl.col("count").filter(pl.col("behaviour").is_in([int(behaviour) for behaviour in behaviours])).sum()


def _shares(bins: pl.Series, counts: pl.Series, n: int) -> list[float]:
    summed = np.bincount(bins.to_numpy(), counts.to_numpy(), n)
    shares: list[float] = (summed / summed.sum()).tolist()
    return shares
