"""Listeners and their friends as tables of the source contract."""

from __future__ import annotations

import numpy as np
import polars as pl

from etl.simulation.catalogue import START_DAY
from etl.simulation.keys import ids, labels
from etl.simulation.listeners import COUNTRIES, Listeners


def users_table(listeners: Listeners) -> pl.DataFrame:
    """Profiles; gender and birth year are unknown for some."""
    n = listeners.n_users
    birth = pl.select(pl.when(pl.Series(listeners.birth_known)).then(pl.Series(listeners.birth_year))).to_series()
    signup = pl.Series((START_DAY + listeners.signup_day).astype(np.int32)).cast(pl.Date).dt.to_string("%Y-%m-%d")
    return pl.DataFrame(
        {
            "user_id": ids("user", np.arange(n)),
            "gender": labels(("female", "male"), listeners.gender - 1),
            "birth_year": birth,
            "country": labels(COUNTRIES, listeners.country),
            "signup_at": signup,
        }
    )


def friends_table(listeners: Listeners) -> pl.DataFrame:
    """Pairs of friends, in both directions."""
    return pl.DataFrame({"user_id": ids("user", listeners.friend_from), "friend_id": ids("user", listeners.friend_to)})
