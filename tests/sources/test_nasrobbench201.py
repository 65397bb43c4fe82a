from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import LevelNotMeasured, NotMeasured
from robbench.sources import import_source
from robbench.store import Store
from robbench.store.arrays import Name
from robbench.store.writing import extend
from tests import synthetic
from tests.sources.published import CELL, evaluated, isomorphic, refused, unreadable
from tests.synthetic import ROWS

FIRST, SECOND, THIRD = evaluated()[:3]
FIELDS = ["val_acc", "val_fgsm_3_acc", "val_pgd_3_acc", "val_fgsm_8_acc", "val_pgd_8_acc", "autoattack"]
DATASETS = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet": "ImageNet16-120"}
COLUMNS = [f"{dataset}#{field}" for dataset in DATASETS for field in FIELDS]
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("clean", {}),
    ("fgsm", {"eps": 3 / 255}),
    ("pgd", {"eps": 3 / 255}),
    ("fgsm", {"eps": 8 / 255}),
    ("pgd", {"eps": 8 / 255}),
    ("autoattack", {"eps": 8 / 255}),
]
"""What each of `FIELDS` is called here."""


def authors(path: Path, networks: dict[Any, Any], dataset: str = "cifar10") -> Path:
    path.write_text(json.dumps({dataset: networks}))
    return path


def web(path: Path, networks: dict[Any, Any], columns: Any = COLUMNS) -> Path:
    path.write_text("acc=" + json.dumps({**networks, "": columns}))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "robbench.json"


def test_seeds_of_the_authors_file_come_back_by_name_and_as_their_mean(file: Path, store: Path) -> None:
    networks = {
        FIRST: {"val_acc": {"777": 0.75, "888": 0.5, "999": 0.25}, "val_pgd_3.0_acc": {"777": 0.5, "888": 0.25, "999": 0.375}},
        SECOND: {"val_acc": {"999": 0.25, "777": 0.5}, "val_pgd_3.0_acc": {"888": 0.125}},
    }
    import_source("nasrobbench201", authors(file, networks), store)
    bench = RobBench(store, dataset="cifar10")
    for index in isomorphic(FIRST)[::50]:
        assert [bench.query(index, "clean", seed=seed) for seed in (777, 888, 999)] == [0.75, 0.5, 0.25]
        assert bench.query(index, "clean") == 0.5
        assert bench.query(str(CELL[index]), "pgd", eps=3 / 255, seed=999) == 0.375
        assert bench.query(index, "pgd", eps=3 / 255) == 0.375
    assert bench.query(SECOND, "clean") == 0.375
    assert bench.query(SECOND, "pgd", eps=3 / 255) == 0.125
    assert bench.query(SECOND, "clean", seed=777) == 0.5
    with pytest.raises(NotMeasured, match=r"clean of cifar10 \(pgd-8/255\) was not measured for"):
        bench.query(SECOND, "clean", seed=888)
    with pytest.raises(NotMeasured, match="was not measured with seed 1; measured: 777, 888, 999"):
        bench.query(SECOND, "clean", seed=1)
    with pytest.raises(NotMeasured, match="was not measured for"):
        bench.query(THIRD, "clean")


def test_seeds_are_in_the_order_of_numbers(file: Path, store: Path) -> None:
    import_source("nasrobbench201", authors(file, {FIRST: {"val_acc": {"1000": 0.75, "99": 0.5}}}), store)
    with Store(store) as held:
        assert held.header(Name("cifar10", "pgd-8/255", "clean", "accuracy")).axes == {"seed": [99, 1000]}
    assert RobBench(store, dataset="cifar10").query(FIRST, "clean", seed=1000) == 0.75


