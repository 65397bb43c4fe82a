"""Worker processes that end with the process that started them, however it ends.

ProcessPoolExecutor(2, mp_context=…, initializer=end_with_parent)
"""

from __future__ import annotations

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """From now on this worker ends as soon as its parent has: what was killed must not go on beside the next run."""
    threading.Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a worker has a parent to end with"
    parent.join()
    os._exit(1)
