"""Files that appear whole or not at all."""

from __future__ import annotations

import fcntl
import glob
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import h5py

from robbench.store.seal import SIZE, seal


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file, open for reading and writing, that takes the place of `path` when the block ends without an error.

    A link stays one: what it leads to is replaced.  What is no regular file, such as /dev/stdout, is written to.  A new file has the permissions that the
    umask says; a replaced one's stay.

    Where the system can (Linux), it has no name until then, so even a killed process leaves no litter.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    _clear(path)
    staged = path.with_name(
        f".{path.name}.{os.urandom(8).hex()}"
    )  # not by the process's number, which another machine or container has, too
    try:
        with _unnamed_or(staged) as file:
            _try_lock(file.fileno())
            yield file
            file.flush()
            if path.exists():
                os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
            os.fsync(file.fileno())
            if not staged.exists():
                # Given any folder's descriptor, it links what the path under /proc points to, and not that path.
                os.link(f"/proc/self/fd/{file.fileno()}", staged, src_dir_fd=file.fileno(), follow_symlinks=True)
            staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Remove what processes that were killed at the very last step have left beside `path`: nobody holds its lock."""
    for staged in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 16}"):
        with suppress(OSError), staged.open("r+b") as file:
            if _try_lock(file.fileno()):
                staged.unlink()


def _try_lock(descriptor: int) -> bool:
    """Lock a file, which the system unlocks when its holder ends, however it ends; whether that could be done."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def replacing_hdf5(path: Path) -> Iterator[h5py.File]:
    """A new HDF5 file that takes the place of `path`, with its seal, when the block ends without an error.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    with replacing(path) as buffer:
        # The oldest structures that HDF5 has are those that hdf5.py reads.
        disk = _Disk(buffer.fileno(), "r+", closefd=False)
        try:
            with h5py.File(disk, "w", libver=("earliest", "latest"), userblock_size=SIZE) as file:
                yield file
        finally:
            if disk.error is not None:  # whatever else went wrong follows from this
                raise disk.error
        seal(buffer)


class _Disk(io.FileIO):
    """What HDF5 writes to.  It crashes on an error that is raised while it closes a file, so the first one is kept."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of it, unless the disk has failed."""
        rest = memoryview(data).cast("B")
        while rest and self.error is None:
            try:
                rest = rest[super().write(rest) :]
            except OSError as error:
                self.error = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Cut or extend, unless the disk has failed."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return self.tell()


def _unnamed_or(path: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(path.parent, os.O_RDWR | os.O_TMPFILE, 0o666), "w+b")
    except (AttributeError, OSError):  # not Linux, or a file system that has no unnamed files
        return path.open("x+b")
