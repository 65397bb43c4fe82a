"""What NASLib's graphs of NAS-Bench-201 are queried with.

NASLib is in no package registry, so `query` stands in for ``NasBench201SearchSpace.query``: which entry its metrics read, under which data set, at which epoch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.adapters.naslib import dataset_api
from robbench.errors import InvalidArgument, NotMeasured, UnknownArchitecture, UnknownMetric
from robbench.spaces.nb201 import NB201, Cell
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests.synthetic import array

CELLS = NB201.members[7:4000:500]
ROWS = Rows.of(NB201, CELLS)
ENTRIES = {"TRAIN_ACCURACY": "train_acc1es", "VAL_ACCURACY": "eval_acc1es", "TEST_ACCURACY": "eval_acc1es", "TRAIN_LOSS": "train_losses"}


def query(
    arch: str, metric: str, dataset: str, *, epoch: int = -1, full_lc: bool = False, api: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> Any:
    """The documented form: cifar10 is looked for as cifar10-valid, costs have no epochs, and a curve is whole, or up to an epoch, or one point."""
    results = api["nb201_data"][arch]
    if metric == "RAW":
        return results
    of_dataset = results["cifar10-valid" if dataset == "cifar10" else dataset]
    if metric in ("HP", "TRAIN_TIME"):
        return of_dataset["cost_info"] if metric == "HP" else of_dataset["cost_info"]["train_time"]
    curve = of_dataset[ENTRIES[metric]]
    if full_lc:
        return curve if epoch == -1 else curve[:epoch]
    return curve[epoch]


@pytest.fixture
def bench(tmp_path: Path) -> RobBench:
    """Two of NASLib's data sets and one that it does not know, with gaps; training times, losses and accuracies of the first."""
    rng = np.random.default_rng(0)
    classes = len(ROWS.keys)
    pgd = rng.integers(0, 1001, (classes, 2)) / 1000
    pgd[2] = np.nan
    eps = {"eps": [1 / 255, 2 / 255]}
    extend(
        tmp_path / "naslib.h5",
        ROWS,
        [
            array("cifar10 standard clean accuracy", rng.integers(0, 1001, classes) / 1000),
            array("cifar10 standard pgd accuracy", pgd, eps),
            array("cifar10 standard training_seconds value", rng.random(classes), unit="s"),
            array("cifar10 standard training_loss value", rng.random(classes), unit="nat"),
            array("cifar10 standard training_accuracy value", rng.integers(0, 1001, classes) / 1000),
            array("cifar10 untrained synflow value", rng.random(len(CELLS)), rows="exact", unit="1"),
            array("cifar100 standard pgd accuracy", pgd[::-1], eps),
            array("svhn standard pgd accuracy", pgd, eps),
        ],
    )
    return RobBench(tmp_path / "naslib.h5")


def test_a_robust_accuracy_stands_for_nasbenchs_in_percent(bench: RobBench) -> None:
    api = dataset_api(bench, "pgd@2/255")
    for cell in CELLS:
        for dataset in ("cifar10", "cifar100"):
            if np.isnan(bench.query_many([cell], "pgd@2/255", dataset=dataset, missing="nan")[0]):
                continue
            expected = 100 * bench.query(cell, "pgd", eps=2 / 255, dataset=dataset)
            for epoch in (-1, 199):
                assert query(str(cell), "VAL_ACCURACY", dataset, epoch=epoch, api=api) == expected
                assert query(str(cell), "TEST_ACCURACY", dataset, epoch=epoch, api=api) == expected
    assert dataset_api(bench, "pgd", eps=2 / 255)["nb201_data"][str(CELLS[0])].keys() == {"cifar10-valid", "cifar100"}


def test_costs_and_the_training_are_those_of_the_network(bench: RobBench) -> None:
    cell = CELLS[5]
    api = dataset_api(bench, "clean")
    assert query(str(cell), "TRAIN_TIME", "cifar10", api=api) == bench.query(cell, "training_seconds")
    assert query(str(cell), "TRAIN_ACCURACY", "cifar10", api=api) == 100 * bench.query(cell, "training_accuracy")
    assert query(str(cell), "TRAIN_LOSS", "cifar10", api=api) == bench.query(cell, "training_loss")
    costs = query(str(cell), "HP", "cifar10", api=api)
    assert (costs["params"], costs["flops"]) == (bench.query(cell, "params"), bench.query(cell, "flops"))


