"""What a person sees of long work: one bar per task on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

Advance = Callable[[float], None]
"""Call it with the number of units done since the last call."""
Tell = Callable[[str, int, int], None]
"""Call it with the stage, how much of it is done, and its total (0 where unknown)."""


class Progress:
    """Shows tasks on a terminal's stderr; silent with `--quiet` and where stderr is no terminal. A task may hold others."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.visible = not quiet and sys.stderr.isatty()
        self._bars: Bars | None = None

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Advance]:
        """One task of `total` units (None: unknown, shown as a moving bar) for as long as the block runs."""
        if not self.visible:
            yield _nothing
            return
        with self._shown() as bars:
            task = bars.add_task(description, total=total)
            try:
                yield lambda units: bars.advance(task, units)
            finally:
                bars.remove_task(task)

    @contextmanager
    def stages(self) -> Iterator[Tell]:
        """One task after another, each as it is told of."""
        if not self.visible:
            yield _no_stage
            return
        with self._shown() as bars:
            task = bars.add_task("", total=None)
            try:
                yield lambda stage, done, total: bars.update(task, description=stage, completed=done, total=total or None)
            finally:
                bars.remove_task(task)

    @contextmanager
    def _shown(self) -> Iterator[Bars]:
        """The display, which the outermost task starts and ends."""
        if self._bars is not None:
            yield self._bars
            return
        # A silent run need not pay for the import.
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Bars(*columns, console=Console(stderr=True), transient=True) as self._bars:
            try:
                yield self._bars
            finally:
                self._bars = None


def _nothing(units: float) -> None:
    """Advance of a task that is not shown."""


def _no_stage(stage: str, done: int, total: int) -> None:
    """Stage that is not shown."""
