"""The papers' numbers, ours, and both side by side."""

from __future__ import annotations

import csv
import itertools
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr

from robbench import RobBench
from robbench.analysis import ensemble
from robbench.errors import InvalidArgument, NotMeasured
from robbench.papers import PAPERS, Comparison, compare, ha2023, jung2023, lukasik2023, overview, yang2025
from robbench.papers.entry import NUMBERS, Setting, beside, published
from robbench.papers.rendering import markdown_table, readable
from robbench.sources import import_source
from robbench.spaces import SPACES
from robbench.spaces.nb201 import EDGES, NB201, NASBench201, cells
from robbench.spaces.wrn import WRN
from robbench.store.arrays import Array, Name
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests.synthetic import array
from tests.toy_space import register

FILES = sorted(NUMBERS.glob("*.csv"))
FEW = ("synflow", "params", "nwot", "snip")
CROZE = ("croze", "croze_features", "croze_parameters_gradients", "croze_gaussian_input")
DATASETS = ("cifar10", "cifar100")
PATHS = [[(0, 3)], [(0, 1), (1, 3)], [(0, 2), (2, 3)], [(0, 1), (1, 2), (2, 3)]]
"""All ways from a cell's input to its output."""


@pytest.fixture(scope="module")
def whole_store(published_store: Path, reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the entries ask for, with three proxies of the early version, which are of few cells."""
    folder = tmp_path_factory.mktemp("papers")
    path = folder / "whole.h5"
    shutil.copy(published_store, path)
    early = json.loads((reference / "nbsuite_zero" / "zc_nasbench201.json").read_text("utf-8"))
    few = {dataset: {cell: {name: values[name] for name in FEW} for cell, values in early[dataset].items()} for dataset in DATASETS}
    (folder / "few.json").write_text(json.dumps(few), "utf-8")
    import_source("nbsuite_zero", folder / "few.json", path)
    import_source("nasrobbench201", reference / "nasrobbench201" / "NAS-RobBench-201_html.json", path)
    extend(path, Rows.of(NB201, NB201.members), itertools.chain(confidences(), croze()))
    return path


def croze() -> Iterator[Array]:
    """Made up, of every twentieth cell: more where a cell has more convolutions."""
    rng = np.random.default_rng(0)
    convolutions = np.array([cell.kernel_parameters for cell in NB201.members], np.float64)
    for name in CROZE:
        scores = np.full(len(convolutions), np.nan)
        scores[::20] = convolutions[::20] + rng.normal(scale=5, size=len(scores[::20]))
        yield array(f"cifar10 untrained {name} value", scores, rows="exact", unit="1")


def confidences() -> Iterator[Array]:
    """Made up: none are there to be had."""
    eps: dict[str, list[float]] = {"eps": [1 / 255, 8 / 255]}
    shapes = {"label": (10, 10), "argmax": (10, 10), "prediction": (2,)}
    rng = np.random.default_rng(0)
    for threat, levels in (("clean", {}), ("fgsm", eps)):
        for scheme, shape in shapes.items():
            values = np.full((6466, *map(len, levels.values()), *shape), np.nan)
            values[:20] = rng.random(values[:20].shape)
            axes = {**levels, **{f"axis {place}": [] for place in range(len(shape))}}
            yield array(f"cifar10 standard {threat} confidence_{scheme}", values, axes)


@pytest.fixture(scope="module")
def whole(whole_store: Path) -> RobBench:
    return RobBench(whole_store, dataset="cifar10")


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few searches, few forests."""
    make_small(monkeypatch)


def make_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jung2023, "ALGORITHMS", {name: jung2023.ALGORITHMS[name] for name in ("random", "local")})
    monkeypatch.setattr(lukasik2023, "ATTACKED", ["pgd@1/255"])
    monkeypatch.setattr(yang2025, "PROXIES", ("pgd@8/255",))
    few = {"cc": ("fog@3", "contrast@1")}
    monkeypatch.setattr(ha2023, "EVERY_CORRUPTION", few)


