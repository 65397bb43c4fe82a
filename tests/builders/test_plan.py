from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from robbench_builders.errors import BuildError
from robbench_builders.plan import Plan
from robbench_builders.plan_file import PLAN_FILE, plan_from, read_plan, write_plan
from robbench.errors import RobBenchError
from robbench.spaces.nb201 import Cell
from robbench.spaces.nb201.identity import class_key, class_partition
from tests.toy_space import register

PLAN = Plan("digits", "digits", "digits-light", classes=10, sample_seed=3, seeds=(0, 1), stack=4)


def test_units_hold_every_drawn_class_once_for_each_seed() -> None:
    units = PLAN.units()
    assert [len(unit.archs) for unit in units] == [4, 4, 2] * 2
    for seed in PLAN.seeds:
        keys = [class_key(Cell.parse(arch)) for unit in units if unit.seed == seed for arch in unit.archs]
        assert keys == [class_partition().keys[row] for row in PLAN.classes_drawn()]
    assert len({unit.key for unit in units}) == len(units)


def test_draws_are_the_same_for_the_same_seed_and_nested_for_more_classes() -> None:
    assert PLAN.classes_drawn() == replace(PLAN, stack=1).classes_drawn()
    assert PLAN.classes_drawn() != replace(PLAN, sample_seed=4).classes_drawn()
    assert set(PLAN.classes_drawn()) < set(replace(PLAN, classes=20).classes_drawn())


def test_all_classes_come_in_row_order() -> None:
    assert replace(PLAN, classes=6466).classes_drawn() == list(range(6466))


def test_a_units_key_is_pinned() -> None:
    """Shards of an earlier version are found again."""
    assert PLAN.units()[0].key == "5a84f89583bfb068"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": "digit"}, r"'digit' is not a recipe\. Did you mean 'digits'"),
        ({"evaluation": "digit-light"}, r"'digit-light' is not an evaluation\. Did you mean 'digits-light'"),
        ({"classes": 0}, r"classes=0 .*at least 1"),
        ({"classes": 6467}, r"classes=6467; expected 1 to 6466, the classes of NAS-Bench-201"),
        ({"sample_seed": -1}, r"sample_seed=-1 .*at least 0"),
        ({"stack": 0}, r"stack=0 .*at least 1"),
        ({"seeds": ()}, r"seeds=\(\); expected"),
        ({"seeds": (1, 1)}, r"seeds=\(1, 1\); expected at least one, and each once"),
        ({"seeds": (-1,)}, r"seeds=-1 .*at least 0"),
        ({"seeds": (2**63,)}, r"seeds=9223372036854775808 .*below 2\^63"),
        ({"space": "dart"}, r"'dart' is not a search space whose networks a plan can be of\. Did you mean 'darts'\? Known: nb201, darts"),
        ({"space": "darts"}, r"'.*' is of networks with channels and cells, which those of DARTS are not; give darts-ha2023"),
        ({"space": "nb2o1"}, r"'nb2o1' is not a search space whose networks a plan can be of\. Did you mean 'nb201'"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(RobBenchError, match=message):
        replace(PLAN, **change)  # type: ignore[arg-type]


def test_a_written_plan_reads_back(tmp_path: Path) -> None:
    write_plan(tmp_path / "build", PLAN)
    write_plan(tmp_path / "build", PLAN)
    assert read_plan(tmp_path / "build") == PLAN
    assert plan_from(json.loads(json.dumps(asdict(PLAN)))) == PLAN


def test_a_folder_has_one_plan(tmp_path: Path) -> None:
    write_plan(tmp_path, PLAN)
    with pytest.raises(BuildError, match=r"is of another plan \(it differs in stack\); give each plan its own folder"):
        write_plan(tmp_path, replace(PLAN, stack=5))
    assert read_plan(tmp_path) == PLAN


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "build"):
        with pytest.raises(BuildError, match=rf"{folder} cannot be written \(.*\); expected a folder, or a place to make one"):
            write_plan(folder, PLAN)


def test_a_folder_without_a_plan_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"has no plan\.json; make one with `robbench build plan '.*/my build' …`"):
        read_plan(tmp_path / "my build")


@pytest.mark.parametrize("text", ["{", "[]", '{"dataset": "digits"}', "[" * 50_000])
def test_a_damaged_plan_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / PLAN_FILE).write_text(text)
    with pytest.raises(BuildError, match=r"plan\.json is not a plan"):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": 3}, r"plan\.json is not a plan: its data is 3"),
        ({"hash": "0"}, r"plan\.json is not a plan: what it stands for was changed"),
        ({"more": 3}, r"plan\.json is not a plan: .*'more'"),
        ({"dataset": 3}, r"dataset=3 is not the name of a data set"),
        ({"space": []}, r"\[\] is not a search space whose networks a plan can be of\. Known: nb201, darts"),
        ({"recipe": []}, r"plan\.json is not a plan: unhashable"),
        ({"recipe": {"name": "mine"}}, r"plan\.json: \[recipe\]: it lacks epochs"),
        ({"recipe": {"name": "mine", "epochs": "2"}}, r"plan\.json: \[recipe\] epochs: '2' is a string; expected an integer"),
        (
            {"evaluation": {"name": "mine", "attacks": {"fgsm": 3}}},
            r"plan\.json: \[evaluation\.attacks\] fgsm: 3 is an integer; expected a table",
        ),
        ({"evaluation": {"name": "mine", "attacks": 3}}, r"plan\.json: \[evaluation\] attacks: 3 is an integer; expected a table"),
        ({"seeds": 3}, r"plan\.json is not a plan: .*int"),
        ({"stack": "4"}, r"stack='4' is not a number of networks a unit"),
    ],
)
def test_a_plan_of_strange_fields_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    write_plan(tmp_path, PLAN)
    (tmp_path / PLAN_FILE).write_text(json.dumps({**json.loads((tmp_path / PLAN_FILE).read_text()), **change}))
    with pytest.raises(RobBenchError, match=message):
        read_plan(tmp_path)


def test_plans_and_units_without_a_space_are_of_nas_bench_201() -> None:
    """As those of versions that knew no other."""
    fields = json.loads(json.dumps(asdict(PLAN)))
    del fields["space"]
    assert plan_from(fields) == PLAN
    assert PLAN.space == PLAN.units()[0].space == "nb201"


def test_a_plan_of_another_space(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = register(monkeypatch)
    plan = Plan("digits", "digits", "digits-light", classes=8, sample_seed=3, seeds=(0,), stack=5, space="toy")
    archs = [toy.parse(arch) for unit in plan.units() for arch in unit.archs]
    assert len(archs) == len(set(map(toy.key, archs))) == 8
    assert [len(unit.archs) for unit in plan.units()] == [5, 3]
    unit = plan.units()[0]
    assert unit.key != replace(unit, space="nb201").key
    with pytest.raises(BuildError, match=r"classes=9; expected 1 to 8, the classes of the toy space"):
        replace(plan, classes=9)
