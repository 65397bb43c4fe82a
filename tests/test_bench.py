from __future__ import annotations

import copy
import csv
import json
import multiprocessing
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robbench import InvalidArgument, LevelNotMeasured, NotMeasured, RobBench, RobBenchError, StoreError, UnknownArchitecture, UnknownMetric
from robbench.measurements.metrics import TABLE, Metric, parse
from robbench.sources import import_source
from robbench.spaces.nb201 import SIZE, Cell, cells, position
from robbench.spaces.nb201.identity import class_key, class_partition
from robbench.store import Store
from robbench.store.arrays import Array
from robbench.store.writing import extend
from tests import synthetic
from tests.reader import checksum
from tests.strategies import any_cell
from tests.synthetic import CLASSES, FGSM_EPS, FGSM_STANDING, IMAGES, PGD_EPS, PGD_STANDING, ROWS, SEEDS, UNMEASURED, array

ALL = list(cells())
ARCH = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"
CELL = Cell.parse(ARCH)
CLASS_ROW = class_partition().group[position(CELL)]


@pytest.fixture(scope="module")
def held(synthetic_arrays: list[Array]) -> dict[str, np.ndarray]:
    return {str(array.name): array.values[:] for array in synthetic_arrays}


@pytest.fixture(scope="module")
def shared(small_store: Path) -> RobBench:
    """A bench that all tests of this module ask; whatever they asked before, the answers must be right."""
    return RobBench(small_store)


@pytest.fixture(scope="module")
def unmeasured(shared: RobBench) -> Cell:
    cell: Cell = shared.classes[UNMEASURED]
    return cell


# One architecture


@given(any_cell)
def test_every_spelling_of_an_architecture_gets_the_same_answer(shared: RobBench, held: dict[str, np.ndarray], cell: Cell) -> None:
    index = int(synthetic.published_index()[position(cell)])
    row = class_partition().group[position(cell)]
    spellings: list[Any] = [str(cell), np.str_(cell), cell, cell.ops, list(cell.ops), index, np.int64(index)]
    for arch in spellings:
        assert shared.query(arch, "clean", dataset="toy100") == held["toy100/standard/clean/accuracy"][row]
        assert shared.oracle("clean", dataset="toy100")(arch) == held["toy100/standard/clean/accuracy"][row]
        assert shared.query_many([arch], "clean", dataset="toy100").tolist() == [held["toy100/standard/clean/accuracy"][row]]
        assert shared.query(arch, "edgegpu_latency") == held["toy10/untrained/edgegpu_latency/value"][position(cell)]
        assert shared.parse(arch) == cell
        assert shared.published_index(arch) == index


def test_isomorphic_cells_share_their_robustness_and_not_their_costs(shared: RobBench, held: dict[str, np.ndarray]) -> None:
    group = class_partition().group
    row = max(range(CLASSES), key=group.count)
    members = [cell for cell, its in zip(ALL, group, strict=True) if its == row]
    assert len(members) > 10
    assert len({shared.query(cell, "pgd", eps=1 / 255) for cell in members}) == 1
    assert len({shared.query(cell, "edgegpu_latency") for cell in members}) > 1


@pytest.mark.parametrize("eps", [1 / 255, "1/255", np.float32(1 / 255), 0.003921569])
@pytest.mark.parametrize("name", ["pgd", "pgd@Linf"])
def test_every_spelling_of_a_question_gets_the_same_answer(bench: RobBench, held: dict[str, np.ndarray], name: str, eps: Any) -> None:
    expected = held["toy10/standard/pgd/accuracy"][CLASS_ROW, 1]
    for _ in range(2):
        answer = bench.query(ARCH, name, eps=eps)
        assert answer == expected
        assert type(answer) is float
    assert bench.query(ARCH, "pgd@1/255") == bench.query(ARCH, "pgd@1/255:acc") == expected
    assert bench.query(ARCH, parse("pgd@1/255")) == bench.query(ARCH, parse("pgd"), eps=eps) == expected
    assert bench.query(ARCH, "pgd", eps=eps, dataset="toy10", training="standard", interpolate=False) == expected


def test_counts_and_outcomes_are_arrays_of_one_architecture(bench: RobBench, held: dict[str, np.ndarray]) -> None:
    confusion = bench.query(ARCH, "clean", measure="confusion")
    assert confusion.dtype == np.int64
    np.testing.assert_array_equal(confusion, held["toy10/standard/clean/confusion"][CLASS_ROW])
    np.testing.assert_array_equal(bench.query(ARCH, "pgd@2/255:cm"), held["toy10/standard/pgd/confusion"][CLASS_ROW, 2])
    outcomes = bench.query(ARCH, "pgd@2/255:outcomes")
    assert outcomes.dtype == bool
    np.testing.assert_array_equal(outcomes, PGD_STANDING[CLASS_ROW, 2])
    assert outcomes.mean() == bench.query(ARCH, "pgd@2/255")
    seeded = bench.query(ARCH, "clean:confusion", training="pgd-8/255", seed=888)
    np.testing.assert_array_equal(seeded, held["toy10/pgd-8/255/clean/confusion"][CLASS_ROW, 1])


def test_an_answer_can_be_changed_without_changing_the_next(bench: RobBench) -> None:
    for ask in (
        lambda: bench.query(ARCH, "clean:confusion"),
        lambda: bench.query_many([ARCH, CELL], "clean"),
        lambda: bench.query_many(bench.classes, "clean", missing="nan"),
        lambda: bench.top("clean")["clean"].to_numpy(copy=False),
        lambda: bench.table(["clean"], dataset="toy10")["clean"].to_numpy(copy=False),
    ):
        first = ask()
        expected = first.copy()
        if first.flags.writeable:
            first[...] = 0
        np.testing.assert_array_equal(ask(), expected)


