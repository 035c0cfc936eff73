"""The next batch is read while the last one is worked on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")
DEPTH = 2


def prefetched(items: Iterator[T]) -> Iterator[T]:
    """`items`, each taken by another thread before it is asked for, at most `DEPTH` ahead; what that thread raises is raised here."""
    ready: queue.Queue[T | None] = queue.Queue(DEPTH)
    wanted = threading.Event()
    wanted.set()
    failure: list[BaseException] = []

    def put(item: T | None) -> None:
        while wanted.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def read() -> None:
        try:
            for item in items:
                put(item)
                if not wanted.is_set():
                    break
        except BaseException as error:
            failure.append(error)
        put(None)

    thread = threading.Thread(target=read, name="prefetch", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            yield item
    finally:
        wanted.clear()
        thread.join()
    if failure:
        raise failure[0]
