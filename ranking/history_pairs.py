"""From histories to pairs of history song and target: a song heard again within one age bucket is one pair that counts twice."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ranking.gru_kernels import kernel

N_AGES: Final = 16
"""Age buckets of history entries: powers of two of hours, or of entries where time is ordinal."""
BEGINS: Final = 2 ** np.arange(N_AGES, dtype=np.int64) - 1
"""Least age of each bucket, log2(1 + age) rounded down."""
SECONDS_PER_HOUR: Final = 3_600

Ints = npt.NDArray[np.int64]


class HistoryPairs(NamedTuple):
    """What `p` pairs are of, by example, and within it by the first time that the song is met."""

    song: Ints
    owner: Ints
    """Example, ascending."""
    age: Ints
    """Age bucket."""
    times: npt.NDArray[np.float32]
    """How often the example's history has this song in this bucket."""


def age_buckets(age: Ints) -> Ints:
    """Bucket of each age in hours, or in entries. Negative ages are in the first."""
    return np.searchsorted(BEGINS[1:], age, side="right").astype(np.int64)


def merged_pairs(start: Ints, end: Ints, now: Ints, item: npt.NDArray[np.int32], moment: Ints, unit: int, n_songs: int) -> HistoryPairs:
    """Pairs of `n` examples.

    Args:
        start: `[n]` first row of each history.
        end: `[n]` row behind its last.
        now: `[n]` moment from which each example's ages are counted back.
        item: `[rows]` songs below `n_songs`.
        moment: `[rows]` when each was heard, on the clock of `now`.
        unit: of ages, in ticks of that clock.
        n_songs: number of songs.
    """
    most = int((end - start).sum())
    song, owner, age = (np.empty(most, np.int64) for _ in range(3))
    times = np.empty(most, np.float32)
    n_pairs = _merge(start, end, now, item, moment, BEGINS * unit, np.zeros(n_songs, np.int64), song, owner, age, times)
    return HistoryPairs(song[:n_pairs], owner[:n_pairs], age[:n_pairs], times[:n_pairs])


@kernel
def _merge(
    start: Ints,
    end: Ints,
    now: Ints,
    item: npt.NDArray[np.int32],
    moment: Ints,
    begins: Ints,
    latest: Ints,
    song: Ints,
    owner: Ints,
    age: Ints,
    times: npt.NDArray[np.float32],
) -> int:
    """Writes the pairs and says how many. `latest` `[n_songs]`, zeros at first, is one more than each song's latest pair."""
    n, first, last_bucket = 0, 0, len(begins) - 1
    for i in range(len(start)):
        if i > 0 and start[i] == start[i - 1] and end[i] == end[i - 1] and now[i] == now[i - 1]:
            before, first = first, n
            for p in range(before, first):
                song[n], owner[n], age[n], times[n] = song[p], i, age[p], times[p]
                n += 1
            continue
        first, bucket = n, last_bucket
        for row in range(start[i], end[i]):
            elapsed, own = now[i] - moment[row], item[row]
            while bucket > 0 and elapsed < begins[bucket]:
                bucket -= 1
            while bucket < last_bucket and elapsed >= begins[bucket + 1]:
                bucket += 1
            met = latest[own] - 1
            if met >= first and age[met] == bucket:
                times[met] += np.float32(1)
                continue
            song[n], owner[n], age[n], times[n] = own, i, bucket, np.float32(1)
            n += 1
            latest[own] = n
    return n
