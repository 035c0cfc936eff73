"""`kg-recall init`: inspect a database never seen before and write a config for it, in which no password stands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from etl.config_out import PASSWORD_NAME
from etl.errors import UserError
from etl.inspection.proposal import Inspection, inspect_source
from etl.inspection.survey import Progress
from kg_recall.proposal_text import config_text
from kg_recall.source_url import NAME, SECRET_KEY, SourceUrl, resolve_url

PLACEHOLDER: Final = "kgRecallPasswordPlace"


def write_proposal(source: str, config: Path, progress: Progress | None = None) -> list[str]:
    """Inspect the database `source` and write the config for it; returns what to tell the user, in lines.

    Args:
        source: SQLAlchemy URL as typed; `${NAME}` is taken from the environment, a SQLite file is relative to the current directory.
        config: the file to write.
        progress: called for each table looked at.

    Raises:
        UserError: the file exists or cannot be written, or the database cannot be read.
    """
    if config.exists():
        raise UserError(f"{config} exists and is left as it is: name another file with -c, or move this one away")
    url = resolve_url(source, Path.cwd(), literal_password=True)
    inspection = inspect_source(url.url, progress)
    shown, secrets = shown_url(source, url, config)
    try:
        with config.open("x", encoding="utf-8") as file:
            file.write(config_text(inspection, shown, secrets))
    except FileExistsError:
        raise UserError(f"{config} exists and is left as it is: name another file with -c, or move this one away") from None
    except OSError as error:
        raise UserError(f"cannot write {config}: {error.strerror}; name a place you may write to with -c") from None
    return list(_told(inspection, config, secrets))


def shown_url(source: str, url: SourceUrl, config: Path) -> tuple[str, list[str]]:
    """The URL as the config writes it, and the environment variables that it needs."""
    if NAME.search(source):
        return source, NAME.findall(source)
    parsed = sa.make_url(url.url)
    if url.file is not None:
        file = os.path.relpath(url.file, config.resolve().parent) if url.relative else str(url.file)
        return parsed.set(database=file).render_as_string(hide_password=False), []
    secret = {key: PLACEHOLDER for key in parsed.query if SECRET_KEY.search(key)}
    if not secret and not parsed.password:
        return parsed.render_as_string(hide_password=False), []
    hidden = parsed.set(password=PLACEHOLDER if parsed.password else None).update_query_dict(secret)
    return hidden.render_as_string(hide_password=False).replace(PLACEHOLDER, f"${{{PASSWORD_NAME}}}"), [PASSWORD_NAME]


def _told(inspection: Inspection, config: Path, secrets: list[str]) -> Iterator[str]:
    """What the command prints."""
    for status in ("sure", "likely", "missing"):
        names = [name for name, proposal in inspection.proposals.items() if proposal.status == status]
        if names:
            yield f"{status:<9}{', '.join(names)}"
    gaps = inspection.gaps()
    if gaps:
        lacking = " and ".join(f"`{name}`" for name in gaps)
        about = "; nothing in it speaks of music" if inspection.music is None else ""
        yield f"{config} written with a gap: no table for {lacking} was found{about}; the file says what to write there"
    else:
        yield f"{config} written: read it, correct it, then run `kg-recall etl`"
    yield from (f"set {name} to the password first, as in export {name}=…: the file does not hold it" for name in secrets)
