"""What a listener's answer is worth: probabilities of the tasks as one number, by weights that are declared for each scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from etl.errors import UserError

TASKS: Final = ("click", "full_play", "heart", "skip")
"""What is foreseen of an exposure, in the order of all columns of tasks."""
DIRECTION: Final = (1.0, 1.0, 1.0, -1.0)
"""Of each task: 1 where more of it is better, -1 where worse."""


@dataclass(frozen=True)
class Utility:
    """Settings of `[rank.utility.SCENE]`: worth of each answer, in full plays."""

    click: float = 0.1
    full_play: float = 1.0
    heart: float = 2.0
    skip: float = -0.5
    """0 or less: it costs."""

    def __post_init__(self) -> None:
        weights = np.array(astuple(self))
        wrong = [name for name, weight, sign in zip(TASKS, weights, DIRECTION, strict=True) if not np.isfinite(weight) or weight * sign < 0]
        if wrong:
            raise UserError(f"{wrong[0]} = {getattr(self, wrong[0])}: give a finite number, from 0 up, for skip from 0 down")
        if not weights.any():
            raise UserError("all weights are 0, so every song is worth the same: give at least one")

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """`[4]` in the order of `TASKS`."""
        return np.array(astuple(self), dtype=np.float64)


UTILITIES: Final[Mapping[str, Utility]] = {
    "daily": Utility(),
    "fm": Utility(click=0.0, full_play=1.0, heart=2.0, skip=-1.5),
}
"""By name of scene. A list is looked over, so what is passed by costs little, and what is kept counts most; on a radio every song is
heard, nobody clicks, and a skip is what drives a listener away. A scene that has none of its own takes that of `daily`."""
DEFAULT: Final = "daily"


def utility(probabilities: npt.NDArray[np.floating], weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Expected worth `[n]` of `probabilities` `[n, 4]` under `weights` `[4]`, or `[n, 4]` for each row its own."""
    worth: npt.NDArray[np.float64] = (probabilities.astype(np.float64) * weights).sum(axis=1)
    return worth


def utility_logit(logits: npt.NDArray[np.floating], weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """A score `[n]` that grows with the utility of tasks with these `logits` `[n, 4]`: the logit of its place between worst and best.

    With one weight it is the logit of that task, turned round for skips. What is gained and
    what is missed are summed apart, so nothing is rounded away where all are near one end.
    """
    good = np.where(weights < 0, -1.0, 1.0) * logits.astype(np.float64)
    gained, missed = ((np.abs(weights) * _sigmoid(side)).sum(axis=1) for side in (good, -good))
    place: npt.NDArray[np.float32] = (np.log(gained) - np.log(missed)).astype(np.float32)
    return place


def scene_weights(utilities: Mapping[str, Utility], scenes: tuple[str, ...], scene: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """`[n, 4]` weights of the scene of each example, by its code into `scenes`; an unknown scene has those of `DEFAULT`."""
    fallback = utilities.get(DEFAULT, UTILITIES[DEFAULT])
    table = np.stack([utilities.get(name, fallback).weights for name in scenes] + [fallback.weights])
    known = (scene >= 0) & (scene < len(scenes))
    return table[np.where(known, scene, len(scenes))]


def _sigmoid(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    result: npt.NDArray[np.float64] = np.exp(-np.logaddexp(0.0, -x))
    return result
