"""One cache, from a question to its answer; and attributes, which are answered like measurements."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from robbench import InvalidArgument, NotMeasured, RobBench, UnknownArchitecture
from robbench.analysis import neighbors
from robbench.measurements.derived import DERIVED
from robbench.measurements.metrics import TABLE, Metric, parse
from robbench.measurements.question import Question
from robbench.store.arrays import Name
from robbench.store.reading import Store

SPELLINGS: list[tuple[Any, dict[str, Any]]] = [
    ("pgd", {"eps": 1 / 255}),
    ("pgd", {"eps": "1/255"}),
    ("pgd@1/255", {}),
    ("pgd@1/255:accuracy", {}),
    ("pgd@Linf", {"eps": 1 / 255, "measure": "acc"}),
    (Metric("pgd", 1 / 255, "accuracy"), {}),
    (parse("pgd@1/255"), {"dataset": "toy10"}),
    ("pgd@1/255", {"dataset": "toy10", "training": "standard"}),
]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[Name]:
    """How often each array is read."""
    counted: Counter[Name] = Counter()
    read = Store.read

    def counting(store: Store, name: Name, *row: int) -> np.ndarray:
        counted[name] += 1
        return read(store, name, *row)

    monkeypatch.setattr(Store, "read", counting)
    return counted


def test_the_same_question_by_other_spellings_shares_the_column(few_bench: RobBench, reads: Counter[Name]) -> None:
    measurements, arch = few_bench.measurements, few_bench.classes[3]
    column = measurements.column(Question.of("pgd@1/255"))
    for metric, options in SPELLINGS:
        assert measurements.column(Question.of(metric, **options)) is column
        assert few_bench.query(arch, metric, **options) == column.values[3]
        assert few_bench.query_many(few_bench.classes, metric, missing="nan", **options) == pytest.approx(column.values, nan_ok=True)
    assert few_bench.explain(arch, "pgd", eps=1 / 255).value == column.values[3]
    assert reads == {Name("toy10", "standard", "pgd", "accuracy"): 1}


def test_what_is_another_question_shares_nothing_but_the_array(few_bench: RobBench, reads: Counter[Name]) -> None:
    asked = [Question.of("pgd", eps=eps, interpolate=interpolate) for eps in (1 / 255, 2 / 255) for interpolate in (False, True)]
    columns = [few_bench.measurements.column(question) for question in asked]
    assert len(set(map(id, columns))) == 4
    np.testing.assert_array_equal(columns[0].values, columns[1].values)
    assert set(reads.values()) == {1}


def test_a_derived_metric_is_computed_once(few_bench: RobBench, reads: Counter[Name], monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[Question] = []
    rule = DERIVED["worst_case"]

    def counting(columns: Any, question: Question) -> Any:
        computed.append(question)
        return rule.compute(columns, question)

    monkeypatch.setitem(DERIVED, "worst_case", rule._replace(compute=counting))
    arch = few_bench.classes[3]
    everywhere: list[dict[str, Any]] = [{}, {"dataset": "toy10"}, {"training": "standard"}]
    for _ in range(2):
        for options in everywhere:
            few_bench.query(arch, "worst_case@1/255", **options)
            few_bench.query(str(arch), "worst_case", eps=1 / 255, **options)
        few_bench.query_many(few_bench.classes, "worst_case@1/255", missing="nan")
        few_bench.table(["worst_case@1/255", "pgd@1/255"])
        few_bench.top("worst_case", eps="1/255")
        few_bench.explain(arch, "worst_case@1/255")
        few_bench.oracle("worst_case@1/255")(arch)
    assert computed == [Question(parse("worst_case@1/255"), "toy10", "standard")]
    assert set(reads.values()) == {1}


def test_a_question_that_has_no_answer_is_not_kept(few_bench: RobBench) -> None:
    before = len(few_bench.measurements.answers)
    for _ in range(2):
        with pytest.raises(NotMeasured):
            few_bench.query(few_bench.classes[3], "square@1/255")
        with pytest.raises(InvalidArgument):
            few_bench.query(few_bench.classes[3], "clean", eps=1 / 255)
    assert len(few_bench.measurements.answers) == before


# Attributes


def test_an_attribute_is_a_metric_that_no_store_needs_to_hold(few_bench: RobBench, reads: Counter[Name]) -> None:
    expected = {str(cell): cell.kernel_parameters for cell in few_bench.architectures}
    for arch, value in list(expected.items())[::29]:
        assert few_bench.query(arch, "kernel_parameters") == value
        found = few_bench.explain(arch, "kernel_parameters")
        assert (found.value, found.how, found.identity, found.training, found.unit) == (value, "computed", "exact", "untrained", "1")
        assert found.sources == {}
    assert few_bench.query_many(list(expected), "kernel_parameters").tolist() == list(expected.values())
    top = few_bench.top("kernel_parameters", 7)
    assert top["kernel_parameters"].tolist() == sorted(expected.values(), reverse=True)[:7]
    assert [expected[arch] for arch in top["arch"]] == top["kernel_parameters"].tolist()
    table = few_bench.table("kernel_parameters")
    assert table["kernel_parameters"].to_dict() == {str(cell): cell.kernel_parameters for cell in few_bench.classes}
    oracle = few_bench.oracle("kernel_parameters")
    assert [oracle(arch) for arch in expected] == list(expected.values())
    assert not reads


def test_an_attribute_of_an_architecture_that_the_store_does_not_hold_is_computed(few_bench: RobBench) -> None:
    held = set(few_bench.architectures)
    others = [arch for arch in few_bench.space.members or () if arch not in held][:50]
    expected = [arch.kernel_parameters for arch in others]
    assert [few_bench.query(str(arch), "kernel_parameters") for arch in others] == expected
    assert few_bench.query_many(others, "kernel_parameters").tolist() == expected
    found = few_bench.explain(others[0], "kernel_parameters")
    assert (found.value, found.how, found.architecture) == (expected[0], "computed", str(others[0]))
    near = neighbors(few_bench, others[0], "kernel_parameters")
    assert near["value"].tolist() == [arch.kernel_parameters for arch in few_bench.space.neighbors(others[0])]
    with pytest.raises(NotMeasured, match="nothing was measured of"):
        few_bench.query(
            next(arch for arch in others if few_bench.space.key(arch) not in map(few_bench.space.key, few_bench.classes)), "clean"
        )
    with pytest.raises(UnknownArchitecture):
        few_bench.query("|conv~0|", "kernel_parameters")


def test_an_attribute_is_the_same_on_every_dataset_and_needs_one_that_is_there(few_bench: RobBench) -> None:
    arch = few_bench.classes[3]
    assert few_bench.query(arch, "kernel_parameters", dataset="toy100") == few_bench.query(arch, "kernel_parameters")
    with pytest.raises(NotMeasured, match=r"dataset 'toy11' is not in few\.h5"):
        few_bench.query(arch, "kernel_parameters", dataset="toy11")
    with pytest.raises(InvalidArgument, match="kernel_parameters is not an attack, so eps="):
        few_bench.query(arch, "kernel_parameters", eps=1 / 255)


def test_an_attribute_that_the_space_does_not_have_is_refused(toy_bench: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLE, "skips", TABLE["kernel_parameters"])
    with pytest.raises(NotMeasured, match=r"attribute 'skips' is not in toy\.h5.*It holds kernel_parameters\."):
        toy_bench.query(toy_bench.classes[0], "skips")
