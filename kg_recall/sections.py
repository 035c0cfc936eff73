"""The tables of `kg-recall.toml`, each with its keys and defaults."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from etl.rules import CleaningRules
from ranking.rerank.settings import RerankSettings
from ranking.stream_settings import StreamSettings
from recall.kind_settings import KindSettings
from recall.theme_settings import ThemeSettings

Share = Annotated[float, Field(gt=0, lt=1)]
RoomSection = dict[str, Any]
"""Settings of a room as the file gives them; `Settings.room` makes the room's own dataclass of them."""


class Section(BaseModel):
    """A table of the config: unknown keys are mistakes, values stay as read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSettings(Section):
    """`[source]`: the database, and which table, view or SELECT stands for each table of the source contract."""

    url: str
    """Any SQLAlchemy URL; `${NAME}` is taken from the environment."""
    tables: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class EtlSettings(CleaningRules):
    """`[etl]`: how much may be set aside, and the rules of cleaning."""

    max_rejected: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of a table's rows that may be set aside before the run stops."""


class GraphSettings(Section):
    """`[graph]`: where the Cypher store lives. A Neo4j password comes from KG_RECALL_NEO4J_PASSWORD only."""

    store: Literal["ladybug", "neo4j"] = "ladybug"
    uri: str = "bolt://localhost:7687"
    user: str = "neo4j"
    database: str = "neo4j"


class RecommendSettings(Section):
    """`[recommend]`: what a list holds and how it speaks."""

    repeats: Literal["include", "exclude"] = "include"
    now: dt.datetime | dt.date | str = ""
    """Moment of the recommendation, ISO-8601 (UTC where it names no zone); empty: the time of the last accepted event."""
    language: Literal["en", "zh"] = "en"
    rerank: RerankSettings = Field(default_factory=RerankSettings)
    fm: StreamSettings = Field(default_factory=StreamSettings)
    """`[recommend.fm]`: the stream, and what it makes of skips and hearts."""
    kinds: KindSettings = Field(default_factory=KindSettings)
    """`[recommend.kinds]`: what orders playlists, MVs and Mlogs."""
    themes: ThemeSettings = Field(default_factory=ThemeSettings)
    """`[recommend.themes]`: the playlists that the service writes itself."""

    @field_validator("now")
    @classmethod
    def _is_a_time(cls, now: dt.datetime | dt.date | str) -> dt.datetime | dt.date | str:
        try:
            return dt.datetime.fromisoformat(now) if isinstance(now, str) and now else now
        except ValueError:
            raise ValueError(f"{now!r} is no time: write one like 2024-05-01T00:00:00Z") from None

    @property
    def now_ts(self) -> int | None:
        """`now` in Unix seconds, or None where it is the last event's."""
        if isinstance(self.now, str):
            return None
        moment = self.now if isinstance(self.now, dt.datetime) else dt.datetime.combine(self.now, dt.time())
        return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp())


class EvaluateSettings(Section):
    """`[evaluate]`: how events are split, and whether models are fitted anew on all of them afterwards."""

    split: Literal["time", "last", "random"] = "time"
    test_share: Share = 0.1
    valid_share: Share = 0.1
    refit: bool = True
    max_users: int = Field(default=100_000, gt=0)
    """Users who are judged, drawn by seed where there are more: bounds time and memory of evaluation."""

    @model_validator(mode="after")
    def _something_left_to_train_on(self) -> EvaluateSettings:
        if self.test_share + self.valid_share >= 1:
            raise ValueError("test_share and valid_share leave nothing to train on: their sum must be less than 1")
        return self


class RecallSettings(Section):
    """`[recall]`: one table for each route that has settings."""

    graph: RoomSection = Field(default_factory=dict)
    repeat: RoomSection = Field(default_factory=dict)
    popular: RoomSection = Field(default_factory=dict)
    itemcf: RoomSection = Field(default_factory=dict)
    usercf: RoomSection = Field(default_factory=dict)
    ease: RoomSection = Field(default_factory=dict)
    rules: RoomSection = Field(default_factory=dict)
    interest: RoomSection = Field(default_factory=dict)
    lifted: RoomSection = Field(default_factory=dict)
    swing: RoomSection = Field(default_factory=dict)
    ials: RoomSection = Field(default_factory=dict)
    neighbours: RoomSection = Field(default_factory=dict)
    ppr: RoomSection = Field(default_factory=dict)
    sasrec: RoomSection = Field(default_factory=dict)
    capsules: RoomSection = Field(default_factory=dict)
    clusters: RoomSection = Field(default_factory=dict)
    sdm: RoomSection = Field(default_factory=dict)
    two_spaces: RoomSection = Field(default_factory=dict)
    merge: RoomSection = Field(default_factory=dict)


RankerName = Literal["logistic", "ftrl", "fm", "dcn", "din", "dien", "dsin", "domains", "sim"]


class RankSettings(Section):
    """`[rank]`: which ranker orders, which others are trained beside it, and one table for the settings of each."""

    model: RankerName = "din"
    """The ranker that orders."""
    compared: tuple[RankerName, ...] = ("logistic",)
    """Rankers that are trained and judged beside it in the report, and order nothing."""
    logistic: RoomSection = Field(default_factory=dict)
    ftrl: RoomSection = Field(default_factory=dict)
    fm: RoomSection = Field(default_factory=dict)
    dcn: RoomSection = Field(default_factory=dict)
    din: RoomSection = Field(default_factory=dict)
    dien: RoomSection = Field(default_factory=dict)
    dsin: RoomSection = Field(default_factory=dict)
    domains: RoomSection = Field(default_factory=dict)
    sim: RoomSection = Field(default_factory=dict)
    utility: dict[str, RoomSection] = Field(default_factory=dict)
    """By scene: what each outcome is worth to a ranker that foresees several."""

    @property
    def others(self) -> tuple[str, ...]:
        """Names of `compared`, each once, without the one that orders."""
        return tuple(name for name in dict.fromkeys(self.compared) if name != self.model)


class RoutesSettings(Section):
    """`[routes]`: which routes are on."""

    popular: bool = True
    repeat: bool = True
    itemcf: bool = True
    usercf: bool = True
    ease: bool = True
    rules: bool = False
    graph: bool = True
    interest: bool = True
    lifted: bool = True
    swing: bool = False
    ials: bool = True
    neighbours: bool = False
    ppr: bool = False
    sasrec: bool = False
    capsules: bool = False
    clusters: bool = False
    sdm: bool = False
    two_spaces: bool = False

    @property
    def on(self) -> tuple[str, ...]:
        """Names of the routes that are on, in the order of registration."""
        return tuple(name for name in type(self).model_fields if getattr(self, name))
