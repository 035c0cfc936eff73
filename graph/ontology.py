"""The ontology: labels of nodes, relations and the labels that each may join."""

from __future__ import annotations

import re
from typing import Final

from etl.contract import KINDS

ENTITY: Final = "Entity"
"""Label of every kind that only `triples` names; such a node tells its kind in the property `kind`."""

_LABELS: Final = {
    "song": "Song",
    "album": "Album",
    "artist": "Artist",
    "drama": "Drama",
    "show": "VarietyShow",
    "season": "Season",
    "mv": "MV",
    "mlog": "Mlog",
    "playlist": "Playlist",
    "style": "Style",
    "language": "Language",
    "era": "Era",
    "tag": "Tag",
    "user": "User",
}

LABELS: Final = (*(_LABELS[kind] for kind in KINDS), ENTITY)
"""Every label, in the order of the kinds."""

RELATIONS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "IN_ALBUM": (("Song", "Album"),),
    "SUNG_BY": (("Song", "Artist"),),
    "RELEASED_BY": (("Album", "Artist"),),
    "SOUNDTRACK_OF": (("Album", "Drama"), ("Song", "Drama")),
    "FRIEND_OF": (("User", "User"),),
    "COMPETED_IN": (("Artist", "Season"),),
    "SEASON_OF": (("Season", "VarietyShow"),),
    "PERFORMED_ON": (("Song", "Season"),),
    "MV_OF": (("MV", "Song"),),
    "USES_SONG": (("Mlog", "Song"),),
    "IN_PLAYLIST": (("Song", "Playlist"),),
    "HAS_STYLE": (("Song", "Style"),),
    "IN_LANGUAGE": (("Song", "Language"),),
    "FROM_ERA": (("Song", "Era"),),
    "TAGGED": (("Song", "Tag"),),
}
"""Relations and the labels that each joins, head to tail. Facts of `triples` may add relations and further pairs."""

_RELATION_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_LABEL_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def label_of(kind: str) -> str:
    """Label of the nodes of a kind."""
    return _LABELS.get(kind, ENTITY)


def relation_name(name: str) -> str:
    """`name`, which may stand as a relation type in a Cypher text.

    Raises:
        ValueError: it is not upper-case letters, digits and underscores.
    """
    return _checked(name, _RELATION_NAME, "relation")


def label_name(name: str) -> str:
    """`name`, which may stand as a label in a Cypher text.

    Raises:
        ValueError: it is not letters, digits and underscores.
    """
    return _checked(name, _LABEL_NAME, "label")


def _checked(name: str, form: re.Pattern[str], what: str) -> str:
    if not form.fullmatch(name):
        raise ValueError(f"{name!r} is no {what} name: it must match {form.pattern}")
    return name
