"""The workspace: artefacts that appear whole or not at all, one writer at a time, one source for ever.

A step writes into a draft folder that mirrors the workspace. Renaming the draft to `.ready-STEP` is the moment at which the
step has happened; moving its parts into place afterwards can be cut off and is finished at the next start.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from etl.errors import UserError
from kg_recall.durable_files import file_sizes, fingerprint_files, sync, sync_folder, write_text
from kg_recall.errors import disk_full, is_disk_full
from kg_recall.source_url import SourceUrl

DRAFT, READY, TRASH = ".draft-", ".ready-", ".trash-"
RECORDS, RECORD, LOCK, SOURCE = "steps", "record.json", "lock", "workspace.json"


@dataclass(frozen=True)
class Record:
    """What a step made and of what; kept as `steps/NAME.json`."""

    name: str
    inputs: str
    """Fingerprint of settings, version and everything else that the step was made of."""
    needs: dict[str, str]
    """Content fingerprint of each artefact that the step read, by step."""
    outputs: tuple[str, ...]
    """Paths in the workspace that the step replaces whole."""
    content: str
    """Fingerprint of what later steps read of it: equal for equal bytes."""
    files: dict[str, int]
    """Size in bytes of each of those files, and of others that must stay as they are."""

    @classmethod
    def read(cls, path: Path) -> Record | None:
        """The record at `path`; None where there is none that can be read."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(**values | {"outputs": tuple(values["outputs"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None


class Workspace:
    """The folder that holds everything which the application made of one source."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, *parts: str) -> Path:
        """A path in the workspace."""
        return self.folder.joinpath(*parts)

    def record(self, name: str) -> Record | None:
        """The record of a step, or None where it has not been run or something of what it made is missing."""
        record = Record.read(self.path(RECORDS, f"{name}.json"))
        return record if record is not None and self._intact(record) else None

    def _intact(self, record: Record) -> bool:
        sizes = ((self.path(name), size) for name, size in record.files.items())
        whole = all(path.is_file() and path.stat().st_size == size for path, size in sizes)
        return whole and all(self.path(output).exists() for output in record.outputs)

    def check_source(self, url: SourceUrl) -> None:
        """Raise `UserError` where the workspace was made from another database than `url`."""
        bound = self._source() if self._holds_something() else None
        if bound is not None and bound["identity"] != url.identity(self.folder):
            raise UserError(
                f"the workspace {self.folder} was made from {bound['url']}, but [source] url now says {url.shown}: "
                "set it back, or name another workspace"
            )

    def _holds_something(self) -> bool:
        """True once a step has been done here, or is ready to be put in place: until then a wrong url is simply mended."""
        return any(self.path(RECORDS).glob("*.json")) or any(self.folder.glob(f"{READY}*"))

    def _source(self) -> dict[str, str] | None:
        try:
            bound: dict[str, str] = json.loads(self.path(SOURCE).read_text(encoding="utf-8"))
            return bound if {"url", "identity"} <= bound.keys() else None
        except (OSError, ValueError, AttributeError):
            return None

    @contextmanager
    def writing(self, url: SourceUrl) -> Iterator[None]:
        """Hold the workspace for writing: create it, lock it, bind it to `url` and finish what a killed run left.

        Raises:
            UserError: it belongs to another source, is locked by another run, or cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = self.path(LOCK).open("a+", encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write the workspace {self.folder} ({error.strerror}): name another in the config") from None
        with lock:
            self._lock(lock)
            self.check_source(url)
            if self._source() is None or not self._holds_something():
                write_text(self.path(SOURCE), json.dumps({"url": url.shown, "identity": url.identity(self.folder)}) + "\n")
            self._recover()
            yield

    def _lock(self, lock: TextIO) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            raise UserError(f"the workspace {self.folder} is locked by another run (process {pid}): wait for it or end it") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()

    def _recover(self) -> None:
        """Finish what was ready when an earlier run was killed, and remove what was not."""
        for path in sorted(self.folder.glob(f"{READY}*")):
            self._put_in_place(path)
        for path in [*self.folder.glob(f"{DRAFT}*"), *self.folder.glob(f"{TRASH}*")]:
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def publish(
        self,
        name: str,
        inputs: str,
        needs: dict[str, str],
        outputs: Sequence[str],
        hashed: Sequence[str] | None = None,
        sized: Sequence[str] = (),
    ) -> Iterator[Path]:
        """A draft folder for the step `name`; when the block ends, its parts replace what was there, all at once.

        Args:
            name: of the step.
            inputs: fingerprint of what it is made of.
            needs: content fingerprints of the artefacts it reads.
            outputs: paths, in the draft as in the workspace, that are replaced whole. One that the block did not write stays.
            hashed: the outputs that make its content fingerprint (default: all).
            sized: outputs besides whose files, too, must stay as large as they are.

        Raises:
            UserError: the disk is full. Whatever fails, what was there stays.
        """
        draft = self.path(f"{DRAFT}{name}")
        shutil.rmtree(draft, ignore_errors=True)
        try:
            draft.mkdir()
            yield draft
            for output in outputs:
                if not (draft / output).exists() and not self.path(output).exists():
                    raise RuntimeError(f"the step {name} ended without writing {output}")
            content, files = fingerprint_files(draft, outputs if hashed is None else hashed)
            record = Record(name, inputs, needs, tuple(outputs), content, files | file_sizes(draft, sized))
            write_text(draft / RECORD, json.dumps(asdict(record), indent=1) + "\n")
            sync(draft)
        except BaseException as error:
            full = is_disk_full(error, self.folder)
            shutil.rmtree(draft, ignore_errors=True)
            if full:
                raise disk_full(self.folder) from error
            raise
        ready = self.path(f"{READY}{name}")
        draft.rename(ready)
        self._put_in_place(ready)

    def _put_in_place(self, ready: Path) -> None:
        """Move the parts of a ready draft into the workspace, its record last; may be cut off and called again."""
        record = Record.read(ready / RECORD)
        if record is None:  # only its removal was left
            shutil.rmtree(ready, ignore_errors=True)
            return
        trash = self.path(f"{TRASH}{record.name}")
        for output in record.outputs:
            if (ready / output).exists():
                self._swap(ready / output, self.path(output), trash / output)
        self._swap(ready / RECORD, self.path(RECORDS, f"{record.name}.json"), trash / RECORD)
        sync_folder(self.folder)
        shutil.rmtree(ready, ignore_errors=True)
        shutil.rmtree(trash, ignore_errors=True)

    @staticmethod
    def _swap(new: Path, place: Path, old: Path) -> None:
        if place.is_dir() and not place.is_symlink():  # a folder cannot be renamed over: it steps aside first
            shutil.rmtree(old, ignore_errors=True)
            old.parent.mkdir(parents=True, exist_ok=True)
            place.rename(old)
        place.parent.mkdir(parents=True, exist_ok=True)
        new.replace(place)
        sync_folder(place.parent)
