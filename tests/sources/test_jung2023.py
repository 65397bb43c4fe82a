from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import InvalidArgument, LevelNotMeasured, NotMeasured, SourceError
from robbench.measurements.metrics import CONFIDENCES, level_text
from robbench.sources import import_source, jung2023
from robbench.sources.cells import CellReading
from robbench.sources.jung2023 import ATTACKS, CORRUPTIONS, DATASETS
from robbench.spaces.nb201 import NB201
from robbench.store import Store, verify
from robbench.store.arrays import Name
from robbench.store.blockwise import Blocks
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests.sources.published import CELL, EPSILONS, INDEX, evaluated, ids_json, isomorphic, jung, refused, reported, snapshot, unreadable

FIRST, SECOND, THIRD = evaluated()[:3]
COUNTS = np.arange(2 * 100).reshape(2, 10, 10)


def edit_ids(folder: Path, change: Any) -> Path:
    """The folder, with the ids of its meta.json changed in place by `change`."""
    ids = json.loads(ids_json())
    change(ids)
    (folder / "meta.json").write_text(json.dumps({"ids": ids, "epsilons": EPSILONS}))
    return folder


def no_index(folder: Path, message: str) -> None:
    """Assert that no numbering of the cells can be read."""
    with pytest.raises(SourceError, match=message):
        jung2023.index(folder, CellReading(folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return jung(tmp_path / "jung", {"cifar10/clean_accuracy": {FIRST: 0.5, SECOND: 0.25}})


def test_every_value_comes_back_through_every_spelling_of_its_architecture(tmp_path: Path, new_store: Path) -> None:
    values: dict[str, dict[int | str, Any]] = {
        "cifar10/clean_accuracy": {FIRST: 0.946, SECOND: 0.1},
        "cifar10/pgd@Linf_accuracy": {FIRST: [0.7, 0.394, 0.001], SECOND: [1, 0.5, 0]},
        "cifar10/aa_apgd-ce@Linf_accuracy": {FIRST: [0.123], SECOND: [0.321]},
        "cifar10/fog_accuracy": {FIRST: [0.9, 0.8, 0.7, 0.6, 0.5], SECOND: [0.5, 0.4, 0.3, 0.2, 0.1]},
    }
    import_source("jung2023", jung(tmp_path / "jung", values), new_store)
    bench = RobBench(new_store)
    for network in (FIRST, SECOND):
        assert len(isomorphic(network)) > 100
        for index in isomorphic(network)[::9]:
            for arch in (index, str(CELL[index]), CELL[index], CELL[index].ops):
                assert bench.query(arch, "clean") == values["cifar10/clean_accuracy"][network]
                assert bench.query(arch, "pgd", eps=1 / 255) == values["cifar10/pgd@Linf_accuracy"][network][1]
            assert [bench.query(index, "fog", severity=k) for k in (1, 2, 3, 4, 5)] == values["cifar10/fog_accuracy"][network]
            assert bench.query(index, "aa_apgd-ce@Linf", eps="1/255") == values["cifar10/aa_apgd-ce@Linf_accuracy"][network][0]
    assert bench.curve(FIRST, "pgd").to_dict() == {0.1 / 255: 0.7, 1 / 255: 0.394, 8 / 255: 0.001}


def test_what_was_not_evaluated_is_missing(folder: Path, new_store: Path) -> None:
    import_source("jung2023", folder, new_store)
    with pytest.raises(NotMeasured, match=re.escape(f"clean of cifar10 (standard) was not measured for {CELL[THIRD]}")):
        RobBench(new_store).query(THIRD, "clean")


def test_an_attack_has_an_eps_axis_a_corruption_severities_and_clean_none(tmp_path: Path, new_store: Path) -> None:
    files: dict[str, Any] = {
        "cifar10/clean_accuracy": {FIRST: 0.5},
        "cifar10/pgd@Linf_accuracy": {FIRST: [0.1, 0.2, 0.3]},
        "cifar10/fog_accuracy": {FIRST: [0.1] * 5},
        "cifar10/clean_cm": {FIRST: COUNTS[0].tolist()},
        "cifar10/fgsm@Linf_cm": {FIRST: COUNTS.tolist()},
    }
    import_source("jung2023", jung(tmp_path / "jung", files), new_store)
    with Store(new_store) as store:
        axes = {(name.metric, name.measure): store.header(name).axes for name in store.names()}
        units = {name.measure: store.header(name).unit for name in store.names()}
        sources = {store.header(name).provenance["source"] for name in store.names()}
        assert {store.header(name).provenance["images"] for name in store.names()} == {10_000}
    assert axes == {
        ("clean", "accuracy"): {},
        ("pgd", "accuracy"): {"eps": [0.1 / 255, 1 / 255, 8 / 255]},
        ("fog", "accuracy"): {"severity": [1, 2, 3, 4, 5]},
        ("clean", "confusion"): {"label": [], "prediction": []},
        ("fgsm", "confusion"): {"eps": [0.5 / 255, 1 / 255], "label": [], "prediction": []},
    }
    assert units == {"accuracy": "fraction", "confusion": "count"}
    assert sources == {"jung2023"}


def test_counts_come_back_as_published_clean_and_under_attack(tmp_path: Path, new_store: Path) -> None:
    files: dict[str, Any] = {
        "cifar10/clean_cm": {FIRST: COUNTS[1].tolist()},
        "cifar10/fgsm@Linf_cm": {FIRST: COUNTS.tolist(), SECOND: COUNTS[::-1].tolist()},
    }
    import_source("jung2023", jung(tmp_path / "jung", files), new_store)
    bench = RobBench(new_store)
    clean = bench.query(isomorphic(FIRST)[-1], "clean", measure="confusion")
    assert clean.dtype == np.int64
    assert np.array_equal(clean, COUNTS[1])
    assert np.array_equal(bench.query(SECOND, "fgsm", eps=1 / 255, measure="confusion"), COUNTS[0])
    assert np.array_equal(bench.query(SECOND, "fgsm", eps=0.5 / 255, measure="cm"), COUNTS[1])
    with pytest.raises(NotMeasured, match="was not measured for"):
        bench.query(SECOND, "clean", measure="confusion")


LABEL, ARGMAX = np.round(np.random.default_rng(0).random((2, 10, 10)), 3)
PREDICTION = np.array([0.75, 0.5])


def test_confidences_come_back_by_scheme_of_each_level(tmp_path: Path, new_store: Path) -> None:
    """A list of three of unequal shapes, or three by name; of an attack one such for each eps."""
    three, half = [LABEL, ARGMAX, PREDICTION], [LABEL / 2, ARGMAX / 2, PREDICTION / 2]
    lists, named = ([values.tolist() for values in found] for found in (three, half))
    files: dict[str, Any] = {
        "cifar10/clean_accuracy": {FIRST: 0.5, SECOND: 0.5},
        "cifar10/clean_confidence": {FIRST: lists, SECOND: dict(zip(CONFIDENCES, named, strict=True))},
        "cifar10/fgsm@Linf_confidence": {FIRST: [lists, dict(zip(CONFIDENCES, named, strict=True))]},
        "cifar10/pgd@Linf_confidence": {FIRST: {"prediction": [PREDICTION.tolist()] * 3}},
    }
    report = import_source("jung2023", jung(tmp_path / "jung", files), new_store)
    assert report.unreadable == []
    bench = RobBench(new_store)
    for measure, one, other in zip(CONFIDENCES.values(), three, half, strict=True):
        assert np.array_equal(bench.query(FIRST, "clean", measure=measure), one)
        assert np.array_equal(bench.query(SECOND, f"clean:{measure}"), other)
        assert np.array_equal(bench.query(isomorphic(FIRST)[-1], "fgsm", eps=0.5 / 255, measure=measure), one)
        assert np.array_equal(bench.query(FIRST, "fgsm", eps=1 / 255, measure=measure), other)
        with pytest.raises(NotMeasured, match="was not measured for"):
            bench.query(SECOND, "fgsm", eps=1 / 255, measure=measure)
    assert np.array_equal(bench.query(FIRST, "pgd", eps=8 / 255, measure="confidence_prediction"), PREDICTION)
    with pytest.raises(NotMeasured, match=r"pgd \(confidence_label\) of cifar10 is not in"):
        bench.query(FIRST, "pgd", eps=8 / 255, measure="confidence_label")
    with pytest.raises(InvalidArgument, match="say which: confidence_label, confidence_argmax, confidence_prediction"):
        bench.query(FIRST, "clean", measure="confidence")
    with Store(new_store) as store:
        assert store.header(Name("cifar10", "standard", "clean", "confidence_prediction")).axes == {"images": ["correct", "incorrect"]}
        assert list(store.header(Name("cifar10", "standard", "fgsm", "confidence_argmax")).axes) == ["eps", "prediction", "class"]


def test_a_class_that_is_never_predicted_has_no_confidence(tmp_path: Path, new_store: Path) -> None:
    never = ARGMAX.copy()
    never[3] = np.nan
    files: dict[str, Any] = {"cifar10/clean_accuracy": {FIRST: 0.5}, "cifar10/clean_confidence": {FIRST: {"argmax": never.tolist()}}}
    import_source("jung2023", jung(tmp_path / "jung", files), new_store)
    assert np.array_equal(RobBench(new_store).query(FIRST, "clean", measure="confidence_argmax"), never, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "item", "message"),
    [
        ("clean", {"label": [[0.5] * 9] * 9}, r"label, has values of shape \(9, 9\); expected \(10, 10\)"),
        ("clean", [0.5, 0.5], "expected 3, by label, argmax, prediction"),
        ("clean", 0.5, "has 0.5 for confidences; expected 3"),
        ("clean", {"labels": []}, "has confidences by 'labels'; expected some of label, argmax, prediction"),
        ("clean", {"prediction": [0.5, 1.5]}, "expected probabilities in \\[0, 1\\]"),
        ("clean", {"prediction": [0.5, float("inf")]}, "expected numbers"),
        ("clean", {"prediction": [0.5, True]}, "expected numbers"),
        ("clean", {"label": [[0.5], [0.5, 0.5]]}, "lists of unequal length"),
        ("fgsm@Linf", {"prediction": [0.5, 0.5]}, r"has values of shape \(2,\); expected \(2, 2\)"),
        ("fgsm@Linf", [{"prediction": [0.5, 0.5]}], "expected a list of 2 levels"),
        ("fgsm@Linf", [{"prediction": [0.5, 0.5]}, {"label": [[0.5]]}], "has other confidences at one level than at another"),
    ],
)
def test_confidences_that_are_none_are_reported_and_the_rest_is_taken(name: str, item: Any, message: str, tmp_path: Path) -> None:
    folder = jung(tmp_path / "jung", {"cifar10/clean_accuracy": {FIRST: 0.5}, f"cifar10/{name}_confidence": {FIRST: item}}, ids=False)
    reported(folder, message)


def test_what_is_wrong_with_optional_files_is_reported_and_nothing_of_them_is_taken(tmp_path: Path, new_store: Path) -> None:
    other = isomorphic(FIRST)[1]
    files: dict[str, Any] = {
        "cifar10/clean_accuracy": {FIRST: 0.5},
        "cifar10/clean_confidence": {FIRST: {"prediction": [0.5, 0.5]}, other: {"prediction": [0.5, 0.5]}},
        "cifar10/fgsm@Linf_confidence": {FIRST: [{"prediction": [0.5, 0.5]}] * 2},
    }
    folder = jung(tmp_path / "jung", files)
    (folder / "cifar10" / "clean_cm.json").write_text("{")
    report = import_source("jung2023", folder, new_store)
    assert re.search(rf"clean_confidence\.json: {other} is not an evaluated network", report.unreadable[0])
    assert "clean_cm.json is not whole, valid JSON" in report.unreadable[1]
    with Store(new_store) as store:
        assert {(name.metric, name.measure) for name in store.names()} == {("clean", "accuracy"), ("fgsm", "confidence_prediction")}


def test_confidences_pass_through_memory_in_blocks(tmp_path: Path, new_store: Path) -> None:
    item = {"label": LABEL.tolist(), "prediction": PREDICTION.tolist()}
    folder = jung(tmp_path / "jung", {"cifar10/clean_confidence": {FIRST: item}}, ids=False)
    reading = CellReading(folder)
    reading.published_index = INDEX
    arrays = list(jung2023.read(folder, reading))
    assert [array.name.measure for array in arrays] == ["confidence_label", "confidence_prediction"]
    assert all(isinstance(array.values, Blocks) for array in arrays)
    extend(new_store, Rows.of(NB201, NB201.members or ()), arrays)
    with Store(new_store) as store:
        (row,) = np.flatnonzero(~np.isnan(store.read(arrays[0].name)).all(axis=(1, 2)))
        assert np.array_equal(store.read(arrays[0].name, int(row)), LABEL)


def test_a_copy_with_another_grid_has_the_levels_of_its_own_meta(tmp_path: Path, new_store: Path) -> None:
    epsilons = {**EPSILONS, "pgd@Linf": [0.1, 1.0, 8.0, 255.0]}
    copy = jung(tmp_path / "jung", {"cifar10/pgd@Linf_accuracy": {FIRST: [0.4, 0.3, 0.2, 0.125]}}, epsilons)
    import_source("jung2023", copy, new_store)
    bench = RobBench(new_store)
    assert bench.query(FIRST, "pgd", eps=1) == bench.query(FIRST, "pgd", eps="255/255") == 0.125
    assert bench.query(FIRST, "pgd", eps=8 / 255) == 0.2
    with pytest.raises(LevelNotMeasured, match=r"Measured: 0\.1/255, 1/255, 8/255, 255/255"):
        bench.query(FIRST, "pgd", eps=2 / 255)


@pytest.mark.parametrize("datasets", [["cifar100"], ["ImageNet16-120"], ["cifar10", "ImageNet16-120"]])
def test_whichever_datasets_are_there_are_read(datasets: list[str], tmp_path: Path, new_store: Path) -> None:
    files = {f"{dataset}/clean_accuracy": {FIRST: 0.1 * position} for position, dataset in enumerate(datasets, start=1)}
    import_source("jung2023", jung(tmp_path / "jung", files), new_store)
    bench = RobBench(new_store)
    assert bench.datasets == sorted(datasets)
    assert bench.default_dataset == datasets[0]
    assert [bench.query(FIRST, "clean", dataset=dataset) for dataset in datasets] == [0.1, 0.2][: len(datasets)]


def test_files_that_are_not_there_are_reported(folder: Path, new_store: Path) -> None:
    report = import_source("jung2023", folder, new_store)
    expected = {
        f"cifar10/{key}_{measure}.json" for key in ("clean", *ATTACKS, *CORRUPTIONS) for measure in ("accuracy", "confidence", "cm")
    }
    assert set(report.absent) == expected - {"cifar10/clean_accuracy.json"}
    assert len(report.absent) == 3 * 20 - 1
    assert report.changes.added == [Name("cifar10", "standard", "clean", "accuracy")]


def test_imagenet_has_no_corruptions_so_none_are_absent(tmp_path: Path, new_store: Path) -> None:
    folder = jung(tmp_path / "jung", {"ImageNet16-120/clean_accuracy": {FIRST: 0.5}, "ImageNet16-120/fog_accuracy": {FIRST: [0.5] * 5}})
    report = import_source("jung2023", folder, new_store)
    assert len(report.absent) == 3 * 5 - 1
    assert not any("fog" in file for file in report.absent)
    assert len(report.changes.added) == 1


@pytest.mark.parametrize("network", ["15625", "99999", "-1", "1.0", "x", "", "٣"])
def test_an_id_that_is_no_index_is_refused(network: str, tmp_path: Path) -> None:
    folder = jung(tmp_path / "jung", {"cifar10/clean_accuracy": {FIRST: 0.5, network: 0.5}}, ids=False)
    unreadable("jung2023", folder, rf"clean_accuracy\.json: '{network}' is not a published index; expected 0 to 15624")


def test_an_id_that_was_not_evaluated_is_refused(tmp_path: Path) -> None:
    other = isomorphic(FIRST)[1]
    folder = jung(tmp_path / "jung", {"cifar10/clean_accuracy": {FIRST: 0.5, other: 0.5}}, ids=False)
    unreadable("jung2023", folder, f": {other} is not an evaluated network; its class was evaluated as {FIRST}")


def test_a_network_that_is_there_twice_is_refused(folder: Path) -> None:
    twice = f'{{"cifar10": {{"clean": {{"accuracy": {{"{FIRST}": 0.5, "{SECOND}": 0.5, "{FIRST}": 0.75}}}}}}}}'
    (folder / "cifar10" / "clean_accuracy.json").write_text(twice)
    unreadable("jung2023", folder, rf"clean_accuracy\.json: {FIRST} is there twice")


@pytest.mark.parametrize(
    "text",
    [
        '{"cifar10": {"clean": {"accuracy": {"3": 0.5}}}, "cifar10": {"clean": {"accuracy": {"3": 0.25}}}}',
        '{"cifar10": {"clean": {"accuracy": {"3": 0.5}}, "clean": {"accuracy": {"3": 0.25}}}}',
        '{"cifar10": {"clean": {"accuracy": {"3": 0.5}, "accuracy": {"3": 0.25}}}}',
        '{"other": {"x": 1, "x": 2}, "cifar10": {"clean": {"accuracy": {"3": 0.5}}}}',
    ],
)
def test_a_key_that_is_there_twice_is_refused_however_high_it_stands(text: str, folder: Path) -> None:
    (folder / "cifar10" / "clean_accuracy.json").write_text(text.replace('"3"', f'"{FIRST}"'))
    unreadable("jung2023", folder, r"clean_accuracy\.json: (cifar10|clean|accuracy|x) is there twice")


def test_a_statistic_that_is_there_twice_is_refused(folder: Path) -> None:
    text = f'{{"cifar10": {{"clean": {{"confidence": {{"{FIRST}": {{"label": [0.5], "label": [0.25]}}}}}}}}}}'
    (folder / "cifar10" / "clean_confidence.json").write_text(text)
    reported(folder, r"clean_confidence\.json: label is there twice")


@pytest.mark.parametrize("value", [1.001, -0.001, 93.5, -1e8, 2])
def test_an_accuracy_that_is_no_fraction_is_refused(value: float, tmp_path: Path) -> None:
    folder = jung(tmp_path / "jung", {"cifar10/pgd@Linf_accuracy": {FIRST: [0.5, 0.4, 0.3], SECOND: [0.5, value, 0.3]}}, ids=False)
    message = rf"pgd@Linf_accuracy\.json: {SECOND} has the accuracy \[0\.5, {value:.1f}.*\]; expected fractions in \[0, 1\]"
    unreadable("jung2023", folder, message.replace("-100000000.0", "-1.*"))


@pytest.mark.parametrize("value", [True, "0.5", None, {}, [], [0.5, True, 0.25], [0.5, None, 0.25], [0.5, "0.5", 0.25]])
def test_an_accuracy_that_is_no_number_is_refused(value: object, tmp_path: Path) -> None:
    key, good = ("pgd@Linf", [0.5, 0.5, 0.5]) if isinstance(value, list) and value else ("clean", 0.5)
    folder = jung(tmp_path / "jung", {f"cifar10/{key}_accuracy": {FIRST: good, SECOND: value}}, ids=False)
    unreadable("jung2023", folder, rf"_accuracy\.json: {SECOND} has .*; expected")


def test_an_accuracy_of_nan_is_refused(tmp_path: Path) -> None:
    folder = jung(tmp_path / "jung", {"cifar10/clean_accuracy": {FIRST: float("nan")}}, ids=False)
    unreadable("jung2023", folder, r"clean_accuracy\.json")


@pytest.mark.parametrize(("key", "short"), [("pgd@Linf", [0.5, 0.5]), ("pgd@Linf", [0.5] * 4), ("fog", [0.5] * 4), ("pgd@Linf", 0.5)])
def test_a_list_of_another_length_than_its_grid_is_refused(key: str, short: Any, tmp_path: Path) -> None:
    right, grid = ([0.5] * 5, r"\(5,\)") if key == "fog" else ([0.5] * 3, r"\(3,\)")
    shape = re.escape(str(np.shape(short)))
    folder = jung(tmp_path / "jung", {f"cifar10/{key}_accuracy": {FIRST: short, SECOND: short}}, ids=False)
    unreadable("jung2023", folder, rf"{FIRST} has values of shape {shape}; expected {grid}, one for each of {{.*}}")
    jung(folder, {f"cifar10/{key}_accuracy": {FIRST: right, SECOND: short}}, ids=False)
    unreadable("jung2023", folder, rf"{SECOND} has values of shape {shape}; expected {grid} as the others have")


def test_a_clean_accuracy_is_one_number(tmp_path: Path) -> None:
    folder = jung(tmp_path / "jung", {"cifar10/clean_accuracy": {FIRST: [0.5]}}, ids=False)
    unreadable("jung2023", folder, rf"{FIRST} has values of shape \(1,\); expected \(\)")


@pytest.mark.parametrize(
    ("name", "counts", "message"),
    [
        ("clean_cm", [[1, 2], [3]], "has lists of unequal length"),
        ("clean_cm", [[1, 2], [3, -4]], "expected counts of images"),
        ("clean_cm", [[1, 2], [3, 4.5]], "expected counts of images"),
        ("clean_cm", [[1, 2], [3, 65535]], "expected counts of images"),
        ("clean_cm", [[1, 2], [3, None]], "expected numbers"),
        ("clean_cm", [[1, 2], [3, True]], "expected numbers"),
        ("clean_cm", [[True, False], [False, True]], "expected numbers"),
        ("clean_cm", [[1, 2, 3], [3, 4, 5]], "expected"),
        ("clean_cm", [1, 2, 3, 4], "expected"),
        ("clean_cm", 4, "expected"),
        ("clean_cm", [], "expected"),
        ("fgsm@Linf_cm", [[[1, 2], [3, 4]]], r"has values of shape \(1, 2, 2\); expected \(2,\), one for each of"),
        ("fgsm@Linf_cm", [[1, 2], [3, 4]], "expected"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(name: str, counts: Any, message: str, tmp_path: Path) -> None:
    folder = jung(tmp_path / "jung", {f"cifar10/{name}": {FIRST: counts}}, ids=False)
    reported(folder, rf"{name}\.json: {FIRST} has .*{message}".replace("has .*has", "has"))


@pytest.mark.parametrize(
    "content",
    [
        {"cifar100": {"clean": {"accuracy": {str(FIRST): 0.5}}}},
        {"cifar10": {"fog": {"accuracy": {str(FIRST): 0.5}}}},
        {"cifar10": {"clean": {"confidence": {str(FIRST): 0.5}}}},
        {"cifar10": {"clean": {"accuracy": {}}}},
        {"cifar10": {"clean": {"accuracy": [0.5]}}},
        {"cifar10": None},
        [],
    ],
)
def test_a_file_of_another_dataset_key_or_measure_is_refused(content: object, folder: Path) -> None:
    (folder / "cifar10" / "clean_accuracy.json").write_text(json.dumps(content))
    unreadable("jung2023", folder, r"clean_accuracy\.json holds nothing under cifar10\.clean\.accuracy; is it the file of another")


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
@pytest.mark.parametrize("name", ["meta.json", "cifar10/fog_accuracy.json"])
def test_a_file_cut_short_is_refused(name: str, share: float, folder: Path, store: Path) -> None:
    jung(folder, {"cifar10/fog_accuracy": {network: [0.5] * 5 for network in evaluated()[:50]}})
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: int(len(whole) * share)])
    refused("jung2023", folder, store, f"{re.escape(name)} is not whole, valid JSON")


def test_a_folder_without_meta_is_refused(folder: Path, store: Path) -> None:
    (folder / "meta.json").unlink()
    refused("jung2023", folder, store, r"jung has no meta\.json, which says which architecture each index is")
    (folder / "meta.json").mkdir()
    refused("jung2023", folder, store, r"jung has no meta\.json")


def test_a_folder_without_datasets_is_refused(folder: Path, store: Path) -> None:
    (folder / "cifar10").rename(folder / "cifar11")
    refused("jung2023", folder, store, r"jung has none of the folders cifar10, cifar100, ImageNet16-120")


def test_a_dataset_folder_without_files_is_refused(folder: Path, store: Path, new_store: Path) -> None:
    (folder / "cifar10" / "clean_accuracy.json").unlink()
    for into in (store, new_store):
        refused("jung2023", folder, into, "jung holds no")


def test_a_folder_in_place_of_a_file_is_refused(folder: Path, store: Path) -> None:
    (folder / "cifar10" / "fog_accuracy.json").mkdir()
    refused("jung2023", folder, store, r"fog_accuracy\.json cannot be read: .*directory")


def swap(ids: dict[str, Any]) -> None:
    one, other = isomorphic(FIRST)[-1], isomorphic(SECOND)[-1]
    ids[str(one)]["isomorph"], ids[str(other)]["isomorph"] = ids[str(other)]["isomorph"], ids[str(one)]["isomorph"]


def split(ids: dict[str, Any]) -> None:
    ids[str(isomorphic(FIRST)[-1])]["isomorph"] = str(isomorphic(FIRST)[-1])


def merge(ids: dict[str, Any]) -> None:
    for index in isomorphic(FIRST):
        ids[str(index)]["isomorph"] = str(SECOND)


def without_isomorph(ids: dict[str, Any]) -> None:
    del ids[str(FIRST)]["isomorph"]


def unhashable_isomorph(ids: dict[str, Any]) -> None:
    ids[str(FIRST)]["isomorph"] = [str(FIRST)]


@pytest.mark.parametrize("change", [swap, split, merge, without_isomorph, unhashable_isomorph])
def test_classes_other_than_the_published_ones_are_refused(change: Any, folder: Path) -> None:
    no_index(edit_ids(folder, change), r"meta\.json sorts the cells into other classes than the published rule does")


def renumber(key: str) -> Any:
    def change(ids: dict[str, Any]) -> None:
        ids[key] = ids.pop("7")

    return change


def same_cell_twice(ids: dict[str, Any]) -> None:
    ids["7"] = ids["8"]


def mangled_cell(ids: dict[str, Any]) -> None:
    ids["7"]["nb201-string"] = ids["7"]["nb201-string"].replace("~0|+", "~1|+")


def no_object(ids: dict[str, Any]) -> None:
    ids["7"] = str(CELL[7])


@pytest.mark.parametrize(
    "change", [renumber("15625"), renumber("x"), renumber("-7"), renumber("²"), same_cell_twice, mangled_cell, no_object]
)
def test_ids_that_are_not_the_cells_are_refused(change: Any, folder: Path) -> None:
    no_index(edit_ids(folder, change), r"meta\.json: id '.*' with .* is not one of the 15,625 cells, or is there twice")


def test_a_list_of_too_few_cells_is_refused(folder: Path) -> None:
    no_index(edit_ids(folder, lambda ids: ids.pop("7")), r"meta\.json lists 15624 cells; expected 15625")


@pytest.mark.parametrize("ids", [[], "all", None, 3])
def test_ids_that_are_no_object_are_refused(ids: object, folder: Path) -> None:
    (folder / "meta.json").write_text(json.dumps({"ids": ids, "epsilons": EPSILONS}))
    no_index(folder, r"meta\.json")


@pytest.mark.parametrize(
    ("epsilons", "message"),
    [
        ({}, "has no list of epsilons for fgsm@Linf"),
        ([], "has no list of epsilons for fgsm@Linf"),
        (None, "has no list of epsilons for fgsm@Linf"),
        ({**EPSILONS, "pgd@Linf": 1.0}, "has no list of epsilons for pgd@Linf"),
        ({**EPSILONS, "pgd@Linf": [1.0, "one", 8.0]}, "epsilons of pgd@Linf is 'one'; expected a number"),
        ({**EPSILONS, "pgd@Linf": [1.0, True, 8.0]}, "epsilons of pgd@Linf is True; expected a number"),
        ({**EPSILONS, "pgd@Linf": [-1.0, 1.0, 8.0]}, r"epsilons of pgd@Linf has the eps -1/255; expected 0 to 255/255"),
        ({**EPSILONS, "pgd@Linf": [1.0, 8.0, 256.0]}, r"epsilons of pgd@Linf has the eps 256/255; expected 0 to 255/255"),
        ({**EPSILONS, "pgd@Linf": [1.0, 8.0, 1.0]}, r"epsilons of pgd@Linf has the eps 1/255 twice; expected every level once"),
        ({**EPSILONS, "pgd@Linf": [1.0, 8.0, 1.0000001]}, r"epsilons of pgd@Linf has the eps 1/255 twice"),
        ({**EPSILONS, "pgd@Linf": [1.0, 8.0, float("inf")]}, "epsilons of pgd@Linf is inf; expected a number"),
        ({**EPSILONS, "pgd@Linf": [1.0, 8.0, float("nan")]}, "epsilons of pgd@Linf is nan; expected a number"),
        ({**EPSILONS, "pgd@Linf": [1.0, 8.0, "8_5"]}, "epsilons of pgd@Linf is '8_5'; expected a number"),
    ],
)
def test_epsilons_that_are_no_grid_are_refused(epsilons: object, message: str, tmp_path: Path) -> None:
    folder = jung(tmp_path / "jung", {"cifar10/pgd@Linf_accuracy": {FIRST: [0.5, 0.4, 0.3]}}, epsilons, ids=False)
    unreadable("jung2023", folder, rf"meta\.json.*{message}")


def test_an_altered_partition_leaves_the_store_as_it_was(folder: Path, store: Path) -> None:
    refused("jung2023", edit_ids(folder, swap), store, "sorts the cells into other classes")


def test_a_good_file_before_a_bad_one_is_not_kept(folder: Path, store: Path) -> None:
    jung(folder, {"cifar10/fog_accuracy": {FIRST: [0.5] * 4}})
    refused("jung2023", folder, store, "has values of shape")
    with Store(store) as held:
        assert "cifar10" not in held.datasets()


def reference_files(reference: Path) -> list[Path]:
    return [path for dataset in DATASETS for path in sorted((reference / "jung2023" / dataset).glob("*_accuracy.json"))]


def test_every_published_accuracy_comes_back_for_all_15625_cells(reference: Path, published: RobBench) -> None:
    meta = json.loads((reference / "jung2023" / "meta.json").read_text())
    archs = [item["nb201-string"] for item in meta["ids"].values()]
    networks = [item["isomorph"] for item in meta["ids"].values()]
    checked = 0
    for path in reference_files(reference):
        dataset, key = path.parent.name, path.name.removesuffix("_accuracy.json")
        accuracies = json.loads(path.read_text())[dataset][key]["accuracy"]
        values = np.array([accuracies[network] for network in networks])
        if key == "clean":
            options: list[dict[str, Any]] = [{}]
        elif key in ATTACKS:
            options = [{"eps": eps / 255} for eps in meta["epsilons"][key]]
        else:
            options = [{"severity": severity} for severity in (1, 2, 3, 4, 5)]
        for option, expected in zip(options, values.reshape(len(values), -1).T, strict=True):
            assert np.array_equal(published.query_many(archs, key, dataset=dataset, **option), expected)
            checked += len(expected)
    assert checked == 2 * 15625 * (1 + 11 + 3 * 7 + 15 * 5)


def test_a_published_accuracy_is_found_under_each_way_to_write_it(reference: Path, published: RobBench) -> None:
    """The example of the authors' README, and of ours."""
    values = json.loads((reference / "jung2023/cifar10/pgd@Linf_accuracy.json").read_text())["cifar10"]["pgd@Linf"]["accuracy"]
    meta = json.loads((reference / "jung2023/meta.json").read_text())
    network, expected = meta["ids"]["13433"]["isomorph"], 0.336
    assert values[network][2] == expected
    cell = published.parse(meta["ids"]["13433"]["nb201-string"])
    for arch in (13433, int(network), cell, str(cell), cell.ops, list(cell.ops)):
        for metric, eps in (("pgd", 1 / 255), ("pgd", "1/255"), ("pgd@Linf", 1 / 255), ("pgd@1/255", None), ("pgd@1/255:accuracy", None)):
            assert published.query(arch, metric, eps=eps) == expected


def test_every_published_confusion_matrix_comes_back(reference: Path, published: RobBench, published_store: Path) -> None:
    counts = json.loads((reference / "jung2023/cifar10/clean_cm.json").read_text())["cifar10"]["clean"]["cm"]
    with Store(published_store) as store:
        stored = dict(zip(store.rows.classes, store.read(Name("cifar10", "standard", "clean", "confusion")), strict=True))
    assert len(stored) == len(counts) == 6466
    for network, expected in counts.items():
        assert np.array_equal(stored[str(published.parse(int(network)))], expected)
    for network in list(counts)[::500]:
        assert np.array_equal(published.query(int(network), "clean", measure="confusion"), counts[network])


@pytest.mark.parametrize(
    ("dataset", "metric", "best"),
    [
        ("cifar10", "clean", 0.946),
        ("cifar10", "fgsm@1/255", 0.692),
        ("cifar10", "pgd@1/255", 0.588),
        ("cifar10", "apgd-ce@1/255", 0.540),
        ("cifar10", "square@1/255", 0.736),
        ("cifar10", "mean_corruption", 0.58555),
        ("cifar100", "clean", 0.736),
        ("cifar100", "fgsm@1/255", 0.294),
        ("cifar100", "pgd@1/255", 0.298),
        ("cifar100", "apgd-ce@1/255", 0.263),
        ("cifar100", "square@1/255", 0.404),
        ("cifar100", "mean_corruption", 0.37332),
    ],
)
def test_the_best_published_values_come_out(dataset: str, metric: str, best: float, published: RobBench) -> None:
    assert published.top(metric, 1, dataset=dataset)[metric][0] == pytest.approx(best, abs=5e-6)


@pytest.mark.parametrize(("dataset", "index"), [("cifar10", 3456), ("cifar100", 12606)])
def test_the_published_networks_are_the_best_under_corruptions(dataset: str, index: int, published: RobBench) -> None:
    assert published.published_index(published.top("mean_corruption", 1, dataset=dataset)["arch"][0]) == index


def test_the_reference_data_reports_what_it_lacks(reference: Path, published_store: Path) -> None:
    before = snapshot(published_store.parent)
    report = import_source("jung2023", reference / "jung2023", published_store)
    assert len(report.changes.unchanged) == 41
    assert len(report.absent) == 2 * 20 * 3 - 41
    assert {"cifar10/clean_confidence.json", "cifar100/clean_cm.json"} <= set(report.absent)
    assert report.sentinels == {}
    assert snapshot(published_store.parent) == before
    assert verify(published_store) == 41 + 5


def test_levels_read_as_they_are_published(published: RobBench) -> None:
    levels = published.metrics().set_index(["dataset", "metric", "measure"])["levels"]
    assert levels["cifar10", "pgd", "accuracy"] == "0.1/255, 0.5/255, 1/255, 2/255, 3/255, 4/255, 8/255"
    assert levels["cifar100", "fgsm", "accuracy"].endswith("8/255, 255/255")
    assert level_text("pgd", 1 / 255) == "1/255"