def test_each_field_of_the_authors_file_is_an_attack_at_its_eps(file: Path, store: Path) -> None:
    fields = ["val_acc", "val_fgsm_3.0_acc", "val_pgd_3.0_acc", "val_fgsm_8.0_acc", "val_pgd_8.0_acc", "autoattack"]
    networks = {FIRST: {field: {"777": 0.1 * position} for position, field in enumerate(fields)}}
    report = import_source("nasrobbench201", authors(file, networks, "imagenet"), store)
    bench = RobBench(store, dataset="ImageNet16-120")
    assert [bench.query(FIRST, threat, **level) for threat, level in QUESTIONS] == [0.1 * position for position in range(6)]
    assert report.ignored == []
    with Store(store) as held:
        names = [name for name in held.names() if name.dataset == "ImageNet16-120"]
        assert {name.training for name in names} == {"pgd-8/255"}
        axes = {name.metric: held.header(name).axes for name in names}
    assert axes == {
        "clean": {"seed": [777]},
        "fgsm": {"eps": [3 / 255, 8 / 255], "seed": [777]},
        "pgd": {"eps": [3 / 255, 8 / 255], "seed": [777]},
        "autoattack": {"eps": [8 / 255], "seed": [777]},
    }


def test_the_full_file_has_seeds_their_means_and_a_bare_autoattack(file: Path, store: Path) -> None:
    networks = {
        FIRST: {
            "val_acc": {"0": 0.5, "1": 0.25, "2": 0.75, "threeseed": 0.5},
            "val_pgd_8.0_acc": {"0": 0.125, "1": 0.25, "2": 0.374, "threeseed": 0.25},
            "autoattack": 0.125,
        },
        SECOND: {"val_acc": {"2": 0.25, "0": 0.5}, "val_pgd_8.0_acc": {"0": 0.5, "threeseed": 0.4}, "autoattack": 0.25},
    }
    report = import_source("nasrobbench201", authors(file, networks), store)
    bench = RobBench(store, dataset="cifar10")
    assert [bench.query(FIRST, "clean", seed=seed) for seed in (0, 1, 2)] == [0.5, 0.25, 0.75]
    assert [bench.query(index, "clean") for index in (FIRST, SECOND)] == [0.5, 0.375]
    assert bench.query(FIRST, "pgd", eps=8 / 255) == pytest.approx((0.125 + 0.25 + 0.374) / 3)
    assert [bench.query(index, "autoattack", eps=8 / 255) for index in (FIRST, SECOND)] == [0.125, 0.25]
    assert report.ignored == []
    with Store(store) as held:
        assert held.header(Name("cifar10", "pgd-8/255", "clean", "accuracy")).axes == {"seed": [0, 1, 2]}
        assert held.header(Name("cifar10", "pgd-8/255", "autoattack", "accuracy")).axes == {"eps": [8 / 255]}


def test_a_mean_that_is_not_that_of_its_seeds_is_refused(file: Path) -> None:
    networks = {FIRST: {"val_acc": {"0": 0.5, "1": 0.25, "2": 0.75, "threeseed": 0.52}}}
    message = rf"robbench\.json: val_acc of {FIRST} is 0\.52 as threeseed; expected 0\.5, the mean of 0, 1, 2"
    unreadable("nasrobbench201", authors(file, networks), message)


def test_means_alone_are_values_without_seeds_and_beside_seeds_are_reported(file: Path, store: Path, new_store: Path) -> None:
    new_store.write_bytes(store.read_bytes())
    alone = {index: {"val_acc": {"threeseed": 0.5}} for index in (FIRST, SECOND)}
    import_source("nasrobbench201", authors(file, alone), store)
    bench = RobBench(store, dataset="cifar10")
    assert bench.query(FIRST, "clean") == 0.5
    assert next(iter(bench.explain(FIRST, "clean").sources.values()))["seeds"] == "mean of 3"
    mixed: dict[Any, Any] = {FIRST: {"val_acc": {"0": 0.25}}, SECOND: {"val_acc": {"threeseed": 0.5}}}
    report = import_source("nasrobbench201", authors(file, mixed), new_store)
    assert report.ignored == ["threeseed of clean of cifar10, where it stands without its seeds"]
    bench = RobBench(new_store, dataset="cifar10")
    assert bench.query(FIRST, "clean") == 0.25
    with pytest.raises(NotMeasured, match="was not measured for"):
        bench.query(SECOND, "clean")


