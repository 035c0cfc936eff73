"""The small `kg-recall.toml` that a simulation or an import leaves beside its database."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from etl.errors import UserError
from etl.tables_out import parse_url, sqlite_file

CONFIG_NAME = "kg-recall.toml"
PASSWORD_NAME = "KG_RECALL_SOURCE_PASSWORD"


@dataclass(frozen=True)
class EvaluateDefaults:
    """How evaluation splits this source (`[evaluate]`), and why."""

    split: Literal["time", "last", "random"] = "time"
    test_share: float = 0.1
    valid_share: float = 0.1
    why: str = "cut at the quantiles of event time"


def write_config(url: str, evaluate: EvaluateDefaults, folder: Path | None = None) -> str:
    """Write a commented config for `url` and return a line saying where it is.

    It goes beside a SQLite file, otherwise into `folder` (default: the current directory). One that exists is left alone.
    """
    parsed = parse_url(url)
    database = sqlite_file(parsed)
    path = (database.parent if database is not None else folder or Path()) / CONFIG_NAME
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_text(_source_url(parsed), evaluate))
    except FileExistsError:
        return f"{path} exists and was left as it is: check that its [source] url and [evaluate] split = {evaluate.split!r} fit"
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; name a place you may write to") from None
    return f"config: {path}"


def _source_url(url: sa.URL) -> str:
    """URL as the config holds it: a SQLite file relative to the config, a password as a name in the environment."""
    database = sqlite_file(url)
    if database is not None:
        return url.set(database=database.name).render_as_string(hide_password=False)
    masked = url.render_as_string(hide_password=True)
    return masked.replace(":***@", f":${{{PASSWORD_NAME}}}@" if url.password else "@")


def _text(url: str, evaluate: EvaluateDefaults) -> str:
    quoted = json.dumps(url, ensure_ascii=False)
    return (
        "# kg-recall: what every command of this folder works on. Relative paths start here.\n\n"
        f"[source]\nurl = {quoted}  # any SQLAlchemy URL; ${{NAME}} is taken from the environment\n\n"
        f'[evaluate]\nsplit = "{evaluate.split}"  # {evaluate.why}\n'
        f"test_share = {evaluate.test_share}\nvalid_share = {evaluate.valid_share}\n"
    )
