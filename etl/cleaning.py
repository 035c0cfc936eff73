"""Reject rules: every row of a source table is kept, or set aside with one reason. Nothing vanishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from etl.contract import TABLES, Column, Table
from etl.errors import UserError
from etl.lake import REJECTED_SCHEMA
from etl.time_units import unit_hint
from etl.typed_columns import ROW, typed, unreadable

LONGEST_EXAMPLE = 200
EVENT_KEY = ("user_id", "item_id", "behaviour", "ts")
Known = Mapping[str, pl.Series]
"""Kind of entity → ids that exist. A kind without an entry has no table of its own: any id names one."""


@dataclass(frozen=True)
class Check:
    """One reject rule: rows for which `fails` is true are set aside for `reason`."""

    reason: str
    fails: pl.Expr


@dataclass
class Ledger:
    """What was read and what was set aside. An optional value set aside alone counts under `table.column`."""

    read: dict[str, int] = field(default_factory=dict)
    rejected: list[pl.DataFrame] = field(default_factory=list)
    """Rows set aside, with the columns of `REJECTED_SCHEMA`."""
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Name → reason → rows or values set aside; of tables that are cleaned in parts, without the rows themselves."""
    examples: dict[str, dict[str, str]] = field(default_factory=dict)
    """Name → reason → one source row as JSON."""

    @property
    def names(self) -> list[str]:
        """Tables in the contract's order, each followed by its columns that have values set aside."""
        order = {name: place for place, name in enumerate(TABLES)}
        return sorted(self.read, key=lambda name: (order[name.split(".")[0]], name))

    def set_aside(self, name: str, key: Sequence[str], raw: pl.DataFrame, marked: pl.DataFrame) -> None:
        """Note the rows of `raw` that `marked` names (`ROW`, `reason`), with the values of their `key` columns."""
        if marked.is_empty():
            return
        rows = rejected_rows(name, key, raw, marked)
        self.rejected.append(rows)
        for reason, count, example in counted_reasons(rows).select("reason", "count", "example").iter_rows():
            self.count(name, reason, count, example)

    def count(self, name: str, reason: str, count: int, example: str) -> None:
        """Add rows or values set aside; the first example stays."""
        reasons = self.counts.setdefault(name, {})
        reasons[reason] = reasons.get(reason, 0) + count
        self.examples.setdefault(name, {}).setdefault(reason, example)

    def table(self, *names: str) -> pl.DataFrame:
        """Rows set aside of the given tables and of their columns, in the order of `names`, then by reason, key, row."""
        whole = pl.concat([pl.DataFrame(schema=REJECTED_SCHEMA), *self.rejected])
        place = pl.col("table").replace_strict({name: i for i, name in enumerate(self.names)}, return_dtype=pl.Int64)
        wanted = whole.filter(pl.col("table").str.replace(r"\..*", "").is_in(names))
        return wanted.sort(place, "reason", "key", "row")

    def limit(self, max_rejected: float) -> None:
        """Stop where too much of a table was set aside.

        Raises:
            UserError: the rejected share of one table is above `max_rejected`.
        """
        for name in self.names:
            if sum(self.counts.get(name, {}).values()) > max_rejected * self.read[name]:
                raise UserError(_too_many(name, self.read[name], self.counts[name], self.examples[name], max_rejected))


def rejected_rows(name: str, key: Sequence[str], raw: pl.DataFrame, marked: pl.DataFrame) -> pl.DataFrame:
    """Rows of `raw` that `marked` names (`ROW`, `reason`), in its order, as `REJECTED_SCHEMA` has them.

    An event that has no id of its own is named by user, item, behaviour and time.
    """
    rows = raw[marked[ROW]]
    own = _joined(rows, key)
    keys = pl.when(own == "").then(_joined(rows, EVENT_KEY)).otherwise(own) if "event_id" in key else own
    columns = {"table": pl.lit(name), "reason": pl.lit(marked["reason"]), "key": keys, "row": pl.struct(pl.all()).struct.json_encode()}
    return rows.select(**columns).cast(REJECTED_SCHEMA)  # type: ignore[arg-type]


def counted_reasons(rejected: pl.DataFrame) -> pl.DataFrame:
    """`table, reason, count, example` of rejected rows, sorted; the example is the first by key."""
    ordered = rejected.sort("table", "reason", "key", "row")
    return ordered.group_by("table", "reason", maintain_order=True).agg(pl.len().alias("count"), pl.col("row").first().alias("example"))


