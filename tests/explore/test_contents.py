"""What of a store the explorer shows, and that every number of it is the store's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import CannotPlot, NotMeasured
from robbench.explore import contents
from robbench.explore.contents import Contents
from robbench.explore.drawings import drawings
from robbench.explore.noise import noise_table
from robbench.explore.packing import pack
from robbench.spaces import SPACES, SearchSpace
from robbench.spaces.nb201 import NB201
from robbench.store.writing import extend
from tests.explore.unpacking import Unpacked
from tests.genotypes import drawn
from tests.synthetic import array
from tests.toy_store import ROWS


def named(shown: Contents) -> dict[str, np.ndarray]:
    return {"/".join([str(n.question.dataset), str(n.question.training), str(n.metric)]): n.values for n in shown.columns}


def test_columns_are_those_of_the_table(few_bench: RobBench) -> None:
    found = named(contents(few_bench))
    for dataset, training in (("toy10", "standard"), ("toy10", "pgd-8/255"), ("toy10", "untrained"), ("toy/odd%", "pgd-8/255")):
        table = few_bench.table(dataset=dataset, training=training)
        for metric in table:
            np.testing.assert_array_equal(found[f"{dataset}/{training}/{metric}"], table[metric].to_numpy(np.float64))


def test_means_worst_cases_and_attributes_are_there(few_bench: RobBench) -> None:
    found = named(contents(few_bench))
    for metric in ("worst_case@1/255", "mean_corruption"):
        expected = few_bench.query_many(few_bench.classes, metric, missing="nan")
        np.testing.assert_array_equal(found[f"toy10/standard/{metric}"], expected)
    kernels = few_bench.query_many(few_bench.classes, "kernel_parameters")
    np.testing.assert_array_equal(found["toy10/untrained/kernel_parameters"], kernels)


def test_the_page_has_the_stores_numbers_to_seven_digits(few_bench: RobBench) -> None:
    shown = contents(few_bench)
    page = Unpacked(pack(shown))
    denominators = {column["metric"]: column["denominator"] for column in page.text["columns"] if column["dataset"] == "toy10"}
    assert denominators["fog@3"] == 1000
    assert denominators["synflow"] is None
    for place, numbers in enumerate(shown.columns):
        np.testing.assert_allclose(page.values(place), numbers.values, rtol=2.0**-23, atol=0)


def test_thousandths_come_back_exactly(toy_bench: RobBench) -> None:
    shown = contents(toy_bench)
    page = Unpacked(pack(shown))
    for place, numbers in enumerate(shown.columns):
        if numbers.metric.measure == "accuracy":
            np.testing.assert_array_equal(page.values(place), numbers.values)


def test_the_page_knows_architectures_classes_and_indices(few_bench: RobBench) -> None:
    page = Unpacked(pack(contents(few_bench)))
    text = page.text
    assert text["exact"] == list(map(str, few_bench.architectures))
    assert [text["exact"][row] for row in page.block(text["representatives"])] == list(map(str, few_bench.classes))
    assert list(page.block(text["index"])) == [few_bench.published_index(arch) for arch in few_bench.architectures]
    for exact in (0, 100, 300):
        arch = few_bench.architectures[exact]
        assert text["keys"][page.block(text["classOf"])[exact]] == NB201.key(arch)
        assert tuple(page.block(place)[exact] for place in text["codes"]) == NB201.encode(arch)
    twins = [NB201.twin_key(arch) for arch in few_bench.classes]
    groups = page.block(text["twins"])
    assert len(set(groups)) == len(set(twins)) == len(set(zip(groups, twins, strict=True)))


def test_it_begins_with_clean_accuracy_pgd_and_the_structure(few_bench: RobBench) -> None:
    shown = contents(few_bench)
    start = [shown.columns[place] for place in shown.start]
    assert [numbers.metric.name for numbers in start] == ["clean", "pgd", "kernel_parameters"]
    assert {numbers.question.dataset for numbers in start} == {"toy10"}
    deviations = [float(np.nanstd(n.values)) for n in shown.columns if n.metric.name == "pgd" and n.question[1:3] == start[0].question[1:3]]
    assert float(np.nanstd(start[1].values)) == max(deviations)


def test_sources_say_who_measured_and_how(few_bench: RobBench) -> None:
    clean, *_ = contents(few_bench).columns
    assert (clean.by, clean.how, clean.source) == ("synthetic", "measured", "made up; synthetic; file: none; images: 20")
    mean = next(n for n in contents(few_bench).columns if n.metric.name == "mean_corruption")
    assert mean.source == few_bench.explain(few_bench.classes[0], "mean_corruption").formula


def test_a_mean_over_seeds_says_so(few_bench: RobBench) -> None:
    seeds = {str(n.metric): n.seeds for n in contents(few_bench).columns if n.question[1:3] == ("toy10", "pgd-8/255")}
    assert seeds["clean"] == 3


def test_noise_is_the_deviation_between_twins() -> None:
    rng = np.random.default_rng(0)
    twins = np.repeat(np.arange(400), 2)
    values = np.repeat(np.linspace(0, 1, 400), 2) + rng.normal(size=800) * np.repeat(np.linspace(0.01, 0.05, 400), 2)
    table = noise_table(values, twins)
    means, deviations = map(np.array, zip(*table, strict=True))
    assert (np.diff(means) > 0).all()
    np.testing.assert_allclose(deviations, 0.01 + 0.04 * means, rtol=0.25)
    pairs = values[:8].reshape(4, 2)
    assert noise_table(values[:8], twins[:8]) == [pytest.approx((np.median(pairs.mean(axis=1)), np.sqrt(pairs.var(axis=1, ddof=1).mean())))]


def test_without_twins_no_noise_is_told() -> None:
    assert noise_table(np.array([0.5, 0.6]), np.array([0, 1])) == []


def test_only_some_datasets_are_shown_if_asked(few_bench: RobBench) -> None:
    assert {n.question.dataset for n in contents(few_bench, datasets=["toy100"]).columns} == {"toy100"}
    with pytest.raises(NotMeasured, match=r"'toy11' is not in few\.h5; it holds toy/odd%, toy10, toy100"):
        contents(few_bench, datasets=["toy11"])


def test_a_store_without_numbers_is_refused(toy_store: Path, tmp_path: Path) -> None:
    confusion = array("toy10 standard clean confusion", np.zeros((len(ROWS.keys), 3, 3), np.uint16), {"label": [], "prediction": []})
    extend(tmp_path / "none.h5", ROWS, [confusion])
    with pytest.raises(CannotPlot, match=r"none\.h5 holds no metric of toy10 that is one number an architecture"):
        contents(RobBench(tmp_path / "none.h5"))


def test_of_a_space_without_drawings_the_page_has_none(toy_bench: RobBench) -> None:
    text = Unpacked(pack(contents(toy_bench))).text
    assert text["drawings"] is None
    assert text["variables"][0] == ["edge_0_1", "none", "skip_connect", "nor_conv_1x1"]


@pytest.mark.parametrize("space", ["nb201", "darts", "wrn"])
def test_drawings_are_the_graphs_of_the_space(space: str) -> None:
    of: SearchSpace[Any] = SPACES[space]
    archs: tuple[Any, ...] = of.members[::1000] if of.members else tuple(drawn(5))
    found = drawings(of, archs)
    assert found is not None
    assert len(found.layouts) == 1
    for arch, (layout, *arrows) in zip(archs, found.drawn, strict=True):
        graph = of.graph(arch)
        assert [tuple(node[:2]) for node in found.layouts[layout]["nodes"]] == list(graph.nodes.values())
        assert [found.arrows[number][6:] for number in arrows] == [[arrow.operation, arrow.label] for arrow in graph.arrows]
        assert [found.arrows[number][:4] for number in arrows] == [
            [*graph.nodes[arrow.source], *graph.nodes[arrow.target]] for arrow in graph.arrows
        ]
        assert {arrow.operation for arrow in graph.arrows} <= found.styles.keys()
