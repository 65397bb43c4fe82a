"""Worker processes that end with the process that started them, however it ends.

ProcessPoolExecutor(2, mp_context=…, initializer=end_with_parent)
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event


def end_with_parent(given_up: Event | None = None) -> None:
    """From now on this worker ends as soon as its parent has: what was killed must not go on beside the next run.

    Arguments:
        given_up: what the parent sets where the worker is to end before that, in the middle of what it does.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a worker has a parent to end with"
    for wait in (parent.join, *([] if given_up is None else [given_up.wait])):
        threading.Thread(target=_end_after, args=(wait,), daemon=True).start()


def _end_after(wait: Callable[[], object]) -> None:
    wait()
    os._exit(1)
