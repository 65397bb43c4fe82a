"""Worker processes that end with the process that started them, however it ends.

ProcessPoolExecutor(2, mp_context=…, initializer=end_with_parent)
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


def end_with_parent(given_up: Connection | None = None) -> None:
    """From now on this worker ends as soon as its parent has: what was killed must not go on beside the next run.

    Arguments:
        given_up: the end of a pipe of which the parent closes the other where the worker is to end before that, in the middle of what it does.  An event would
            not do: who sets one waits for every worker that waits for it, also for those that are no more.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a worker has a parent to end with"
    for wait in (parent.join, *([] if given_up is None else [partial(_until_closed, given_up)])):
        threading.Thread(target=_end_after, args=(wait,), daemon=True).start()


def _until_closed(pipe: Connection) -> None:
    with suppress(EOFError, OSError):
        pipe.recv_bytes()


def _end_after(wait: Callable[[], object]) -> None:
    wait()
    os._exit(1)
