"""The one schema of features that every ranker declares its inputs from, the same in training, evaluation and serving."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.errors import UserError
from ranking.fame import FAME, Fame
from ranking.listening import LISTENING, ListeningFeatures
from ranking.places import N_PLACES, place_codes
from ranking.profile_masses import MASSES, ProfileMasses
from ranking.ranker import Examples
from ranking.reception import RECEPTION, Reception
from recall.snapshot import SECONDS_PER_DAY, Snapshot

COMPUTED: Final = (*LISTENING, *FAME, *MASSES, *RECEPTION)
"""Numeric features that are counted from the log: listening, the song's fame, the user profile's masses, the song profile."""
CONTEXT: Final = ("scene", "hour", "weekday", "place")
"""Coded features of the moment."""
CROSSES: Final = (
    ("user", "song"),
    ("user", "artist"),
    ("user", "album"),
    ("user", "style"),
    ("user", "language"),
    ("user", "scene"),
    ("song", "scene"),
    ("scene", "style"),
    ("hour", "style"),
    ("weekday", "style"),
    ("scene", "place"),
)
"""Fields that linear models take together. Each column of the profile is crossed besides, see `FeatureSchema.crosses`."""
MAX_CATEGORIES: Final = 1_000
"""A profile column with more distinct texts than this is a name, not a category, and is left out."""
CHUNK: Final = 262_144
"""Examples whose features are computed at a time: bounds memory."""
FEW: Final = 1 / 8
"""Listeners with at most this share of the events are few."""


@dataclass(frozen=True)
class FeatureSchema:
    """Which columns there are, and how they are coded and scaled; learned on the training examples, saved with the model."""

    categories: dict[str, tuple[str, ...]]
    """Values of each categorical profile column; code 0 is unknown, `i + 1` is value `i`."""
    profile_numbers: tuple[str, ...]
    """Numeric profile columns."""
    n_scenes: int
    clock: bool
    """Whether hour and weekday mean anything in this source."""
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    """Mean and standard deviation of each numeric feature, over the training examples."""
    computed: tuple[str, ...] = COMPUTED
    """The counted features that the model was trained on."""

    @classmethod
    def fit(cls, snapshot: Snapshot, examples: Examples) -> tuple[Self, Features]:
        """The schema of a snapshot's profiles, scaled on the examples; and its features on that snapshot."""
        users = snapshot.catalogue.users.drop("user_id")
        texts = [name for name, kind in users.schema.items() if not (kind.is_numeric() or kind.is_temporal() or kind.is_nested())]
        categories = {name: _values(users[name]) for name in texts}
        numbers = tuple(name for name, kind in users.schema.items() if kind.is_numeric() or kind in (pl.Date, pl.Datetime))
        n_scenes = int(snapshot.events.scene.max(initial=-1)) + 1
        kept = {name: values for name, values in categories.items() if 0 < len(values) <= MAX_CATEGORIES}
        width = len(COMPUTED) + len(numbers)
        raw_schema = cls(kept, numbers, n_scenes, not snapshot.ordinal, (0.0,) * width, (1.0,) * width)
        features = Features(raw_schema, snapshot)
        raw = features.numeric(examples, fill=False)
        mean = np.nan_to_num(_nan_mean(raw))
        scale = np.sqrt(np.nan_to_num(_nan_mean((raw - mean) ** 2)))
        scale[scale < 1e-6] = 1.0
        schema = replace(raw_schema, mean=tuple(mean.tolist()), scale=tuple(scale.tolist()))
        return schema, features.scaled(schema)

    @property
    def numeric_names(self) -> tuple[str, ...]:
        """Names of the numeric columns, in order."""
        return COMPUTED + self.profile_numbers

    @property
    def code_names(self) -> tuple[str, ...]:
        """Names of the coded columns, in order."""
        return (*self.categories, *CONTEXT)

    @property
    def code_sizes(self) -> tuple[int, ...]:
        """Number of codes of each coded column, 0 (unknown) included."""
        return (*(len(values) + 1 for values in self.categories.values()), self.n_scenes + 1, 25, 8, N_PLACES + 1)

    @property
    def crosses(self) -> tuple[tuple[str, ...], ...]:
        """Declared crosses by the names of their fields: user, song and its facets, the context's codes, and `profile NAME`."""
        return (*CROSSES, *((f"profile {name}", other) for name in self.categories for other in ("style", "artist")))

    def save(self, file: Path) -> None:
        """Write as JSON."""
        file.write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Self:
        """The schema written by `save`.

        Raises:
            UserError: it is of a version with other features.
        """
        plain: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        categories = {name: tuple(values) for name, values in plain.pop("categories").items()}
        lists: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
        if lists.get("computed") != COMPUTED:
            raise UserError(f"{file}: this ranker was trained on other features than this version has: run `kg-recall train`")
        return cls(categories=categories, **lists)


