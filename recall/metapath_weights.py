"""Weights of meta-paths and of relations, learned from which new songs listeners went on to play.

The chance that the next new song of user u is i is modelled as a mixture of what each meta-path says and of popularity,

    p(i | u) ∝ Σ_m s · r_m · w_m x_m(u, i) / U_u + b · π_i

with x_m the part of meta-path m (`graph.multihop.Parts`), w_m its weight before learning, U_u = Σ_m w_m Σ_i x_m(u, i) and π popularity
as a distribution. The songs played are Poisson counts of these rates, whose likelihood is concave in r ≥ 0; its multiplicative
ascent (EM: Shepp & Vardi 1982; Lee & Seung 2001) needs the songs played and the sums over all songs, and draws no negatives.

A meta-path's factor r_m is drawn towards the product of the weights g of the relations that it walks, and those towards 1, both as if
`pseudo_plays` plays had said so (Gamma priors): rare chains borrow from the relations that they share with common ones, and without
data every weight is the one given. s and b are free, so weights keep the scale of those given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from etl.errors import UserError
from graph.metapaths import MetaPath
from graph.multihop import Parts

Floats = npt.NDArray[np.float64]
ROUNDS = 2000
"""At most so many steps of the ascent."""
STEADY = 1e-7
"""It ends where no weight moves by more than this share of the largest."""
PAYS = 1.0
"""A meta-path that explains fewer plays gets the weight 0, where the weight given promised more than `pseudo_plays`."""


class Evidence(NamedTuple):
    """What meta-paths say of songs played. Rows are plays of songs new to their user."""

    part: Floats
    """`[n, n_paths]` share of the user's evidence that lies on the song, by meta-path: w_m x_m(u, i) / U_u"""
    mass: Floats
    """`[n, n_paths]` share of the user's evidence that the meta-path has in all: w_m Σ_i x_m(u, i) / U_u"""
    popularity: Floats
    """`[n]` π_i"""


def evidence(meta_paths: Sequence[MetaPath], parts: Parts, user: npt.NDArray[np.intp], popularity: npt.NDArray[np.floating]) -> Evidence:
    """The evidence of plays `[n]` of `user` (row of `parts.mass`); a user of whom no meta-path says anything teaches nothing."""
    given = np.array([path.weight for path in meta_paths], dtype=np.float64)
    mass = parts.mass * given
    total = mass.sum(1)[user]
    rows = total > 0
    scale = 1 / total[rows, None]
    return Evidence(parts.score[rows] * given * scale, mass[user[rows]] * scale, popularity[rows].astype(np.float64))


@dataclass(frozen=True)
class MetaPathWeight:
    """One meta-path's row of the table."""

    key: str
    """Its hops, as a config calls it."""
    name: str
    given: float
    """Weight before learning."""
    own: float
    """What the meta-path's data make of it beside its relations' weights."""
    plays: float
    """Plays of the window that it explains."""


