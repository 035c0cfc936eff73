"""What an exception means to the person at the command line, and how secrets stay out of every message."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from shutil import disk_usage

from etl.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT)
# Libraries that do not pass the errno on: Arrow and Polars, SQLite, then torch's archive writer.
FULL_TEXTS = ("no space left on device", "disk is full", "disk quota exceeded", "os error 28")
NEARLY_NOTHING = 1 << 20


class Secrets:
    """Passwords of this process, each of which `redact` replaces wherever it stands."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def add(self, *values: str) -> None:
        """Keep `values` out of every later message and log."""
        self._values.update(value for value in values if value)

    def redact(self, text: str) -> str:
        """`text` with every secret as `***`."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, "***")
        return text


SECRETS = Secrets()
"""The one list of this process: settings add to it, messages and logs go through it."""


def chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what caused it, outermost first."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def is_disk_full(error: BaseException, folder: Path | None = None) -> bool:
    """True where writing failed for want of space, by what the error says or by what is left on the disk of `folder`."""
    for cause in chain(error):
        if isinstance(cause, OSError) and cause.errno in FULL:
            return True
        if any(text in str(cause).lower() for text in FULL_TEXTS):
            return True
    # Some writers only say that they failed; then an empty disk is the reason.
    return folder is not None and isinstance(error, (OSError, RuntimeError)) and disk_usage(folder).free < NEARLY_NOTHING


def disk_full(where: Path | str) -> UserError:
    """The mistake that a full disk is reported as."""
    return UserError(f"disk full while writing {where}: free some space and run the command again; nothing that was there is lost")


def one_line(text: str) -> str:
    """`text` without line breaks or secrets."""
    return SECRETS.redact(" ".join(text.split()))
