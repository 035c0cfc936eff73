"""How much a listener wants a song now: what clicks, full plays, hearts and skips of the simulation follow."""

from __future__ import annotations

import numpy as np

from etl.simulation.causes import Causes, Moment
from etl.simulation.draws import Floats, Ints
from etl.simulation.listeners import Interests, Listeners
from etl.simulation.settings import Strengths

RECENT = 30
"""Recent plays that an item is matched against."""


def affinity(causes: Causes, listeners: Listeners, strengths: Strengths, moment: Moment, items: Ints) -> Floats:
    """Log odds of liking (up to a constant) of `items` `[n, m]` for the listeners of `moment` `[n]`.

    Three sums: long tastes (interests of the profile, the one of this time of day first), recent plays (same artist, style,
    drama, show, the song itself), and the song's own quality. Links by fact count only where their cause is on.
    """
    tastes, world = causes.tastes, causes.world
    long = _long(causes.interests, moment, tastes.style[items], tastes.language[items], tastes.artist[items])
    disliked = tastes.style[items] == listeners.disliked_style[moment.users][:, None]
    recent, weight = causes.history.recent(moment.users, RECENT)
    weight = np.where(recent >= 0, weight - 0.35 * 0.93 ** np.arange(RECENT), 0.0)
    artist = _match(tastes.artist[items], tastes.artist[recent], weight)
    style = _match(tastes.style[items], tastes.style[recent], weight)
    show = causes.artist_show[world.song_artist]
    drama = _match(world.song_drama[items], world.song_drama[recent], weight)
    rivals = _match(show[items], show[recent], weight)
    again = _match(items, recent, weight)
    facts = 1.6 * (strengths.drama > 0) * np.tanh(drama) + 0.9 * (strengths.show > 0) * np.tanh(rivals / 2)
    short = 1.0 * np.tanh(artist) + 1.1 * np.tanh(style / 3) + 0.9 * np.tanh(again)
    return np.asarray(long - 1.5 * disliked + short + facts + 0.35 * world.song_quality[items])


def _long(interests: Interests, moment: Moment, style: Ints, language: Ints, artist: Ints) -> Floats:
    """Match with the interest of the moment, and a third of that with any other."""
    rows = np.arange(len(moment.users))
    styles, languages = interests.style[moment.users], interests.language[moment.users]
    artists = interests.artists[moment.users]
    any_style = (style[:, :, None] == styles[:, None, :]).any(axis=2)
    any_artist = (artist[:, :, None] == artists.reshape(len(rows), artists.shape[1] * artists.shape[2])[:, None, :]).any(axis=2)
    now_artist = (artist[:, :, None] == artists[rows, moment.interest][:, None, :]).any(axis=2)
    now_style = style == styles[rows, moment.interest][:, None]
    now_language = language == languages[rows, moment.interest][:, None]
    return np.asarray(0.5 * any_style + 1.0 * now_style + 0.5 * any_artist + 0.9 * now_artist + 0.6 * now_language)


def _match(items: Ints, recent: Ints, weight: Floats) -> Floats:
    """Sum of the weights of recent plays with the same value, `[n, m]`; negative values match nothing."""
    same = (items[:, :, None] == recent[:, None, :]) & (items[:, :, None] >= 0)
    return np.asarray(np.einsum("nmr,nr->nm", same, weight))