@pytest.mark.parametrize("metric", ["clean", "pgd@1/255", "mean_corruption", "worst_case@1/255", "hrs-pgd@1/255", "clean:confusion"])
def test_what_was_not_measured_is_said_every_time(bench: RobBench, unmeasured: Cell, metric: str) -> None:
    for _ in range(2):
        with pytest.raises(NotMeasured, match=r" of toy10 \(standard\) was not measured for ") as caught:
            bench.query(str(unmeasured), metric)
        assert str(unmeasured) in str(caught.value)
        bench.query(ARCH, metric)


def test_outcomes_are_missing_where_their_accuracy_is(bench: RobBench, unmeasured: Cell) -> None:
    with pytest.raises(NotMeasured, match=r"pgd@1/255:outcomes of toy10 \(standard\) was not measured for"):
        bench.query(unmeasured, "pgd@1/255:outcomes")


# Bad input

BAD_ARCHS = [
    (ARCH.replace("skip_connect~2", "nor_conv_5x5~2"), "'nor_conv_5x5' on edge 2→3 is not an operation"),
    (ARCH.rpartition("+")[0], "has 2 parts"),
    (ARCH.replace("~1|+", "~0|+"), "on edge 1→2 of .* is not 'operation~1'"),
    (ARCH + "|", "for node 3 of"),
    ((4, 0, 3, 1, 4, 3), r"looks like a NASLib tuple.*Cell\.from_naslib"),
    ([4, 0, 3, 1, 4, 3], r"looks like a NASLib tuple.*Cell\.from_naslib"),
    (("none",) * 5, "has 5 operations; expected six"),
    (SIZE, "15625 is not a published index"),
    (-1, "-1 is not a published index"),
    (True, "True is a bool"),
    (1.0, "1.0 is a float"),
    (None, "None is a NoneType"),
    ({"arch": ARCH}, "is a dict; expected six operation names"),
    ({ARCH}, "is a set; expected six operation names"),
    (ARCH.encode(), "expected six"),
    ([ARCH], "has 1 operations; expected six"),
    (["none"] * 5 + [["none"]], r"\['none'\] on edge 2→3 is not an operation"),
]


@pytest.mark.parametrize(("arch", "message"), BAD_ARCHS)
@pytest.mark.parametrize("metric", ["clean", "edgegpu_latency", "clean:confusion"])
def test_what_names_no_architecture_is_refused(shared: RobBench, arch: Any, message: str, metric: str) -> None:
    shared.query(ARCH, metric)
    with pytest.raises(UnknownArchitecture, match=message):
        shared.query(arch, metric)


@pytest.mark.parametrize(("arch", "message"), BAD_ARCHS)
def test_what_names_no_architecture_is_refused_in_every_method(shared: RobBench, arch: Any, message: str) -> None:
    for ask in (
        lambda: shared.parse(arch),
        lambda: shared.published_index(arch),
        lambda: shared.query_many([arch], "clean"),
        lambda: shared.query_many([ARCH, arch], "clean"),
        lambda: shared.oracle("clean")(arch),
        lambda: shared.explain(arch, "clean"),
        lambda: shared.curve(arch, "pgd"),
    ):
        with pytest.raises(UnknownArchitecture, match=message):
            ask()


def test_an_index_in_a_store_without_indices_is_refused(tmp_path: Path) -> None:
    extend(tmp_path / "plain.h5", ROWS, [array("toy standard clean accuracy", np.full(CLASSES, 0.5))])
    bench = RobBench(tmp_path / "plain.h5")
    assert bench.query(ARCH, "clean") == 0.5
    assert bench.published_index(ARCH) is None
    for ask in (lambda: bench.query(3456, "clean"), lambda: bench.query_many([ARCH, 3456], "clean"), lambda: bench.oracle("clean")(3456)):
        with pytest.raises(UnknownArchitecture, match=r"3456 cannot be looked up: plain\.h5 carries no published index"):
            ask()


