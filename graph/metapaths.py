"""Meta-paths: the chains of relations along which taste for one song says something about another.

A meta-path (Sun et al., PathSim, VLDB 2011) is a sequence of typed steps. Naming the chains that carry taste keeps multi-hop recall
fast (only their edges are touched), weighable (one number per chain) and explainable (the chain is the reason).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Final

from graph.ontology import RELATIONS

ANY: Final = "*"
"""A hop over every relation, either way, that the ontology does not name: facts that only a `triples` table gives."""


@dataclass(frozen=True)
class MetaPath:
    """A named chain of hops from a song of the user's history to what is recommended."""

    name: str
    """What the two ends share, in English."""
    hops: tuple[str, ...]
    """Step names of the projection (`RELATION`, `<RELATION` against the edge), alternatives joined by `|`, or `ANY`."""
    weight: float = 1.0
    """How much evidence along this chain counts, beside hop decay and hub damping."""

    @property
    def key(self) -> str:
        """The hops joined by dots: what a config calls the chain by."""
        return ".".join(self.hops)

    @property
    def relations(self) -> tuple[str, ...]:
        """The relation of each hop, whichever way it is walked."""
        return tuple("|".join(dict.fromkeys(step.removeprefix("<") for step in hop.split("|"))) for hop in self.hops)

    def then(self, hop: str) -> MetaPath:
        """The chain with one more hop."""
        return MetaPath(self.name, (*self.hops, hop), self.weight)


def against(hop: str) -> str:
    """The same hop walked the other way."""
    if hop == ANY:
        return ANY
    return "|".join(step[1:] if step.startswith("<") else f"<{step}" for step in hop.split("|"))


def shared(name: str, hops: str, weight: float) -> MetaPath:
    """There and back: `hops` (separated by blanks) from a song to what it shares, then the same hops back to another song."""
    there = tuple(hops.split())
    return MetaPath(name, there + tuple(against(hop) for hop in reversed(there)), weight)


def chain(name: str, hops: str, weight: float) -> MetaPath:
    """The chain of `hops`, separated by blanks."""
    return MetaPath(name, tuple(hops.split()), weight)


def to_kind(meta_paths: Iterable[MetaPath], last_hops: Iterable[str], max_hops: int) -> tuple[MetaPath, ...]:
    """Chains that end at another kind: straight from the history song by one of `last_hops`, or after any chain to a song."""
    ends = tuple(last_hops)
    straight = tuple(MetaPath("of a song heard", (hop,)) for hop in ends)
    longer = tuple(path.then(hop) for path in meta_paths for hop in ends)
    return straight + tuple(path for path in longer if len(path.hops) <= max_hops)


def expanded(meta_paths: Iterable[MetaPath], relations: Iterable[str], at_most: int = 36) -> tuple[MetaPath, ...]:
    """Each `ANY` hop as one hop for each of `relations` that the ontology does not name, walked either way.

    So every such relation gets weights of its own. A chain of more than `at_most` combinations stays as it is.
    """
    either = [f"{name}|<{name}" for name in relations if name not in RELATIONS]
    chains: list[MetaPath] = []
    for path in meta_paths:
        choices = [either if hop == ANY else [hop] for hop in path.hops]
        if ANY not in path.hops or prod(len(choice) for choice in choices) > at_most:
            chains.append(path)
        else:
            chains += [MetaPath(path.name, hops, path.weight) for hops in product(*choices)]
    return tuple(chains)


DEFAULT_META_PATHS: Final = (
    shared("same album", "IN_ALBUM", 1.0),
    shared("same artist", "SUNG_BY", 1.0),
    shared("albums of one artist", "IN_ALBUM RELEASED_BY", 0.25),
    shared("same drama", "SOUNDTRACK_OF", 1.0),
    shared("albums of one drama", "IN_ALBUM SOUNDTRACK_OF", 1.0),
    chain("album of the same drama", "SOUNDTRACK_OF <SOUNDTRACK_OF <IN_ALBUM", 1.0),
    chain("song of the same drama", "IN_ALBUM SOUNDTRACK_OF <SOUNDTRACK_OF", 1.0),
    chain("singers of one drama", "SOUNDTRACK_OF <SOUNDTRACK_OF SUNG_BY <SUNG_BY", 0.5),
    chain("singers of one drama", "IN_ALBUM SOUNDTRACK_OF <SOUNDTRACK_OF <IN_ALBUM SUNG_BY <SUNG_BY", 0.5),
    shared("artists who sang for one drama", "SUNG_BY <SUNG_BY SOUNDTRACK_OF", 0.5),
    shared("artists released for one drama", "SUNG_BY <RELEASED_BY SOUNDTRACK_OF", 0.5),
    shared("same season of a show", "PERFORMED_ON", 1.0),
    shared("seasons of one show", "PERFORMED_ON SEASON_OF", 0.5),
    shared("artists of one season", "SUNG_BY COMPETED_IN", 0.5),
    shared("artists of one show", "SUNG_BY COMPETED_IN SEASON_OF", 0.5),
    shared("same playlist", "IN_PLAYLIST", 0.5),
    shared("same style", "HAS_STYLE", 0.2),
    shared("same tag", "TAGGED", 0.2),
    chain("linked to a song heard", ANY, 0.5),
    shared("linked to the same thing", ANY, 0.5),
)
"""What the house starts with; a chain whose relations a projection lacks costs nothing."""
