"""Listeners: profiles, several interests that follow the profile and drift, friends, activity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from etl.simulation.catalogue import STYLE_SHARE, STYLES, World
from etl.simulation.draws import Floats, Ints, Mask, WeightedGroups, choose
from etl.simulation.names import LANGUAGES
from etl.simulation.settings import SimulationSettings

N_INTERESTS, N_FAVOURITES, N_SLOTS = 4, 5, 4
COUNTRIES: Final = ("CN", "HK", "US", "JP", "KR", "MY")
COUNTRY_SHARE: Final = np.array([0.66, 0.09, 0.09, 0.06, 0.05, 0.05])
LANGUAGE_OF_COUNTRY: Final = np.array(
    [
        [0.66, 0.08, 0.14, 0.08, 0.04],
        [0.20, 0.58, 0.14, 0.05, 0.03],
        [0.12, 0.03, 0.78, 0.03, 0.04],
        [0.06, 0.02, 0.18, 0.70, 0.04],
        [0.06, 0.02, 0.18, 0.04, 0.70],
        [0.50, 0.18, 0.26, 0.03, 0.03],
    ]
)
STYLE_BIRTH: Final = np.array([1995, 1988, 1984, 1998, 2002, 2001, 1994, 1976, 1972, 1996, 1986, 1992, 1990, 2004])
"""Birth year of the generation to which a style speaks most."""
STYLE_GENDER: Final = np.array([0.2, 0.1, -0.4, -0.1, -0.3, 0.5, 0.3, 0.0, 0.2, 0.0, -0.8, 0.4, -0.3, 0.1])
"""Log odds that a style's listener is a woman."""
ERAS: Final = np.array([2000, 2012])
SLOT_SHARE: Final = np.array([0.2, 0.2, 0.27, 0.33])
"""Share of sessions in the morning, at noon, in the evening and at night, for a listener without habits."""


@dataclass(frozen=True)
class Tastes:
    """What interests are about: facets of every song as listeners feel them, `[n_songs]` each.

    They are the facets of the catalogue, or those of another song where tastes do not follow facts.
    """

    style: Ints
    language: Ints
    artist: Ints
    by_artist: WeightedGroups
    by_cell: WeightedGroups
    """Songs by `style * n_languages + language`."""


@dataclass(frozen=True)
class Interests:
    """Up to four interests a listener, each in the versions that it goes through: `[n_versions, n_users, 4]`; style -1: none."""

    style: Ints
    language: Ints
    artists: Ints
    """Favourites, `[n_versions, n_users, 4, 5]`; -1 where nobody sings so."""
    change_day: Ints
    """Day from which each version but the first holds, `[n_versions - 1, n_users, 4]`; past the period where it never does."""

    def on(self, day: int) -> npt.NDArray[np.int32]:
        """Interests of `day` as compiled code takes them: style, language and favourites, `[n_users, 4, 7]`."""
        at = (day >= self.change_day).sum(axis=0)
        users, k = np.indices(at.shape)
        facets = [self.style[at, users, k][:, :, None], self.language[at, users, k][:, :, None], self.artists[at, users, k]]
        return np.concatenate(facets, axis=2).astype(np.int32)


@dataclass(frozen=True)
class Listeners:
    """Profiles and traits by row number, `[n_users]` each."""

    gender: Ints
    """0 unknown, 1 woman, 2 man."""
    birth_year: Ints
    birth_known: Mask
    country: Ints
    signup_day: Ints
    """Days from the start of the period; negative before it."""
    activity: Floats
    """Sessions a weekday; 0 for listeners without events."""
    weekend: Floats
    """Sessions of a Saturday or Sunday, against a weekday."""
    habit: Floats
    """Share of sessions at each time of day, `[n_users, 4]`."""
    patience: Floats
    """Factor on the songs of a session."""
    haste: Floats
    """Added to the log odds of a skip."""
    warmth: Floats
    """Factor on the chance of hearts, shares and comments."""
    repeat_share: Floats
    organic_share: Floats
    disliked_style: Ints
    interests: Interests
    preference: Floats
    """Log weight of each interest at each time of day when the period starts, `[n_users, 4 slots, 4]`."""
    friend_from: Ints
    friend_to: Ints

    @property
    def n_users(self) -> int:
        """Number of listeners."""
        return len(self.gender)


def build_tastes(settings: SimulationSettings, world: World, rng: np.random.Generator) -> Tastes:
    """Facets by which songs are liked; permuted over songs where tastes do not follow facts."""
    hidden = rng.permutation(world.n_songs)
    of = np.arange(world.n_songs) if settings.world.tastes_follow_facts else hidden
    style, language, artist = world.song_style[of], world.song_language[of], world.song_artist[of]
    songs, weight = np.arange(world.n_songs), world.song_weight**0.6
    cells = style * len(LANGUAGES) + language
    return Tastes(
        style,
        language,
        artist,
        WeightedGroups.build(artist, songs, weight, world.n_artists),
        WeightedGroups.build(cells, songs, weight, len(STYLES) * len(LANGUAGES)),
    )


