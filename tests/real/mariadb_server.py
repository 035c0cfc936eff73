"""A real MariaDB for the tests: the system's own package, its data in a folder of the session."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest
import sqlalchemy as sa

PASSWORD = "only for tests"
SECONDS = 60
WATCHED = 'exec 3<&0; "$@" & server=$!; { cat <&3; kill -KILL $server; } & wait $server'
"""Run a program that is killed as soon as the standard input ends, which it does however the tests end."""
TALKED_TO: list[str] = []
"""Versions of the servers that this session started."""

SMALL = ("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0", "--skip-performance-schema")
FIRST = (
    f"CREATE USER 'tests'@'%' IDENTIFIED BY '{PASSWORD}'",
    "GRANT ALL ON *.* TO 'tests'@'%'",
    "CREATE USER 'reader'@'%' IDENTIFIED BY ''",
    "GRANT SELECT ON *.* TO 'reader'@'%'",
)
"""A user who may do everything, and one who may only read. The server's own defaults stay: Latin-1, letters of any case equal."""


@pytest.fixture(scope="session")
def mariadb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SQLAlchemy URL of the server, without a database. Started once for the whole session, gone with it."""
    folder = tmp_path_factory.mktemp("mariadb")
    data = _new_data(folder)
    port = _free_port()
    # A socket's path may have 107 bytes: the temporary folder of a session can be longer, so it is named from within.
    command = [_program("mariadbd"), "--no-defaults", *_user(), f"--datadir={data}", "--socket=s", f"--port={port}", "--skip-name-resolve"]
    command += ["--bind-address=127.0.0.1", f"--pid-file={folder}/pid", f"--init-file={folder}/first.sql", *SMALL]
    log = folder / "server.log"
    with (
        log.open("w") as output,
        subprocess.Popen(["bash", "-c", WATCHED, "-", *command], cwd=folder, stdin=subprocess.PIPE, stdout=output, stderr=output) as server,
    ):
        try:
            url = sa.URL.create("mysql+pymysql", "tests", PASSWORD, "127.0.0.1", port)
            TALKED_TO.append(f"MariaDB {_version(url, server, log)}")
            yield url.render_as_string(hide_password=False)
        finally:
            assert server.stdin is not None
            server.stdin.close()
    shutil.rmtree(data, ignore_errors=True)


def new_database(url: str, name: str) -> str:
    """URL of a new, empty database `name` on the server of `url`, with the server's own character set."""
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE `{name}`")
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def _new_data(folder: Path) -> Path:
    """The folder of an empty server."""
    data = folder / "data"
    (folder / "first.sql").write_text("".join(f"{statement};\n" for statement in FIRST))
    command = [_program("mariadb-install-db"), "--no-defaults", *_user(), f"--datadir={data}", "--skip-test-db"]
    run = subprocess.run([*command, "--auth-root-authentication-method=normal"], capture_output=True, text=True)
    if run.returncode:
        pytest.fail(f"mariadb-install-db made no data folder:\n{(run.stdout + run.stderr)[-2000:]}", pytrace=False)
    return data


def _version(url: sa.URL, server: subprocess.Popen[bytes], log: Path) -> str:
    """Version of the server, as soon as it answers."""
    end = time.monotonic() + SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            with (
                pymysql.connect(host=url.host, port=url.port or 0, user=url.username, password=PASSWORD) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute("SELECT VERSION()")
                return str((cursor.fetchone() or ("of no version",))[0])
        except pymysql.err.OperationalError:
            time.sleep(0.1)
    pytest.fail(f"MariaDB did not start:\n{log.read_text()[-2000:]}", pytrace=False)


def _program(name: str) -> str:
    """A server's program lies where only root looks."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if found is None:
        pytest.fail(f"{name} is missing, which starts the MariaDB of the tests: install mariadb-server", pytrace=False)
    return found


def _user() -> list[str]:
    """Root must say that it means it."""
    return ["--user=root"] if os.getuid() == 0 else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
