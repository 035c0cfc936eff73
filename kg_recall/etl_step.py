"""The step etl: the source's tables into the lake, and the report of what was kept."""

from __future__ import annotations

from pathlib import Path

from etl.source import Source
from kg_recall.context import Context
from kg_recall.logs import log

CHUNKS = ".chunks-etl"
"""Where events lie in the workspace until all are read; survives a kill."""


def source_fingerprint(context: Context) -> str:
    """Cheap identity of what the source holds at the moment.

    Raises:
        UserError: the source is missing, is no database, or refuses.
    """
    return _source(context).fingerprint()


def run(context: Context, folder: Path) -> None:
    """Write `lake/`, `staged/` and `reports/etl.{json,md}` into `folder`; days staged by an earlier run are not read again.

    Raises:
        UserError: the source cannot be read, lacks something required, or has too many unusable rows.
    """
    from etl.pipeline import write_lake
    from etl.sentiment import backend_class

    backend_class(context.settings.etl.sentiment.backend)  # told before hours of reading, not after
    rules, workspace = context.settings.etl, context.workspace
    # Without a record something that the earlier run staged may be gone: then everything is read.
    previous = workspace.folder if workspace.record("etl") is not None else None
    with context.progress.stages() as tell:
        report = write_lake(
            _source(context),
            rules,
            folder,
            max_rejected=rules.max_rejected,
            previous=previous,
            scratch=workspace.path(CHUNKS),
            clock=context.settings.evaluate.split == "time",
            progress=tell,
        )
    report.write(folder / "reports")
    log.info("etl: %s", report.reading)
    for hint in report.hints:
        log.warning("etl: %s", hint)


def _source(context: Context) -> Source:
    return Source(context.settings.source_url().url, context.settings.source.tables)