def build_listeners(settings: SimulationSettings, world: World, rng: np.random.Generator) -> Listeners:
    """Draw `settings.n_users` listeners: the same for every preset, but for how their interests change."""
    n = settings.n_users
    of_traits, of_friends, of_interests = rng.spawn(3)
    gender = of_traits.choice(3, n, p=[0.1, 0.47, 0.43])
    birth_year = np.clip(of_traits.normal(1994, 9, n), 1955, 2011).astype(np.int64)
    country = of_traits.choice(len(COUNTRIES), n, p=COUNTRY_SHARE)
    late = of_traits.integers(0, max(1, settings.n_days * 3 // 4), n)
    signup = np.where(of_traits.random(n) < 0.88, -of_traits.integers(1, 1500, n), late)
    active = of_traits.random(n) >= settings.cold_share
    interests = _versions(settings, world, of_interests, gender, birth_year, country)
    friend_from, friend_to = _friends(of_friends, interests.style[0, :, 0])
    habit = SLOT_SHARE * of_traits.lognormal(0, 0.6, (n, N_SLOTS))
    return Listeners(
        gender=gender,
        birth_year=birth_year,
        birth_known=of_traits.random(n) < 0.93,
        country=country,
        signup_day=signup,
        activity=np.where(active, settings.sessions_per_day * of_traits.lognormal(0, 0.9, n), 0.0),
        weekend=1.3 * of_traits.lognormal(0, 0.3, n),
        habit=habit / habit.sum(axis=1, keepdims=True),
        patience=of_traits.lognormal(0, 0.4, n),
        haste=of_traits.normal(0, 0.6, n),
        warmth=of_traits.gamma(1.5, 1 / 1.5, n),
        repeat_share=of_traits.beta(8 * settings.repeat_share, 8 * (1 - settings.repeat_share), n),
        organic_share=of_traits.beta(6, 5, n),
        disliked_style=of_traits.integers(0, len(STYLES), n),
        interests=interests,
        preference=of_traits.normal(0, 1.3, (n, N_SLOTS, N_INTERESTS)) + np.array([0.9, 0.3, 0.0, -0.3]),
        friend_from=friend_from,
        friend_to=friend_to,
    )


def _versions(
    settings: SimulationSettings, world: World, rng: np.random.Generator, gender: Ints, birth_year: Ints, country: Ints
) -> Interests:
    """The versions of every interest: the days are cut into as many parts as there may be changes, one change in each by chance."""
    n, n_changes = len(gender), settings.world.n_changes
    style, language, artists = zip(*(_interests(world, rng, gender, birth_year, country) for _ in range(1 + n_changes)), strict=True)
    styles = np.stack(style)
    styles[:, styles[0] < 0] = -1
    edges = np.linspace(1, settings.n_days + 1, n_changes + 1)
    day = np.floor(edges[:-1, None, None] + rng.random((n_changes, n, N_INTERESTS)) * np.diff(edges)[:, None, None])
    happens = rng.random((n_changes, n, N_INTERESTS)) < settings.world.change_chance
    never = settings.n_days + 1
    days = np.sort(np.where(happens, day, never), axis=0).astype(np.int64)
    return Interests(styles, np.stack(language), np.stack(artists), days)


def _interests(world: World, rng: np.random.Generator, gender: Ints, birth_year: Ints, country: Ints) -> tuple[Ints, Ints, Ints]:
    """Two to four interests: a style of the listener's generation, a language of the country, artists of both."""
    n = len(gender)
    sign = np.array([0.0, 0.5, -0.5])[gender][:, None]
    weight = STYLE_SHARE * np.exp(-(((birth_year[:, None] - STYLE_BIRTH) / 9.0) ** 2) / 2 + sign * STYLE_GENDER) + 1e-9
    style = np.empty((n, N_INTERESTS), dtype=np.int64)
    for k in range(N_INTERESTS):
        style[:, k] = choose(rng, weight)
        weight[np.arange(n), style[:, k]] *= 0.05
    language = choose(rng, np.repeat(LANGUAGE_OF_COUNTRY[country], N_INTERESTS, axis=0)).reshape(n, N_INTERESTS)
    artists = _favourites(world, rng, style, language, np.searchsorted(ERAS, birth_year + 18))
    number = rng.integers(2, N_INTERESTS + 1, n)
    return np.where(np.arange(N_INTERESTS) < number[:, None], style, -1), language, artists


def _favourites(world: World, rng: np.random.Generator, style: Ints, language: Ints, era: Ints) -> Ints:
    """Artists of an interest, of the listener's era where there are any; -1 where nobody sings so."""
    n_languages, n_eras = len(LANGUAGES), len(ERAS) + 1
    cell = world.artist_style * n_languages + world.artist_language
    artists, weight, n_cells = np.arange(world.n_artists), world.artist_weight**0.5, len(STYLES) * n_languages
    of_era = WeightedGroups.build(cell * n_eras + np.searchsorted(ERAS, world.artist_year), artists, weight, n_cells * n_eras)
    of_cell = WeightedGroups.build(cell, artists, weight, n_cells)
    wanted = np.repeat((style * n_languages + language).ravel(), N_FAVOURITES)
    eras = np.repeat(era, N_INTERESTS * N_FAVOURITES)
    near = np.where(rng.random(len(wanted)) < 0.7, of_era.draw(rng, wanted * n_eras + eras), -1)
    drawn = np.where(near >= 0, near, of_cell.draw(rng, wanted))
    return drawn.reshape(*style.shape, N_FAVOURITES)


def _friends(rng: np.random.Generator, style: Ints) -> tuple[Ints, Ints]:
    """About four friends each, six in ten with the same first interest; both directions, once each."""
    n = len(style)
    users = np.repeat(np.arange(n), 2)
    alike = WeightedGroups.build(style, np.arange(n), np.ones(n), len(STYLES)).draw(rng, style[users])
    other = np.where(rng.random(len(users)) < 0.6, alike, rng.integers(0, n, len(users)))
    pairs = np.column_stack([users, other])[users != other]
    both = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    return both[:, 0], both[:, 1]