def checked(table: Table, raw: pl.DataFrame, known: Known, *checks: Check, read_as: Sequence[pl.Expr] = ()) -> pl.DataFrame:
    """Typed rows of `raw` with the column `reason`: the first rule that a row fails, null where it passes all of them.

    Args:
        table: contract of the table.
        raw: its rows as they came.
        known: ids that references may name.
        checks: rules of this table alone, tried between the values' own rules and the references.
        read_as: columns that are rewritten before any rule looks at them.
    """
    rules = [*_value_checks(table), *checks, *_reference_checks(table, known)]
    frame = typed(raw, table).with_columns(read_as)
    # Most batches have nothing to set aside, and reasons are text: they are written only where a rule fails.
    if not frame.select(pl.any_horizontal(rule.fails.any() for rule in rules)).item():
        return frame.with_columns(reason=pl.lit(None, dtype=pl.String))
    reasons = (pl.when(rule.fails.fill_null(False)).then(pl.lit(rule.reason)) for rule in rules)
    return frame.with_columns(reason=pl.coalesce(reasons))


def clean(table: Table, raw: pl.DataFrame, ledger: Ledger, known: Known, *checks: Check) -> pl.DataFrame:
    """Typed rows of `raw` that pass every rule, in source order; the others go to `ledger`, each under its first failing rule.

    The arguments are those of `checked`; of rows with the same key the first is kept.
    """
    ledger.read[table.name] = raw.height
    marked = checked(table, raw, known, *checks)
    good = marked.filter(pl.col("reason").is_null())
    first = good.unique(table.key, keep="first", maintain_order=True)
    repeated = good.join(first.select(ROW), on=ROW, how="anti", maintain_order="left").with_columns(reason=pl.lit("duplicate key"))
    ledger.set_aside(table.name, table.key, raw, pl.concat([marked.filter(pl.col("reason").is_not_null()), repeated]))
    kept = first.drop("reason")
    for column in table.columns:
        if unreadable(column.name) in kept.columns:
            _set_aside_values(table, column, raw, kept, ledger)
    return kept.drop([unreadable(column.name) for column in table.columns], strict=False)


def _joined(rows: pl.DataFrame, names: Sequence[str]) -> pl.Expr:
    values = [pl.col(name).cast(pl.String, strict=False).fill_null("") for name in names if name in rows.columns]
    return pl.concat_str(values, separator="|") if values else pl.lit("")


def drop_unknown_links(table: Table, frame: pl.DataFrame, raw: pl.DataFrame, ledger: Ledger, known: Known) -> pl.DataFrame:
    """`frame` with its loose references emptied where they name an unknown entity; each such link goes to `ledger` alone."""
    for column in table.columns:
        if not column.loose or column.refers not in known:
            continue
        dangling = _dangling(column, known)
        ledger.read[f"{table.name}.{column.name}"] = frame[column.name].count()
        marked = frame.filter(dangling).select(ROW, reason=pl.lit(f"dangling {column.name}"))
        ledger.set_aside(f"{table.name}.{column.name}", table.key, raw, marked)
        frame = frame.with_columns(pl.when(~dangling).then(column.name).alias(column.name))
    return frame


def _value_checks(table: Table) -> list[Check]:
    missing, unread, bounds = [], [], []
    for column in table.columns:
        value = pl.col(column.name)
        if column.required and column.type not in ("id", "text"):
            unread.append(Check(f"unreadable {column.name}", pl.col(unreadable(column.name))))
        if column.required:
            missing.append(Check(f"missing {column.name}", value.is_null()))
        if column.bounds == "not negative":
            bounds.append(Check(f"negative {column.name}", value < 0))
        if column.bounds == "positive":
            bounds.append(Check(f"{column.name} not above 0", value <= 0))
        if column.bounds == "share":
            bounds.append(Check(f"{column.name} outside (0, 1]", (value <= 0) | (value > 1)))
    return [*unread, *missing, *bounds]


def _reference_checks(table: Table, known: Known) -> list[Check]:
    strict = [column for column in table.columns if column.refers in known and not column.loose]
    return [Check(f"dangling {column.name}", _dangling(column, known)) for column in strict]


def _dangling(column: Column, known: Known) -> pl.Expr:
    value = pl.col(column.name)
    return (value.is_not_null() & ~value.is_in(known[str(column.refers)].implode())).fill_null(False)


def _set_aside_values(table: Table, column: Column, raw: pl.DataFrame, kept: pl.DataFrame, ledger: Ledger) -> None:
    bad = kept.filter(pl.col(unreadable(column.name)))
    if bad.is_empty():
        return
    name = f"{table.name}.{column.name}"
    ledger.read[name] = kept[column.name].count() + bad.height
    ledger.set_aside(name, table.key, raw, bad.select(ROW, reason=pl.lit(f"unreadable {column.name}")))


def _too_many(name: str, read: int, counts: dict[str, int], examples: dict[str, str], limit: float) -> str:
    reason = min(counts, key=lambda reason: (-counts[reason], reason))
    rejected = sum(counts.values())
    mend = unit_hint(name, reason, examples[reason]) or "mend the source"
    return (
        f"`{name}`: {rejected:,} of {read:,} rows rejected ({rejected / read:.1%}, the limit is {limit:.1%}), "
        f"mostly {reason!r}, like {examples[reason][:LONGEST_EXAMPLE]}; {mend}, or raise max_rejected under [etl]"
    )
