"""The source's URL: secrets from the environment, SQLite files relative to the config, and which database it names."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote

import sqlalchemy as sa

from etl.errors import UserError
from kg_recall.errors import SECRETS

NAME = re.compile(r"\$\{(\w+)\}")
USERINFO = re.compile(r"[\w+]+://(?P<user>[^:/@]*)(?::(?P<password>[^@]*))?@")
SECRET_KEY = re.compile("pass|pwd|secret|token", re.IGNORECASE)
EXAMPLE = "postgresql://me:${MUSIC_PASSWORD}@host/music"


@dataclass(frozen=True)
class SourceUrl:
    """A database URL in the two forms that the application needs."""

    shown: str
    """As the config writes it: names of environment variables in the place of secrets; fit for messages and logs."""
    url: str = field(repr=False)
    """With everything filled in, a SQLite file as an absolute path: for the driver only."""
    file: Path | None
    """File of a SQLite database; None for a server."""
    relative: bool
    """True where the config names the file relative to itself."""

    def identity(self, workspace: Path) -> str:
        """Fingerprint of the database that is named, whatever password opens it.

        A file named relative to the config counts relative to the workspace, so that the whole folder can move.
        """
        if self.file is not None:
            name = os.path.relpath(self.file, workspace) if self.relative else str(self.file)
            return hashlib.sha256(f"sqlite {name}".encode()).hexdigest()
        bare = sa.make_url(self.url).set(password=None)
        kept = {key: value for key, value in bare.query.items() if not SECRET_KEY.search(key)}
        return hashlib.sha256(bare.set(query=kept).render_as_string().encode()).hexdigest()


def resolve_url(template: str, folder: Path, environ: Mapping[str, str] = os.environ, *, literal_password: bool = False) -> SourceUrl:
    """The URL that `template` means: `${NAME}` from the environment, a SQLite file relative to `folder`.

    Args:
        template: any SQLAlchemy URL, with `${NAME}` where the environment gives a part.
        folder: where a relative SQLite path starts.
        environ: the environment.
        literal_password: accept a password written out (a URL typed at the command line, never one in a file).

    Raises:
        UserError: a password written out, a variable that is not set, or no database URL.
    """
    if not literal_password:
        _refuse_password(template)
    filled = _filled(template, environ)
    shown = template if NAME.search(template) or not literal_password else _masked(template)
    try:
        parsed = sa.make_url(filled)
    except (sa.exc.ArgumentError, ValueError):
        raise UserError(f"[source] url {shown!r} is no database URL: write one like sqlite:///music.db or {EXAMPLE}") from None
    _keep_secrets(parsed)
    database = parsed.database or ""
    if parsed.get_backend_name() != "sqlite" or not database or database.startswith((":memory:", "file:")):
        return SourceUrl(shown, filled, None, False)
    path = Path(database).expanduser()
    absolute = (folder / path).resolve()
    return SourceUrl(shown, parsed.set(database=str(absolute)).render_as_string(hide_password=False), absolute, not path.is_absolute())


def _refuse_password(template: str) -> None:
    userinfo = USERINFO.match(template)
    password = (userinfo and userinfo["password"]) or ""
    query = parse_qsl(template.partition("?")[2])
    written = [password, *(value for key, value in query if SECRET_KEY.search(key))]
    if any(NAME.sub("", value) for value in written):
        raise UserError(f"[source] url holds a password: put it into an environment variable and write its name instead, as in {EXAMPLE}")


def _masked(template: str) -> str:
    userinfo = USERINFO.match(template)
    if userinfo is None or not userinfo["password"]:
        return template
    return f"{template[: userinfo.start('password')]}***{template[userinfo.end('password') :]}"


def _filled(template: str, environ: Mapping[str, str]) -> str:
    """`template` with values for names; inside `user:password@` they are quoted as a URL demands."""
    userinfo = USERINFO.match(template)
    quoted_until = userinfo.end() if userinfo else 0

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in environ:
            raise UserError(f"[source] url needs the environment variable {name}, which is not set: export {name}=… and run again")
        if match.start() >= quoted_until:
            return environ[name]
        SECRETS.add(environ[name] if userinfo and match.start() >= userinfo.start("password") else "")
        return quote(environ[name], safe="")

    return NAME.sub(value, template)


def _keep_secrets(url: sa.URL) -> None:
    password = str(url.password or "")
    SECRETS.add(password, quote(password, safe=""))
    for key, value in url.query.items():
        if SECRET_KEY.search(key):
            SECRETS.add(*([value] if isinstance(value, str) else value))
