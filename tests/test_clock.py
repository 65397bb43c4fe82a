from __future__ import annotations

import io
import threading

import pytest

from robbench import clock as module
from robbench.clock import clock


class Terminal(io.StringIO):
    """A terminal that says when something was written for the third time."""

    def __init__(self) -> None:
        super().__init__()
        self.thrice = threading.Event()
        self._times = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._times += "networks" in text
        if self._times >= 3:
            self.thrice.set()
        return super().write(text)


def test_a_terminal_sees_that_it_goes_on_and_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(module, "EVERY", 0.001)
    with clock("pgd: networks", 2, shown=True) as done:
        assert terminal.thrice.wait(10), "nothing moves, though nothing is done"
        done()
    assert "pgd: networks: 0 of 2 done, 00:00" in terminal.getvalue()
    assert "pgd: networks: 1 of 2 done" in terminal.getvalue()
    assert not [thread for thread in threading.enumerate() if thread.name.endswith("(tick)")], "its clock stops with it"


@pytest.mark.parametrize("shown", [True, False])
def test_elsewhere_nothing_is_written(shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO() if shown else Terminal()
    monkeypatch.setattr("sys.stderr", file)
    with clock("pgd", 1, shown=shown) as done:
        done()
    assert file.getvalue() == ""
