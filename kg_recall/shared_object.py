"""An object written once and mapped by many processes: its arrays lie in memory once, however many processes work with it.

Pickle's protocol 5 (PEP 574) hands over the memory of arrays apart from the rest. It goes into one file, each array at a boundary of 64
bytes. A process maps the file copy on write: pages are shared for as long as nobody writes them, and who writes a page has it alone.
"""

from __future__ import annotations

import io
import mmap
import pickle
from pathlib import Path
from typing import Any, Final

import numpy as np

ALIGNMENT: Final = 64
"""Bytes: the widest vector load, and a line of the cache."""
HEAD, PLACES, ARRAYS = "head.pickle", "places.npy", "arrays.bin"
WRITTEN_AT_ONCE: Final = 1 << 26


class _Pickler(pickle.Pickler):
    """Tensors as the arrays that they are: torch's own way copies them into the stream."""

    def reducer_override(self, obj: Any) -> Any:
        if not type(obj).__module__.startswith("torch"):
            return NotImplemented
        import torch  # here, so that commands which share nothing start without it

        if isinstance(obj, torch.nn.Parameter):
            return torch.nn.Parameter, (obj.detach(), obj.requires_grad)
        if type(obj) is torch.Tensor and obj.layout == torch.strided and obj.is_cpu and not obj.requires_grad:
            return torch.from_numpy, (np.ascontiguousarray(obj.numpy()),)
        return NotImplemented


def write_shared(value: Any, folder: Path) -> None:
    """Write `value` into `folder` (exists); what it holds must be picklable."""
    buffers: list[pickle.PickleBuffer] = []
    head = io.BytesIO()
    _Pickler(head, protocol=5, buffer_callback=buffers.append).dump(value)
    views = [buffer.raw() for buffer in buffers]
    sizes = np.array([view.nbytes for view in views], dtype=np.int64)
    ends = np.cumsum(-(-sizes // ALIGNMENT) * ALIGNMENT)
    starts = ends - -(-sizes // ALIGNMENT) * ALIGNMENT
    with (folder / ARRAYS).open("wb") as file:
        for start, view in zip(starts.tolist(), views, strict=True):
            file.seek(start)
            for part in range(0, view.nbytes, WRITTEN_AT_ONCE):
                file.write(view[part : part + WRITTEN_AT_ONCE])
        file.truncate(int(ends[-1]) if len(ends) else 0)
    np.save(folder / PLACES, np.column_stack((starts, starts + sizes)))
    (folder / HEAD).write_bytes(head.getbuffer())


def read_shared(folder: Path) -> Any:
    """The object written into `folder`, by this version of the program; the folder may go once every process has it."""
    places = np.load(folder / PLACES)
    size = (folder / ARRAYS).stat().st_size
    with (folder / ARRAYS).open("rb") as file:
        memory = memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) if size else b"")
    return pickle.loads((folder / HEAD).read_bytes(), buffers=[memory[start:end] for start, end in places.tolist()])
