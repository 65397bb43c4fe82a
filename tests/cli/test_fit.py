from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from robbench import RobBench
from robbench.cli import main
from robbench.surrogates import fit
from tests.few import ARCH, UNMEASURED


def test_fit_and_predict(few_store: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    store = Path(shutil.copy(few_store, tmp_path / "store.h5"))
    run = CliRunner().invoke(main, ["fit", str(store), "--target", "clean", "--model", "forest", "--features", "operations"])
    assert run.exit_code == 0, run.output
    assert run.output.startswith("clean: R² ")
    bench = RobBench(store)
    found = bench.predict(UNMEASURED, "clean")
    run = CliRunner().invoke(main, ["predict", UNMEASURED, "clean", "--store", str(store)])
    assert run.output == f"{found.mean:g}, 90% of measurements from {found.low:g} to {found.high:g} (predicted)\n"
    run = CliRunner().invoke(main, ["predict", UNMEASURED, "clean", "--store", str(store), "--json"])
    assert json.loads(run.output) == {"arch": UNMEASURED, "metric": "clean", **found._asdict()}


def test_what_cannot_be_predicted_is_one_line(few_store: Path) -> None:
    run = CliRunner().invoke(main, ["predict", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "clean", "--store", str(few_store)])
    assert run.exit_code == 1
    assert run.output.startswith("Error: NotMeasured: no surrogate of clean of toy10 (standard)")


def test_predictions_are_searched_where_it_is_said(few_store: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    store = Path(shutil.copy(few_store, tmp_path / "store.h5"))
    fit(RobBench(store), "clean", model="forest", features="operations").save(store)
    arguments = ["search", "random", "clean", "--on", "surrogate", "--budget", "5", "--store", str(store), "--json"]
    answer = json.loads(CliRunner().invoke(main, arguments).output)
    (best,) = answer["found"]
    assert best["clean"] == RobBench(store).predict(best["arch"], "clean").mean
    assert answer["space"] == len(RobBench(store).architectures), "the one of which nothing was measured among them"


def test_a_known_metric_is_a_feature_and_what_lacks_it_is_named(few_store: Path, tmp_path: Path) -> None:
    store = Path(shutil.copy(few_store, tmp_path / "store.h5"))
    arguments = ["fit", str(store), "--target", "pgd@1/255", "--model", "ridge"]
    run = CliRunner().invoke(main, [*arguments, "--features", "operations+clean+fgsm"])
    assert run.exit_code == 0, run.output
    assert CliRunner().invoke(main, ["predict", ARCH, "pgd@1/255", "--store", str(store)]).exit_code == 0
    run = CliRunner().invoke(main, ["predict", UNMEASURED, "pgd@1/255", "--store", str(store)])
    assert run.exit_code == 1
    assert "from clean, fgsm@1/255, fgsm@2/255, of which clean, fgsm@1/255, fgsm@2/255 was not measured for" in run.output
    assert run.output.endswith("; fit a surrogate with --features structure, which needs none.\n")
    run = CliRunner().invoke(main, [*arguments, "--features", "operations+pgd@1/255"])
    assert run.exit_code == 1
    assert "pgd@1/255 is the target, and follows from what is known among the features, pgd@1/255" in run.output
