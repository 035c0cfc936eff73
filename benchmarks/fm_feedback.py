"""The stream fm on simulated listeners who answer: does a skip take its artist out, and do answers make for fewer skips?

    python benchmarks/fm_feedback.py --seeds 0 1 2

Every seed is a simulated service of its own, brought through the steps of `kg-recall run` as far as `train`. After its last day
listeners (MOST_LISTENERS at most, no account of a robot, at least MIN_PLAYS plays) have a session of SONGS songs each, at one time of
day, chosen by seed, and answer to each song from the simulation's truth (`etl/simulation/answers.py`), with the same luck in both streams:

- with feedback: what is done with a song is told before the next one is chosen;
- without: the same model, session and start, nothing told.

Every skip of the first is besides a replayed case: the session is forked just before it, one branch is told the skip, the other that the
song was played, and both go on for NEXT songs untold. The artist's share is that of songs that share an artist with the skipped one.
Cells (seed by variant of `[recommend.fm]`) are kept in the work folder: what has been measured is not measured again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from simulated_service import simulated

from etl.behaviours import Behaviour
from etl.simulation.answers import Audience
from etl.simulation.choosing import FULL, SKIP
from etl.simulation.settings import SimulationSettings
from kg_recall.cascade import Cascade
from kg_recall.context import Context
from kg_recall.evaluation.bootstrap import Interval, interval
from kg_recall.fm_odds import StreamHouse
from kg_recall.fm_stream import FmStream
from kg_recall.runner import run_steps
from kg_recall.steps import STEP
from kg_recall.training import load_serving
from ranking.stream_settings import StreamSettings
from recall.candidate_table import CandidateTable

SONGS: Final = 20
NEXT: Final = 10
MIN_PLAYS: Final = 20
MOST_LISTENERS: Final = 150
"""Of each service, drawn by seed."""
N_SLOTS: Final = 4
VARIANTS: Final[dict[str, dict[str, float]]] = {
    "as set": {},
    "skips alone": {"raised_by": 0.0},
    "hearts and full plays alone": {"lowered_by": 0.0},
    "artist alone": {"album": 0.0, "style": 0.0},
    "style as strong as the artist": {"style": 1.0},
    "lowered_by = 5": {"lowered_by": 5.0},
    "raised_by = 1": {"raised_by": 1.0},
    "raised_by = 10": {"raised_by": 10.0},
    "half_life_songs = 30": {"half_life_songs": 30.0},
    "unheard = 1": {"unheard": 1.0},
    "unheard = 4": {"unheard": 4.0},
}
"""What is measured; the first is what the page is about."""


class Song(NamedTuple):
    """A song of a session and its answer."""

    item: int
    outcome: int
    heart: bool
    chance_of_skip: float


class Remembering(Cascade):
    """A cascade that is asked for the same listener by every variant, and works once."""

    def candidates(self, users: npt.NDArray[np.int32]) -> CandidateTable:
        """As the cascade has them."""
        found: CandidateTable = self._once(("candidates", *users.tolist()), lambda: super(Remembering, self).candidates(users))
        return found

    def merged(self, table: CandidateTable) -> npt.NDArray[np.float32]:
        """As the cascade has it."""
        found: npt.NDArray[np.float32] = self._once(("merged", *np.unique(table.user)), lambda: super(Remembering, self).merged(table))
        return found

    def _once(self, key: tuple[Any, ...], work: Callable[[], Any]) -> Any:
        known = self.__dict__.setdefault("_found", {})
        if key not in known:
            known[key] = work()
        return known[key]


@dataclass
class Service:
    """One simulated service: what recommends, and who answers."""

    cascade: Cascade
    house: StreamHouse
    audience: Audience
    users: npt.NDArray[np.int32]
    """Rows in the catalogue of those who have a session."""
    seed: int

    @classmethod
    def open(cls, folder: Path, size: SimulationSettings) -> Service:
        """The service in `folder`, simulated and trained where it is not yet. Its evaluated models serve: nothing is fitted twice."""
        config = simulated(folder, size)
        if "refit" not in config.read_text(encoding="utf-8"):
            config.write_text(config.read_text(encoding="utf-8") + "refit = false\n", encoding="utf-8")
        context = Context.open(config, quiet=True)
        for outcome in run_steps(context, [STEP[name] for name in ("etl", "graph", "embed", "train")]):
            print(folder.name, outcome.step, outcome.did, flush=True)
        cascade = load_serving(context)
        return cls.of(cascade, context.lake().robots, size)

    @classmethod
    def of(cls, cascade: Cascade, robots: pl.DataFrame, size: SimulationSettings) -> Service:
        """The service of a cascade that was trained on it."""
        played = np.bincount(cascade.snapshot.plays.user, minlength=cascade.snapshot.catalogue.n_users)
        if robots.height:
            played[robots["user"].to_numpy()] = 0
        users = np.flatnonzero(played >= MIN_PLAYS).astype(np.int32)
        some = np.sort(np.random.default_rng(size.seed).permutation(users)[:MOST_LISTENERS])
        remembering = Remembering(**{item.name: getattr(cascade, item.name) for item in fields(cascade) if item.init})
        return cls(remembering, StreamHouse.of(cascade.snapshot), Audience(size), some, size.seed)

    @property
    def served(self) -> str:
        """What recommends, in words."""
        cascade = self.cascade
        widths, ranker = cascade.settings, "no ranker" if cascade.ranker is None else f"the ranker {cascade.ranker.name}"
        return f"{len(cascade.routes)} routes of {widths.route_k} and {widths.new_k} new songs, the learned merge and {ranker}"

    def stream(self, user: int, settings: StreamSettings) -> FmStream:
        """A new stream of one listener."""
        scenes = self.cascade.snapshot.scenes
        table = self.cascade.candidates(np.array([user], dtype=np.int32))
        return FmStream(self.cascade, self.house, table, user, settings, scene=scenes.index("fm") if "fm" in scenes else -1)

    def session(self, stream: FmStream, user: int, *, told: bool) -> Iterator[tuple[FmStream, Song]]:
        """Songs with their answers, each with the stream as it stands before the answer is told."""
        number = int(str(self.cascade.snapshot.catalogue.users["user_id"][user])[1:])
        slot = int(np.random.default_rng([self.seed, number, 1]).integers(N_SLOTS))
        listening = self.audience.session(number, slot, self.seed)
        song_ids = self.cascade.snapshot.catalogue.songs["song_id"]
        for _ in range(SONGS):
            (item,) = stream.next(1).item.tolist()
            answer = listening.answer(int(str(song_ids[item])[1:]))
            yield stream, Song(item, *answer)
            if told:
                tell(stream, item, answer.outcome, heart=answer.heart)


def tell(stream: FmStream, item: int, outcome: int, *, heart: bool) -> None:
    """Tell a stream what was done with its last song."""
    if outcome in (SKIP, FULL):
        stream.tell(item, Behaviour.SKIP if outcome == SKIP else Behaviour.FULL_PLAY)
    if heart:
        stream.tell(item, Behaviour.COLLECT)


def measure(service: Service, settings: StreamSettings) -> dict[str, Any]:
    """Sessions of all listeners: their skips in both streams, and the replayed cases."""
    cell: dict[str, Any] = {
        name: [] for name in ("skips", "skips_without", "chance", "chance_without", "unheard", "hearts", "hearts_without")
    }
    cases: list[tuple[int, int, int]] = []
    for user in service.users.tolist():
        start = service.stream(user, settings)
        songs = []
        for stream, song in service.session(start.fork(), user, told=True):
            songs.append(song)
            if song.outcome == SKIP:
                cases.append((user, *replayed(service, stream, song.item)))
        plain = [song for _, song in service.session(start.fork(), user, told=False)]
        for which, heard in (("", songs), ("_without", plain)):
            cell[f"skips{which}"].append(np.mean([song.outcome == SKIP for song in heard]))
            cell[f"chance{which}"].append(np.mean([song.chance_of_skip for song in heard]))
            cell[f"hearts{which}"].append(np.mean([song.heart for song in heard]))
    return {**{name: np.round(values, 6).tolist() for name, values in cell.items()}, "cases": cases, "served": service.served}


def replayed(service: Service, stream: FmStream, item: int) -> tuple[int, int]:
    """Songs of the skipped song's artists among the next ones, without the skip and with it."""
    own = service.house.groups.songs_of_artists(service.house.groups.artists_of(item))
    counts = []
    for behaviour in (Behaviour.PLAY, Behaviour.SKIP):
        branch = stream.fork()
        branch.tell(item, behaviour)
        counts.append(int(np.isin(branch.next(NEXT).item, own).sum()))
    return counts[0], counts[1]