def test_what_the_store_lacks_raises_or_is_nan(bench: RobBench) -> None:
    cell = str(CELLS[5])
    api = dataset_api(bench, "pgd@1/255")
    with pytest.raises(NotMeasured, match="'train_acc1es' is not in the store, and is not made up; it has eval_acc1es, cost_info"):
        query(cell, "TRAIN_ACCURACY", "cifar100", api=api)
    with pytest.raises(NotMeasured, match="'train_time' is not in the store"):
        query(cell, "TRAIN_TIME", "cifar100", api=api)
    with pytest.raises(NotMeasured, match="'ImageNet16-120' is not in the store, and is not made up; it has cifar10-valid, cifar100"):
        query(cell, "VAL_ACCURACY", "ImageNet16-120", api=api)
    api = dataset_api(bench, "pgd@1/255", missing="nan")
    assert math.isnan(query(cell, "TRAIN_ACCURACY", "cifar100", api=api))
    assert math.isnan(query(cell, "TRAIN_TIME", "cifar100", api=api))
    assert query(cell, "VAL_ACCURACY", "cifar100", api=api) == 100 * bench.query(cell, "pgd@1/255", dataset="cifar100")
    unmeasured = bench.classes[2]
    with pytest.raises(NotMeasured, match="'cifar10-valid' is not in the store"):
        query(str(unmeasured), "VAL_ACCURACY", "cifar10", api=api)


def test_of_a_learning_curve_the_end_is_known(bench: RobBench) -> None:
    cell, api = str(CELLS[0]), dataset_api(bench)
    for epoch, full_lc in ((0, False), (100, False), (50, True)):
        with pytest.raises(NotMeasured, match="of a learning curve is not in the store, which knows its end: epoch=-1, full_lc=False"):
            query(cell, "VAL_ACCURACY", "cifar10", epoch=epoch, full_lc=full_lc, api=api)
    curve = query(cell, "VAL_ACCURACY", "cifar10", full_lc=True, api=api)
    assert len(curve) == 200
    assert repr(curve) == f"[…, {100 * bench.query(cell, 'clean')}]"
    with pytest.raises(NotMeasured):
        np.array(curve)


def test_all_cells_are_there_and_no_others(bench: RobBench) -> None:
    data = dataset_api(bench)["nb201_data"]
    assert list(data) == [str(cell) for cell in CELLS]
    assert len(data) == len(CELLS)
    with pytest.raises(UnknownArchitecture):
        data["|nor_conv_5x5~0|+|none~0|none~1|+|none~0|none~1|none~2|"]
    assert query(str(CELLS[3]), "RAW", "cifar10", api={"nb201_data": data})["cifar10-valid"]["eval_acc1es"][-1] == 100 * bench.query(
        CELLS[3], "clean"
    )


def test_wrong_questions_say_what_is_right(bench: RobBench, toy_bench: RobBench) -> None:
    with pytest.raises(InvalidArgument, match=r"toy\.h5 is of the toy space; NASLib's tables of accuracies are of NAS-Bench-201"):
        dataset_api(toy_bench)
    with pytest.raises(InvalidArgument, match="synflow is no accuracy; NASLib takes one, which it reads in percent"):
        dataset_api(bench, "synflow")
    with pytest.raises(InvalidArgument, match="dataset='cifar10' is not asked here: NASLib names the data set with each query"):
        dataset_api(bench, "clean", dataset="cifar10")
    with pytest.raises(InvalidArgument, match="missing='zero'"):
        dataset_api(bench, missing="zero")
    with pytest.raises(NotMeasured, match="fgsm"):
        dataset_api(bench, "fgsm@1/255")
    with pytest.raises(UnknownMetric):
        dataset_api(bench, "pdg")
    with pytest.raises(NotMeasured, match="holds digits; NASLib knows cifar10, cifar100, ImageNet16-120"):
        dataset_api(RobBench())


def test_a_copy_asks_the_same_store(bench: RobBench) -> None:
    """NASLib hands it to processes, and copies what holds it."""
    import copy
    import pickle

    cell, api = str(Cell(CELLS[1].ops)), dataset_api(bench)
    for copied in (copy.deepcopy(api), pickle.loads(pickle.dumps(api))):  # noqa: S301
        assert query(cell, "VAL_ACCURACY", "cifar10", api=copied) == query(cell, "VAL_ACCURACY", "cifar10", api=api)