@pytest.mark.parametrize(
    ("metric", "options", "error", "message"),
    [
        ("pdg", {}, UnknownMetric, "'pdg' is not a metric. Did you mean .*'pgd'"),
        ("clean", {"dataset": "cifar10"}, NotMeasured, r"dataset 'cifar10' is not in small\.h5"),
        ("clean", {"dataset": ["toy10"]}, InvalidArgument, r"dataset=\['toy10'\] is a list; expected a name"),
        ("clean", {"measure": "f1"}, InvalidArgument, "'f1' is not a measure"),
        ("clean", {"training": "pgd"}, NotMeasured, "training 'pgd' is not in"),
        ("pgd", {}, LevelNotMeasured, "pgd on toy10 needs a level: eps=…"),
        (
            "pgd",
            {"eps": 3 / 255},
            LevelNotMeasured,
            r"not measured at eps 0\.0117647 \(= 3/255\)\. Images are in .* Measured: 0\.5/255, 1/255,",
        ),
        ("pgd", {"eps": -1 / 255}, InvalidArgument, "is not a distance"),
        ("pgd", {"eps": 8}, InvalidArgument, "so 8 grey levels are eps=8/255"),
        ("pgd", {"eps": [1 / 255]}, InvalidArgument, "is a list; expected a number"),
        ("pgd", {"severity": 3}, InvalidArgument, "pgd is not a corruption"),
        ("fog", {"eps": 1 / 255}, InvalidArgument, "fog is not an attack"),
        ("fog", {}, LevelNotMeasured, "fog on toy10 needs a level: severity=…"),
        ("fog", {"severity": 6}, InvalidArgument, "severity=6 is not a severity"),
        ("clean", {"seed": 777}, NotMeasured, "clean is stored without seeds; leave seed=777 out"),
        ("clean", {"seed": 1, "training": "pgd-8/255"}, NotMeasured, "was not measured with seed 1; measured: 777, 888, 999"),
        ("frost", {"severity": 3}, NotMeasured, r"frost \(accuracy\) of toy10 is not in small\.h5"),
        ("square", {"eps": 1 / 255}, NotMeasured, "was not measured under standard; it was under pgd-8/255"),
        (7, {}, InvalidArgument, "7 is a int; expected a metric's name"),
        (Metric("pdg", None, "accuracy"), {}, UnknownMetric, "'pdg' is not a metric"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_every_method(
    shared: RobBench, metric: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    asked: list[Callable[[], Any]] = [
        lambda: shared.query(ARCH, metric, **options),
        lambda: shared.query_many([ARCH], metric, **options),
        lambda: shared.oracle(metric, **options),
        lambda: shared.explain(ARCH, metric, **options),
        lambda: shared.top(metric, **options),
    ]
    if not options.keys() & {"eps", "severity", "measure"}:  # which belong to one metric, and a table has several
        asked.append(lambda: shared.table([metric], **options))
    for ask in asked:
        with pytest.raises(error, match=message):
            ask()


def test_confusion_of_several_seeds_needs_one_named(shared: RobBench) -> None:
    with pytest.raises(
        NotMeasured, match=r"clean:confusion is an array for each seed, and these are not averaged; name one: seed=777, for"
    ):
        shared.query(ARCH, "clean:confusion", training="pgd-8/255")


PAIRS = [
    (("fog", {"severity": 1}), ("fog", {"severity": 1.0})),
    (("fog", {"severity": 1}), ("fog", {"severity": True})),
    (("fog", {"severity": 3}), ("fog", {"severity": 3 + 0j})),
    (("clean", {"training": "pgd-8/255", "seed": 777}), ("clean", {"training": "pgd-8/255", "seed": 777.0})),
    (("pgd", {"eps": 1 / 255}), ("pgd", {"eps": "1/255"})),
    (("pgd", {"eps": 1}), ("pgd", {"eps": True})),
]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_an_answer_does_not_depend_on_what_was_asked_before(small_store: Path, first: Any, second: Any) -> None:
    """To a dict 1, 1.0 and True are one key; to a question they are not."""

    def answer(bench: RobBench, question: Any) -> object:
        try:
            return bench.query(ARCH, question[0], **question[1])
        except RobBenchError as error:
            return str(error)

    fresh, warm = RobBench(small_store), RobBench(small_store)
    answer(warm, first)
    assert answer(warm, second) == answer(fresh, second)


def test_answers_stay_the_same_through_a_thousand_questions(small_store: Path) -> None:
    rng, warm = random.Random(0), RobBench(small_store)
    questions = ["clean", "pgd@1/255", "pgd@8/255", "fog@3", "synflow", "edgegpu_latency", "mean_corruption", "worst_case@1/255"]
    asked = [(rng.randrange(SIZE), rng.choice(questions)) for _ in range(1000)]

    def answer(bench: RobBench, arch: Any, metric: str) -> object:
        try:
            return bench.query(arch, metric)
        except NotMeasured as error:
            return str(error)

    first = [answer(warm, *question) for question in asked]
    assert [answer(warm, *question) for question in reversed(asked)][::-1] == first
    fresh = RobBench(small_store)
    assert [answer(fresh, str(fresh.parse(arch)), metric) for arch, metric in asked] == first


# Many architectures


def test_many_architectures_in_any_mix_of_spellings(shared: RobBench, held: dict[str, np.ndarray]) -> None:
    rng = random.Random(0)
    chosen = rng.sample(ALL, 300)
    index = synthetic.published_index()
    spell: list[Any] = [str, lambda cell: cell, lambda cell: cell.ops, lambda cell: list(cell.ops), lambda cell: int(index[position(cell)])]
    archs: list[Any] = [rng.choice(spell)(cell) for cell in chosen]
    expected = held["toy100/standard/clean/accuracy"][[class_partition().group[position(cell)] for cell in chosen]]
    for given_ in (archs, tuple(archs), [arch for arch in archs if not isinstance(arch, list)]):
        wanted = expected if len(given_) == 300 else expected[[not isinstance(arch, list) for arch in archs]]
        values = shared.query_many(given_, "clean", dataset="toy100")
        assert values.dtype == np.float64
        np.testing.assert_array_equal(values, wanted)


@pytest.mark.parametrize("metric", ["pgd@1/255", "synflow", "mean_corruption"])
def test_query_many_says_of_each_what_query_says(shared: RobBench, metric: str) -> None:
    archs = [str(cell) for cell in ALL[::500]]
    many = shared.query_many(archs, metric, missing="nan")
    for arch, value in zip(archs, many, strict=True):
        if np.isnan(value):
            with pytest.raises(NotMeasured):
                shared.query(arch, metric)
        else:
            assert shared.query(arch, metric) == value


@pytest.mark.parametrize("kind", [np.array, pd.Series, pd.Index, tuple])
def test_architectures_may_come_in_any_sequence(shared: RobBench, kind: Any) -> None:
    archs = kind([str(cell) for cell in ALL[:5]])
    np.testing.assert_array_equal(shared.query_many(archs, "clean"), [shared.query(arch, "clean") for arch in archs])


def test_no_architectures_have_no_values(shared: RobBench) -> None:
    assert shared.query_many([], "clean").shape == (0,)


def test_all_classes_are_the_whole_column(shared: RobBench, held: dict[str, np.ndarray]) -> None:
    for archs in (shared.classes, list(shared.classes), list(map(str, shared.classes))):
        values = shared.query_many(archs, "clean", missing="nan")
        np.testing.assert_array_equal(values, held["toy10/standard/clean/accuracy"])
    assert len(shared.query_many(shared.classes, "synflow", missing="nan")) == CLASSES


def test_missing_values_are_refused_or_pass_as_nan(shared: RobBench, unmeasured: Cell) -> None:
    archs: list[Any] = [CELL, unmeasured, str(unmeasured)]
    series: Any = pd.Series(archs, index=["a", "b", "c"])
    for given_ in (archs, series):
        with pytest.raises(
            NotMeasured, match=r"clean of toy10 was not measured for 2 of 3 architectures, the first of them \|.*missing='nan'"
        ):
            shared.query_many(given_, "clean")
        assert np.isnan(shared.query_many(given_, "clean", missing="nan")).tolist() == [False, True, True]
    with pytest.raises(InvalidArgument, match="missing='zero' has no meaning"):
        shared.query_many(archs, "clean", missing="zero")


@pytest.mark.parametrize("arch", [ARCH, CELL, 3456, np.int64(3456), ARCH.encode()])
def test_one_architecture_is_not_many(shared: RobBench, arch: Any) -> None:
    with pytest.raises(UnknownArchitecture, match="is one architecture; query_many takes a sequence of them, and query takes one"):
        shared.query_many(arch, "clean")
    with pytest.raises(UnknownArchitecture, match="is one architecture; predict_many takes a sequence of them, and predict takes one"):
        shared.predict_many(arch, "clean")


def test_an_oracle_answers_as_query_does(shared: RobBench, unmeasured: Cell) -> None:
    oracle = shared.oracle("pgd", eps="1/255")
    for cell in ALL[::1000]:
        assert oracle(str(cell)) == oracle(cell) == oracle(list(cell.ops)) == shared.query(cell, "pgd", eps=1 / 255)
    for arch in (unmeasured, list(unmeasured.ops)):
        with pytest.raises(NotMeasured, match=r"pgd@1/255 of toy10 \(standard\) was not measured for \|"):
            oracle(arch)


# Curves, tables, tops


def test_a_curve_is_the_threat_at_each_of_its_levels(shared: RobBench) -> None:
    curve = shared.curve(ARCH, "pgd")
    assert list(curve.index) == PGD_EPS
    assert (curve.index.name, curve.name) == ("eps", "pgd")
    assert curve.tolist() == [shared.query(ARCH, "pgd", eps=eps) for eps in PGD_EPS]
    fog = shared.curve(ARCH, "fog")
    assert (list(fog.index), fog.index.name) == ([1, 2, 3, 4, 5], "severity")
    assert fog.tolist() == [shared.query(ARCH, "fog", severity=severity) for severity in range(1, 6)]
    seeded = shared.curve(ARCH, "pgd", training="pgd-8/255", seed=888)
    assert seeded.tolist() == [shared.query(ARCH, "pgd", eps=eps, training="pgd-8/255", seed=888) for eps in seeded.index]


@pytest.mark.parametrize("name", ["pgd@Linf", "fgsm@Linf"])
def test_a_curve_knows_the_published_spellings(shared: RobBench, name: str) -> None:
    assert shared.curve(ARCH, name).equals(shared.curve(ARCH, name.partition("@")[0]))


@pytest.mark.parametrize("name", ["clean", "synflow", "mean_corruption"])
def test_what_has_no_levels_has_no_curve(shared: RobBench, name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{name} has no levels to draw a curve over; ask for an attack or a corruption"):
        shared.curve(ARCH, name)


@pytest.mark.parametrize(("name", "levels"), [("hrs-pgd", PGD_EPS), ("worst_case", FGSM_EPS)])
def test_what_is_derived_from_threats_has_a_curve_over_the_levels_of_all_of_them(shared: RobBench, name: str, levels: list[float]) -> None:
    curve = shared.curve(ARCH, name)
    assert (list(curve.index), curve.tolist()) == (levels, [shared.query(ARCH, name, eps=eps) for eps in levels])


def test_a_curve_is_of_the_measure_that_the_metric_names(shared: RobBench) -> None:
    outcomes = shared.curve(ARCH, "pgd:outcomes")
    assert [np.mean(found) for found in outcomes] == shared.curve(ARCH, "pgd").tolist()
    with pytest.raises(NotMeasured, match=r"pgd \(confidence_label\) of toy10 is not in small.h5"):
        shared.curve(ARCH, "pgd:confidence_label")


@pytest.mark.parametrize("metric", ["pgd@1/255", Metric("pgd", 1 / 255, "accuracy")])
def test_a_level_is_no_curve(shared: RobBench, metric: Any) -> None:
    with pytest.raises(InvalidArgument, match="pgd@1/255 is one point of a curve, which runs over all levels; leave the eps out"):
        shared.curve(ARCH, metric)
    with pytest.raises(InvalidArgument, match="curve has no option 'eps'"):
        shared.curve(ARCH, "pgd", eps=1 / 255)  # type: ignore[call-arg]


def test_a_curve_over_what_was_not_measured_is_refused(shared: RobBench, unmeasured: Cell) -> None:
    with pytest.raises(NotMeasured, match="was not measured for"):
        shared.curve(unmeasured, "pgd")


def test_a_table_has_a_row_for_each_class_and_a_column_for_each_number(shared: RobBench, held: dict[str, np.ndarray]) -> None:
    table = shared.table()
    assert list(table.index) == list(map(str, shared.classes))
    assert table.index.name == "arch"
    wanted = {"clean", "synflow", "edgegpu_latency"} | {f"{name}@{level}" for name in ("fog", "contrast") for level in range(1, 6)}
    assert set(table.columns) == wanted | {"pgd@0.5/255", "pgd@1/255", "pgd@2/255", "pgd@8/255", "fgsm@1/255", "fgsm@2/255"}
    np.testing.assert_array_equal(table["pgd@2/255"], held["toy10/standard/pgd/accuracy"][:, 2])
    assert table["pgd@1/255"].isna().tolist() == (np.arange(CLASSES) == UNMEASURED).tolist()
    rows = [position(cell) for cell in shared.classes]
    np.testing.assert_array_equal(table["synflow"], held["toy10/untrained/synflow/value"][rows])


def test_a_column_of_a_table_is_named_as_it_can_be_asked(shared: RobBench) -> None:
    table = shared.table()
    for column in table.columns:
        np.testing.assert_array_equal(shared.query_many(list(table.index), column, missing="nan"), table[column])


def test_a_table_of_chosen_metrics(shared: RobBench) -> None:
    table = shared.table(["clean", parse("pgd@1/255"), "hrs-pgd@1/255"], dataset="toy100")
    assert list(table.columns) == ["clean", "pgd@1/255", "hrs-pgd@1/255"]
    assert table.loc[str(shared.classes[3]), "pgd@1/255"] == shared.query(shared.classes[3], "pgd@1/255", dataset="toy100")
    robust = shared.table(training="pgd-8/255")
    assert set(robust.columns) == {"clean", "pgd@1/255", "pgd@2/255", "square@1/255", "square@2/255"}
    assert set(shared.table(dataset="toy100").columns) == {"clean", "pgd@0.5/255", "pgd@1/255", "pgd@2/255", "pgd@8/255"}


def test_training_and_seed_of_a_table_are_not_of_untrained_networks(shared: RobBench, held: dict[str, np.ndarray]) -> None:
    table = shared.table(metrics=["clean", "synflow"], training="pgd-8/255", seed=888)
    np.testing.assert_array_equal(table["clean"], held["toy10/pgd-8/255/clean/accuracy"][:, 1])
    np.testing.assert_array_equal(table["synflow"], shared.table()["synflow"])


def test_a_table_of_a_dataset_that_is_not_there_is_refused(shared: RobBench) -> None:
    with pytest.raises(NotMeasured, match=r"dataset 'toy11' is not in small\.h5\. Did you mean 'toy10'"):
        shared.table(dataset="toy11")
    with pytest.raises(NotMeasured, match="training 'standart' is not in"):
        shared.table(training="standart")


def test_the_top_is_sorted_best_first_with_ties_in_row_order(shared: RobBench, held: dict[str, np.ndarray]) -> None:
    values = held["toy10/standard/pgd/accuracy"][:, 1]
    expected = sorted((row for row in range(CLASSES) if row != UNMEASURED), key=lambda row: (-values[row], row))
    for n in (1, 10, 1000, CLASSES + 10):
        top = shared.top("pgd@1/255", n)
        assert list(top.columns) == ["arch", "class_key", "pgd@1/255"]
        assert list(top["arch"]) == [str(shared.classes[row]) for row in expected[:n]]
        assert list(top["class_key"]) == [class_key(Cell.parse(arch)) for arch in top["arch"]]
        assert list(top["pgd@1/255"]) == [values[row] for row in expected[:n]]
    assert len(set(shared.top("pgd@1/255", 1000)["pgd@1/255"])) < 100  # so there were ties
    assert len(shared.top("clean")) == 10


def test_the_best_cost_is_the_lowest(shared: RobBench, held: dict[str, np.ndarray]) -> None:
    values = held["toy10/untrained/edgegpu_latency/value"]
    top = shared.top("edgegpu_latency", 20)
    rows = np.argsort(values, kind="stable")[:20]
    assert list(top["arch"]) == [str(ALL[row]) for row in rows]
    assert list(top["edgegpu_latency"]) == list(values[rows])


def test_missing_values_are_never_at_the_top(shared: RobBench, held: dict[str, np.ndarray]) -> None:
    top = shared.top("synflow", SIZE)
    assert len(top) == np.isfinite(held["toy10/untrained/synflow/value"]).sum()
    assert top["synflow"].is_monotonic_decreasing


@pytest.mark.parametrize("n", [0, -1, 2.5, "3", None, True])
def test_a_top_of_no_number_is_refused(shared: RobBench, n: Any) -> None:
    with pytest.raises(InvalidArgument, match=f"n={n!r} is not a number of architectures; expected an integer of at least 1"):
        shared.top("clean", n)


def test_a_top_may_be_counted_by_a_numpy_integer(shared: RobBench) -> None:
    assert len(shared.top("clean", np.int64(3))) == 3  # type: ignore[arg-type]


# Where it comes from


def test_an_explanation_says_what_was_measured_and_by_whom(shared: RobBench) -> None:
    explained = shared.explain(ARCH, "pgd", eps="1/255")
    assert explained.value == shared.query(ARCH, "pgd", eps=1 / 255)
    assert (explained.architecture, explained.class_key) == (ARCH, class_key(CELL))
    assert (explained.identity, explained.how, explained.unit) == ("class", "measured", "fraction")
    assert (explained.metric, explained.dataset, explained.training, explained.seed) == ("pgd@1/255", "toy10", "standard", None)
    assert explained.sources == {"toy10/standard/pgd/accuracy": {**synthetic.PROVENANCE, "images": IMAGES}}


def test_an_explanation_of_a_proxy_is_of_the_exact_cell(shared: RobBench) -> None:
    explained = shared.explain(ARCH, "edgegpu_latency")
    assert (explained.identity, explained.training, explained.unit) == ("exact", "untrained", "ms")


def test_an_explanation_of_a_derived_metric_names_all_its_parts(shared: RobBench) -> None:
    explained = shared.explain(ARCH, "worst_case", eps=1 / 255)
    assert explained.how == "derived"
    assert set(explained.sources) == {"toy10/standard/pgd/outcomes", "toy10/standard/fgsm/outcomes"}
    assert explained.value == (PGD_STANDING[CLASS_ROW, 1] & FGSM_STANDING[CLASS_ROW, 0]).mean()
    assert explained.unit == "fraction"
    assert set(shared.explain(ARCH, "hrs-pgd@1/255").sources) == {"toy10/standard/clean/accuracy", "toy10/standard/pgd/accuracy"}


def test_an_explanation_of_counts_and_of_seeds(shared: RobBench) -> None:
    explained = shared.explain(ARCH, "clean:confusion", training="pgd-8/255", seed=888)
    np.testing.assert_array_equal(explained.value, shared.query(ARCH, "clean:confusion", training="pgd-8/255", seed=888))
    assert (explained.how, explained.unit, explained.seed, explained.training) == ("measured", "count", 888, "pgd-8/255")


@pytest.mark.parametrize("metric", ["pgd@1.5/255", "hrs-pgd@1.5/255"])
def test_an_explanation_says_when_a_value_was_interpolated(shared: RobBench, metric: str) -> None:
    with pytest.raises(LevelNotMeasured):
        shared.explain(ARCH, metric, dataset="toy100")
    assert "interpolated" in shared.explain(ARCH, metric, dataset="toy100", interpolate=True).how
    assert "interpolated" not in shared.explain(ARCH, metric.replace("1.5", "1"), dataset="toy100", interpolate=True).how


def test_a_worst_case_between_levels_is_the_same_however_it_is_asked_for(shared: RobBench) -> None:
    metric, found = "worst_case@1.5/255", shared.query(ARCH, "worst_case", eps="1.5/255", interpolate=True)
    measured = [shared.query(ARCH, "worst_case", eps=eps) for eps in FGSM_EPS]
    assert measured[1] <= found <= measured[0]
    assert shared.query_many([ARCH], metric, interpolate=True).tolist() == [found]
    assert shared.oracle(metric, interpolate=True)(ARCH) == found
    assert shared.table(metric, interpolate=True).iloc[CLASS_ROW].tolist() == [found]
    assert shared.top(metric, 1, interpolate=True)[metric].tolist() == [shared.table(metric, interpolate=True)[metric].max()]
    assert shared.pareto(["clean", metric], interpolate=True)[metric].max() == shared.table(metric, interpolate=True)[metric].max()
    explained = shared.explain(ARCH, metric, interpolate=True)
    assert (explained.value, explained.how, explained.unit) == (found, "derived, interpolated", "fraction")
    assert "every one of fgsm, pgd, interpolated from 1/255, 2/255; where one of their accuracies" in explained.formula
    assert len(explained.sources) == 4
    with pytest.raises(LevelNotMeasured, match=r"worst_case on toy10 was not measured at eps"):
        shared.query(ARCH, metric)


@pytest.mark.parametrize("metric", ["mean_adversarial@1.5/255", "mean_adversarial_measured@1.5/255", "mean_corruption@3"])
def test_a_mean_over_levels_has_none_and_is_not_interpolated(shared: RobBench, metric: str) -> None:
    with pytest.raises(InvalidArgument, match="it has no level: leave eps out"):
        shared.query(ARCH, metric, interpolate=True)
    with pytest.raises(NotMeasured, match=r"of which .* were not measured: .* the mean over is measured, never interpolated\."):
        shared.query(ARCH, "mean_adversarial", interpolate=True)


def test_interpolated_and_measured_answers_never_mix(bench: RobBench) -> None:
    between = bench.query(ARCH, "pgd", eps=1.5 / 255, dataset="toy100", interpolate=True)
    around = [bench.query(ARCH, "pgd", eps=eps, dataset="toy100") for eps in ("1/255", "2/255")]
    assert min(around) <= between <= max(around)
    with pytest.raises(LevelNotMeasured):
        bench.query(ARCH, "pgd", eps=1.5 / 255, dataset="toy100")


def test_metrics_lists_every_array_of_the_store(shared: RobBench, synthetic_arrays: list[Array]) -> None:
    listed = shared.metrics()
    assert [tuple(row) for row in listed[["dataset", "training", "metric", "measure"]].to_numpy()] == sorted(
        array.name for array in synthetic_arrays
    )
    rows = {tuple(row[:4]): row[4:] for row in listed[["dataset", "training", "metric", "measure", "levels", "seeds", "rows"]].to_numpy()}
    assert list(rows["toy10", "pgd-8/255", "pgd", "accuracy"]) == ["1/255, 2/255", "777, 888, 999", "class"]
    assert list(rows["toy10", "standard", "fog", "accuracy"]) == ["1, 2, 3, 4, 5", "", "class"]
    assert list(rows["toy10", "untrained", "synflow", "value"]) == ["", "", "exact"]
    assert set(listed["unit"]) == {"fraction", "bit", "count", "1", "ms"}
    assert set(listed["source"]) == {"synthetic"}


def test_a_metric_of_another_version_is_listed_and_does_not_disturb(tmp_path: Path) -> None:
    arrays = [
        array("toy standard clean accuracy", np.full(CLASSES, 0.5)),
        array("toy standard warp_drive accuracy", np.full(CLASSES, 0.25)),
    ]
    extend(tmp_path / "s.h5", ROWS, arrays)
    bench = RobBench(tmp_path / "s.h5")
    assert set(bench.metrics()["metric"]) == {"clean", "warp_drive"}
    assert list(bench.table().columns) == ["clean"]
    with pytest.raises(UnknownMetric, match="'warp_drive' is not a metric"):
        bench.query(ARCH, "warp_drive")


# The bench itself


def test_the_default_dataset_is_the_first_put_in_or_the_one_given(small_store: Path, held: dict[str, np.ndarray]) -> None:
    first, other = RobBench(small_store), RobBench(small_store, dataset="toy100")
    assert first.datasets == other.datasets == ["toy/odd%", "toy10", "toy100"]
    assert (first.default_dataset, other.default_dataset) == ("toy10", "toy100")
    assert other.query(ARCH, "clean") == first.query(ARCH, "clean", dataset="toy100") == held["toy100/standard/clean/accuracy"][CLASS_ROW]
    assert first.query(ARCH, "clean") == other.query(ARCH, "clean", dataset="toy10")
    assert RobBench(small_store, dataset="toy/odd%").query(ARCH, "clean") == held["toy/odd%/pgd-8/255/clean/accuracy"][CLASS_ROW]
    with pytest.raises(NotMeasured, match=r"dataset 'toy11' is not in small\.h5.*holds toy/odd%, toy10, toy100"):
        RobBench(small_store, dataset="toy11")
    with pytest.raises(StoreError, match="does not exist"):
        RobBench(small_store.with_name("absent.h5"))


def test_a_bench_prints_what_it_is_and_survives_copying(small_store: Path) -> None:
    bench = RobBench(str(small_store), dataset="toy100")
    assert repr(bench) == f"RobBench({str(small_store)!r}, dataset='toy100')"
    again = copy.copy(bench)  # reopened, as for another process
    assert repr(again) == repr(bench)
    assert again.query(ARCH, "clean") == bench.query(ARCH, "clean")


def test_seeds_are_named_as_they_were_stored(shared: RobBench, held: dict[str, np.ndarray]) -> None:
    of_each = [shared.query(ARCH, "clean", training="pgd-8/255", seed=seed) for seed in SEEDS]
    assert of_each == held["toy10/pgd-8/255/clean/accuracy"][CLASS_ROW].tolist()
    assert shared.query(ARCH, "clean", training="pgd-8/255") == pytest.approx(np.mean(of_each), rel=1e-12)


# Concurrent readers


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_eight_processes_agree(small_store: Path, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system starts no process by {method}")
    bench = RobBench(small_store)
    expected = checksum(RobBench(small_store))
    workers = 8
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context(method)) as pool:
        if method == "fork":
            bench.query(ARCH, "clean")  # the children inherit an open file, and some answers
        assert set(pool.map(checksum, [bench] * workers)) == {expected}


def test_threads_that_share_a_bench_agree(small_store: Path) -> None:
    expected = checksum(RobBench(small_store))
    for _ in range(3):
        bench = RobBench(small_store)
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _, bench=bench: checksum(bench), range(16))) == {expected}


def test_a_reader_goes_on_while_the_store_is_extended(small_store: Path, tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    path.write_bytes(small_store.read_bytes())
    bench = RobBench(path)
    before = bench.query(ARCH, "clean")
    extend(path, ROWS, [array("toy10 standard frost accuracy", np.full((CLASSES, 5), 0.25), {"severity": [1, 2, 3, 4, 5]})])
    assert bench.query(ARCH, "pgd@1/255") == RobBench(path).query(ARCH, "pgd@1/255")
    assert bench.query(ARCH, "clean") == before
    with pytest.raises(NotMeasured):
        bench.query(ARCH, "frost@3")
    assert RobBench(path).query(ARCH, "frost@3") == 0.25


# Anything at all


@given(
    arch=st.one_of(st.just(ARCH), st.integers(-5, SIZE + 5), st.text(max_size=5), st.none()),
    metric=st.sampled_from([*TABLE, "pgd@1/255", "fog@3", "x"]),
    eps=st.none() | st.sampled_from([1 / 255, "1/255", 8, -1, "x", True]),
    severity=st.none() | st.sampled_from([3, 0, "3", 2.0]),
    measure=st.none() | st.sampled_from(["accuracy", "confusion", "outcomes", "value", "x", 3]),
    dataset=st.none() | st.sampled_from(["toy10", "toy100", "x", 3]),
    training=st.none() | st.sampled_from(["standard", "pgd-8/255", "untrained", "x", 3]),
    seed=st.none() | st.sampled_from([777, 1, "x"]),
    interpolate=st.booleans(),
)
def test_any_question_gets_an_answer_or_our_error(shared: RobBench, arch: Any, metric: str, **options: Any) -> None:
    try:
        answer = shared.query(arch, metric, **options)
    except RobBenchError as error:
        assert len(str(error)) > 20  # noqa: PT017
    else:
        assert np.isfinite(answer).all()
        np.testing.assert_array_equal(shared.explain(arch, metric, **options).value, answer)


# The published values


def read_json(file: Path) -> dict[str, Any]:
    """The innermost mapping, from index to value, of a published file."""
    item: Any = json.loads(file.read_text())
    while len(item) == 1:
        (item,) = item.values()
    return dict(item)


@pytest.fixture(scope="module")
def isomorphs(reference: Path) -> dict[int, tuple[str, int]]:
    """For each published index its arch string, and the index that was evaluated."""
    ids = json.loads((reference / "jung2023" / "meta.json").read_text())["ids"]
    return {int(index): (item["nb201-string"], int(item["isomorph"])) for index, item in ids.items()}


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
@pytest.mark.parametrize("key", ["clean", "fgsm@Linf", "pgd@Linf", "aa_apgd-ce@Linf", "aa_square@Linf", "fog", "jpeg_compression"])
def test_every_published_value_comes_back_exactly_for_every_cell(
    reference: Path, published: RobBench, isomorphs: dict[int, tuple[str, int]], dataset: str, key: str
) -> None:
    measured = read_json(reference / "jung2023" / dataset / f"{key}_accuracy.json")
    assert len(measured) == 6466
    epsilons = json.loads((reference / "jung2023" / "meta.json").read_text())["epsilons"]
    archs = [arch for arch, _ in isomorphs.values()]
    expected = np.array([measured[str(evaluated)] for _, evaluated in isomorphs.values()])
    options: list[dict[str, Any]] = [{}]
    if key in epsilons:
        options = [{"eps": f"{epsilon}/255"} for epsilon in epsilons[key]]
    elif key != "clean":
        options = [{"severity": severity} for severity in range(1, 6)]
    expected = expected.reshape(len(archs), len(options))
    for number, level in enumerate(options):
        np.testing.assert_array_equal(published.query_many(archs, key, dataset=dataset, **level), expected[:, number])
    np.testing.assert_array_equal(published.query_many(list(isomorphs), key, dataset=dataset, **options[-1]), expected[:, -1])


def test_every_published_value_comes_back_through_every_spelling(
    reference: Path, published: RobBench, isomorphs: dict[int, tuple[str, int]]
) -> None:
    measured = read_json(reference / "jung2023" / "cifar10" / "pgd@Linf_accuracy.json")
    level = json.loads((reference / "jung2023" / "meta.json").read_text())["epsilons"]["pgd@Linf"].index(1.0)
    oracle = published.oracle("pgd@1/255")
    for index, (arch, evaluated) in isomorphs.items():
        value = measured[str(evaluated)][level]
        cell = Cell.parse(arch)
        assert published.query(arch, "pgd", eps=1 / 255) == value
        assert published.query(cell, "pgd@Linf", eps="1/255") == value
        assert published.query(index, "pgd@1/255") == value
        assert oracle(cell.ops) == value
        assert published.published_index(arch) == index


def test_the_published_confusion_matrices_come_back_exactly(
    reference: Path, published: RobBench, isomorphs: dict[int, tuple[str, int]]
) -> None:
    measured = read_json(reference / "jung2023" / "cifar10" / "clean_cm.json")
    for index in list(isomorphs)[::700]:
        arch, evaluated = isomorphs[index]
        confusion = published.query(arch, "clean", measure="confusion")
        np.testing.assert_array_equal(confusion, measured[str(evaluated)])
        assert np.trace(confusion) / confusion.sum() == pytest.approx(published.query(arch, "clean"), abs=6e-4)


def test_the_representative_of_a_class_is_the_network_that_was_evaluated(
    published: RobBench, isomorphs: dict[int, tuple[str, int]]
) -> None:
    assert {str(cell) for cell in published.classes} == {arch for index, (arch, evaluated) in isomorphs.items() if index == evaluated}


FIGURES = {
    "cifar10": {"clean": 0.946, "fgsm": 0.692, "pgd": 0.588, "apgd-ce": 0.540, "square": 0.736},
    "cifar100": {"clean": 0.736, "fgsm": 0.294, "pgd": 0.298, "apgd-ce": 0.263, "square": 0.404},
}


@pytest.mark.parametrize(("dataset", "name", "best"), [(dataset, *item) for dataset, of in FIGURES.items() for item in of.items()])
def test_the_published_best_accuracies(published: RobBench, dataset: str, name: str, best: float) -> None:
    top = published.top(name, 1, dataset=dataset, eps=None if name == "clean" else 1 / 255)
    assert top.iloc[0, 2] == best


@pytest.mark.parametrize(("dataset", "best", "index"), [("cifar10", 0.58555, 3456), ("cifar100", 0.37332, 12606)])
def test_the_published_best_mean_corruption(published: RobBench, dataset: str, best: float, index: int) -> None:
    top = published.top("mean_corruption", 2, dataset=dataset)
    assert round(top["mean_corruption"][0], 5) == best
    assert published.published_index(top["arch"][0]) == index
    assert top["mean_corruption"][0] > top["mean_corruption"][1]


def test_nats_bench_gives_each_exact_cell_its_own_accuracy(reference: Path, tmp_path: Path) -> None:
    import_source("natsbench", reference / "natsbench" / "nats_bench.csv", tmp_path / "nats.h5")
    bench = RobBench(tmp_path / "nats.h5")
    top = bench.top("clean", 3, dataset="cifar10")
    assert [round(100 * value, 4) for value in top["clean"][:2]] == [94.3733, 94.3733]
    assert {bench.published_index(arch) for arch in top["arch"][:2]} == {6111, 13714}
    assert top["clean"][2] < top["clean"][1]
    with (reference / "natsbench" / "nats_bench.csv").open(newline="") as file:
        for index, record in enumerate(csv.DictReader(file)):
            value = bench.query(record["ArchitectureString"], "clean", dataset="cifar100")
            assert value == pytest.approx(float(record["CIFAR100TestAccuracy200Epochs"]) / 100, rel=1e-15)
            assert bench.query(index, "clean", dataset="cifar100") == value
    with Store(tmp_path / "nats.h5") as store:
        assert {store.header(name).rows for name in store.names()} == {"exact"}
