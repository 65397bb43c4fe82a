"""Files that appear whole or not at all."""

from __future__ import annotations

import glob
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import h5py

from robbench.store.seal import SIZE, seal


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file, open for reading and writing, that takes the place of `path` when the block ends without an error.

    A link stays one: what it leads to is replaced.

    Where the system can (Linux), it has no name until then, so even a killed process leaves no litter.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    path = path.resolve()
    _clear(path)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with _unnamed_or(staged) as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
            if not staged.exists():
                # Given any folder's descriptor, it links what the path under /proc points to, and not that path.
                os.link(f"/proc/self/fd/{file.fileno()}", staged, src_dir_fd=file.fileno(), follow_symlinks=True)
            staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Remove what processes that were killed at the very last step have left beside `path`."""
    for staged in path.parent.glob(f".{glob.escape(path.name)}.*"):
        pid = staged.suffix[1:]
        if pid.isdigit() and not _is_alive(int(pid)):
            staged.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
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
        return os.fdopen(os.open(path.parent, os.O_RDWR | os.O_TMPFILE, 0o600), "w+b")
    except (AttributeError, OSError):  # not Linux, or a file system that has no unnamed files
        return path.open("w+b")