def test_a_bare_number_beside_seeds_is_refused(file: Path) -> None:
    mixed = {FIRST: {"val_acc": {"0": 0.25}}, SECOND: {"val_acc": 0.5}}
    unreadable("nasrobbench201", authors(file, mixed), "clean of cifar10 has seeds of some networks and none of others; expected")


@pytest.mark.parametrize("field", ["val_pgd_256_acc", "val_pgd_999999999_acc"])
def test_an_eps_beyond_the_images_is_refused(field: str, file: Path) -> None:
    unreadable("nasrobbench201", authors(file, {FIRST: {field: {"0": 0.5}}}), "pgd has the eps .*/255; expected 0 to 255/255")


def test_levels_that_are_the_same_but_for_rounding_are_refused(file: Path) -> None:
    networks = {FIRST: {"val_pgd_3.0_acc": {"0": 0.5}}, SECOND: {"val_pgd_3.0000001_acc": {"0": 0.5}}}
    unreadable("nasrobbench201", authors(file, networks), "pgd has the eps 3/255 twice; expected every level once")


def test_fields_that_are_no_accuracies_are_reported(file: Path, store: Path) -> None:
    networks = {FIRST: {"val_acc": {"777": 0.5}, "epochs": 50, "train_loss": {"777": 3.5}}}
    assert import_source("nasrobbench201", authors(file, networks), store).ignored == ["epochs", "train_loss"]


def test_columns_of_the_web_page_come_back_without_seeds(file: Path, store: Path) -> None:
    values = [position / 32 for position in range(18)]
    import_source("nasrobbench201", web(file, {FIRST: values, SECOND: values[::-1]}), store)
    bench = RobBench(store)
    for network, expected in ((FIRST, values), (SECOND, values[::-1])):
        answers = [
            bench.query(network, threat, dataset=dataset, training="pgd-8/255", **level)
            for dataset in DATASETS.values()
            for threat, level in QUESTIONS
        ]
        assert answers == expected
    with pytest.raises(NotMeasured, match=r"is stored without seeds; leave seed=777 out"):
        bench.query(FIRST, "clean", dataset="cifar10", seed=777)
    with pytest.raises(LevelNotMeasured, match="Measured: 3/255, 8/255"):
        bench.query(FIRST, "pgd", eps=1 / 255, dataset="cifar10")


def test_a_redirect_leads_to_the_same_class(file: Path, store: Path) -> None:
    redirects = {index: str(FIRST) for index in isomorphic(FIRST)[1:]}
    import_source("nasrobbench201", web(file, {**redirects, FIRST: [0.5] * 18}), store)
    assert set(RobBench(store, dataset="cifar10").query_many(isomorphic(FIRST), "clean")) == {0.5}


def test_a_redirect_to_another_class_is_refused(file: Path, store: Path) -> None:
    web(file, {FIRST: [0.5] * 18, isomorphic(FIRST)[1]: str(SECOND)})
    refused("nasrobbench201", file, store, rf"says that {isomorphic(FIRST)[1]} is isomorphic to {SECOND}; by the published rule it is not")


@pytest.mark.parametrize("networks", [{"15625": "3"}, {"3": "15625"}, {"3": "x"}, {"x": "3"}])
def test_a_redirect_of_or_to_no_index_is_refused(networks: dict[str, str], file: Path) -> None:
    unreadable("nasrobbench201", web(file, networks), r"robbench\.json: '(15625|x)' is not a published index; expected 0 to 15624")


@pytest.mark.parametrize("columns", [None, "cifar10#val_acc", {}])
def test_a_page_without_columns_is_refused(columns: object, file: Path) -> None:
    unreadable("nasrobbench201", web(file, {FIRST: [0.5] * 18}, columns), 'has no list of columns under the key ""')


def test_a_page_without_the_key_of_columns_is_refused(file: Path, store: Path) -> None:
    file.write_text("acc=" + json.dumps({str(FIRST): [0.5] * 18}))
    refused("nasrobbench201", file, store, 'has no list of columns under the key ""; expected the file of the NAS-RobBench-201 web page')


