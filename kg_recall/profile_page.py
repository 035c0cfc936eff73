"""A listener's profile as a page: colours and bars on a terminal, the same lines without colour elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from kg_recall.profile import Activity, Change, Favourite, ListenerProfile, Refusal, Song, Taste
from kg_recall.profile_reader import EVIDENCE, RECENT_DAYS, RECENT_EVENTS
from kg_recall.profile_words import COUNTS, FACET_WORDS, VALUES, WORDS

ORDER: Final = ("artist", "style", "language", "era", "album")
"""Facets that come first; the tags follow."""
BAR: Final = 12
"""Cells of a whole bar."""
LEAST_LIKED: Final = 0.1
"""Likes of less than this part of the facet's first are left to `--json` …"""
LEAST_DISLIKED: Final = 0.03
"""… and so are dislikes of a smaller share of the facet's refusal, unless something of theirs was refused outright."""
PEAK_HOURS: Final = 3
PIPED_WIDTH: Final = 160
WIDE: Final = 100
"""Cells from which on an example song has a place beside its evidence."""
TEXTS: Final = ("name", "evidence", "example", "song")
EIGHTHS: Final = " ▏▎▍▌▋▊▉"
LEVELS: Final = "▁▂▃▄▅▆▇█"


def page(profile: ListenerProfile, language: Literal["en", "zh"], k: int, width: int | None = None) -> str:
    """The profile as lines of text, with at most `k` entries of a kind; coloured where stdout is a terminal.

    `width` is in cells; None is the terminal's, or `PIPED_WIDTH` where there is none. Names, evidence and examples are cut to fit.
    """
    console = Console(highlight=False, emoji=False, markup=False, width=width)
    if width is None and not console.is_terminal:
        console.width = PIPED_WIDTH
    with console.capture() as captured:
        for part in _Page(profile, language, k, with_examples=console.width >= WIDE).parts():
            console.print(part)
    return "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))


