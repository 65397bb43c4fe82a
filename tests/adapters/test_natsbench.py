"""What code written for NATS-Bench asks."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.adapters.natsbench import KEYS, NATSBench, _split
from robbench.errors import InvalidArgument, NotMeasured, UnknownArchitecture
from robbench.sources import import_source
from robbench.sources.natsbench import COLUMNS
from tests.sources.published import CELL, NATS_HEADER, evaluated, jung, nats_rows, write_csv


@pytest.fixture(scope="session")
def published_nats(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> NATSBench:
    store = tmp_path_factory.mktemp("nats") / "nats.h5"
    import_source("natsbench", reference / "natsbench" / "nats_bench.csv", store)
    return NATSBench(RobBench(store))


@pytest.fixture
def api(tmp_path: Path) -> NATSBench:
    """Of jung2023's data alone: one network, half right on cifar10."""
    import_source("jung2023", jung(tmp_path / "jung", {"cifar10/clean_accuracy": {evaluated()[0]: 0.5}}), tmp_path / "new.h5")
    return NATSBench(RobBench(tmp_path / "new.h5"))


def test_answers_are_the_published_percentages(published_nats: NATSBench, reference: Path) -> None:
    with (reference / "natsbench" / "nats_bench.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for index in range(0, len(rows), 997):
        row = rows[index]
        assert published_nats.query_index_by_arch(row["ArchitectureString"]) == index
        assert published_nats.arch(index) == published_nats[index] == row["ArchitectureString"]
        for dataset, column in COLUMNS.items():
            for arch in (index, row["ArchitectureString"]):
                info = published_nats.get_more_info(arch, dataset, hp="200", is_random=False)
                assert dict(info) == {"test-accuracy": pytest.approx(float(row[column]), abs=1e-4)}
    assert len(published_nats) == len(list(published_nats)) == 15625
    assert published_nats.query_by_arch(1).splitlines() == [
        rows[1]["ArchitectureString"],
        "cifar10        test-accuracy = 93.66%",
        "cifar100       test-accuracy = 70.29%",
        "ImageNet16-120 test-accuracy = 44.03%",
    ]


def test_test_accuracies_are_of_the_halves_that_natsbench_calls_x_test(reference: Path) -> None:
    """Each is a whole number of images in one, two or three times 5,000 (3,000): as many as networks were trained.

    Of the whole test set, single networks would be at odd numbers of 10,000 (6,000) images half of the time.
    """
    with (reference / "natsbench" / "nats_bench.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for dataset, images in {"cifar10": 10_000, "cifar100": 5_000, "ImageNet16-120": 3_000}.items():
        shares = np.array([float(row[COLUMNS[dataset]]) for row in rows]) / 100
        whole = [abs(shares * images * networks - np.rint(shares * images * networks)) < 2e-3 for networks in (1, 2, 3)]
        assert np.any(whole, axis=0).all()
        assert min(np.sum(whole, axis=1)) > 3_000, "networks were trained once, twice or three times, thousands of each"


def test_index_0_has_the_values_of_the_official_files(published_nats: NATSBench) -> None:
    """Mean of three seeds, ImageNet16-120, from the official pickle: valtest 27.422, valid 28.211, test 26.633."""
    info = published_nats.get_more_info(0, "ImageNet16-120")
    assert info["test-accuracy"] == pytest.approx(26.633, abs=5e-4)
    for key in ("valtest-accuracy", "valid-accuracy"):
        with pytest.raises(NotMeasured, match=f"'{key}' is not in the store, and is not made up; it has test-accuracy"):
            info[key]


def test_each_key_is_answered_by_the_array_of_its_images(tmp_path: Path) -> None:
    """natsbench is x-test of the exact cell, jung2023 the whole test set of the network of its class; on cifar10 both are the whole, and natsbench is first."""
    first, second = evaluated()[:2]
    store, rows = tmp_path / "both.h5", nats_rows()
    import_source("natsbench", write_csv(tmp_path / "nats_bench.csv", NATS_HEADER, rows), store)
    files = {f"{dataset}/clean_accuracy": {first: 0.5} for dataset in ("cifar10", "cifar100", "ImageNet16-120")}
    import_source("jung2023", jung(tmp_path / "jung", files), store)
    api = NATSBench(RobBench(store))
    percent = {dataset: pytest.approx(float(str(value))) for dataset, value in zip(COLUMNS, rows[first], strict=False)}
    assert api.get_more_info(first, "cifar10") == {"test-accuracy": percent["cifar10"]}
    for dataset in ("cifar100", "ImageNet16-120"):
        assert api.get_more_info(first, dataset) == {"test-accuracy": percent[dataset], "valtest-accuracy": pytest.approx(50)}
        assert api.get_more_info(second, dataset).keys() == {"test-accuracy"}
    splits = {
        (name.dataset, name.training): header.provenance["split"]
        for name, header in ((name, api._bench.measurements.store.header(name)) for name in api._bench.measurements.store.names())
    }
    assert splits == {
        ("cifar10", "nb201-200"): "ori-test",
        ("cifar100", "nb201-200"): "x-test",
        ("ImageNet16-120", "nb201-200"): "x-test",
        **{(dataset, "standard"): "ori-test" for dataset in COLUMNS},
    }


@pytest.mark.parametrize(
    ("dataset", "provenance", "key"),
    [
        ("cifar100", {"source": "natsbench"}, "test-accuracy"),
        ("cifar100", {"source": "jung2023"}, "valtest-accuracy"),
        ("cifar100", {"source": "robbench build", "images": 10_000}, "valtest-accuracy"),
        ("cifar10", {"source": "robbench build", "images": 10_000}, "test-accuracy"),
        ("cifar10", {"source": "robbench build", "images": 1_000}, None),
        ("cifar100", {"source": "someone's table"}, None),
        ("cifar100", {"source": "someone's table", "split": "x-test"}, "test-accuracy"),
        ("cifar100", {"source": "someone's table", "split": "my images"}, None),
    ],
)
def test_images_that_are_not_known_to_be_a_split_answer_no_key(dataset: str, provenance: dict[str, Any], key: str | None) -> None:
    assert KEYS[dataset].get(_split(dataset, provenance)) == key


def test_a_store_of_evaluated_networks_answers_for_their_class(api: NATSBench) -> None:
    index = int(evaluated()[0])
    assert api.get_more_info(index, "cifar10")["test-accuracy"] == 50
    assert api.query_index_by_arch(CELL[index]) == api.query_index_by_arch(index) == index
    assert api.query_info_str_by_arch(index) == f"{CELL[index]}\ncifar10        test-accuracy = 50.00%"


def test_what_the_store_cannot_answer_raises(api: NATSBench) -> None:
    index = int(evaluated()[0])
    with pytest.raises(NotMeasured, match="'train-all-time' is not in the store, and is not made up; it has test-accuracy"):
        api.get_more_info(index, "cifar10")["train-all-time"]
    with pytest.raises(NotMeasured, match="the store has no test accuracy of 'cifar10-valid'; it has those of cifar10"):
        api.get_more_info(index, "cifar10-valid")
    wrong: tuple[dict[str, Any], ...] = ({"hp": "12"}, {"iepoch": 11}, {"is_random": True}, {"is_random": 777})
    for options in wrong:
        with pytest.raises(NotMeasured, match="it holds the end of 200 epochs, not single trials: hp='200', is_random=False"):
            api.get_more_info(index, "cifar10", **options)
    with pytest.raises(NotMeasured, match="was not measured for"):
        api.get_more_info(int(evaluated()[1]), "cifar10")


def test_unknown_architectures_raise(api: NATSBench, tmp_path: Path) -> None:
    for ask in (api.query_index_by_arch, api.query_by_arch, lambda arch: api.get_more_info(arch, "cifar10")):
        for wrong in ("|nor_conv_5x5~0|+|none~0|none~1|+|none~0|none~1|none~2|", 15625, -1):
            with pytest.raises(UnknownArchitecture):
                ask(wrong)
    with pytest.raises(UnknownArchitecture, match="is a string; arch takes a published index"):
        api.arch(str(CELL[0]))  # type: ignore[arg-type]
    with pytest.raises(UnknownArchitecture, match="carries no published index"):
        NATSBench(RobBench())


def test_a_store_of_another_space_is_refused(toy_bench: RobBench) -> None:
    with pytest.raises(InvalidArgument, match=r"toy\.h5 is of the toy space; NATS-Bench's topology space is NAS-Bench-201"):
        NATSBench(toy_bench)
