"""Stores changed by another hand: with a seal made to fit, so that what stands behind the seal is tested, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from robbench.store.seal import SIZE, seal


@contextmanager
def tampered(path: Path) -> Iterator[h5py.File]:
    """A store's HDF5 file, open to be changed; it is sealed again at the end."""
    with h5py.File(path, "r+") as file:
        yield file
    reseal(path)


def reseal(path: Path) -> None:
    """Write the seal that fits a file's content, if it has one."""
    with path.open("r+b") as file:
        if file.read(8) == b"robbench":
            seal(file)


def flip(path: Path, dataset: str) -> None:
    """Change one bit in the first chunk of a dataset, and seal the file again."""
    with h5py.File(path) as file:
        chunk = file[dataset].id.get_chunk_info(0)
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset + chunk.size // 2)
        byte = raw.read(1)[0]
        raw.seek(-1, 1)
        raw.write(bytes([byte ^ 16]))
    reseal(path)


def unsealed(path: Path) -> None:
    """Take the seal off: what stands in the file then begins at its first byte, as in version 1."""
    content = path.with_name("unsealed.h5")
    with h5py.File(path) as file, h5py.File(content, "w") as new:
        for name in file:
            file.copy(name, new)
        new.attrs.update(file.attrs)
    assert h5py.File(content).userblock_size != SIZE
    content.replace(path)
