"""The proposed mapping of a database, with its evidence, as a commented `kg-recall.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from etl.contract import TABLES
from etl.inspection.branches import Branch
from etl.inspection.findings import Proposal
from etl.inspection.found_tables import FoundTable
from etl.inspection.proposal import Inspection

LONGEST_VALUE: Final = 40
WIDTH: Final = 18
"""Of a table's or column's name in a comment."""
MEANING: Final = """\
# sure     names, keys and sampled values agree
# likely   it fits, but something about it is a guess: read the evidence
# missing  nothing was found; optional tables may stay so
"""
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029\ud800-\udfff]")


def config_text(inspection: Inspection, url: str, secrets: list[str]) -> str:
    """The whole file. `url` is how it names the database, `secrets` the environment variables that it needs."""
    used = inspection.used()
    return "\n".join(
        [
            *_head(inspection),
            "[source]",
            f"url = {toml_string(url)}",
            *(f"# set the environment variable {name}: it holds the password, which is never written here" for name in secrets),
            "",
            "[source.tables]",
            *_tables(inspection),
            *_left_over(inspection, used),
        ]
    )


def _head(inspection: Inspection) -> Iterator[str]:
    yield "# kg-recall: how the tables of this database stand for the tables that kg-recall reads, as `kg-recall init` understood them."
    yield "# Read it, correct it, then run `kg-recall etl`: reports/etl.md in the workspace tells what became of every row."
    yield "#"
    yield from MEANING.splitlines()
    yield "#"
    for name, proposal in inspection.proposals.items():
        if proposal.status != "missing":
            yield comment(f"  {name:<{WIDTH}}{proposal.status:<9}{_from(proposal)}")
    lacking = [name for name, proposal in inspection.proposals.items() if proposal.status == "missing"]
    if lacking:
        yield f"#   missing: {', '.join(lacking)}"
    for gap in _gaps(inspection):
        yield comment(f"GAP: {gap}")
    yield ""


def _from(proposal: Proposal) -> str:
    tables = dict.fromkeys(f"`{table.label}`" for branch in proposal.branches for table in (branch.table, *(j.table for j in branch.joins)))
    return ", ".join(tables)


def _gaps(inspection: Inspection) -> Iterator[str]:
    """What `kg-recall etl` cannot do without, and how to mend it."""
    gaps = inspection.gaps()
    if gaps and inspection.music is None:
        yield "nothing in the names or values of this database speaks of music, so no table was taken for songs"
    for name in gaps:
        yield f"no table for `{name}`, which is required: name a table, a view or a SELECT below, or nothing can be recommended"


def _tables(inspection: Inspection) -> Iterator[str]:
    """Required tables, what was found, then what was not."""
    required = [proposal for name, proposal in inspection.proposals.items() if TABLES[name].required]
    others = [proposal for proposal in inspection.proposals.values() if proposal not in required]
    for proposal in (*required, *(each for each in others if each.status != "missing")):
        yield from _gap(proposal) if proposal.status == "missing" else _table(proposal)
    lacking = [proposal for proposal in others if proposal.status == "missing"]
    if inspection.music is not None:
        yield from ["", "# Not found; all of these are optional:"] if lacking else []
        yield from (comment(f"  {proposal.name}: {'; '.join((proposal.why, *proposal.notes))}") for proposal in lacking)
    for name in inspection.hidden() if inspection.music is not None else ():
        yield f'{name} = ""  # the table of this name is something else, so it is left unread'


def _table(proposal: Proposal) -> Iterator[str]:
    """Comments and the line of one contract table."""
    name = proposal.name
    yield ""
    yield comment(f"{name}: {proposal.status}. {proposal.why}")
    for place, branch in enumerate(proposal.branches):
        yield from _branch(name, branch, first=place == 0)
    yield from (comment(f"  note: {note}") for note in proposal.notes)
    yield from (comment(f"  sample: {_sample(proposal.names, row)}") for row in proposal.rows)
    yield f"{name} = {toml_string(proposal.value)}"


def _gap(proposal: Proposal) -> Iterator[str]:
    """A required table that was not found, and an example of what the user can write."""
    name = proposal.name
    yield ""
    yield comment(f"{name}: MISSING, though required. {proposal.why}")
    yield from (comment(f"  {note}") for note in proposal.notes)
    required = [column.name for column in TABLES[name].columns if column.required]
    columns = ", ".join(f"your_{column} AS {column}" for column in required)
    yield "#   what to do: take away the # of the next line and name your own table and columns"
    yield f'# {name} = "SELECT {columns} FROM your_table"'


def _branch(name: str, branch: Branch, *, first: bool) -> Iterator[str]:
    tables = [branch.table, *(join.table for join in branch.joins)]
    yield comment(f"  {'from' if first else 'and'} {', '.join(f'`{table.label}` ({table.counted})' for table in tables)}")
    for column, cell in branch.cells.items():
        own = ", ".join(f"`{used}`" for _, used in cell.columns) or "(fixed)"
        doubt = "" if cell.sure else " (likely)"
        yield comment(f"    {column:<{WIDTH - 4}}{own}{doubt}: {cell.why}")
    absent = [column.name for column in TABLES[name].columns if column.name not in branch.cells]
    if absent and first:
        yield comment(f"    not found: {', '.join(absent)}")


def _left_over(inspection: Inspection, used: dict[str, set[str]]) -> Iterator[str]:
    """Tables and columns that no line above uses."""
    yield ""
    yield "# Not used:"
    rest = [line for table in inspection.tables if (line := _unused(table, used)) is not None]
    rest += [f"table `{label}` could not be read: {why}" for label, why in inspection.refused.items()]
    yield from (comment(f"  {line}") for line in rest or ["nothing: every column of every table has its place"])
    yield ""


def _unused(table: FoundTable, used: dict[str, set[str]]) -> str | None:
    own = used.get(table.label)
    if own is None:
        return f"table `{table.label}` ({table.counted}): {', '.join(table.columns)}"
    columns = [column for column in table.columns if column not in own]
    return f"columns of `{table.label}`: {', '.join(columns)}" if columns else None


def _sample(names: tuple[str, ...], row: tuple[Any, ...]) -> str:
    return ", ".join(f"{name}={_short(value)}" for name, value in zip(names, row, strict=True) if value is not None)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def comment(text: str) -> str:
    """A TOML comment of one line, whatever the text holds."""
    return f"# {CONTROL.sub(' ', text)}".rstrip()


def toml_string(text: str) -> str:
    """A TOML string that means `text`; one of several lines is written as they are, and ends with a line break more."""
    lines = text.split("\n")
    plain = not any(CONTROL.search(line) for line in lines)
    if len(lines) == 1:
        return f'"{_escaped(text)}"'
    if plain and "'''" not in text:
        return f"'''\n{text}\n'''"
    return '"""\n' + "\n".join(map(_escaped, lines)) + '\n"""'


def _escaped(line: str) -> str:
    quoted = line.replace("\\", "\\\\").replace('"', '\\"')
    return CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
