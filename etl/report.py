"""The report of one extraction: what was read, kept and rejected, with an example of each reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from etl.catalogue import Catalogue
from etl.cleaning import Ledger
from etl.event_writer import Written
from etl.extraction import Extraction
from etl.time_units import unit_hint

EXAMPLE_LENGTH = 300


@dataclass(frozen=True)
class EtlReport:
    """Counts by table. `read[t] = kept[t] + sum(rejected[t].values())` for every table `t`.

    A name `table.column` counts values, not rows: the row was kept, and this one value of it set aside.
    """

    read: dict[str, int]
    kept: dict[str, int]
    rejected: dict[str, dict[str, int]]
    examples: dict[str, dict[str, str]]
    """Table → reason → one rejected row as JSON."""
    derived: dict[str, int]
    """Events that no source row states, by behaviour."""
    flagged: dict[str, int]
    """Events that stay in the lake and are not learned from, by flag (`etl.flags.Flag`)."""
    entities: dict[str, int]
    """Entities by kind."""
    facts: dict[str, int]
    """Facts by relation."""
    extraction: Extraction
    """How the events were read."""

    @classmethod
    def of(cls, ledger: Ledger, catalogue: Catalogue, triples: pl.DataFrame, written: Written, extraction: Extraction) -> EtlReport:
        """The report of what `ledger` noted and the lake holds."""
        rejected = {name: dict(sorted(ledger.counts.get(name, {}).items())) for name in ledger.names}
        examples = {name: dict(sorted(ledger.examples.get(name, {}).items())) for name in ledger.names}
        read = {name: ledger.read[name] for name in ledger.names}
        kept = {name: rows - sum(rejected[name].values()) for name, rows in read.items()}
        return cls(
            read,
            kept,
            rejected,
            examples,
            written.derived,
            written.flagged,
            _counts(catalogue.entities, "kind"),
            _counts(triples, "relation"),
            extraction,
        )

    def write(self, folder: Path) -> None:
        """Write `etl.json` and `etl.md` into `folder` (created if missing)."""
        folder.mkdir(parents=True, exist_ok=True)
        counts = {
            "read": self.read,
            "kept": self.kept,
            "rejected": self.rejected,
            "derived": self.derived,
            "flagged": self.flagged,
            "entities": self.entities,
            "facts": self.facts,
            "events_read": {"rows": self.extraction.rows_read, "since": self.extraction.since},
        }
        (folder / "etl.json").write_text(json.dumps(counts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        (folder / "etl.md").write_text(self.markdown(), encoding="utf-8")

    def markdown(self) -> str:
        """The report for a reader."""
        rows = [(name, read, self.kept[name], read - self.kept[name]) for name, read in self.read.items()]
        parts = ["# Extraction and cleaning", "", *_table(("table", "read", "kept", "rejected"), rows), ""]
        parts += ["A name with a point counts values of one column: the row was kept without the value.", "", self.reading, ""]
        parts += ["## Rejected", "", *self._reasons(), ""]
        parts += [line for hint in self.hints for line in (hint, "")]
        counted = {
            "Derived events": self.derived,
            "Events not learned from": self.flagged,
            "Entities": self.entities,
            "Facts": self.facts,
        }
        for title, counts in counted.items():
            parts += [f"## {title}", "", *_table(("name", "count"), list(counts.items())), ""]
        return "\n".join(parts)

    @property
    def reading(self) -> str:
        """How the events were read, as a sentence."""
        rows = f"{self.extraction.rows_read:,} rows of events came out of the source this time"
        return f"{rows}: those since {self.extraction.since}." if self.extraction.since else f"{rows}: {self.extraction.why}."

    @property
    def hints(self) -> list[str]:
        """What a person should know of rejected rows, a line each: times that are in another unit."""
        return [
            f"Set aside from {table} as {reason!r}: {count:,}. Of these, {hint}."
            for table, reasons in self.rejected.items()
            for reason, count in reasons.items()
            if (hint := unit_hint(table, reason, self.examples[table][reason])) is not None
        ]

    def _reasons(self) -> list[str]:
        rows = [
            (table, reason, count, f"`{_cell(self.examples[table][reason])}`")
            for table, reasons in self.rejected.items()
            for reason, count in reasons.items()
        ]
        return _table(("table", "reason", "rows", "example"), rows) if rows else ["Nothing."]


def _counts(frame: pl.DataFrame, column: str) -> dict[str, int]:
    counted = frame.group_by(column, maintain_order=True).len()
    names, counts = counted[column].to_list(), counted["len"].to_list()
    return dict(sorted(zip(names, counts, strict=True)))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str | int, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return ["| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in line) + " |" for line in lines]


def _cell(text: str) -> str:
    return text[:EXAMPLE_LENGTH].replace("|", "\\|").replace("`", "'").replace("\n", " ")
