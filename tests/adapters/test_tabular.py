"""The table that other libraries' tabular benchmarks are made of: what a query answers, for every architecture at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.adapters.tabular import tabulate
from robbench.errors import InvalidArgument, NotMeasured
from robbench.spaces.darts import DARTS
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests.adapters.conftest import EPOCHS, PGD_EPOCHS
from tests.synthetic import array
from tests.toy_space import TOY


def test_results_are_what_queries_answer(curved: RobBench) -> None:
    metrics = ["clean", "synflow", "kernel_parameters"]
    table = tabulate(curved, metrics, datasets=["toy10"])
    assert table.archs == TOY.members
    assert table.choices.to_dict("records") == [TOY.assignment(arch) for arch in TOY.members]
    assert table.values.shape == (1, 12, 1, 1, 3)
    assert table.values[0, :, 0, 0].tolist() == [[curved.query(arch, metric) for metric in metrics] for arch in table.archs]
    assert (table.datasets, table.epochs, table.length) == (("toy10",), (), 1)


def test_every_data_set_and_epoch_has_its_place(curved: RobBench) -> None:
    table = tabulate(curved, ["clean", "pgd@2/255", "training_seconds"], datasets=["toy20", "toy10"], epochs="all")
    assert (table.epochs, table.length) == ((2, 3, 4), 4), "epochs of training, where the source counts from 0"
    for place, dataset in enumerate(("toy20", "toy10")):
        for row, arch in enumerate(table.archs):
            seconds = curved.query(arch, "training_seconds", dataset=dataset)
            expected = [
                [*(curved.query(arch, metric, dataset=dataset, epoch=epoch) for metric in ("clean", "pgd@2/255")), seconds]
                for epoch in PGD_EPOCHS
            ]
            assert table.values[place, row, 0].tolist() == expected


def test_epochs_may_be_named_and_come_in_order(curved: RobBench) -> None:
    table = tabulate(curved, "clean", epochs=[3, 0])
    assert (table.epochs, table.length) == ((1, 4), len(EPOCHS))
    assert table.values[0, 5, 0, :, 0].tolist() == [curved.query(table.archs[5], "clean", epoch=epoch) for epoch in (0, 3)]
    table = tabulate(curved, "clean", epochs="all", training="pgd-8/255")
    assert (table.epochs, table.length) == ((1, 2), 2), "a source that counts from 1"


def test_seeds_are_trainings_and_what_is_untrained_has_none(curved: RobBench) -> None:
    table = tabulate(curved, ["clean", "synflow"], seeds=[8, 7], training="pgd-8/255", missing="drop")
    lacking = [arch for arch in TOY.members if arch not in table.archs]
    assert {TOY.key(arch) for arch in lacking} == {TOY.key(curved.classes[3])}
    for row, arch in enumerate(table.archs):
        clean = [curved.query(arch, "clean", training="pgd-8/255", seed=seed) for seed in (8, 7)]
        assert table.values[0, row, :, 0].tolist() == [[value, curved.query(arch, "synflow")] for value in clean]
    mean = tabulate(curved, "clean", training="pgd-8/255")
    assert mean.values[0, :, 0, 0, 0].tolist() == [curved.query(arch, "clean", training="pgd-8/255") for arch in TOY.members]


def test_what_lacks_a_value_is_refused_or_left_out(curved: RobBench, few_bench: RobBench) -> None:
    lacking = sum(TOY.key(arch) == TOY.key(curved.classes[3]) for arch in TOY.members)
    with pytest.raises(
        NotMeasured, match=rf"{lacking} of 12 architectures of toy\.h5 lack one of clean, or are outside .*; missing='drop'"
    ):
        tabulate(curved, "clean", seeds=[7, 8], training="pgd-8/255")
    table = tabulate(few_bench, ["clean", "synflow"], missing="drop")
    assert 0 < len(table.archs) < len(few_bench.architectures)
    assert not np.isnan(table.values).any()


@pytest.mark.parametrize(
    ("metrics", "options", "error", "message"),
    [
        ("clean", {"epoch": 3}, InvalidArgument, "has no option 'epoch'. Did you mean 'epochs'"),
        ("clean", {"missing": "nan"}, InvalidArgument, "missing='nan' has no meaning"),
        ("clean", {"datasets": "toy10"}, InvalidArgument, "datasets='toy10' is not a list of datasets; expected at least one"),
        ("clean", {"datasets": ["toy40"]}, NotMeasured, "'toy40' is not in toy.h5"),
        ("clean", {"seeds": [7, 7]}, InvalidArgument, "each named once"),
        ("clean", {"epochs": []}, InvalidArgument, "is not a list of epochs; expected at least one, each named once, or 'all'"),
        ("clean", {"epochs": ["1"]}, InvalidArgument, "epoch='1'"),
        ("clean", {"epochs": [9]}, NotMeasured, "was not measured at epoch 9; it was at 0 to 3"),
        ("pgd@1/255", {"epochs": [0]}, NotMeasured, "was not measured at epoch 0; it was at 1 to 3"),
        ("synflow", {"epochs": "all"}, InvalidArgument, "there are no learning curves among synflow of toy10; leave epochs out"),
        (
            "clean",
            {"epochs": "all", "datasets": ["toy10", "toy30"]},
            InvalidArgument,
            "curves that count from 0, and others that count from 1,",
        ),
        (
            ["clean", "pgd@1/255"],
            {"epochs": "all", "training": "pgd-8/255"},
            NotMeasured,
            "there is no epoch after which all of clean, pgd@1/255",
        ),
        ("mean_adversarial", {"epochs": "all"}, InvalidArgument, "mean_adversarial has no learning curve"),
        (["clean", "clean"], {}, InvalidArgument, "clean is among the metrics more than once"),
    ],
)
def test_wrong_questions_say_what_is_right(
    curved: RobBench, metrics: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tabulate(curved, metrics, **options)


def test_genotypes_outside_their_space_have_no_choices(tmp_path: Path) -> None:
    inside, outside = DARTS.parse("darts_v2"), DARTS.parse("lrnas")
    assert outside.outside
    rows = Rows.of(DARTS, [inside, outside])
    extend(tmp_path / "two.h5", rows, [array("cifar10 standard clean accuracy", np.array([0.9, 0.8]))])
    bench = RobBench(tmp_path / "two.h5")
    with pytest.raises(NotMeasured, match=r"1 of 2 architectures .* are outside the search space"):
        tabulate(bench, "clean")
    found = tabulate(bench, "clean", missing="drop")
    assert (found.archs, found.values.ravel().tolist()) == ((inside,), [bench.query(inside, "clean")])
