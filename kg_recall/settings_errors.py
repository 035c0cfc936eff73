"""What is wrong in a config file, in one line: which key, on which line, and what would be right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from etl.errors import UserError
from kg_recall.numbers import field_types, is_section, wrong_number
from kg_recall.rooms import NAMED_FREELY, ROOMS, room_class

UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
TABLE_EXPECTED = ("dict_type", "model_type", "model_attributes_type", "dataclass_type")
Location = tuple[str, ...]
MOVED: Final[dict[Location, Location]] = {("rank",): ("rank", "din")}
"""Sections whose keys stand in another one now."""


def config_error(path: Path, text: str, error: ValidationError, model: type[BaseModel], section: Location = ()) -> UserError:
    """The first mistake of `error` as a `UserError`.

    Args:
        path: the config file.
        text: its text, searched for the line.
        error: what validation found.
        model: the model of the whole file.
        section: of a room's settings, where they stand in the file; `error` then says `value` for them.
    """
    detail = min(error.errors(), key=lambda found: found["type"] not in UNKNOWN)
    # Places in a list are numbers: the key is what the file has a line of.
    where = (*section, *(part for part in detail["loc"][1 if section else 0 :] if isinstance(part, str)))
    line = line_of(text, where)
    place = f"{path}, line {line}" if line else str(path)
    if detail["type"] in UNKNOWN:
        return UserError(f"{place}: unknown key {named(where)}{_remedy(where, list(known_keys(model, where[:-1])))}")
    if detail["type"] == "missing":
        example = 'url = "sqlite:///music.db" under [source]' if where[0] == "source" else "it"
        return UserError(f"{place}: {named(where)} is missing: add {example}")
    return UserError(f"{place}: {named(where)}{_wrong(detail, where)}")


def number_error(path: Path, text: str, model: type[Any], values: Mapping[str, Any], section: Location = ()) -> UserError | None:
    """The first of `values` that is no number where one is wanted; None where there is none.

    Args:
        path: the config file.
        text: its text, searched for the line.
        model: the model or dataclass of `values`.
        values: what the file says in `section`.
        section: where that stands in the file.
    """
    found = wrong_number(model, values, section)
    if found is None:
        return None
    where, wrong = found
    line = line_of(text, where)
    return UserError(f"{path}, line {line}: {named(where)}{wrong}" if line else f"{path}: {named(where)}{wrong}")


def named(where: Location) -> str:
    """A key with its section, as a person would write it: `[evaluate] split`."""
    return f"[{'.'.join(where[:-1])}] {where[-1]}" if len(where) > 1 else where[0] if where else "the file"


def line_of(text: str, where: Location) -> int | None:
    """Line on which the file sets the key (or opens the table) `where`; None where it is written in another form."""
    table: Location = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line)
        key = re.match(r"""\s*["']?([\w.-]+)["']?\s*=""", line)
        if header:
            table = tuple(part.strip().strip("\"'") for part in header[1].split("."))
        here = table if header else (*table, *key[1].split(".")) if key else None
        if here == where:
            return number
    return None


def known_keys(model: type[Any], section: Location, above: Location = ()) -> Iterator[Location]:
    """Every key that the config takes, tables before what they hold; of the rooms' settings only those of `section`."""
    for name, kind in field_types(model).items():
        where = (*above, name)
        yield where
        if ".".join(where) in ROOMS:
            # Importing a room may take seconds, so only the one that the mistake stands in.
            if where == section:
                yield from _room_keys(section)
        elif ".".join(where) in NAMED_FREELY:
            if where == section[:-1]:
                yield from _room_keys(section)
        elif is_section(kind):
            yield from known_keys(kind, section, where)


def _room_keys(section: Location) -> Iterator[Location]:
    return ((*section, field.name) for field in fields(room_class(".".join(section))))


def _remedy(where: Location, known: list[Location]) -> str:
    """The nearest right key: of the same section, else the same name elsewhere, else one that looks like it."""
    moved = MOVED.get(where[:-1])
    if moved and (*moved, where[-1]) in _room_keys(moved):
        return f": it has moved, write it as {named((*moved, where[-1]))}"
    siblings = {key[-1]: key for key in known if key[:-1] == where[:-1]}
    elsewhere = {key[-1]: key for key in known}
    nearest = difflib.get_close_matches(where[-1], siblings, 1, 0.6)
    if nearest:
        return f": did you mean {named(siblings[nearest[0]])}?"
    nearest = difflib.get_close_matches(where[-1], elsewhere, 1, 0.75)
    if nearest:
        return f": did you mean {named(elsewhere[nearest[0]])}?"
    section = f"[{'.'.join(where[:-1])}]" if len(where) > 1 else "the file"
    return f": {section} takes {', '.join(siblings)}" if siblings else f": {section} takes no keys; remove it"


def _wrong(detail: ErrorDetails, where: Location) -> str:
    """What is wrong with a value and what is allowed; the value itself is shown unless it may hold a secret."""
    if detail["type"] == "value_error":
        return f": {detail['ctx']['error']}"
    if detail["type"] in TABLE_EXPECTED:
        return f" must be a table: write [{'.'.join(where)}] and its keys below"
    allowed = detail.get("ctx", {}).get("expected")
    wanted = detail["msg"].replace("Input should be", "must be", 1).replace("a valid tuple", "a list", 1)
    message = f"must be {allowed}" if allowed else wanted
    return f" {message}" if where[-1] == "url" else f" = {detail['input']!r}: {message}"
