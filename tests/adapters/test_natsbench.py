"""What code written for NATS-Bench asks."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from robbench import RobBench
from robbench.adapters.natsbench import KEYS, NATSBench
from robbench.errors import InvalidArgument, NotMeasured, UnknownArchitecture
from robbench.sources import import_source
from tests.sources.published import CELL, evaluated, jung


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
    columns = {"cifar10": "CIFAR10TestAccuracy200Epochs", "cifar100": "CIFAR100TestAccuracy200Epochs"}
    for index in range(0, len(rows), 997):
        row = rows[index]
        assert published_nats.query_index_by_arch(row["ArchitectureString"]) == index
        assert published_nats.arch(index) == published_nats[index] == row["ArchitectureString"]
        for dataset, column in columns.items():
            for arch in (index, row["ArchitectureString"]):
                info = published_nats.get_more_info(arch, dataset, hp="200", is_random=False)
                assert dict(info) == {KEYS[dataset]: pytest.approx(float(row[column]), abs=1e-4)}
    assert len(published_nats) == len(list(published_nats)) == 15625
    assert published_nats.query_by_arch(1).splitlines() == [
        rows[1]["ArchitectureString"],
        "cifar10        test-accuracy = 93.66%",
        "cifar100       valtest-accuracy = 70.29%",
        "ImageNet16-120 valtest-accuracy = 44.03%",
    ]


def test_whole_test_sets_are_what_was_published(reference: Path) -> None:
    """Means of three seeds over 10,000 images (6,000 of ImageNet16-120); half of them could not give these numbers."""
    with (reference / "natsbench" / "nats_bench.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for column, images in {"CIFAR100TestAccuracy200Epochs": 10000, "ImageNetTestAccuracy200Epochs": 6000}.items():
        correct = [float(row[column]) / 100 * images * 3 for row in rows]
        assert max(abs(count - round(count)) for count in correct) < 0.01
        assert sum(abs(count / 2 - round(count / 2)) > 0.4 for count in correct) > 1000


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
