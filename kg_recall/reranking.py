"""Constraints of `[recommend.rerank]` on the lists of a cascade, for each scene its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from etl.errors import UserError
from kg_recall.listening import is_played
from ranking.rerank.order import Lists, falling
from ranking.rerank.settings import Constraints, RerankSettings

if TYPE_CHECKING:
    from kg_recall.cascade import Cascade, RankedLists
    from ranking.rerank.reranker import Reranker

NO_CONSTRAINTS: Final = RerankSettings()


class Reranking:
    """Gives lists the order that the settings ask for. A list stays a permutation of what came: what is refused enters nowhere."""

    def __init__(self, cascade: Cascade, settings: RerankSettings = NO_CONSTRAINTS) -> None:
        self.cascade = cascade
        self.settings = settings
        self._rerankers: dict[Constraints, Reranker] = {}

    def constraints(self, scenario: str, *, repeats: bool = True) -> Constraints:
        """What a list of `scenario` keeps; without `repeats` it holds new songs only, and no share of repeats is asked of it."""
        constraints = self.settings.of(scenario)
        return constraints if repeats else constraints.without_repeats()

    def pool(self, scenario: str) -> int:
        """Rows of a list that must be there to choose from, whatever its length; 0 where there is no constraint."""
        constraints = self.settings.of(scenario)
        return constraints.pool if constraints.are_on else 0

    def of(self, lists: RankedLists, scenario: str, *, repeats: bool = True) -> RankedLists:
        """`lists` in their new order, all rows. A song's score is lowered where it waits for one of lower score, so scores fall with rank.

        Raises:
            UserError: diversity is asked for, and there are no vectors by which songs would be alike.
        """
        constraints = self.constraints(scenario, repeats=repeats)
        if not constraints.are_on or len(lists.user) == 0:
            return lists
        columns = self.columns(lists)
        rows = self.reranker(constraints).order(columns)
        score = falling(lists.score[rows], columns.first)
        return type(lists)(lists.user[rows], lists.item[rows], score, lists.rank)

    def columns(self, lists: RankedLists) -> Lists:
        """What re-ranking looks at of each row."""
        played = is_played(self.cascade.snapshot, lists.user, lists.item)
        return Lists(lists.user, lists.item, lists.score, played, self.cascade.later_versions(lists))

    def reranker(self, constraints: Constraints) -> Reranker:
        """The constraints at the cascade's moment, made once for each."""
        from ranking.rerank.reranker import Reranker

        held = self._rerankers.get(constraints)
        if held is None or held.snapshot is not self.cascade.snapshot:
            held = Reranker(self.cascade.snapshot, constraints, lambda: self._vectors(constraints))
            self._rerankers[constraints] = held
        return held

    def _vectors(self, constraints: Constraints) -> npt.NDArray[np.floating]:
        """`[n_songs, dim]` by which songs are alike."""
        snapshot = self.cascade.snapshot
        if constraints.similarity == "graph":
            if snapshot.vectors is None:
                raise UserError("[recommend.rerank] diversity needs embeddings of the graph, which are not there: run `kg-recall embed`")
            return snapshot.vectors[: snapshot.catalogue.n_songs]
        route = self.cascade.routes.get("interest")
        if route is None:
            raise UserError('[recommend.rerank] similarity = "encoder" needs the route interest: switch it on in [routes], or take "graph"')
        table: npt.NDArray[np.floating] = route.encoder.table().numpy()  # type: ignore[attr-defined]
        return table
