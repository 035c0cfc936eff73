"""Which column names rows of which table: declared keys, names, and the share of its values that the other table holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from etl.inspection.entities_found import Entity
from etl.inspection.found_tables import FoundColumn, FoundTable
from etl.inspection.survey import Survey

HELD: Final = 0.9
"""Share of the different values that the other table must hold."""
NEARLY_ALL: Final = 0.95
ENOUGH: Final = 5
"""Different values from which containment is evidence."""
MANY: Final = 20
"""Different values from which containment alone, without a name, is evidence; numbers must also be large ones."""
LARGE: Final = 100_000
TESTED_VALUES: Final = 100
SAME_NAME: Final = "named as the key of"
PEOPLE: Final = frozenset(("owner", "friend"))
WHO: Final = PEOPLE | {"id", "create", "user", "block", "collect", "play"}


@dataclass(frozen=True)
class Reference:
    """A column that names rows of another table."""

    column: FoundColumn
    to: FoundTable
    key: str
    """Column of `to`."""
    sure: bool
    why: str


References = Mapping[str, Mapping[str, Reference]]
"""Label of a table → column → what it names."""


class ReferenceFinder:
    """Finds the references of every table of a survey."""

    def __init__(self, survey: Survey, entities: Mapping[str, Entity]) -> None:
        self._survey = survey
        self._entities = entities
        self._keyed = [(table, key) for table in survey.tables if not table.view and (key := self._key(table)) is not None]
        self._keyed += [(entity.table, entity.key) for entity in entities.values() if entity.named]

    def find(self) -> References:
        """All references; none where a column could name two tables equally well by its values alone."""
        return {
            table.label: {column.name: found for column in table.columns.values() if (found := self._of(table, column)) is not None}
            for table in self._survey.tables
        }

    def _key(self, table: FoundTable) -> FoundColumn | None:
        entity = next((entity for entity in self._entities.values() if entity.table is table), None)
        return entity.key if entity else table.key()

    def _of(self, table: FoundTable, column: FoundColumn) -> Reference | None:
        declared = self._declared(table, column)
        if declared is not None:
            return declared
        for to, key, named in self._named(table, column):
            if (found := self._judged(table, column, to, key, named)) is not None:
                return found
        return self._by_values(table, column)

    def _declared(self, table: FoundTable, column: FoundColumn) -> Reference | None:
        if column.name not in table.foreign:
            return None
        schema, name, key = table.foreign[column.name]
        to = next((other for other in self._survey.tables if other.name == name and other.schema in (schema, None, table.schema)), None)
        return Reference(column, to, key, True, f"foreign key to `{to.label}`") if to is not None else None

    def _named(self, table: FoundTable, column: FoundColumn) -> Iterator[tuple[FoundTable, FoundColumn, str]]:
        """Tables that the column's name speaks of, the most telling first."""
        words = set(column.concepts)
        own = self._key(table)
        things = [entity.table for entity in self._entities.values()]
        others = [(to, key) for to, key in self._keyed if to is not table and (column is not own or to in things)]
        for to, key in others:
            if column.name == key.name and column.name.lower() != "id":
                yield to, key, f"{SAME_NAME} `{to.label}`"
        for kind, entity in self._entities.items():
            if kind in words and entity.table is not table and (words <= {kind, "id"} or ("id" in words and "name" not in words)):
                yield entity.table, entity.key, f"named like {kind}s"
        user = self._entities.get("user")
        if user is not None and words & PEOPLE and words <= WHO:
            yield user.table, user.key, "named like a person's part"
        for to, key in others:
            if words - {"id"} and words - {"id"} == set(to.concepts):
                yield to, key, f"named like `{to.label}`"
        song = self._entities.get("song")
        if song is not None and words in ({"item"}, {"item", "id"}) and song.table is not table:
            yield song.table, song.key, "named like an item"

    def _judged(self, table: FoundTable, column: FoundColumn, to: FoundTable, key: FoundColumn, named: str) -> Reference | None:
        if not column.values or to.label == table.label:
            return Reference(column, to, key.name, False, named if column.values else f"{named}; no values to check")
        share, tested = self._held(column, to, key)
        if share is None:
            return Reference(column, to, key.name, False, f"{named}; values not compared (`{to.label}` has no index on `{key.name}`)")
        if share < HELD:
            return None
        enough = tested >= ENOUGH or (share == 1 and named.startswith(SAME_NAME))
        return Reference(column, to, key.name, share >= NEARLY_ALL and enough, f"{named}; {_told(share, tested, to, key)}")

    def _by_values(self, table: FoundTable, column: FoundColumn) -> Reference | None:
        """A column without a telling name whose values are too peculiar to be in another table's key by chance."""
        if column.shape.distinct < MANY or column.shape.time is not None:
            return None
        smallest = column.shape.values.min()
        if column.shape.family != "text" and not (column.shape.family == "integer" and isinstance(smallest, int) and smallest >= LARGE):
            return None
        found = []
        for entity in self._entities.values():
            if entity.table is not table:
                share, tested = self._held(column, entity.table, entity.key)
                if share is not None and share >= NEARLY_ALL:
                    why = f"by its values alone: {_told(share, tested, entity.table, entity.key)}"
                    found.append(Reference(column, entity.table, entity.key.name, False, why))
        return found[0] if len(found) == 1 else None

    def _held(self, column: FoundColumn, to: FoundTable, key: FoundColumn) -> tuple[float | None, int]:
        """Share of the sampled values that the key holds, and how many were tried; None where asking would be dear or makes no sense."""
        quick = (key.name,) == to.primary or key.name in to.unique or to.quantity == ""
        values = list(dict.fromkeys(column.values))[:TESTED_VALUES]
        if not quick:
            return None, 0
        if column.shape.family != key.shape.family or not values:
            return 0.0, len(values)
        return self._survey.contained(values, to, key.name), len(values)


def _told(share: float, tested: int, to: FoundTable, key: FoundColumn) -> str:
    part = f"all {tested}" if share == 1 else f"{share:.0%} of {tested}"
    return f"{part} different sampled values are in `{to.label}`.`{key.name}`"
