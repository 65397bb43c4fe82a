from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from robbench_builders.attacks import APGD, FGSM, PGD
from robbench_builders.code import code_of

SOURCE = """
class Mine:
    def step(self, x):
        return x + 1
"""


def code_of_source(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str = "mine") -> str:
    from robbench_builders import code

    (folder / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, name, raising=False)
    module = __import__(name)
    code._code_of.cache_clear()
    return code_of(module.Mine())


def test_what_is_said_of_code_is_not_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import linecache

    found = []
    for said in (
        SOURCE,
        SOURCE.replace("):", "):  # one more"),
        SOURCE.replace("Mine:", 'Mine:\n    """Of mine."""'),
        SOURCE.replace("+ 1", "+ 2"),
    ):
        linecache.clearcache()
        found.append(code_of_source(tmp_path, monkeypatch, said))
    assert found[0] == found[1] == found[2] != found[3]


def test_attacks_differ_and_their_settings_are_not_their_code() -> None:
    assert code_of(PGD()) == code_of(PGD(steps=7))
    assert len({code_of(FGSM()), code_of(PGD()), code_of(APGD())}) == 3
