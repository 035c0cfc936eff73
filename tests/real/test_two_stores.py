"""One source, two workspaces that differ in `[graph] store` only: the same projection and the same batch rows, byte for byte."""

import hashlib
from pathlib import Path

import pytest
from neo4j_server import PASSWORD

from etl.simulation.service import run_simulation
from etl.simulation.settings import SimulationSettings
from kg_recall.cli import invoke

SMALL = """
[embed]
epochs = 2
[recall.interest]
max_epochs = 1
[recall.merge]
trees = 10
[rank.din]
max_epochs = 1
"""


def digest(folder: Path) -> str:
    """SHA-256 over the files below `folder`, by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()


def test_two_stores_recommend_the_same(neo4j_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KG_RECALL_NEO4J_PASSWORD", PASSWORD)
    run_simulation(SimulationSettings(n_songs=200, n_users=40, n_days=20), f"sqlite:///{tmp_path / 'music.db'}")
    made = []
    for store in ("ladybug", "neo4j"):
        config = tmp_path / f"{store}.toml"
        graph = f'[graph]\nstore = "{store}"\n' + (f'uri = "{neo4j_uri}"\n' if store == "neo4j" else "")
        config.write_text(f'workspace = "{store}"\n[source]\nurl = "sqlite:///music.db"\n{graph}{SMALL}')
        assert invoke(["run", "--quiet", "-c", str(config)]) == 0
        assert invoke(["batch", "--quiet", "-k", "20", "--out", str(tmp_path / f"{store}.parquet"), "-c", str(config)]) == 0
        made.append((digest(tmp_path / store / "graph" / "projection"), (tmp_path / f"{store}.parquet").read_bytes()))
    assert made[0][0] == made[1][0]
    assert made[0][1] == made[1][1]
