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
    with h5py.File(path) as file:  # found by what it holds: HDF5's versions disagree on whether a chunk's address counts the seal
        chunk = file[dataset].id.read_direct_chunk((0,) * file[dataset].ndim)[1]
    content = bytearray(path.read_bytes())
    content[content.index(chunk) + len(chunk) // 2] ^= 16
    path.write_bytes(content)
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
