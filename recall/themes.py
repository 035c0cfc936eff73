"""Themed playlists that the service writes itself (machine generated content): style × scene × emotion, coherent, and refreshed.

A theme's songs are those that have all of its values. One that lies no nearer to the others than the mean song of the catalogue does is
left out of it, and a theme of fewer than `least` songs is none. Of the others a playlist takes the best by what listeners do with a song
and how near it lies to the theme; the rest of its places change with every period of `refresh_days`, drawn in proportion to that worth
(Efraimidis and Spirakis, IPL 2006: the largest log(u) / w), with numbers that follow from seed, theme, song and period alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import NEGATIVE
from etl.errors import UserError
from etl.events import SECONDS_PER_DAY, Events
from recall.histories import half_life_decay
from recall.snapshot import Snapshot
from recall.theme_settings import ThemeSettings
from recall.theme_values import DIMENSIONS, theme_values

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
DOUBT: Final = 5.0
"""Likes and refusals that a song is thought to have besides its own: what nobody has heard is neither good nor bad."""
EVENNESS: Final = 2.0
"""A song is drawn in proportion to e^(worth / EVENNESS)."""


@dataclass(frozen=True)
class ThemedPlaylists:
    """Playlists and what they hold."""

    themes: pl.DataFrame
    """A row for each playlist: its values `style, scene, emotion` (null where the source has none of the kind), `n_fitting` songs that it
    may draw from, `coherence`, mean cosine of two of its songs."""
    playlist: Ints
    """`[n]` row of `themes`, ascending."""
    song: npt.NDArray[np.int32]
    """`[n]` best first, the drawn ones after the kept ones."""
    score: Floats
    """`[n]` worth within the theme."""
    of_random: float
    """Mean cosine of two songs of the catalogue: what coherence is beside."""
    left_out: pl.DataFrame
    """Themes of too few songs: their values and `n_fitting`, most songs first."""


def themed_playlists(snapshot: Snapshot, settings: ThemeSettings) -> ThemedPlaylists:
    """The themed playlists of the moment `snapshot.now`.

    Raises:
        UserError: the snapshot has no vectors, or the source no styles.
    """
    if snapshot.vectors is None:
        raise UserError("themed playlists need the songs' vectors: run `kg-recall embed` first")
    unit = _unit(snapshot.vectors[: snapshot.catalogue.n_songs].astype(np.float64))
    members = theme_values(snapshot)
    themes = members.select(DIMENSIONS).unique().sort(DIMENSIONS, nulls_last=True).with_row_index("theme")
    rows = members.join(themes, on=DIMENSIONS, nulls_equal=True).sort("theme", "song")
    theme, song = rows["theme"].to_numpy().astype(np.int64), rows["song"].to_numpy()
    near, beside = _nearness(unit, theme, song, themes.height)
    theme, song, near = (column[near > beside[theme]] for column in (theme, song, near))
    worth = _standard(near, theme) + _standard(_reception(snapshot, settings)[song], theme)
    theme, song, worth = _one_of_each_work(snapshot, theme, song, worth)
    n_fitting = np.bincount(theme, minlength=themes.height)
    themes = themes.with_columns(n_fitting=pl.Series(n_fitting))
    fine = n_fitting >= settings.least
    rows_of = fine[theme]
    chosen = _chosen(snapshot, settings, themes, theme[rows_of], song[rows_of], worth[rows_of])
    theme, song, worth = theme[rows_of][chosen], song[rows_of][chosen], worth[rows_of][chosen]
    written = themes.filter(pl.Series(fine)).drop("theme")
    playlist = (np.cumsum(fine) - 1)[theme]
    coherence = mean_cosines(unit[song], playlist, written.height)
    left_out = themes.filter(pl.Series(~fine)).drop("theme").sort("n_fitting", *DIMENSIONS, descending=[True, False, False, False])
    everything = mean_cosines(unit, np.zeros(len(unit), np.int64), 1)[0]
    return ThemedPlaylists(written.with_columns(coherence=pl.Series(coherence)), playlist, song, worth, float(everything), left_out)


def mean_cosines(unit: Floats, group: Ints, n_groups: int) -> Floats:
    """`[n_groups]` mean cosine of two different rows of a group of unit vectors `[n, dim]`; NaN for fewer than two."""
    total, n = np.zeros((n_groups, unit.shape[1])), np.bincount(group, minlength=n_groups)
    np.add.at(total, group, unit)
    own = np.bincount(group, weights=np.einsum("nd,nd->n", unit, unit), minlength=n_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((np.einsum("nd,nd->n", total, total) - own) / (n * (n - 1.0)))


def _unit(vectors: Floats) -> Floats:
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norm > 0, norm, 1))


def _nearness(unit: Floats, theme: Ints, song: npt.NDArray[np.int32], n_themes: int) -> tuple[Floats, Floats]:
    """Cosine of each song and the mean of its theme's others `[n]`, and of each theme and the mean song of the catalogue `[n_themes]`."""
    total = np.zeros((n_themes, unit.shape[1]))
    np.add.at(total, theme, unit[song])
    others = total[theme] - unit[song]
    return np.einsum("nd,nd->n", _unit(others), unit[song]), _unit(total) @ unit.mean(axis=0)