@pytest.mark.parametrize("values", [[0.5] * 17, [0.5] * 19, [], {}, 0.5, None])
def test_a_row_of_another_length_than_the_columns_is_refused(values: object, file: Path, store: Path) -> None:
    unreadable("nasrobbench201", web(file, {FIRST: [0.5] * 18, SECOND: values}), rf"{SECOND} has .*; expected 18 numbers")


@pytest.mark.parametrize("network", ["15625", "-1", "x", "1.0", ""])
def test_an_id_that_is_no_index_is_refused(network: str, file: Path) -> None:
    message = rf"robbench\.json: '{network}' is not a published index; expected 0 to 15624"
    unreadable("nasrobbench201", authors(file, {FIRST: {"val_acc": {"777": 0.5}}, network: {"val_acc": {"777": 0.5}}}), message)
    if network:
        unreadable("nasrobbench201", web(file, {network: [0.5] * 18}), message)


def test_an_id_that_was_not_evaluated_is_refused(file: Path) -> None:
    other = isomorphic(FIRST)[1]
    message = f"{other} is not an evaluated network; its class was evaluated as {FIRST}"
    unreadable("nasrobbench201", authors(file, {other: {"val_acc": {"777": 0.5}}}), message)
    unreadable("nasrobbench201", web(file, {other: [0.5] * 18}), message)


@pytest.mark.parametrize("value", [1.001, -0.001, 74.3])
def test_an_accuracy_that_is_no_fraction_is_refused(value: float, file: Path) -> None:
    message = rf"robbench\.json: .*{SECOND}.* is {re.escape(str(value))}; expected an accuracy, a fraction in \[0, 1\]"
    unreadable("nasrobbench201", authors(file, {FIRST: {"val_acc": {"777": 0.5}}, SECOND: {"val_acc": {"777": value}}}), message)
    unreadable("nasrobbench201", web(file, {SECOND: [0.5] * 17 + [value]}), message)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "many", None, [0.5], {}])
def test_an_accuracy_that_is_no_number_is_refused(value: object, file: Path) -> None:
    message = rf"robbench\.json: .*{FIRST}.* is .*; expected a number"
    unreadable("nasrobbench201", authors(file, {FIRST: {"val_acc": {"777": value}}}), message)
    unreadable("nasrobbench201", web(file, {FIRST: [0.5] * 17 + [value]}), message)


def test_a_bad_accuracy_leaves_the_store_as_it_was(file: Path, store: Path) -> None:
    refused("nasrobbench201", web(file, {FIRST: [0.5] * 17 + [1.5]}), store, r"autoattack.* is 1\.5; expected an accuracy")


@pytest.mark.parametrize("seeds", [{"first": 0.5}, {"": 0.5, "777": 0.5}, {"": 0.5}, {"1.5": 0.5}, {"07": 0.5}, {"1_0": 0.5}, {}])
def test_what_is_no_seed_is_refused(seeds: dict[str, float], file: Path) -> None:
    unreadable("nasrobbench201", authors(file, {FIRST: {"val_acc": seeds}}), rf"robbench\.json: .*{FIRST}.*seed")


@pytest.mark.parametrize("content", [{"cifar10": [1]}, {"cifar10": {"3": [1]}}, {"cifar10": {"3": 1}}])
def test_what_is_no_object_is_refused(content: object, file: Path) -> None:
    file.write_text(json.dumps(content))
    unreadable("nasrobbench201", file, r"robbench\.json: (cifar10|3) holds .*1.*; expected an object")


@pytest.mark.parametrize("content", ["[]", "acc=[]"])
def test_a_file_that_is_no_object_is_refused(content: str, file: Path) -> None:
    file.write_text(content)
    unreadable("nasrobbench201", file, r"robbench\.json holds a list; expected an object")