@pytest.fixture(scope="module")
def computed(whole: RobBench) -> Callable[[str], Comparison]:
    """Each entry by its name, computed once, small."""

    @cache
    def entry(name: str) -> Comparison:
        with pytest.MonkeyPatch.context() as monkeypatch:
            make_small(monkeypatch)
            return compare(name, whole, runs=1)

    return entry


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_numbers_have_a_source_and_are_possible(file: Path) -> None:
    assert file.stem in PAPERS
    assert file.read_text("utf-8").startswith("# ")
    table = published(file.stem)
    assert table is not None
    labels = [column for column in map(str, table) if not column.startswith("paper")]
    assert not table.duplicated(labels).any()
    assert not table[labels].isna().any(axis=None)
    counted = "counts of images" in file.read_text("utf-8")
    assert counted or table.loc[table.iloc[:, 0] != "networks", "paper"].between(-1, 1).all()
    accuracies = "mean_adversarial" in str(table) or "accurac" in file.read_text("utf-8")
    assert not accuracies or table["paper"].min() > 0


def test_numbers_are_those_of_the_tables_as_first_read(reference: Path) -> None:
    """The same numbers, in percent and in the papers' own form, beside the published data."""
    folder = Path(os.environ.get("ROBBENCH_PAPER_TABLES", reference.parent / "paper_tables"))
    if not folder.is_dir():
        pytest.skip(f"no tables of papers: {folder} is not a folder")
    tables = {"jung2023-table1": (2, 100), "lukasik2023-table1": (2, 1), "ha2023-table2": (1, 1), "yang2025-table7": (1, 100)}
    for name, (labels, scale) in tables.items():
        with (folder / f"{name.replace('-', '_')}.csv").open(encoding="utf-8") as file:
            numbers = [float(cell) for row in list(csv.reader(file))[1:] for cell in row[labels:] if cell]
        table = published(name)
        assert table is not None
        ours = Counter((table["paper"] * scale).round(4))
        assert not Counter(np.round(numbers, 4)) - ours, "those that were added later are not in that folder"


@pytest.mark.parametrize("name", [name for name, entry in PAPERS.items() if entry.space is not WRN])
def test_every_entry_is_computed_and_shows_the_papers_numbers(name: str, whole: RobBench, computed: Callable[[str], Comparison]) -> None:
    if "lukasik" in name:
        pytest.importorskip("sklearn")
    found = computed(name)
    table, paper = found.table, published(name)
    assert {"paper", "ours", "difference"} <= set(table.columns)
    assert table["ours"].notna().any()
    assert found.differs
    pd.testing.assert_series_equal(table["difference"], table["ours"] - table["paper"], check_names=False)
    if paper is not None:
        labels = list(paper.columns.drop("paper"))
        shown = table.dropna(subset="paper")[[*labels, "paper"]].drop_duplicates().sort_values(labels)
        pd.testing.assert_frame_equal(shown.reset_index(drop=True), paper.sort_values(labels).reset_index(drop=True))
    lacks = overview(whole).set_index("name")["lacks"]
    assert {one for one in PAPERS if lacks[one]} == {"zheng2025-searches"}


def test_the_best_networks_are_the_published_ones(published: RobBench) -> None:
    table = compare("jung2023-best", published).table.set_index(["dataset", "metric"])
    for place, index, value in (
        (("cifar10", "mean_corruption"), 3456, 0.58555),
        (("cifar100", "mean_corruption"), 12606, 0.37332),
        (("cifar10", "square@1/255"), 12029, 0.736),
    ):
        assert table.loc[place, "index"] == index
        assert table.loc[place, "ours"] == pytest.approx(value, abs=5e-6)
    compared = table["difference"].dropna()
    assert len(compared) == 6
    assert compared.between(-0.001, 0.0001).all()


def test_408_networks_have_two_3x3_convolutions_on_their_paths(published: RobBench) -> None:
    table = compare("jung2023-two-3x3", published).table
    counts = table[table["quantity"] == "networks"].set_index("operations counted")["ours"]
    assert counts.tolist() == [408, 405, 408]
    assert (table.loc[table["quantity"] != "networks", "difference"].abs() < 0.005).all()


