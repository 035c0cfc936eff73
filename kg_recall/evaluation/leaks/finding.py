"""What a check is: a function that looks at columns and either says nothing or what is wrong with them, under its own name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Final, ParamSpec

import numpy as np
import numpy.typing as npt

P = ParamSpec("P")


@dataclass(frozen=True)
class Finding:
    """One leak or defect."""

    check: str
    """Name of the check that found it."""
    detail: str
    """What is wrong, with an example, in one line."""


class LeakError(AssertionError):
    """A leak was found: no number made from these data means anything."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"{finding.check}: {finding.detail}")
        self.finding = finding


CHECKS: Final[dict[str, Callable[..., Finding | None]]] = {}
"""Every check by its name."""


def check(rule: Callable[P, str | None]) -> Callable[P, Finding | None]:
    """Make `rule`, which says what is wrong or None, a check of the rule's name."""

    @wraps(rule)
    def checked(*args: P.args, **kwargs: P.kwargs) -> Finding | None:
        detail = rule(*args, **kwargs)
        return None if detail is None else Finding(rule.__name__, detail)

    CHECKS[rule.__name__] = checked
    return checked


def check_leaks(*found: Iterable[Finding | None]) -> None:
    """The one gate: stop at the first finding of these groups of checks; later checks are then not made.

    Raises:
        LeakError: a check found something.
    """
    for group in found:
        for finding in group:
            if finding is not None:
                raise LeakError(finding)


def first_true(wrong: npt.NDArray[np.bool_]) -> int | None:
    """Row of the first true value; None without one."""
    return int(wrong.argmax()) if wrong.any() else None
