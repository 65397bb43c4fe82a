from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from robbench.cli import main
from tests.cli.running import FIRST, Run
from tests.sources.published import jung


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """`robbench` with these arguments, in this process."""
    monkeypatch.delenv("ROBBENCH_STORE", raising=False)

    def robbench(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return robbench


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return jung(tmp_path / "jung", {"cifar10/clean_accuracy": {FIRST: 0.5}})