def test_operations_on_paths_are_those_of_some_way_without_none() -> None:
    for cell in list(cells())[::13]:
        op = dict(zip(EDGES, cell.ops, strict=True))
        used = {edge for path in PATHS if all(op[edge] != "none" for edge in path) for edge in path}
        assert sorted(jung2023.on_paths(cell)) == sorted(op[edge] for edge in used)


def test_parameters_of_all_cells_rank_as_the_paper_says(computed: Callable[[str], Comparison]) -> None:
    """On cifar10 and on cifar100; of cifar10, the paper's mean is not that of its row."""
    table = computed("ha2023-table2").table
    ours = table[(table["computed by"] == "arithmetic") & (table["proxy"] == "params") & table["ours"].notna()]
    assert len(ours) == 8 + 7
    assert (ours["cells"] == 15625).all()
    off = ours["difference"].abs() > 0.0006
    assert ours[off][["dataset", "target"]].to_numpy().tolist() == [["cifar10", "avg"]]


def test_an_ensemble_stands_beside_its_members(whole: RobBench, computed: Callable[[str], Comparison]) -> None:
    table = computed("ha2023-table12").table.dropna(subset="ours").set_index(["dataset", "proxy", "target"])
    vote = ensemble(whole, ["snip", "nwot"], dataset="cifar10")
    clean = whole.query_many([whole.parse(arch) for arch in vote.index], "clean")
    assert table.loc[("cifar10", "snip+nwot", "clean"), "ours"] == pytest.approx(spearmanr(vote, clean).statistic)
    assert table.loc[("cifar10", "snip+nwot", "clean"), "cells"] == len(vote)
    assert set(table.loc["cifar10"].index.get_level_values("proxy")) == {"croze", "snip+nwot", "croze+snip+nwot"}


def test_products_of_croze_and_its_noise_stand_beside_the_papers_numbers(computed: Callable[[str], Comparison]) -> None:
    parts = computed("ha2023-table7").table.dropna(subset=["paper", "ours"])
    assert set(parts["parts"]) == {"F", "P·G", "F·P·G"}
    noises = computed("ha2023-table9").table.dropna(subset=["paper", "ours"])
    assert set(noises["proxy"]) == {"croze", "croze_gaussian_input"}


def test_the_best_by_croze_are_better_than_the_worst(computed: Callable[[str], Comparison]) -> None:
    table = computed("ha2023-table6").table.set_index(["training", "group", "metric"])["ours"]
    for training in ("standard", "adversarial"):
        assert table[training, "top-5", "clean"] > table[training, "bottom-5", "clean"]


def test_what_a_table_goes_without_is_said_with_the_command_that_brings_it(published: RobBench, tmp_path: Path) -> None:
    store = tmp_path / "few.h5"
    shutil.copy(published.path, store)
    found = Rows.of(NB201, NB201.members)
    extend(store, found, [array("cifar10 untrained synflow value", np.arange(15625.0), rows="exact", unit="1")])
    said = compare("ha2023-table2", RobBench(store)).differs
    assert any(
        "Of cifar10, the store lacks croze of cifar10 (untrained): robbench proxies ARCH… --dataset cifar10 --proxy croze" in one
        for one in said
    )
    assert any("ImageNet16-120 is left out: the store lacks clean, fgsm of ImageNet16-120" in one for one in said)
    with pytest.raises(
        NotMeasured, match=r"ha2023-table7 cannot be computed from few.h5, which lacks croze of cifar10 \(untrained\): robbench proxies"
    ):
        compare("ha2023-table7", RobBench(store))


def test_the_papers_best_by_trnas_is_the_best_of_each_metric(computed: Callable[[str], Comparison]) -> None:
    found = computed("yang2025-table7")
    paper = published("yang2025-table7")
    assert paper is not None
    optimum = found.table[found.table["method"] == "optimum of each metric"]
    reported = paper[paper["method"] == "trnas"]
    assert dict(zip(optimum["metric"], optimum["ours"].round(3), strict=True)) == dict(
        zip(reported["metric"], reported["paper"], strict=True)
    )
    assert "darts 0.0005 (" in found.differs[-1]


