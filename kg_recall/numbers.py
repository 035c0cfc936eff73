"""What is no number in a config file: true and false, and whole numbers that no count, time or size has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Final, TypeGuard, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

Location = tuple[str, ...]
WHOLE: Final = 2**32
"""Whole numbers in a config are smaller: 136 years in seconds, 49 days in milliseconds. A larger one is a slip, and what is made of it
would leave the 64 bits that columns have."""


def wrong_number(kind: type[Any], values: Mapping[str, Any], above: Location = ()) -> tuple[Location, str] | None:
    """The first key of `values` whose value is no number where `kind` takes one, or is too large a number, and what is wrong with it.

    Args:
        kind: model or dataclass of the section. Keys that it does not have are somebody else's to refuse.
        values: what the file says.
        above: where the section stands.
    """
    kinds = field_types(kind)
    for name, value in values.items():
        where, wanted = (*above, name), kinds.get(name)
        if isinstance(value, Mapping):
            found = wrong_number(wanted, value, where) if is_section(wanted) else None
            if found:
                return found
        for single in value if isinstance(value, list) else [value]:
            if isinstance(single, bool) and _takes_numbers_alone(wanted):
                return where, f" = {str(single).lower()}: must be a number"
            if isinstance(single, int) and abs(single) >= WHOLE:
                return where, f" = {_short(single)}: must be less than {WHOLE} either side of 0"
    return None


def is_section(kind: Any) -> TypeGuard[type[Any]]:
    """True for the type of a table with keys of its own."""
    return isinstance(kind, type) and (issubclass(kind, BaseModel) or is_dataclass(kind))


def field_types(kind: type[Any]) -> dict[str, Any]:
    """Key → its type, of a model or a dataclass."""
    if issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _takes_numbers_alone(kind: Any) -> bool:
    taken = set(_types(kind))
    return bool(taken & {int, float}) and bool not in taken


def _types(kind: Any) -> Iterator[Any]:
    """The types that a value, or an entry of a list of values, may have."""
    if get_origin(kind) in (Union, UnionType, tuple, list):
        for part in get_args(kind):
            yield from _types(part)
    else:
        yield kind


def _short(number: int) -> str:
    """The number, or how it begins where it has many digits."""
    text = str(number)
    return text if len(text) <= 24 else f"{text[:12]}… ({len(text)} digits)"