class _Page:
    def __init__(self, profile: ListenerProfile, language: Literal["en", "zh"], k: int, *, with_examples: bool) -> None:
        self.profile, self.k, self.with_examples = profile, k, with_examples
        self.ordinal = profile.activity is not None and profile.activity.since is None
        self.words, self.counts, self.facets, self.values = WORDS[language], COUNTS[language], FACET_WORDS[language], VALUES[language]

    def parts(self) -> Iterator[RenderableType]:
        """Head, activity and sections, in order; those that have nothing to say are left out."""
        told = self.profile
        yield self._head()
        for span in told.robot[: self.k]:
            days = {name: _day(span[name]) for name in ("since", "until")}
            yield Text(self.words[span["kind"]].format(**{**span, **days}), style="yellow")
        if len(told.robot) > self.k:
            yield Text(self.words["more"].format(n=len(told.robot) - self.k), style="yellow")
        if told.activity is None:
            yield Text(self.words["no events"])
            return
        yield from map(Text, self._activity(told.activity))
        nothing = None if told.robot else Text(self.words["no likes"])
        yield from self._section("likes", self._tastes(told.likes, liked=True) if told.likes else nothing)
        yield from self._section("dislikes", self._tastes(told.dislikes, liked=False) if told.dislikes else None)
        yield from self._section("blocked", self._blocked(told.blocked) if told.blocked else None)
        yield from self._section("favourites", self._favourites(told.favourites) if told.favourites else None)
        yield from self._section("changes", self._changes(told.changes) if told.changes else None)

    def _head(self) -> Text:
        columns = [self._column(name, value) for name, value in self.profile.columns.items()]
        day = [] if self.profile.now is None else [self.words["as of"].format(day=_day(self.profile.now))]
        return Text.assemble((self.profile.user_id, "bold"), "  ", self.words["comma"].join([*columns, *day]))

    def _column(self, name: str, value: object) -> str:
        known = self.words[name] if name in ("gender", "birth_year", "country", "signup_at") else self.words["column"]
        return known.format(name=name.replace("_", " "), value=self.values.get(str(value), value))

    def _section(self, name: str, body: RenderableType | None) -> Iterator[RenderableType]:
        if body is not None:
            n, unit = (RECENT_EVENTS, "events") if self.ordinal else (RECENT_DAYS, "days")
            yield Text("\n" + self.words[name].format(span=self.words[unit].format(n=n)), style="bold")
            yield body

    def _activity(self, told: Activity) -> Iterator[str]:
        words = self.words
        if told.since is not None and told.last is not None:
            yield words["since"].format(since=_day(told.since), last=_day(told.last))
        if told.repeat_share is not None:
            plays, songs = self._count("plays", told.plays), self._count("songs", told.songs)
            yield words["plays"].format(plays=plays, songs=songs, repeats=self._percent(told.repeat_share))
        if told.plays_a_session is not None:
            of = self._count("plays", round(told.plays_a_session))
            yield words["sessions"].format(sessions=self._count("sessions", told.sessions), plays=of)
        if told.full_play_rate is not None and told.skip_rate is not None:
            yield words["rates"].format(full=self._percent(told.full_play_rate), skips=self._percent(told.skip_rate))
        if told.acts:
            yield words["comma"].join(self._count(name, n) for name, n in told.acts.items())
        if told.scenes:
            yield words["scenes"].format(
                scenes=words["comma"].join(f"{name} {self._percent(share)}" for name, share in told.scenes.items())
            )
        if told.hours is not None and told.weekdays is not None:
            yield words["hours"].format(line=_levels(told.hours), **self._peak(told.hours))
            yield words["week"].format(line=_levels(told.weekdays), share=self._percent(sum(told.weekdays[5:])))

    def _tastes(self, tastes: dict[str, list[Taste]], *, liked: bool) -> Table:
        table = _grid("facet", "name", "share", "bar", "evidence", *(["example"] if self.with_examples else []))
        first = [facet for facet in ORDER if facet in tastes]
        for facet in [*first, *(facet for facet in tastes if facet not in ORDER)]:
            shown = [taste for taste in tastes[facet] if _worth_a_line(taste, tastes[facet][0].share, liked=liked)]
            for place, taste in enumerate(shown):
                label = "" if place else self.facets.get(facet, facet)
                bar = Text(_bar(taste.share), "green" if liked else "red")
                row = (Text(label, "bold"), _cut(taste.name), self._percent(taste.share), bar, _cut(self._evidence(taste)))
                table.add_row(*row, *([_cut(self._example(taste, facet), "dim")] if self.with_examples else []))
        return table

    def _evidence(self, taste: Taste) -> str:
        counted = [(name, getattr(taste, name)) for name in EVIDENCE if name != "songs"]
        return self.words["comma"].join(self._count(name, n) for name, n in counted if n)

    def _blocked(self, blocked: Sequence[Refusal]) -> Table:
        table = _grid("what", "name", "day")
        for refusal in blocked[: self.k]:
            table.add_row(self.words[refusal.behaviour], _cut(refusal.name), "" if refusal.ts is None else _day(refusal.ts))
        if len(blocked) > self.k:
            table.add_row(self.words["more"].format(n=len(blocked) - self.k))
        return table

    def _favourites(self, favourites: Sequence[Favourite]) -> Table:
        table = _grid("rank", "song", "evidence")
        for place, favourite in enumerate(favourites, 1):
            counted = (("plays", favourite.plays), ("hearts", favourite.hearts))
            evidence = self.words["comma"].join(self._count(name, n) for name, n in counted if n)
            table.add_row(f"{place}", _cut(self._song(favourite.song)), _cut(evidence))
        return table

    def _changes(self, changes: Sequence[Change]) -> Table:
        table = _grid("facet", "arrow", "name", "shares")
        for change in changes:
            arrow = Text("▲", "green") if change.recent > change.before else Text("▼", "red")
            shares = f"{self._percent(change.before)} → {self._percent(change.recent)}"
            table.add_row(Text(self.facets.get(change.facet, change.facet), "bold"), arrow, _cut(change.name), shares)
        return table

    def _example(self, taste: Taste, facet: str) -> str:
        """The song that speaks for a taste; an artist's without the artist."""
        if taste.example is None:
            return ""
        return self.words["title"].format(title=taste.example.title) if facet == "artist" else self._song(taste.example)

    def _song(self, song: Song) -> str:
        return self.words["song" if song.artist else "title"].format(title=song.title, artist=song.artist)

    def _percent(self, share: float) -> str:
        """A share in whole percent; what is neither none nor all never reads as if it were."""
        whole = round(share * 100)
        n = "<1" if share > 0 and whole < 1 else "99" if share < 1 and whole > 99 else f"{whole}"
        return self.words["percent"].format(n=n)

    def _peak(self, hours: Sequence[float]) -> dict[str, object]:
        """The busiest hours in a row, around midnight too."""
        sums = [sum(hours[(start + hour) % 24] for hour in range(PEAK_HOURS)) for start in range(24)]
        first = max(range(24), key=lambda hour: (sums[hour], -hour))
        busy = [first + hour for hour in range(PEAK_HOURS) if hours[(first + hour) % 24]]
        return {"start": busy[0] % 24, "end": busy[-1] % 24 + 1, "share": self._percent(sums[first])}

    def _count(self, name: str, n: float) -> str:
        one, many = self.counts[name]
        return (one if n == 1 else many).format(n=f"{n:,.0f}")


def _grid(*columns: str) -> Table:
    """A table without lines. Where it is wider than the terminal, only texts give way."""
    table = Table.grid(padding=(0, 2))
    table.pad_edge = True
    for name in columns:
        table.add_column(name, justify="right" if name in ("share", "rank") else "left", no_wrap=name not in TEXTS)
    return table


def _cut(text: str, style: str = "") -> Text:
    """A text of one line, cut where its column ends."""
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _worth_a_line(taste: Taste, first: float, *, liked: bool) -> bool:
    """`first` is the largest share of the facet."""
    return taste.share >= LEAST_LIKED * first if liked else taste.share >= LEAST_DISLIKED or bool(taste.refusals)


def _day(ts: int) -> str:
    return dt.datetime.fromtimestamp(ts, dt.UTC).date().isoformat()


def _bar(share: float) -> str:
    eighths = round(share * BAR * 8)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def _levels(shares: Sequence[float]) -> str:
    """One character a share, as high as its part of the largest."""
    top = max(shares)
    return "".join(LEVELS[min(int(share / top * len(LEVELS)), len(LEVELS) - 1)] for share in shares)