@dataclass(frozen=True)
class MetaPathWeights:
    """Learned weights; a meta-path counts `given * own * product of its relations' weights`."""

    paths: tuple[MetaPathWeight, ...]
    relations: dict[str, float]
    """Weight of a hop over each relation, either way."""
    n_plays: int
    """Plays of new songs that were learned from."""

    @classmethod
    def none(cls) -> Self:
        """Nothing learned: every meta-path counts as given."""
        return cls((), {}, 0)

    @classmethod
    def fit(cls, meta_paths: Sequence[MetaPath], evidence: Evidence, pseudo_plays: float) -> Self:
        """The weights of largest posterior; those given where there are no plays."""
        names = sorted({relation for path in meta_paths for relation in path.relations})
        hops = np.array([[path.relations.count(name) for name in names] for path in meta_paths], dtype=np.float64)
        hops = hops.reshape(len(meta_paths), len(names))
        scale = _mixture(np.column_stack([evidence.part.sum(1), evidence.popularity]), np.full(2, float(len(evidence.part))), 0.0)
        columns = np.column_stack([evidence.part * scale[0], evidence.popularity])
        expected = np.append(evidence.mass.sum(0) * scale[0], len(evidence.part))
        relation = _tied(columns, expected, hops, pseudo_plays, scale[1])
        pull = np.exp(hops @ np.log(relation))
        factor = _mixture(columns, expected, pseudo_plays, pull, scale[1])
        plays = _explained(columns, factor)[:-1]
        own = np.where((plays < PAYS) & (expected[:-1] > pseudo_plays), 0.0, factor[:-1] / pull)
        rows = zip(meta_paths, own.tolist(), plays.tolist(), strict=True)
        paths = tuple(MetaPathWeight(path.key, path.name, path.weight, mine, hits) for path, mine, hits in rows)
        return cls(paths, dict(zip(names, relation.tolist(), strict=True)), len(evidence.part))

    def applied(self, meta_paths: Sequence[MetaPath]) -> tuple[MetaPath, ...]:
        """The meta-paths with their learned weights; one that was not learned of counts by its relations' weights."""
        own = {path.key: path.own for path in self.paths}
        return tuple(replace(path, weight=path.weight * own.get(path.key, 1.0) * self._of_hops(path)) for path in meta_paths)

    def _of_hops(self, path: MetaPath) -> float:
        return float(np.prod([self.relations.get(relation, 1.0) for relation in path.relations]))

    def overruled(self, relations: Mapping[str, float]) -> MetaPathWeights:
        """The weights with a hop of some relations weighed by hand."""
        return replace(self, relations={**self.relations, **relations})

    def save(self, folder: Path) -> None:
        """Write `weights.json`."""
        (folder / "weights.json").write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The weights saved in `folder`."""
        saved = json.loads((folder / "weights.json").read_text(encoding="utf-8"))
        return cls(tuple(MetaPathWeight(**path) for path in saved["paths"]), saved["relations"], saved["n_plays"])


def _tied(columns: Floats, expected: Floats, hops: Floats, pseudo: float, background: float) -> Floats:
    """Weight of each relation `[n_relations]` where a meta-path's factor is their product: generalised iterative scaling within EM."""
    relation, longest = np.ones(hops.shape[1]), max(hops.sum(1).max(initial=1.0), 1.0)
    for _ in range(ROUNDS):
        factor = np.append(np.exp(hops @ np.log(relation)), background)
        plays = _explained(columns, factor)
        ratio = (hops.T @ plays[:-1] + pseudo) / (hops.T @ (factor * expected)[:-1] + pseudo)
        moved, relation = relation, relation * ratio ** (1 / longest)
        background = plays[-1] / max(expected[-1], 1.0)
        if np.abs(relation - moved).max(initial=0.0) <= STEADY * relation.max(initial=1.0):
            break
    return relation


def _mixture(columns: Floats, expected: Floats, pseudo: float, pull: Floats | None = None, background: float = 1.0) -> Floats:
    """Factors `[n_columns]` of largest posterior; the last column is the background, which nothing pulls."""
    target = np.append(pull if pull is not None else np.ones(len(expected) - 1), background)
    weight = np.append(np.full(len(expected) - 1, pseudo), 0.0)
    factor = target.copy()
    for _ in range(ROUNDS):
        wanted, held = _explained(columns, factor) + weight * target, expected + weight
        moved, factor = factor, np.divide(wanted, held, out=factor.copy(), where=held > 0)
        if np.abs(factor - moved).max() <= STEADY * factor.max():
            break
    return factor


def _explained(columns: Floats, factor: Floats) -> Floats:
    """Plays that each column explains, `[n_columns]`: each play shared out by what the columns say of it."""
    rate = columns @ factor
    return np.asarray(factor * (columns.T @ np.divide(1.0, rate, out=np.zeros_like(rate), where=rate > 0)))


def check_weights(section: str, given: Mapping[str, float], known: Sequence[str]) -> None:
    """Raise `UserError` for a weight that is negative or of something not `known`."""
    for key, weight in given.items():
        if key not in known:
            raise UserError(f'[{section}] weighs "{key}", which is none of the graph\'s: name one of {", ".join(known)}')
        if not weight >= 0:
            raise UserError(f'"{key}" = {weight} in [{section}] must be 0 or more: 0 switches it off')
