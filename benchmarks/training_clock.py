"""The time of a training: on the clock and of the processor, standing still while the model is validated."""

from __future__ import annotations

import time
from typing import NamedTuple

from leave_last import Floats, Histories, Ints, ndcg, ranks_by_vectors


class Point(NamedTuple):
    """A model on its way."""

    cpu: float
    """Seconds of the processor that training has taken."""
    wall: float
    """The same on the clock."""
    ndcg: float
    """Validation NDCG@10."""
    steps: int
    examples: int
    """Targets that have been learned from, each as often as it was."""


class Clock:
    """Runs from `start`, stands still from `pause` to the end of `check`."""

    def __init__(self, train: Histories, users: Ints, target: Ints, goal: float, limit: float) -> None:
        """Validation by the `target` `[n]` of `users` `[n]`; `limit` is in seconds of the processor."""
        self.train, self.users, self.target, self.goal, self.limit = train, users, target, goal, limit
        self.cpu = self.wall = 0.0
        self.steps = self.examples = 0
        self.curve: list[Point] = []
        self.start()

    def start(self) -> None:
        """Run."""
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def step(self, examples: int) -> None:
        """Count a step of training."""
        self.steps, self.examples = self.steps + 1, self.examples + examples

    def pause(self) -> None:
        """Stand still."""
        self.cpu, self.wall = self.cpu + time.process_time() - self._cpu, self.wall + time.perf_counter() - self._wall

    def check(self, vectors: Floats, table: Floats) -> bool:
        """Whether the goal is reached or the time is spent, by user vectors `[n, dim]` and item vectors `[n_items, dim]`; runs again."""
        value = float(ndcg(ranks_by_vectors(vectors, table, self.users, self.target, self.train)).mean())
        self.curve.append(Point(self.cpu, self.wall, value, self.steps, self.examples))
        print(f"{self.cpu:8.1f} s CPU {self.wall:8.1f} s  {self.steps} steps  NDCG@10 {value:.4f}", flush=True)
        self.start()
        return value >= self.goal or self.cpu >= self.limit
