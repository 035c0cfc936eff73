"""The typed settings of `kg-recall.toml`."""

from __future__ import annotations

import dataclasses
import datetime as dt
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, PrivateAttr, SecretStr, ValidationError, create_model
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from etl.errors import UserError
from kg_recall.errors import SECRETS
from kg_recall.rooms import NAMED_FREELY, ROOMS, room_class
from kg_recall.sections import (
    EtlSettings,
    EvaluateSettings,
    GraphSettings,
    RankSettings,
    RecallSettings,
    RecommendSettings,
    RoomSection,
    RoutesSettings,
    Section,
    SourceSettings,
)
from kg_recall.settings_errors import config_error, number_error
from kg_recall.source_url import SourceUrl, resolve_url

CONFIG_NAME = "kg-recall.toml"

T = TypeVar("T")


class Secrets(BaseSettings):
    """What only the environment may hold: KG_RECALL_NEO4J_PASSWORD."""

    model_config = SettingsConfigDict(env_prefix="KG_RECALL_", extra="ignore", frozen=True)

    neo4j_password: SecretStr | None = None


class Settings(BaseSettings):
    """Everything that `kg-recall.toml` may say, each with its default; only `source.url` is required."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    workspace: Path = Path("kg-recall-workspace")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    source: SourceSettings
    etl: EtlSettings = Field(default_factory=EtlSettings)
    graph: GraphSettings = Field(default_factory=GraphSettings)
    embed: RoomSection = Field(default_factory=dict)
    routes: RoutesSettings = Field(default_factory=RoutesSettings)
    recall: RecallSettings = Field(default_factory=RecallSettings)
    rank: RankSettings = Field(default_factory=RankSettings)
    cascade: RoomSection = Field(default_factory=dict)
    recommend: RecommendSettings = Field(default_factory=RecommendSettings)
    evaluate: EvaluateSettings = Field(default_factory=EvaluateSettings)
    _file: Path = PrivateAttr(default=Path(CONFIG_NAME))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The file alone: the environment holds secrets (`Secrets`) and changes nothing else."""
        return (init_settings,)

    @classmethod
    def load(cls, path: Path) -> Settings:
        """Settings of the config file at `path`; relative paths in it start at its folder.

        Raises:
            UserError: no such file, broken TOML, an unknown key or a wrong value: each with its line and its remedy.
        """
        text = _read(path)
        try:
            values = tomllib.loads(text)
        except ValueError as error:  # TOMLDecodeError, or a number of more digits than Python reads
            raise UserError(f"{path} is not valid TOML: {error}; mend that line") from None
        wrong = number_error(path, text, cls, values)
        if wrong is not None:
            raise wrong
        try:
            settings = cls(**values)
        except ValidationError as error:
            raise config_error(path, text, error, cls) from None
        except UserError as error:  # a room's own check
            raise UserError(f"{path}: {error}") from None
        settings._file = path
        try:
            settings.source_url()
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
        return settings

    def check_rooms(self) -> None:
        """Check what the file says in the sections of the rooms.

        Apart from `load`, because a room's dataclass may take seconds to import, which a command that needs no room should not pay.

        Raises:
            UserError: an unknown key or a wrong value, with its line and its remedy.
        """
        for section in self._rooms_said():
            kind, where = room_class(section), tuple(section.split("."))
            wrong = number_error(self._file, _read(self._file), kind, self.section(section), where)
            if wrong is not None:
                raise wrong
            try:
                self.room(section, kind)
            except ValidationError as error:
                raise config_error(self._file, _read(self._file), error, type(self), where) from None
            except (UserError, ValueError) as error:  # a room's own check
                says = str(error) if f"[{section}" in str(error) else f"[{section}] {error}"
                raise UserError(f"{self._file}: {says}") from None

    def _rooms_said(self) -> Iterator[str]:
        """Sections of rooms of which the file says something."""
        yield from filter(self.section, ROOMS)
        for above in NAMED_FREELY:
            yield from (f"{above}.{name}" for name in self.section(above))

    @property
    def _folder(self) -> Path:
        """Where relative paths start."""
        return self._file.resolve().parent

    @property
    def workspace_folder(self) -> Path:
        """The workspace as an absolute path."""
        return (self._folder / self.workspace.expanduser()).resolve()

    def source_url(self) -> SourceUrl:
        """The source's URL, with what the environment gives."""
        return resolve_url(self.source.url, self._folder)

    def neo4j_password(self) -> str:
        """The password of KG_RECALL_NEO4J_PASSWORD.

        Raises:
            UserError: the variable is not set.
        """
        secret = Secrets().neo4j_password
        if secret is None:
            raise UserError(f"the Neo4j server at {self.graph.uri} needs a password: set the environment variable KG_RECALL_NEO4J_PASSWORD")
        SECRETS.add(secret.get_secret_value())
        return secret.get_secret_value()

    def section(self, section: str) -> Any:
        """What the file says in `[section]` (dots between levels); of a table with a name of the user's own nothing where there is none."""
        value: Any = self
        names = section.split(".")
        for depth, name in enumerate(names):
            if isinstance(value, Mapping):
                return value.get(".".join(names[depth:]), {})
            value = getattr(value, name)
        return value

    def plain(self, section: str) -> Any:
        """`[section]` or a key as plain values for a fingerprint; of a room's section only what the file says."""
        value = self.section(section)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return dataclasses.asdict(value)
        if not isinstance(value, BaseModel):
            return str(value) if isinstance(value, dt.date | Path) else value
        return {name: self.plain(f"{section}.{name}") for name in type(value).model_fields}

    def recall_settings(self, route: str) -> Any:
        """Settings of a route, of its own dataclass."""
        return self.room(f"recall.{route}", room_class(f"recall.{route}"))

    def room(self, section: str, kind: type[T]) -> T:
        """`[section]` as the room's own settings dataclass; keys that the file leaves out keep the room's default.

        Raises:
            ValidationError: a key or value that `kind` does not take (`check_rooms` says so in words).
        """
        # A model around the dataclass hands it `extra = forbid`.
        model: Any = create_model("Room", __base__=Section, value=(kind, ...))
        value: T = model(value=self.section(section)).value
        return value


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"no config at {path}: write one with at least [source] url, or name another with -c FILE") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path} ({error}): name a TOML file in UTF-8 with -c FILE") from None
