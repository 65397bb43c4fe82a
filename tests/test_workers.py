"""Workers end with the process that started them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

SEARCHING = """
import os, time
from robbench.search.repeated import processes

def run(number):
    os.write(1, f"{os.getpid()}\\n".encode())  # at once: two that print mix their lines
    time.sleep(60)

if __name__ == "__main__":
    with processes(2) as executor:
        list(executor.map(run, range(2)))
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
def test_workers_of_a_killed_search_end_in_the_middle_of_a_run(tmp_path: Path) -> None:
    script = tmp_path / "searching.py"
    script.write_text(SEARCHING)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = [Path("/proc", process.stdout.readline().strip()) for _ in range(2)]
        assert process.poll() is None
        assert all(worker.exists() for worker in workers)
        process.kill()
    deadline = time.monotonic() + 10
    while any(worker.exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [worker for worker in workers if worker.exists()]


DYING = """
import os
from concurrent.futures import BrokenExecutor
from robbench.search.repeated import processes

def run(number):
    os._exit(3)

if __name__ == "__main__":
    try:
        with processes(2) as executor:
            list(executor.map(run, range(2)))
    except BrokenExecutor:
        print("broken")
"""


def test_who_waits_for_workers_that_died_is_told_so(tmp_path: Path) -> None:
    """And does not wait for ever for what they held."""
    script = tmp_path / "dying.py"
    script.write_text(DYING)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "broken\n"
