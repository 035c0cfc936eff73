"""What comes of every song heard: to the end or skipped, hearts and refusals, and when the next one starts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from etl.simulation.catalogue import LONGEST
from etl.simulation.choosing import (
    AGAIN,
    AT_ONCE,
    FULL,
    LIST,
    NEW,
    NO_REFUSAL,
    PAGE_OF_MVS,
    PARTIAL,
    REFUSE_ARTIST,
    REFUSE_SONG,
    SKIP,
    STREAM,
    Sessions,
)
from etl.simulation.draws import Floats, Ints, Mask, sigmoid
from etl.simulation.listeners import Listeners

SKIP_LOGIT: Final = {"own": -1.09, "repeat": -1.39, "stream": -0.39, "clicked": -1.04}
"""Log odds that a song is skipped at once, at the start of a session."""
FATIGUE: Final = 0.05
"""Added to the log odds of a skip by each song of the session before, up to `TIRED` songs."""
TIRED: Final = 16
PARTIAL_SHARE: Final = 0.22
"""Share of the songs not skipped that are left before the end."""
AT_START: Final = 0.68
"""Share of skips within the first five seconds."""
PROMPT: Final = 2
"""Seconds between a song's start and what leads to it, and between its end and what follows."""
GLAD: Final = {"collect": 0.095, "download": 0.08, "share": 0.03, "comment": 0.035}
"""Chance of each after a song that was new and heard to the end, for a listener of mean warmth."""
FOND: Final = {"collect": 0.0, "download": 0.0, "share": 0.012, "comment": 0.02}
"""The same after a song heard again."""
CROSS: Final = {"dislike": 0.013, "block_song": 0.010, "block_artist": 0.004}
"""Chance of each after a song that was skipped; at most one of them. An artist is blocked at the end of a session only."""
CROSS_COMMENT: Final = 0.012
MOODS: Final = np.array([[0.80, 0.17, 0.03], [0.25, 0.50, 0.25], [0.05, 0.13, 0.82]])
"""Chance that a comment is cool, neutral or warm after a skip, a part and a whole song."""


@dataclass(frozen=True)
class Heard:
    """A row for each row of a day's sessions, `[n]`; rows that are only shown hold the session's start and nothing else."""

    ts: Ints
    """Second at which the step starts."""
    end: Ints
    """Second at which it has ended, were the song as long as songs get."""
    played: Mask
    """False: an item that is only shown."""
    again: Ints
    outcome: Ints
    share: Floats
    """Of the song's length that is heard."""
    ms: Ints
    """Milliseconds heard where they do not follow the song's length; -1 else."""
    collect: Mask
    download: Mask
    share_it: Mask
    comment: Mask
    mood: Ints
    """Of the comment: -1, 0 or 1."""
    refusal: Ints
    """0, or one more than the place of the behaviour in `CROSS`."""

    @classmethod
    def joined(cls, parts: list[Heard]) -> Heard:
        """The rows of all `parts`, one after another."""
        return cls(*(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(cls)))