@pytest.mark.usefixtures("_small")
def test_searches_are_those_of_the_seed_and_stay_below_the_optimum(published: RobBench) -> None:
    one, same, other = (compare("jung2023-table1", published, runs=2, seed=seed).table for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)
    found = one[(one["runs"] == 2) & (one["measurement"] == "published")]
    best = one[one["algorithm"] == "optimum"].set_index("metric")["ours"]
    assert (found["ours"] <= found["metric"].map(best) + 1e-12).all()
    assert one["algorithm"].value_counts()[["optimum", "random_search", "local_search"]].tolist() == [6, 18, 18]
    again = one[one["measurement"] == "another"]
    assert set(again["searched_on"]) == {"clean"}
    assert (again[again["metric"] == "clean"]["ours"] > best["clean"] - 0.01).all()


@pytest.mark.usefixtures("_small")
def test_what_is_said_of_table_1_is_what_the_table_shows(published: RobBench) -> None:
    found = compare("jung2023-table1", published, runs=1)
    best_clean, *notes, sampled = found.differs[-8:]
    rows = found.table.dropna(subset="runs").dropna(subset="paper")
    searches = [("clean", "published"), ("clean", "another"), ("fgsm@1/255", "published")]
    for (objective, measurement), far, best in zip(searches, notes[::2], notes[1::2], strict=True):
        chosen = rows[(rows["searched_on"] == objective) & (rows["measurement"] == measurement)]
        named = [f"{row['by']}, {row['metric']} {row['difference']:+.4f}" for row in chosen.to_dict("records")]
        assert [name in far for name in named] == (chosen["difference"].abs() > 0.01).tolist()
        own = chosen[chosen["metric"] == objective].set_index("by")["ours"]
        assert (
            best
            == f"Of searches on {measurement} {objective}, best first: ours {own.idxmax()}, {own.idxmin()}; the paper's local_search, random_search."
        )
    assert sampled == (
        "Random search in closed form: over the 6,466 networks clean 0.9419, fgsm@1/255 0.6728;"
        " over the 15,625 cells clean 0.9407, fgsm@1/255 0.6652; the paper clean 0.9422, fgsm@1/255 0.6725."
    )
    assert "best clean accuracy is 0.9468, the best published one 0.946 (rounded)" in best_clean
    assert "18 networks are within twice that of the published best, and their pgd@1/255 is 0.324 to 0.442" in best_clean


def test_published_accuracies_are_the_counts_of_the_confusion_matrices_rounded(published: RobBench) -> None:
    """So none is as high as the paper's best, 0.9468."""
    counts = published.measurements.store.read(Name("cifar10", "standard", "clean", "confusion"))
    counted = np.trace(counts, axis1=1, axis2=2) / 10_000
    assert np.abs(counted - published.query_many(published.classes, "clean")).max() <= 0.0005 + 1e-9
    assert counted.max() == 0.9456


def test_confusions_summed_are_the_papers_to_its_one_digit(published: RobBench) -> None:
    table = compare("jung2023-figure16", published).table
    assert len(table) == 100
    assert table["ours"].sum() == 6466 * 10_000
    digits = table["ours"].map(lambda count: float(f"{count:.0e}"))
    assert (digits == table["paper"]).mean() >= 0.97


def test_confidences_are_means_over_the_networks_that_have_them(whole: RobBench, computed: Callable[[str], Comparison]) -> None:
    clean, attacked = (
        whole.measurements.store.read(Name("cifar10", "standard", name, "confidence_label"))[:20] for name in ("clean", "fgsm")
    )
    by_label = computed("jung2023-figure13").table.query("scheme == 'label'").set_index(["images", "class"])["ours"]
    assert by_label[3, 7] == pytest.approx(clean[:, 3, 7].mean())
    falling = computed("jung2023-figure14").table.set_index(["eps", "class"])["ours"]
    assert falling["0/255", 4] == pytest.approx(clean[:, 0, 4].mean())
    assert falling["8/255", 9] == pytest.approx(attacked[:, 1, 0, 9].mean())
    two = computed("jung2023-figure15").table
    assert two["eps"].tolist() == ["1/255", "1/255", "8/255", "8/255"]


