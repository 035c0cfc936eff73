"""What a person sees of long work: one bar per task on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[float], None]
"""Call it with the number of units done since the last call."""


class Progress:
    """Shows tasks on a terminal's stderr; silent with `--quiet` and where stderr is no terminal."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.visible = not quiet and sys.stderr.isatty()

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Advance]:
        """One task of `total` units (None: unknown, shown as a moving bar) for as long as the block runs."""
        if not self.visible:
            yield _nothing
            return
        # Rich's bars take a tenth of a second to import, which a silent run need not pay.
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()]
        if total is not None:
            columns.insert(3, MofNCompleteColumn())
        with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task(description, total=total)
            yield lambda units: bars.advance(task, units)


def _nothing(units: float) -> None:
    """Advance of a task that is not shown."""
