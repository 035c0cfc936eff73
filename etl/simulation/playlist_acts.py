"""What listeners do with playlists: they open one when its first song is heard, and keep it where its songs please.

Nothing is drawn for it: who hears which playlist is decided with the songs (`choosing`), so the other tables of a seed are what they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from etl.simulation.choosing import FULL, PLAYLISTS, SKIP, VIA, WHY, Picks
from etl.simulation.draws import Ints
from etl.simulation.rows import BEHAVIOURS, PLAY, Rows
from etl.simulation.schedule import DayPlan

ENOUGH: Final = 4
"""A listener keeps a playlist once so many of its songs were heard to the end in one session, and at most half as many skipped."""


@dataclass(frozen=True)
class PlaylistActs:
    """Acts on playlists of one day, `[n]` each, in order of time."""

    row: Ints
    """Row of the day's events, a play of one of the playlist's songs, at whose second it happens and after which it stands."""
    playlist: Ints
    behaviour: Ints
    """Place in `BEHAVIOURS`: a click that opens the playlist, a collect that keeps it."""


def playlist_acts(plan: DayPlan, rows: Rows, picks: Picks) -> PlaylistActs:
    """A click with the first song of a session that comes from a playlist, a collect with the last one where they pleased."""
    play = np.flatnonzero((rows.behaviour == PLAY) & (rows.step >= 0))
    play = play[picks[rows.step[play], WHY] == PLAYLISTS] if len(play) else play
    step = rows.step[play]
    session = np.searchsorted(plan.sessions.first, step, side="right") - 1
    outcome = plan.heard.outcome[step]
    n_sessions = len(plan.sessions.user)
    n_full = np.bincount(session[outcome == FULL], minlength=n_sessions)
    n_skipped = np.bincount(session[outcome == SKIP], minlength=n_sessions)
    pleased = (n_full >= ENOUGH) & (2 * n_skipped <= n_full)
    # Rows stand in order of time, so the first and last of a session are the first and last met.
    opened, first = np.unique(session, return_index=True)
    kept, last = np.unique(session[::-1], return_index=True)
    last = (len(session) - 1 - last)[pleased[kept]]
    row = np.concatenate([play[first], play[last]])
    behaviour = np.repeat([BEHAVIOURS.index("click"), BEHAVIOURS.index("collect")], [len(opened), len(last)])
    order = np.lexsort((behaviour, row))
    return PlaylistActs(row[order], picks[rows.step[row[order]], VIA], behaviour[order])