def draw_outcomes(
    rng: np.random.Generator, listeners: Listeners, sessions: Sessions, start: Ints, again: Ints, n_refused: Ints, most_refused: Ints
) -> tuple[Heard, Ints]:
    """Outcomes of every step of `sessions`, and when each session ends; counts refusals in `n_refused` `[n_users, 2]`."""
    n_steps, n = np.diff(sessions.first), int(sessions.first[-1])
    session = np.repeat(np.arange(len(n_steps)), n_steps)
    user, kind = sessions.user[session], sessions.kind[session]
    step = np.arange(n) - sessions.first[session] - sessions.n_shown[session]
    played, video = step >= 0, kind >= PAGE_OF_MVS
    skipped, partial = _left(rng, kind, again, step, listeners.haste[user])
    outcome = np.where(skipped, SKIP, np.where(partial, PARTIAL, FULL))
    again = _possible(again, step, outcome)
    share, ms = _amounts(rng, outcome, video)
    seconds = np.where(ms >= 0, ms // 1000, np.ceil(share * LONGEST / 1000).astype(np.int64)) + 1
    gap = np.where(played, PROMPT + seconds + PROMPT + rng.integers(0, 5, n), 0)
    before = np.cumsum(gap) - gap
    ts = start[session] + before - before[sessions.first[session]] + np.where(played & (sessions.n_shown[session] > 0), 5, 0)
    song = played & ~video
    refusal = _refusals(rng, session, user, song & skipped & (again == NEW), _last(session), n_refused, most_refused)
    full, warmth = song & (outcome == FULL), listeners.warmth[user]
    chance = {name: np.where(again == NEW, GLAD[name], FOND[name]) * warmth for name in GLAD}
    act = {name: full & (rng.random(n) < chance[name]) for name in GLAD}
    comment = act["comment"] | (song & skipped & (refusal == NO_REFUSAL) & (rng.random(n) < CROSS_COMMENT * warmth))
    mood = (rng.random(n)[:, None] > np.cumsum(MOODS, axis=1)[outcome][:, :2]).sum(axis=1) - 1
    heard = Heard(
        ts, ts + PROMPT + seconds, played, again, outcome, share, ms, act["collect"], act["download"], act["share"], comment, mood, refusal
    )
    end = start.copy()
    np.maximum.at(end, session, heard.end)
    return heard, end


def _left(rng: np.random.Generator, kind: Ints, again: Ints, step: Ints, haste: Floats) -> tuple[Mask, Mask]:
    """Which steps are skipped at once, and which of the others are left before the end."""
    logit = np.where(again >= AGAIN, SKIP_LOGIT["repeat"], SKIP_LOGIT["own"])
    logit = np.where(kind == STREAM, SKIP_LOGIT["stream"], np.where(kind == LIST, SKIP_LOGIT["clicked"], logit))
    skipped = rng.random(len(kind)) < sigmoid(logit + haste + FATIGUE * np.clip(step, 0, TIRED))
    return skipped, ~skipped & (rng.random(len(kind)) < PARTIAL_SHARE)


def _possible(again: Ints, step: Ints, outcome: Ints) -> Ints:
    """A song is played again at once only after it was heard to the end; else the step is what it would have been."""
    possible = (step > 0) & (np.concatenate([[SKIP], outcome[:-1]]) == FULL)
    return np.where(again >= AT_ONCE, np.where(possible, AT_ONCE, again - AT_ONCE), again)


def _amounts(rng: np.random.Generator, outcome: Ints, video: Mask) -> tuple[Floats, Ints]:
    """Share of the song heard, or milliseconds of skips and videos: a skip is under half a minute, a part under four fifths."""
    n = len(outcome)
    share = np.where(outcome == FULL, np.minimum(1.0, rng.uniform(0.86, 1.2, n)), rng.uniform(0.32, 0.78, n))
    late = rng.random(n) >= AT_START
    ms = np.where(late, rng.integers(5_000, 29_000, n), rng.integers(800, 5_000, n))
    return share, np.where(video, rng.integers(8_000, 57_000, n), np.where(outcome == SKIP, ms, -1))


def _last(session: Ints) -> Mask:
    """The last step of every session."""
    return np.append(session[1:] != session[:-1], True)[: len(session)]


def _refusals(
    rng: np.random.Generator, session: Ints, user: Ints, candidates: Mask, last: Mask, n_refused: Ints, most_refused: Ints
) -> Ints:
    """At most one refusal a step, and as many of songs and of artists a listener as there is room for."""
    drawn = np.searchsorted(np.cumsum(list(CROSS.values())), rng.random(len(user)), side="right") + 1
    drawn = np.where(candidates & (drawn <= len(CROSS)), drawn, NO_REFUSAL)
    drawn = np.where((drawn == len(CROSS)) & ~last, NO_REFUSAL, drawn)
    for of_artist in (0, 1):
        here = (drawn > 0) & ((drawn == len(CROSS)) == bool(of_artist))
        running = np.cumsum(here)
        base = np.maximum.accumulate(np.where(np.append(True, session[1:] != session[:-1])[: len(user)], running - here, 0))
        too_many = here & (n_refused[user, of_artist] + running - base > most_refused[user, of_artist])
        drawn[too_many] = NO_REFUSAL
        np.add.at(n_refused[:, of_artist], user[here & ~too_many], 1)
    return drawn


def refusal_codes(refusal: Ints) -> Ints:
    """Refusals as compiled code takes them: of the song or of its artist."""
    return np.where(refusal == len(CROSS), REFUSE_ARTIST, np.where(refusal > 0, REFUSE_SONG, NO_REFUSAL))