def cells(work: Path, name: str, seeds: list[int]) -> list[dict[str, Any]]:
    """What was measured of a variant."""
    return [json.loads(cell_path(work, name, seed).read_text()) for seed in seeds]


def cell_path(work: Path, name: str, seed: int) -> Path:
    """Where a cell lies."""
    return work / "cells" / f"{name.replace(' ', '-').replace('=', 'is')}-{seed}.json"


def joined(found: list[dict[str, Any]], name: str) -> npt.NDArray[np.float64]:
    """A column over the listeners of all seeds."""
    return np.concatenate([np.asarray(cell[name], dtype=np.float64) for cell in found])


def shown(found: Interval, digits: int = 4) -> str:
    """A value and its interval."""
    return f"{found.value:+.{digits}f} [{found.low:+.{digits}f}, {found.high:+.{digits}f}]"


class Cases(NamedTuple):
    """Counts of replayed cases."""

    all: int
    there: int
    """The artist has a song in the next ones without the skip."""
    fell: int
    rose: int
    before: float
    after: float
    """Mean songs of the artist in the next ones, of cases where she was there."""

    @classmethod
    def of(cls, found: list[dict[str, Any]]) -> Cases:
        """Cases of all seeds."""
        rows = np.array([case[1:] for cell in found for case in cell["cases"]], dtype=np.int64).reshape(-1, 2)
        there = rows[rows[:, 0] > 0]
        fell, rose = int((there[:, 1] < there[:, 0]).sum()), int((rows[:, 1] > rows[:, 0]).sum())
        means = there.mean(axis=0) if len(there) else np.zeros(2)
        return cls(len(rows), len(there), fell, rose, float(means[0]), float(means[1]))


