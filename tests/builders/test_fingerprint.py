from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from robbench_builders.datasets import Dataset, load
from robbench_builders.environment import environment_of
from robbench_builders.errors import BuildError
from robbench_builders.fingerprint import fingerprint, of_shard, refuse_others
from robbench_builders.plan import Plan
from robbench_builders.plan_file import read_plan
from robbench_builders.recipes import RECIPES
from robbench_builders.results.shards import Shard
from robbench_builders.units import settings_of
import robbench

CPU = torch.device("cpu")


@pytest.fixture
def plan(folder: Path) -> Plan:
    return read_plan(folder)


@pytest.fixture
def dataset(plan: Plan) -> Dataset:
    return load(plan.dataset)


def test_it_says_all_that_decides_a_result(plan: Plan, dataset: Dataset) -> None:
    found = fingerprint(plan, dataset, CPU)
    assert found == fingerprint(plan, load(plan.dataset), CPU)
    assert environment_of(CPU).items() <= found.items()
    assert found["robbench"] == robbench.__version__
    assert found["recipe.epochs"] == RECIPES["digits"].epochs
    assert not [value for value in found.values() if isinstance(value, dict)]


def test_a_recipe_changed_under_its_name_is_another(plan: Plan, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(plan, dataset, CPU)
    monkeypatch.setitem(RECIPES, "digits", replace(RECIPES["digits"], epochs=99))
    with pytest.raises(BuildError, match=rf"^recipe\.epochs is 99, not {before['recipe.epochs']}; all results of a build come from one"):
        refuse_others(fingerprint(plan, dataset, CPU), before)


def test_other_images_are_another(plan: Plan, dataset: Dataset) -> None:
    brighter = replace(dataset, test_images=dataset.test_images * 0.5)
    expected, found = (fingerprint(plan, images, CPU) for images in (dataset, brighter))
    assert {name for name in expected if expected[name] != found[name]} == {"dataset"}


def test_a_shard_tells_what_made_it(plan: Plan, dataset: Dataset) -> None:
    environment = {**environment_of(CPU), "stack": 2}
    shard = Shard(plan.units()[0], settings_of(plan.recipe, plan.evaluation, dataset), environment, [], {}, {}, {}, {})
    made, here = of_shard(shard), fingerprint(plan, dataset, CPU)
    assert made.items() <= here.items()
    assert here.keys() - made.keys() == {"robbench", "source"}


def test_the_first_differences_are_named() -> None:
    refuse_others({"torch": "2"}, {"torch": "2"})
    with pytest.raises(BuildError, match=r"^a is absent, not 0, c is 2, not absent; all"):
        refuse_others({"b": 1, "c": 2}, {"a": 0, "b": 1})
    with pytest.raises(BuildError, match=r"^a is 1, not 0, .*d is 1, not 0 \(and 2 more\); all"):
        refuse_others(dict.fromkeys("abcdef", 1), dict.fromkeys("abcdef", 0))
