"""The step etl: the source's tables into the lake, and the report of what was kept."""

from __future__ import annotations

from pathlib import Path

from etl.source import Source
from kg_recall.context import Context


def source_fingerprint(context: Context) -> str:
    """Cheap identity of what the source holds at the moment.

    Raises:
        UserError: the source is missing, is no database, or refuses.
    """
    return _source(context).fingerprint()


def run(context: Context, folder: Path) -> None:
    """Write `lake/` and `reports/etl.{json,md}` into `folder`.

    Raises:
        UserError: the source cannot be read, lacks something required, or has too many unusable rows.
    """
    from etl.pipeline import build_lake

    rules = context.settings.etl
    with context.progress.stages() as tell:
        lake, report = build_lake(_source(context), rules, max_rejected=rules.max_rejected, progress=tell)
    lake.write(folder / "lake")
    report.write(folder / "reports")


def _source(context: Context) -> Source:
    return Source(context.settings.source_url().url, context.settings.source.tables)
