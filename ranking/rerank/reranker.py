"""Re-ranking at one moment: constraints, and what they must know of songs and listeners."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ranking.rerank.calibration import style_shares
from ranking.rerank.order import Draw, Lists, reordered
from ranking.rerank.settings import Constraints
from ranking.rerank.songs import Songs
from recall.snapshot import Snapshot


class Reranker:
    """Orders lists by one set of constraints at one snapshot; what it must know of all songs is found once."""

    def __init__(self, snapshot: Snapshot, constraints: Constraints, vectors: Callable[[], npt.NDArray[np.floating]]) -> None:
        """`vectors` gives the songs' vectors `[n_songs, dim]`; it is asked only where diversity is on."""
        self.snapshot = snapshot
        self.constraints = constraints
        self.songs = Songs.of(snapshot, constraints, vectors)

    def order(self, lists: Lists) -> npt.NDArray[np.intp]:
        """Rows of `lists` `[n]` in their new order."""
        users = lists.user[lists.first[:-1]]
        calibrated = self.constraints.calibration > 0
        tastes = self.tastes(users) if calibrated else np.zeros((len(users), self.songs.styles.n_groups))
        return reordered(lists, tastes, self.songs, self.constraints, Draw(self.snapshot.seed, self.snapshot.now))

    def tastes(self, users: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """Shares of styles `[n_users, n_styles]` of what each of `users` has liked, old acts counting less."""
        snapshot, styles = self.snapshot, self.songs.styles
        position = np.full(snapshot.catalogue.n_users, -1, dtype=np.int64)
        position[users] = np.arange(len(users))
        liked = snapshot.positives.take(position[snapshot.positives.user] >= 0)
        half_life = self.constraints.half_life_plays if snapshot.ordinal else self.constraints.half_life_days
        weight = liked.count.astype(np.float64) * np.exp2(-snapshot.age(liked) / half_life)
        return style_shares(position[liked.user], liked.item, weight, styles.first, styles.group, len(users), styles.n_groups)