def page(variants: list[str], seeds: list[int], size: SimulationSettings, work: Path, note: str) -> str:
    """The results as a page."""
    sizes = f"--songs {size.n_songs} --users {size.n_users} --days {size.n_days}"
    first = cells(work, variants[0], seeds)
    cases, n = Cases.of(first), len(joined(first, "skips"))
    difference = interval(joined(first, "skips") - joined(first, "skips_without"), seed=0)
    lines = [
        "# The stream fm with and without feedback",
        "",
        f"`python benchmarks/fm_feedback.py --seeds {' '.join(map(str, seeds))} {sizes}`: simulated services of {size.n_songs:,} songs,",
        f"{size.n_users:,} listeners and {size.n_days} days, one for each seed; {' / '.join(sorted({cell['served'] for cell in first}))},",
        f"as evaluated (`evaluate.refit = false`). {n:,} listeners with at least {MIN_PLAYS} plays, {SONGS} songs each, answered by the",
        "simulation's truth. Intervals: 95 % bootstrap over the listeners of all seeds, paired.",
        *([note] if note else []),
        "",
        f"**After a skip.** Of {cases.all:,} skips, {cases.there:,} are of an artist who would have been among the next {NEXT} songs had",
        f"the song been played. Her share fell in {cases.fell:,} of them, **{cases.fell / max(cases.there, 1):.2%}** (claimed: 99 %), from",
        f"{cases.before:.2f} songs of {NEXT} to {cases.after:.2f}. In the other {cases.all - cases.there:,} she would not have been there",
        f"and cannot fall. Her share rose in {cases.rose:,} of all.",
        "",
        f"**Skip rate.** {joined(first, 'skips').mean():.4f} with feedback, {joined(first, 'skips_without').mean():.4f} without:",
        f"{shown(difference)}, **{'held' if difference.high < 0 else 'not shown'}**.",
        "The table has besides the mean chance of a skip that the truth gives the songs served: the same without the luck of each song.",
        "Variants change one setting of `[recommend.fm]`, for both streams.",
        "",
        "| `[recommend.fm]` | skips | without | difference | chance of a skip: difference | hearts a song: difference | fell |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join(lines + [row(name, cells(work, name, seeds)) for name in variants]) + "\n"


def row(name: str, found: list[dict[str, Any]]) -> str:
    """A line of the table."""
    differences = [interval(joined(found, what) - joined(found, f"{what}_without"), seed=0) for what in ("skips", "chance", "hearts")]
    cases = Cases.of(found)
    means = f"{joined(found, 'skips').mean():.4f} | {joined(found, 'skips_without').mean():.4f}"
    return f"| {name} | {means} | {' | '.join(map(shown, differences))} | {cases.fell} of {cases.there} |"


def main() -> None:
    """Measure what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--songs", type=int, default=800)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--note", default="", help="a line for the page, where the services in the work folder were made otherwise")
    parser.add_argument("--work", type=Path, default=Path("fm-feedback"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "fm_feedback.md")
    given = parser.parse_args()
    size = SimulationSettings(n_songs=given.songs, n_users=given.users, n_days=given.days)
    for seed in given.seeds:
        missing = [name for name in given.variants if not cell_path(given.work, name, seed).is_file()]
        service = Service.open(given.work / f"service-{seed}", replace(size, seed=seed)) if missing else None
        for name in missing:
            assert service is not None
            found = json.dumps(measure(service, StreamSettings(**VARIANTS[name])))
            path = cell_path(given.work, name, seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(found)
            print(f"seed {seed}: {name}", flush=True)
    text = page(given.variants, given.seeds, size, given.work, given.note)
    given.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
