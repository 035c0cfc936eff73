"""The journal of what people changed in the graph with Cypher: `edits.jsonl` in the workspace.

Each change is written down before it is made. A store that is loaded anew from the lake gets the journal again, so that no
correction is lost when the source changes or the store is deleted.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from kg_recall.durable_files import write_text
from kg_recall.workspace import Workspace

JOURNAL = "edits.jsonl"


def read_edits(workspace: Workspace) -> list[str]:
    """Cypher statements of the journal, oldest first."""
    path = _journal(workspace)
    if not path.is_file():
        return []
    return [json.loads(line)["cypher"] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def write_edits(workspace: Workspace, edits: list[str]) -> None:
    """Make `edits` the whole journal."""
    write_text(_journal(workspace), "".join(json.dumps({"cypher": edit}, ensure_ascii=False) + "\n" for edit in edits))


def fingerprint_edits(workspace: Workspace) -> str:
    """Fingerprint of the journal; empty where nothing was changed."""
    edits = read_edits(workspace)
    return hashlib.sha256("\0".join(edits).encode()).hexdigest() if edits else ""


def _journal(workspace: Workspace) -> Path:
    return workspace.path(JOURNAL)
