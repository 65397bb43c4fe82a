"""Two writers of one store: one waits, and both results are in it at the end."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from robbench.spaces.nb201 import NB201
from robbench.store import Store, verify
from robbench.store.arrays import Array, Fitted, Header, Name
from robbench.store.locking import only_writer
from robbench.store.rows import Rows
from robbench.store.writing import extend, put_surrogate

ROOT = Path(__file__).parents[2]
ROWS = Rows.of(NB201, NB201.members[:50])
WRITER = """
import sys, time
from pathlib import Path
from tests.store.test_locking import ROWS, one
from robbench.store.writing import extend

def slowly(training):
    time.sleep(0.5)
    yield one(training)

path, training = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
extend(path, ROWS, slowly(training))
"""


def one(training: str) -> Array:
    values = np.full(len(ROWS.keys), 0.5)
    return Array(Name("digits", training, "clean", "accuracy"), Header("class", {}, "fraction", {"source": "test"}), values)


def fitted(target: str) -> Fitted:
    return Fitted(
        "digits", "standard", target, np.arange(3, dtype=np.uint32), np.zeros((2, 2), np.float32), {"model.a": np.arange(4.0)}, {}
    )


def writer(path: Path, training: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), training], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("exists", [False, True])
def test_three_processes_that_write_at_once_lose_nothing(tmp_path: Path, exists: bool) -> None:
    path = tmp_path / "store.h5"
    if exists:
        extend(path, ROWS, [one("standard")])
    writers = [writer(path, f"run-{number}") for number in range(3)]
    said = [process.communicate(timeout=60) for process in writers]
    assert [process.returncode for process in writers] == [0, 0, 0], said
    assert sum("is being written by another process; waiting for it to end" in error for _, error in said) == 2
    with Store(path) as store:
        assert set(store.trainings("digits")) == {"run-0", "run-1", "run-2", *(["standard"] if exists else [])}
    verify(path)
    assert [item.name for item in tmp_path.iterdir()] == ["store.h5"]


def test_threads_that_put_surrogates_in_at_once_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    extend(path, ROWS, [one("standard")])
    threads = [threading.Thread(target=put_surrogate, args=(path, fitted(f"t{number}"))) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Store(path) as store:
        assert [target for _, _, target in store.surrogates()] == [f"t{number}" for number in range(6)]
    verify(path)


def test_a_lock_that_a_killed_process_left_stops_nobody(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    process = writer(path, "killed")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    lock = path.with_name(".store.h5.lock")
    while not lock.exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert lock.exists()
    extend(path, ROWS, [one("standard")])
    assert [item.name for item in tmp_path.iterdir()] == ["store.h5"]


def test_who_waits_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, order = tmp_path / "store.h5", []

    def second() -> None:
        with only_writer(path):
            order.append("second")

    waiting = threading.Thread(target=second)
    with caplog.at_level(logging.WARNING), only_writer(path):
        waiting.start()
        while not caplog.records:
            time.sleep(0.01)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]
    assert [record.getMessage() for record in caplog.records] == [f"{path} is being written by another process; waiting for it to end."]
    assert not list(tmp_path.iterdir())