class Features:
    """The features of a schema on one snapshot, for any examples as of their own moments."""

    def __init__(self, schema: FeatureSchema, snapshot: Snapshot) -> None:
        self.schema = schema
        self._snapshot = snapshot
        self._fame, self._reception = Fame(snapshot), Reception(snapshot)
        self._of_all: tuple[ListeningFeatures, ProfileMasses] | None = None
        users = snapshot.catalogue.users
        self._profile_numbers = _numbers(users, schema.profile_numbers)
        self._profile_codes = _codes(users, schema.categories)

    def scaled(self, schema: FeatureSchema) -> Features:
        """The same features under a schema that differs in means and scales only."""
        other = copy.copy(self)
        other.schema = schema
        return other

    def numeric(self, examples: Examples, *, fill: bool = True) -> npt.NDArray[np.float32]:
        """`[n, len(numeric_names)]` standardised numbers; the unknown are 0, the mean (or NaN where not `fill`)."""
        result = np.empty((len(examples), len(self.schema.numeric_names)), dtype=np.float32)
        for start in range(0, len(examples), CHUNK):
            part = examples.take(slice(start, start + CHUNK))
            result[start : start + CHUNK, : len(COMPUTED)] = self._computed(part)
        result[:, len(COMPUTED) :] = self._profile_numbers[examples.user]
        result -= np.array(self.schema.mean, dtype=np.float32)
        result /= np.array(self.schema.scale, dtype=np.float32)
        return np.nan_to_num(result, copy=False, nan=0.0) if fill else result

    def _computed(self, examples: Examples) -> npt.NDArray[np.float32]:
        """What is counted from the log, `[n, len(COMPUTED)]`."""
        listening, masses = self._of_listeners(np.unique(examples.user))
        fame, reception = self._of_songs(examples)
        return np.concatenate((listening.of(examples), fame, masses.of(examples), reception), axis=1)

    def _of_songs(self, examples: Examples) -> list[npt.NDArray[np.float32]]:
        """Fame and reception `[n, …]`. Examples of one moment, as all are in serving, look each song up once."""
        groups = self._fame, self._reception
        if len(examples) and (examples.position == examples.position[0]).all() and (examples.ts == examples.ts[0]).all():
            _, row, place = np.unique(examples.item, return_index=True, return_inverse=True)
            once = examples.take(row)
            return [group.of(once)[place] for group in groups]
        return [group.of(examples) for group in groups]

    def _of_listeners(self, users: npt.NDArray[np.int32]) -> tuple[ListeningFeatures, ProfileMasses]:
        """Counts of these users' acts: of their own alone where they are few; once many are asked for, of everybody's, which are kept."""
        if self._of_all is None:
            rows = self._snapshot.rows_of(users)
            if len(rows) <= FEW * len(self._snapshot.events):
                rows = np.sort(rows)
                return ListeningFeatures(self._snapshot, rows), ProfileMasses(self._snapshot, rows)
            self._of_all = ListeningFeatures(self._snapshot), ProfileMasses(self._snapshot)
        return self._of_all

    def codes(self, examples: Examples) -> npt.NDArray[np.int32]:
        """`[n, len(code_names)]` codes: the profile, then scene, hour and weekday (UTC) and place in the list; 0 is unknown."""
        known_scene = (examples.scene >= 0) & (examples.scene < self.schema.n_scenes)
        scene = np.where(known_scene, examples.scene + 1, 0)
        hour = examples.ts // 3_600 % 24 + 1
        weekday = (examples.ts // int(SECONDS_PER_DAY) + 3) % 7 + 1  # 1 January 1970 was a Thursday; Monday is 1
        context = np.stack((scene, hour * self.schema.clock, weekday * self.schema.clock, place_codes(examples.place)), axis=1)
        return np.concatenate((self._profile_codes[examples.user], context), axis=1).astype(np.int32)


def _values(column: pl.Series) -> tuple[str, ...]:
    return tuple(column.cast(pl.String).drop_nulls().unique().sort().to_list())


def _codes(users: pl.DataFrame, categories: dict[str, tuple[str, ...]]) -> npt.NDArray[np.int32]:
    """`[n_users, n_columns]` code of each user's value; a column that is gone is unknown."""
    codes = np.zeros((users.height, len(categories)), dtype=np.int32)
    for place, (name, values) in enumerate(categories.items()):
        if name in users.columns:
            known = pl.DataFrame({"value": pl.Series(values, dtype=pl.String)}).with_row_index("code", offset=1)
            joined = users.select(value=pl.col(name).cast(pl.String)).join(known, on="value", how="left", maintain_order="left")
            codes[:, place] = joined["code"].fill_null(0).to_numpy()
    return codes


def _numbers(users: pl.DataFrame, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """`[n_users, n_columns]` numbers, dates as days; NaN where unknown."""
    numbers = np.full((users.height, len(names)), np.nan, dtype=np.float32)
    for place, name in enumerate(names):
        if name in users.columns:
            column = users[name]
            if column.dtype.is_temporal():
                column = column.cast(pl.Datetime("ms")).dt.epoch("s") / SECONDS_PER_DAY
            numbers[:, place] = column.cast(pl.Float32).to_numpy()
    return numbers


def _nan_mean(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Mean of each column over its known values; NaN where it has none."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: npt.NDArray[np.float64] = np.where(known, values, 0.0).sum(axis=0, dtype=np.float64) / known.sum(axis=0)
    return mean
