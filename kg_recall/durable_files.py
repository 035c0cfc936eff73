"""Files and folders that are written whole, lie on the disk before they are named, and have fingerprints."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from etl.to_disk import to_disk


def fingerprint_files(folder: Path, parts: Sequence[str]) -> tuple[str, dict[str, int]]:
    """SHA-256 over names and bytes of every file below `folder/part`, and the size of each by its path from `folder`."""
    files: dict[str, int] = {}
    digest = hashlib.sha256()
    for part in parts:
        for path in sorted(_files_below(folder / part)):
            name = path.relative_to(folder).as_posix()
            files[name] = path.stat().st_size
            with path.open("rb") as file:
                digest.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest(), files


def file_sizes(folder: Path, parts: Sequence[str]) -> dict[str, int]:
    """Size in bytes of every file below `folder/part`, by its path from `folder`."""
    files = [path for part in parts for path in _files_below(folder / part)]
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(files)}


def _files_below(path: Path) -> list[Path]:
    return [path] if path.is_file() else [inner for inner in path.rglob("*") if inner.is_file()]


def write_text(path: Path, text: str) -> None:
    """Write a small file whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def sync(folder: Path) -> None:
    """Have everything below `folder` on the disk before it is renamed."""
    for path in [folder, *folder.rglob("*")]:
        sync_folder(path)


def sync_folder(path: Path) -> None:
    """Have one file or folder on the disk; some file systems refuse folders, and then renames are what they are."""
    with suppress(PermissionError):
        to_disk(path)