@pytest.mark.parametrize("content", ["{}", '{"cifar10": {}}', '{"cifar10": {"3": {}}}', 'acc={"": []}', 'acc={"": ["cifar10#val_acc"]}'])
def test_a_file_without_a_single_value_is_refused(content: str, file: Path, store: Path) -> None:
    file.write_text(content)
    refused("nasrobbench201", file, store, r"robbench\.json holds no")


def test_an_unknown_dataset_is_refused(file: Path) -> None:
    unreadable("nasrobbench201", authors(file, {FIRST: {"val_acc": {"777": 0.5}}}, "cifar11"), "'cifar11'.*expected")
    unreadable("nasrobbench201", web(file, {FIRST: [0.5]}, ["cifar11#val_acc"]), "'cifar11'.*expected")


def test_a_column_that_is_there_twice_is_refused(file: Path) -> None:
    """3 and 3.0 are the same eps."""
    fields = {"val_pgd_3_acc": {"777": 0.5}, "val_pgd_3.0_acc": {"777": 0.25}}
    unreadable("nasrobbench201", authors(file, {FIRST: fields}), "twice")
    unreadable("nasrobbench201", web(file, {FIRST: [0.5, 0.25]}, ["cifar10#val_acc", "cifar10#val_acc"]), "twice")


def test_a_network_that_is_there_twice_is_refused(file: Path) -> None:
    file.write_text(f'{{"cifar10": {{"{FIRST}": {{"val_acc": {{"777": 0.5}}}}, "{FIRST}": {{"val_acc": {{"777": 0.25}}}}}}}}')
    unreadable("nasrobbench201", file, "twice")


def test_an_eps_that_is_no_number_is_a_field_we_do_not_know(file: Path, store: Path) -> None:
    networks = {FIRST: {"val_pgd_3.0.0_acc": {"777": 0.5}, "val_acc": {"777": 0.5}}}
    assert import_source("nasrobbench201", authors(file, networks), store).ignored == ["val_pgd_3.0.0_acc"]


@pytest.mark.parametrize("end", [0, 2, 0.3, 0.999])
def test_a_file_cut_short_is_refused(end: float, file: Path, store: Path) -> None:
    for written in (web(file, {network: [0.5] * 18 for network in evaluated()[:40]}), authors(file, {FIRST: {"val_acc": {"777": 0.5}}})):
        whole = written.read_text()
        file.write_text(whole[: int(end if end > 1 else len(whole) * end)])
        refused("nasrobbench201", file, store, r"robbench\.json is not whole, valid JSON")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path, store: Path) -> None:
    refused("nasrobbench201", tmp_path, store, "cannot be read: .*directory")


def test_a_store_without_the_published_index_is_not_enough(file: Path, tmp_path: Path, new_store: Path) -> None:
    authors(file, {FIRST: {"val_acc": {"777": 0.5}}})
    message = "this source names architectures by published index only.*import jung2023 or natsbench into it first"
    refused("nasrobbench201", file, new_store, message)
    extend(new_store, ROWS, synthetic.arrays()[:1])
    refused("nasrobbench201", file, new_store, message)


def test_every_published_value_comes_back_for_all_15625_indices(reference: Path, published_store: Path, new_store: Path) -> None:
    new_store.write_bytes(published_store.read_bytes())
    path = reference / "nasrobbench201" / "NAS-RobBench-201_html.json"
    import_source("nasrobbench201", path, new_store)
    bench = RobBench(new_store)
    networks = json.loads(path.read_text().removeprefix("acc="))
    assert networks.pop("") == COLUMNS
    assert len(networks) == 15625
    archs = [bench.parse(int(index)) for index in networks]
    values = np.array([networks[value] if isinstance(value, str) else value for value in networks.values()])
    asked = [(dataset, *question) for dataset in DATASETS.values() for question in QUESTIONS]
    for (dataset, threat, level), expected in zip(asked, values.T, strict=True):
        assert np.array_equal(bench.query_many(archs, threat, dataset=dataset, training="pgd-8/255", **level), expected)
    assert bench.query(0, "clean", dataset="cifar10") != bench.query(0, "clean", dataset="cifar10", training="pgd-8/255")
