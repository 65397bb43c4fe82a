"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file, open for reading and writing, that takes the place of `path` when the block ends without an error.

    Where the system can (Linux), it has no name until then, so even a killed process leaves no litter.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with _new_file(staged) as file:
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


def _new_file(path: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(path.parent, os.O_RDWR | os.O_TMPFILE, 0o600), "w+b")
    except (AttributeError, OSError):  # not Linux, or a file system that has no unnamed files
        return path.open("w+b")
