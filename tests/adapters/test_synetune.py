"""A blackbox repository as Syne Tune writes it, read back by Syne Tune, and simulated."""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import InvalidArgument, MissingLibrary, NotMeasured
from tests.adapters.conftest import EPOCHS, PGD_EPOCHS
from tests.toy_space import TOY

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Syne Tune and fastparquet make of the newest pandas
    pytest.importorskip("fastparquet")
    tabular = pytest.importorskip("syne_tune.blackbox_repository.blackbox_tabular", exc_type=ImportError)

pytestmark = pytest.mark.filterwarnings(
    "ignore:The inplace keyword:DeprecationWarning", "ignore:The 'fastparquet' engine:DeprecationWarning"
)

adapter: Any = importlib.import_module("robbench.adapters.synetune")


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = tabular.deserialize(folder)
    return found


def test_results_come_back_for_every_configuration(curved: RobBench, tmp_path: Path) -> None:
    adapter.save(curved, ["clean", "synflow"], tmp_path / "toy")
    (blackbox,) = read(tmp_path / "toy").values()
    assert blackbox.fidelity_space.keys() == {"training"}
    assert {name: domain.categories for name, domain in blackbox.configuration_space.items()} == {
        variable.name: list(variable.choices) for variable in TOY.variables
    }
    assert [TOY.from_assignment(one) for one in blackbox.all_configurations()] == list(TOY.members)
    for arch in TOY.members:
        answer = blackbox.objective_function(TOY.assignment(arch), fidelity=1, seed=0)
        assert answer == {
            "clean": np.float32(curved.query(arch, "clean")),
            "synflow": np.float32(curved.query(arch, "synflow")),
            "elapsed_time": 1,
        }


def test_learning_curves_are_fidelities_and_data_sets_are_tasks(curved: RobBench, tmp_path: Path) -> None:
    options = {"datasets": ["toy10", "toy20"], "epochs": "all"}
    adapter.save(curved, ["clean", "pgd@2/255"], tmp_path / "toy", seconds="training_seconds", **options)
    found = read(tmp_path / "toy")
    assert list(found) == ["toy10", "toy20"]
    for dataset, blackbox in found.items():
        assert (blackbox.fidelity_name(), blackbox.fidelity_values.tolist()) == ("epoch", [2, 3, 4])
        arch = TOY.members[8]
        seconds = curved.query(arch, "training_seconds", dataset=dataset)
        for epoch in PGD_EPOCHS:
            answer = blackbox.objective_function(TOY.assignment(arch), fidelity={"epoch": epoch + 1}, seed=0)
            assert answer["clean"] == np.float32(curved.query(arch, "clean", dataset=dataset, epoch=epoch))
            assert answer["pgd@2/255"] == np.float32(curved.query(arch, "pgd@2/255", dataset=dataset, epoch=epoch))
            assert answer["elapsed_time"] == pytest.approx(seconds * (epoch + 1) / len(EPOCHS), rel=1e-6)


def test_seeds_are_seeds_and_epochs_take_a_second_unless_told(curved: RobBench) -> None:
    options = {"training": "pgd-8/255", "seeds": [8, 7], "missing": "drop"}
    (blackbox,) = adapter.blackboxes(curved, "clean", **options).values()
    configurations = blackbox.all_configurations()
    for place, seed in enumerate((8, 7)):
        answers = [blackbox.objective_function(one, fidelity=1, seed=place)["clean"] for one in configurations]
        assert answers == [curved.query(TOY.from_assignment(one), "clean", training="pgd-8/255", seed=seed) for one in configurations]
    (blackbox,) = adapter.blackboxes(curved, "clean", epochs="all").values()
    curve = blackbox.objective_function(blackbox.all_configurations()[0], seed=0)
    assert curve[:, blackbox.objectives_names.index(adapter.ELAPSED)].tolist() == [1, 2, 3, 4]


def test_the_metadata_are_those_of_syne_tunes_own_and_cite(curved: RobBench, tmp_path: Path) -> None:
    adapter.save(curved, ["pgd@1/255", "clean"], tmp_path / "toy", epochs="all")
    about = json.loads((tmp_path / "toy" / "metadata.json").read_text("utf-8"))
    assert (about["metric_default"], about["metric_elapsed_time"], about["time_attr"]) == ("pgd@1/255", "elapsed_time", "epoch")
    assert about["objectives_names"] == ["pgd@1/255", "clean", "elapsed_time"]
    assert "made up" in about["citation"]


def test_a_simulated_search_reads_it(curved: RobBench) -> None:
    backends = importlib.import_module("syne_tune.blackbox_repository.simulated_tabular_backend")
    (blackbox,) = adapter.blackboxes(curved, "clean", epochs="all").values()
    backend = backends.UserBlackboxBackend(blackbox, elapsed_time_attr=adapter.ELAPSED, seed=0)
    reported = backend.config_objectives(TOY.assignment(TOY.members[5]), seed=0)
    assert [one["epoch"] for one in reported] == [1, 2, 3, 4]
    assert [one["clean"] for one in reported] == [curved.query(TOY.members[5], "clean", epoch=epoch) for epoch in EPOCHS]


def test_nothing_is_written_over_or_left_half_written(curved: RobBench, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    with pytest.raises(InvalidArgument, match="mine is there already; name a new folder, or an empty one, for the repository"):
        adapter.save(curved, "clean", tmp_path / "mine")
    with pytest.raises(NotMeasured):
        adapter.save(curved, "clean", tmp_path / "new" / "toy", training="pgd-8/255", seeds=[7, 8])
    with pytest.raises(InvalidArgument, match="has no option 'epoch'"):
        adapter.save(curved, "clean", tmp_path / "new" / "toy", epoch=3)
    assert not (tmp_path / "new").exists()
    (tmp_path / "empty").mkdir()
    adapter.save(curved, "clean", tmp_path / "empty")
    assert read(tmp_path / "empty").keys() == {"toy10"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "mine", "toy.h5"]


def test_without_syne_tune_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "robbench.adapters.synetune")
    monkeypatch.setitem(sys.modules, "syne_tune.blackbox_repository.blackbox_tabular", None)
    with pytest.raises(MissingLibrary, match=r"this adapter needs Syne Tune .*: pip install 'robbench\[syne-tune\]'"):
        importlib.import_module("robbench.adapters.synetune")