def test_both_settings_of_bananas_stand_beside_the_papers(published: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    both = ("bananas", "bananas_naslib")
    monkeypatch.setattr(jung2023, "ALGORITHMS", {name: jung2023.ALGORITHMS[name] for name in ("random", "random_naszilla", *both)})
    monkeypatch.setattr(jung2023, "BUDGET", 30)
    found = compare("jung2023-table1", published, runs=1)
    assert any("the paper clean 0.9422, fgsm@1/255 0.6725." in said for said in found.differs)
    table = found.table
    random = table[(table["by"] == "random_naszilla") & (table["searched_on"] == "fgsm@1/255")].set_index("metric")["ours"]
    paper = {"clean": 0.9352, "fgsm@1/255": 0.6635, "pgd@1/255": 0.4559, "mean_corruption": 0.5488}
    gap = max(abs(random[metric] - value) for metric, value in paper.items())
    assert found.differs[-1].startswith(f"On fgsm@1/255, the paper's BANANAS is within {gap:.4f} of our random search of all cells")
    bananas = table[(table["algorithm"] == "bananas") & table["runs"].notna()]
    assert bananas["by"].value_counts().to_dict() == dict.fromkeys(both, 18)
    ours, naslib = (bananas[bananas["by"] == name].reset_index() for name in both)
    pd.testing.assert_series_equal(ours["paper"], naslib["paper"])
    assert ours["paper"].notna().sum() == 10
    assert not ours["ours"].equals(naslib["ours"])


@pytest.mark.usefixtures("_small")
def test_processes_find_what_one_finds(whole: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yang2025, "EVALUATIONS", 140)
    for name in ("jung2023-table1", "yang2025-table7"):
        alone, spread = (compare(name, whole, runs=2, workers=workers) for workers in (1, 2))
        pd.testing.assert_frame_equal(alone.table, spread.table)
        assert alone.differs == spread.differs


def test_a_search_of_table_1_charges_repeats_and_stays_among_the_networks(published: RobBench) -> None:
    (run,) = jung2023.searched(published, "evolution", "clean", Setting(1, seed=0))
    assert len(run.queries) == 300
    archs = [query.arch for query in run.queries]
    assert len(set(archs)) < 300
    assert set(archs) <= set(published.classes)


@pytest.mark.parametrize("algorithm", ["local_naszilla", "evolution_naszilla"])
def test_naszilla_leaves_the_networks_that_were_evaluated(published: RobBench, algorithm: str) -> None:
    (run,) = jung2023.searched(published, algorithm, "clean", Setting(1, seed=0))
    evaluated = set(published.classes)
    assert len(run.queries) == 300
    assert 30 < sum(query.arch in evaluated for query in run.queries) < 270


def test_the_expected_best_is_the_mean_over_all_draws() -> None:
    values = np.array([0.5, 0.1, 0.9, 0.1])
    assert jung2023.expected_best(values, 3) == pytest.approx(np.mean([max(drawn) for drawn in itertools.product(values, repeat=3)]))


def test_trnas_searches_with_as_many_evaluations_as_the_papers_and_as_the_others(computed: Callable[[str], Comparison]) -> None:
    table = computed("yang2025-table7").table
    trnas = table[(table["method"] == "trnas") & table["runs"].notna()]
    assert trnas["by"].unique().tolist() == ["pgd@8/255 and params"]
    few, many = (trnas[trnas["queries"] == queries].set_index("metric") for queries in (130, 1000))
    assert len(few) == len(many) == 5
    found = [rows["ours"].to_dict()["pgd@8/255"] for rows in (few, many)]
    assert found == sorted(found)
    assert few["paper"].equals(many["paper"])


def test_tables_2_and_3_are_of_the_most_important_proxy(computed: Callable[[str], Comparison]) -> None:
    pytest.importorskip("sklearn")
    alone, without, every = (
        computed(f"lukasik2023-table{number}").table.dropna(subset="ours").set_index(["dataset", "target"]) for number in (2, 3, 1)
    )
    importances = computed("lukasik2023-figure2").table
    first = importances.sort_values("ours", ascending=False).groupby(["dataset", "target"])["proxy"].first()
    assert (alone["feature"] == without["feature"]).all()
    assert first.loc[alone.index].tolist() == alone["feature"].tolist()
    assert (alone["ours"] < every["ours"]).all()
    assert alone["paper feature"].notna().all()


def test_importances_are_shares_and_those_without_the_first_lack_it(computed: Callable[[str], Comparison]) -> None:
    pytest.importorskip("sklearn")
    for name in ("lukasik2023-figure2", "lukasik2023-figure5"):
        table = computed(name).table
        assert table.groupby(["dataset", "attack", "target"])["ours"].sum().to_numpy() == pytest.approx(1)
    left_out = computed("lukasik2023-figure5").table
    assert not (left_out["proxy"] == left_out["without"]).any()
    assert left_out["without"].isin((*FEW, *CROZE)).all()


def test_figure_1_is_absolute_kendall_over_the_evaluated_networks(whole: RobBench, computed: Callable[[str], Comparison]) -> None:
    table = computed("lukasik2023-figure1").table.set_index(["dataset", "proxy", "metric"])["ours"]
    assert len(table) == (len(DATASETS) * len(FEW) + len(CROZE)) * 33
    for dataset, proxy, metric in (("cifar10", "nwot", "pgd@4/255"), ("cifar100", "params", "fgsm@255/255")):
        one, other = (whole.query_many(whole.classes, name, dataset=dataset, missing="nan") for name in (proxy, metric))
        both = ~np.isnan(one + other)
        assert table[dataset, proxy, metric] == pytest.approx(abs(kendalltau(one[both], other[both]).statistic))


def test_a_score_of_0_and_none_are_not_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On any space: five chains of twelve have no synflow or one of 0, and all have a latency, which is no proxy."""
    space = register(monkeypatch)
    synflow, snip = np.arange(1.0, 13), np.arange(1.0, 13)
    synflow[:3], synflow[3:5], snip[0] = 0, np.nan, np.nan
    found = [
        array(f"toy10 untrained {name} value", values, rows="exact", unit="1") for name, values in (("synflow", synflow), ("snip", snip))
    ]
    extend(tmp_path / "toy.h5", Rows.of(space, space.members), found)
    table = compare("yang2025-table8", RobBench(tmp_path / "toy.h5")).table.set_index("proxy")["ours"]
    assert (table["synflow"], table["snip"]) == (7 / 12, 11 / 12)


def test_proxies_of_a_dataset_that_are_not_there_are_said_to_be_missing(
    published_store: Path, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setattr(lukasik2023, "ATTACKED", [])
    store = tmp_path / "new.h5"
    shutil.copy(published_store, store)
    early = json.loads((reference / "nbsuite_zero" / "zc_nasbench201.json").read_text("utf-8"))["cifar10"]
    (tmp_path / "few.json").write_text(json.dumps({"cifar10": {cell: {"synflow": values["synflow"]} for cell, values in early.items()}}))
    import_source("nbsuite_zero", tmp_path / "few.json", store)
    found = compare("lukasik2023-table1", RobBench(store))
    assert found.differs[-2] == (
        "cifar100 is left out: the store lacks synflow of cifar100 (untrained): robbench import nbsuite_zero zc_nasbench201_cifar100.csv --into STORE."
    )
    assert "ImageNet16-120 is left out: the store lacks clean, fgsm, pgd, apgd-ce, square of ImageNet16-120 (standard)" in found.differs[-1]
    assert found.table[found.table["dataset"] == "cifar100"]["ours"].isna().all()


def test_a_store_that_lacks_something_says_which_import_brings_it(published: RobBench, bench: RobBench) -> None:
    with pytest.raises(
        NotMeasured,
        match=r"ha2023-table2 cannot be computed from jung2023.h5, which lacks synflow of cifar10 \(untrained\): robbench import nbsuite_zero"
        r" zc_nasbench201_cifar10.csv --into STORE\.",
    ):
        compare("ha2023-table2", published)
    with pytest.raises(
        NotMeasured, match=r"lacks fgsm, pgd, apgd-ce, square of cifar10 \(standard\): robbench import jung2023 FOLDER --into STORE\."
    ):
        compare("jung2023-two-3x3", bench)
    lacks = overview(published).set_index("name")["lacks"]
    assert [name for name in PAPERS if not lacks[name]] == [
        "jung2023-table1",
        "jung2023-best",
        "jung2023-two-3x3",
        "jung2023-figure16",
        "jung2023-figure17",
        "yang2025-table8",
    ]
    assert overview(bench).set_index("name")["lacks"].drop("yang2025-table8").all(), "which takes any proxies, of any space"


def test_a_store_of_another_space_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(NASBench201):
        name, title = "other", "another space"

    monkeypatch.setitem(SPACES, "other", other := Other())
    rows = Rows.of(other, (other.members or ())[:9])
    extend(tmp_path / "other.h5", rows, [array("cifar10 standard clean accuracy", np.zeros(len(rows.keys)))])
    bench = RobBench(tmp_path / "other.h5")
    lacks = overview(bench).set_index("name")["lacks"].drop(["yang2025-table8", "zheng2025-searches"])
    assert set(lacks) == {"architectures of NAS-Bench-201: it holds those of another space"}
    with pytest.raises(NotMeasured, match=r"from other\.h5, which lacks architectures of NAS-Bench-201: it holds those of another space\."):
        compare("wu2024", bench)


def test_an_overview_reads_no_header(whole: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole.measurements.store, "header", None)
    assert len(overview(whole)) == len(PAPERS)


def test_what_means_nothing_is_refused(bench: RobBench) -> None:
    with pytest.raises(InvalidArgument, match=r"'jung2023-tabel1' is not a table of a paper. Did you mean 'jung2023-table1'"):
        compare("jung2023-tabel1", bench)
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(InvalidArgument, match=f"runs={wrong!r} is not a number of runs; expected an integer of at least 1"):
            compare("wu2024", bench, runs=wrong)  # type: ignore[arg-type]
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(InvalidArgument, match=f"workers={wrong!r} is not a number of workers; expected an integer of at least 1"):
            compare("wu2024", bench, workers=wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="seed=-1 is not a seed; expected an integer of at least 0"):
        compare("wu2024", bench, seed=-1)


def test_ours_and_the_papers_are_joined_on_the_papers_labels() -> None:
    ours = pd.DataFrame({"a": ["x", "x", "y"], "way": [1, 2, 1], "ours": [0.5, 0.25, 0.75], "n": [9, 9, 9]})
    paper = pd.DataFrame({"a": ["x", "z"], "paper": [0.5, 1.0]})
    table = beside(ours, paper)
    assert list(table.columns) == ["a", "way", "paper", "ours", "difference", "n"]
    assert table["a"].tolist() == ["x", "x", "y", "z"]
    np.testing.assert_array_equal(table["difference"], [0, -0.25, np.nan, np.nan])
    assert beside(ours, None)["paper"].isna().all()


def test_tables_are_readable_and_bars_are_escaped() -> None:
    table = pd.DataFrame({"arch": ["|none~0|", "b"], "ours": [0.123456, np.nan], "difference": [0.00012, -3.0], "n": [1, 2]})
    assert readable(table).to_numpy().tolist() == [["|none~0|", "0.1235", "+0.0001", "1"], ["b", "", "-3", "2"]]
    assert markdown_table(table) == [
        "| arch | ours | difference | n |",
        "| --- | --- | --- | --- |",
        r"| \|none~0\| | 0.1235 | +0.0001 | 1 |",
        "| b |  | -3 | 2 |",
    ]
