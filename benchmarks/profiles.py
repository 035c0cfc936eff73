"""Song profiles, user profiles from the log at once, and one act at a time: seconds a million events and microseconds an update.

The log is drawn: songs by Zipf, users by a log-normal activity, behaviours in the proportions of a music service, eight facet values a
song, a year of time. Compilation is left out (one small run before), and each time is the median of the rounds. Times are of the processor
(one thread), so that what else the machine does counts little.

Usage: python benchmarks/profiles.py [--events 5000000] [--songs 100000] [--users 50000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np

from etl.behaviours import Behaviour
from etl.events import Events
from etl.facets import ALWAYS, FACETS, SongFacets
from etl.live_profile import LiveProfiles
from etl.song_profile import SongProfiles
from etl.user_profile import UserProfiles

DAY = 86_400
POOLS = {"artist": 8, "album": 4, "style": 4_000, "language": 10_000, "era": 10_000, "scene": 8_000, "emotion": 8_000, "theme": 8_000}
"""Songs for each value of a facet; every song has one value of each."""
SHARES = {
    Behaviour.EXPOSURE: 0.22,
    Behaviour.CLICK: 0.12,
    Behaviour.PLAY: 0.31,
    Behaviour.FULL_PLAY: 0.23,
    Behaviour.SKIP: 0.05,
    Behaviour.COLLECT: 0.05,
    Behaviour.DISLIKE: 0.02,
}
UPDATES = 50_000


def drawn_facets(rng: np.random.Generator, n_songs: int) -> SongFacets:
    """Eight values a song."""
    first, columns, codes = n_songs, [], [np.full(n_songs, -1, np.int16)]
    for code, name in enumerate(FACETS):
        size = max(n_songs // POOLS[name], 4)
        columns.append(first + rng.integers(0, size, n_songs))
        codes.append(np.full(size, code, np.int16))
        first += size
    values = np.stack(columns, axis=1).astype(np.int32)
    offsets = np.arange(n_songs + 1, dtype=np.int64) * len(FACETS)
    return SongFacets(
        FACETS, np.concatenate(codes), offsets, values.ravel(), np.ones(values.size, np.float32), np.full(values.size, ALWAYS)
    )


def drawn_log(rng: np.random.Generator, n: int, n_songs: int, n_users: int) -> Events:
    """A year of events in time order."""
    activity, fame = rng.lognormal(0.0, 1.0, n_users), np.arange(1, n_songs + 1) ** -0.9
    return Events(
        user=rng.choice(n_users, n, p=activity / activity.sum()).astype(np.int32),
        item=rng.choice(n_songs, n, p=fame / fame.sum()).astype(np.int32),
        behaviour=rng.choice([int(behaviour) for behaviour in SHARES], n, p=list(SHARES.values())).astype(np.int8),
        ts=np.sort(rng.integers(1_700_000_000, 1_700_000_000 + 365 * DAY, n)),
        scene=np.full(n, -1, np.int16),
        play_ms=np.full(n, -1, np.int32),
        is_organic=np.full(n, -1, np.int8),
        count=np.ones(n, np.float32),
        source=np.arange(n, dtype=np.int64),
    )


def median_seconds(work: Callable[[], object], rounds: int) -> float:
    """Median processor time of `rounds` runs."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def update_seconds(live: LiveProfiles, events: Events) -> float:
    """Seconds an event, through the call that a service makes."""
    columns = (events.user.tolist(), events.item.tolist(), [Behaviour(code) for code in events.behaviour], events.ts.tolist())
    start = time.process_time()
    for user, item, behaviour, ts in zip(*columns, strict=True):
        live.update(user, item, behaviour, ts)
    return (time.process_time() - start) / len(events)


def measure(events: Events, facets: SongFacets, n_users: int, rounds: int) -> dict[str, float]:
    """Seconds of each kind of profile."""
    at = int(events.ts[-1])
    history, later = events.take(slice(0, len(events) - UPDATES)), events.take(slice(len(events) - UPDATES, None))
    live = LiveProfiles(facets)
    start = time.process_time()
    live.extend(history)
    extended = time.process_time() - start
    return {
        "songs": median_seconds(lambda: SongProfiles.of(events, facets, n_users, at=at), rounds),
        "users": median_seconds(lambda: UserProfiles.of(events, facets, n_users, at=at), rounds),
        "live": extended,
        "update": update_seconds(live, later),
        "values": float(UserProfiles.of(events, facets, n_users, at=at).offsets[-1]),
    }


def main() -> None:
    """Draw, warm up, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("events", 5_000_000), ("songs", 100_000), ("users", 50_000), ("rounds", 3), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    told = parser.parse_args()
    rng = np.random.default_rng(told.seed)
    facets = drawn_facets(rng, told.songs)
    measure(drawn_log(rng, 2 * UPDATES, told.songs, 100), facets, 100, 1)
    seconds = measure(drawn_log(rng, told.events, told.songs, told.users), facets, told.users, told.rounds)
    millions = told.events / 1e6
    print(f"{platform.processor() or platform.machine()}, one thread; {millions:g} M events, {told.users:,} users, {told.songs:,} songs")
    print(f"{len(FACETS)} facet values a song, {seconds['values']:,.0f} masses")
    for name, what in (("songs", "song profiles"), ("users", "user profiles, batch"), ("live", "live profiles, a log taken in")):
        print(f"{what:<32} {seconds[name] / millions:7.3f} s a million events  {millions / seconds[name]:6.2f} M events/s")
    print(f"{'live profiles, one update':<32} {seconds['update'] * 1e6:7.2f} µs")


if __name__ == "__main__":
    main()