def _reception(snapshot: Snapshot, settings: ThemeSettings) -> Floats:
    """`[n_songs]` log of the likes of late, times the share of likes among likes and refusals."""

    def counted(events: Events) -> Floats:
        half_life = settings.half_life_plays if snapshot.ordinal else settings.half_life_days
        weight = half_life_decay(snapshot.age(events), half_life) * events.count
        return np.asarray(np.bincount(events.item, weights=weight, minlength=snapshot.catalogue.n_songs), dtype=np.float64)

    likes = counted(snapshot.positives)
    refusals = counted(snapshot.events.of(*NEGATIVE).of_songs(snapshot.catalogue.n_songs))
    return np.asarray(np.log1p(likes) * (likes + DOUBT) / (likes + refusals + 2 * DOUBT))


def _standard(values: Floats, group: Ints) -> Floats:
    """Values `[n]` with mean 0 and deviation 1 within each group; a constant group becomes 0."""
    n = np.maximum(np.bincount(group), 1)
    centred = values - (np.bincount(group, weights=values) / n)[group]
    deviation = np.sqrt(np.bincount(group, weights=centred**2) / n)[group]
    return np.asarray(centred / np.where(deviation > 1e-12, deviation, np.inf))


def _one_of_each_work(
    snapshot: Snapshot, theme: Ints, song: npt.NDArray[np.int32], worth: Floats
) -> tuple[Ints, npt.NDArray[np.int32], Floats]:
    """Of the versions of a work the one that a theme thinks most of; rows by theme, then falling worth, then song."""
    order = np.lexsort((song, -worth, theme))
    theme, song, worth = theme[order], song[order], worth[order]
    first = np.sort(np.unique(theme << 32 | snapshot.catalogue.works[song], return_index=True)[1])
    return theme[first], song[first], worth[first]


def _chosen(
    snapshot: Snapshot, settings: ThemeSettings, themes: pl.DataFrame, theme: Ints, song: npt.NDArray[np.int32], worth: Floats
) -> npt.NDArray[np.intp]:
    """Rows of the songs that playlists take, by theme, the kept ones first; rows come by theme and falling worth."""
    fitting = np.bincount(theme, minlength=themes.height)
    size = np.clip(fitting * 2 // 3, settings.least, settings.size)
    kept = np.rint(settings.kept_share * size).astype(np.int64)
    offsets, singers = snapshot.projection.facet("SUNG_BY")
    has = offsets[1:] > offsets[:-1]
    artist = np.full(len(has), -1, dtype=np.int64)
    artist[has] = singers[offsets[:-1][has]]
    of_artist = theme << 32 | (artist[song] + 1)
    cap = np.where(artist[song] < 0, np.iinfo(np.int64).max, settings.per_artist)
    best = _places(theme, (_places(of_artist, (np.arange(len(song)),)) >= cap, np.arange(len(song)))) < kept[theme]
    # The others' turn: those of an artist who has had hers come last.
    turn = _turns(snapshot, settings, themes, theme, song, worth)
    again = _places(of_artist, (turn, ~best)) >= cap
    place = _places(theme, (turn, again & ~best, ~best))
    taken = np.flatnonzero(place < size[theme])
    return taken[np.lexsort((-worth[taken], ~best[taken], theme[taken]))]


def _turns(
    snapshot: Snapshot, settings: ThemeSettings, themes: pl.DataFrame, theme: Ints, song: npt.NDArray[np.int32], worth: Floats
) -> Floats:
    """`[n]` numbers by which songs come in turn in the period of `snapshot.now`, the smallest first."""
    period = snapshot.now // (settings.refresh_days * SECONDS_PER_DAY)
    names = (f"{snapshot.seed} {period} {row}" for row in themes.select(DIMENSIONS).iter_rows())
    of_theme = np.array([int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") for name in names], np.uint64)
    uniform = (_mixed(of_theme[theme] ^ _mixed(song.astype(np.uint64) + np.uint64(1))) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return np.asarray(-np.log(uniform + 2.0**-54) / np.exp(worth / EVENNESS))


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele et al., OOPSLA 2014): every bit of `x` changes half of the bits of the result."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _places(group: Ints, keys: tuple[npt.NDArray[np.generic], ...]) -> Ints:
    """`[n]` place of each row in its group, from 0, in the order of `keys` (the last one counts first)."""
    order = np.lexsort((*keys, group))
    sorted_group = group[order]
    place = np.empty(len(group), dtype=np.int64)
    place[order] = np.arange(len(group)) - np.searchsorted(sorted_group, sorted_group)
    return place
