"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file, open for reading and writing, that takes the place of `path` when the block ends without an error.

    Until then it has no name, so an error, or even a killed process, leaves what was there before and no litter.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    with tempfile.TemporaryFile(dir=path.parent) as file:
        yield file
        file.flush()
        os.fchmod(file.fileno(), path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.fsync(file.fileno())
        staged = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            _give_name(file, staged)
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)


def _give_name(file: BinaryIO, path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:  # Linux names an unnamed file at no cost
        os.link(f"/proc/self/fd/{file.fileno()}", path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
    except OSError:  # elsewhere, and on file systems that cannot: copy it
        file.seek(0)
        with path.open("wb") as target:
            shutil.copyfileobj(file, target)
    finally:
        os.close(folder)
