"""The workspace's log: what the rooms report and the traceback of a defect, without secrets."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from kg_recall.errors import SECRETS

LOG_NAME = "kg-recall.log"
MEGABYTES = 4
KEPT = 3
log = logging.getLogger("kg_recall")


class Redacting(logging.Formatter):
    """Formats a record, traceback included, and then takes every secret out."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return SECRETS.redact(super().format(record))


def log_into(folder: Path) -> None:
    """Send every later log record, and Python's warnings, into `folder`; a folder that cannot be written gets none."""
    root = logging.getLogger()
    path = (folder / LOG_NAME).resolve()
    if any(isinstance(handler, RotatingFileHandler) and Path(handler.baseFilename) == path for handler in root.handlers):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=MEGABYTES << 20, backupCount=KEPT, encoding="utf-8")
    except OSError:
        return
    handler.setFormatter(Redacting("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)


def log_path() -> Path | None:
    """The log file of this process, or None where it has none."""
    handlers = (handler for handler in logging.getLogger().handlers if isinstance(handler, RotatingFileHandler))
    return next((Path(handler.baseFilename) for handler in handlers), None)


def stop_logging() -> None:
    """Close the log files of this process."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, RotatingFileHandler)]:
        root.removeHandler(handler)
        handler.close()
    logging.captureWarnings(False)
