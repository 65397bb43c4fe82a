"""One writer of a file at a time: others wait, and nobody waits for a process that is gone."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_log = logging.getLogger(__name__)


@contextmanager
def only_writer(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Be the only one who writes `path` while the block runs; wait, and say so in the log, while another process or thread does.

    The lock is on a file beside `path`, which is gone afterwards.  The system lets go of it when its holder ends, however it ends.

    Raises:
        BlockingIOError: another process or thread does, and this one is not to wait.
        OSError: the folder cannot be written.
    """
    path = path.resolve()
    lock = path.with_name(f".{path.name}.lock")
    descriptor = _acquired(lock, path, wait)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)  # before it is let go: who waits for it then sees that it is no longer the file of this name
        os.close(descriptor)


def _acquired(lock: Path, path: Path, wait: bool) -> int:
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                os.close(descriptor)
                raise
            _log.warning("%s is being written by another process; waiting for it to end.", path)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is(lock, descriptor):
            return descriptor
        os.close(descriptor)  # the holder before has removed it; another one is made


def _is(lock: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), lock.stat())
    except FileNotFoundError:
        return False
