"""A real Neo4j Community server for the tests, without Docker: Maven brings the jars, a dozen lines of Java start it."""

import hashlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import neo4j
import pytest

FOLDER = Path(__file__).resolve().parent / "neo4j"
PASSWORD = "only for tests"
TALKED_TO: list[str] = []
"""Versions of the servers that this session started."""

OPENED = ("java.base/java.nio", "java.base/sun.nio.ch")


@pytest.fixture(scope="session")
def neo4j_uri(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bolt address of the server; user `neo4j`, password `PASSWORD`. Started once for the whole session."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is missing, which starts the Neo4j of the tests: install Java 17+ and Maven", pytrace=False)
    folder = tmp_path_factory.mktemp("neo4j")
    arguments = folder / "arguments"
    opened = "\n".join(f"--add-opens={module}=ALL-UNNAMED" for module in OPENED)
    arguments.write_text(f'-Xmx768m\n{opened}\n-cp\n"{_class_path(request.config, folder)}"\n')
    port = _free_port()
    command = ["java", f"@{arguments}", str(FOLDER / "Neo4jServer.java"), str(folder / "data"), str(port)]
    log = folder / "server.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True) as server,
    ):
        try:
            if not any(line.startswith("ready") for line in server.stdout or ()):
                pytest.fail(f"Neo4j did not start:\n{log.read_text()[-2000:]}", pytrace=False)
            uri = f"bolt://127.0.0.1:{port}"
            _set_password(uri)
            TALKED_TO.append(server_version(uri))
            yield uri
        finally:
            server.kill()


def server_version(uri: str) -> str:
    """Name, version and edition of the server."""
    with neo4j.GraphDatabase.driver(uri, auth=("neo4j", PASSWORD)) as driver:
        name, versions, edition = driver.execute_query("CALL dbms.components()").records[0]
    return f"{name} {versions[0]} {edition}"


def _class_path(config: pytest.Config, folder: Path) -> str:
    """Class path of the server, found by Maven (without the network where its jars are there) and remembered as long as the jars stay."""
    name = "neo4j/" + hashlib.sha256((FOLDER / "pom.xml").read_bytes()).hexdigest()[:16]
    cache: pytest.Cache | None = getattr(config, "cache", None)
    known: str = cache.get(name, "") if cache else ""
    if known and all(Path(jar).exists() for jar in known.split(":")):
        return known
    output = folder / "classpath"
    goal = ["-q", "-B", "-f", str(FOLDER / "pom.xml"), "dependency:build-classpath", f"-Dmdep.outputFile={output}"]
    for network in (["-o"], []):
        run = subprocess.run(["mvn", *network, *goal], capture_output=True, text=True)
        if run.returncode == 0:
            break
    else:
        pytest.fail(f"Maven did not bring Neo4j: {(run.stdout or run.stderr).splitlines()[0]}", pytrace=False)
    path = output.read_text().strip()
    if cache:
        cache.set(name, path)
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _set_password(uri: str) -> None:
    """A fresh server lets the first password do nothing but change itself."""
    with neo4j.GraphDatabase.driver(uri, auth=("neo4j", "neo4j")) as driver:
        driver.execute_query("ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO $password", password=PASSWORD, database_="system")
