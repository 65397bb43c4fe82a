from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from robbench import RobBench
from robbench.cli import main
from tests.synthetic import UNMEASURED


def test_fit_and_predict(small_store: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    store = Path(shutil.copy(small_store, tmp_path / "store.h5"))
    run = CliRunner().invoke(main, ["fit", str(store), "--target", "clean", "--model", "forest", "--features", "operations"])
    assert run.exit_code == 0, run.output
    assert run.output.startswith("clean: R² ")
    bench = RobBench(store)
    arch = str(bench.classes[UNMEASURED])
    found = bench.predict(arch, "clean")
    run = CliRunner().invoke(main, ["predict", arch, "clean", "--store", str(store)])
    assert run.output == f"{found.mean:g}, 90% of measurements from {found.low:g} to {found.high:g} (predicted)\n"
    run = CliRunner().invoke(main, ["predict", arch, "clean", "--store", str(store), "--json"])
    assert json.loads(run.output) == {"arch": arch, "metric": "clean", **found._asdict()}


def test_what_cannot_be_predicted_is_one_line(small_store: Path) -> None:
    run = CliRunner().invoke(main, ["predict", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "clean", "--store", str(small_store)])
    assert run.exit_code == 1
    assert run.output.startswith("Error: NotMeasured: no surrogate of clean of toy10 (standard)")
