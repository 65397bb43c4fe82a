"""The published searches of NARes beside ours, from records that are made up here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robbench import NotMeasured, RobBench
from robbench.papers import compare, overview, zheng2025
from robbench.papers.entry import published
from robbench.search.repeated import repeat
from robbench.sources import import_source
from robbench.sources.jung2023 import CORRUPTIONS
from robbench.spaces.wrn import WRN
from tests.sources.test_nares import record, written

NAME = "zheng2025-searches"
ARCHS = WRN.members[::625]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> RobBench:
    """25 architectures, each better than the one before."""
    folder = tmp_path_factory.mktemp("nares")
    records = [record(arch, number / 10) for number, arch in enumerate(ARCHS)]
    for one in records:
        levels = one["test_best"][0]["corruptions"]["fog"]
        one["test_best"][0]["corruptions"] = dict.fromkeys(CORRUPTIONS, levels)
    import_source("nares", written(folder / "cifar10.jsonl", records), folder / "store.h5")
    return RobBench(folder / "store.h5")


def test_the_published_numbers_are_those_of_the_authors_table() -> None:
    table = published(NAME)
    assert table is not None
    of_objective = table[table["metric"] == zheng2025.OBJECTIVE].set_index("algorithm")
    assert of_objective["paper"].to_dict() == {
        "optimum": 0.388,
        "random_search": 0.3818,
        "local_search": 0.3817,
        "regularized_evolution": 0.385,
        "bananas": 0.3855,
    }
    assert of_objective["paper_sd"].tolist()[1:] == [0.0022, 0.0022, 0.0024, 0.0024]
    assert set(table["metric"]) == set(zheng2025.METRICS)
    assert set(table["algorithm"]) == {"optimum", *zheng2025.ALGORITHMS}


def test_ours_stand_beside_them(bench: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zheng2025, "BUDGET", 12)
    some = {name: zheng2025.ALGORITHMS[name] for name in ("random_search", "local_search", "regularized_evolution")}
    monkeypatch.setattr(zheng2025, "ALGORITHMS", some)
    found = compare(NAME, bench, runs=3)
    table = {(row["algorithm"], row["metric"]): row for row in found.table.to_dict("records")}
    assert list(found.table.columns) == ["algorithm", "metric", "paper", "ours", "difference", "sd", "runs", "paper_sd"]
    best = bench.query_many(ARCHS, zheng2025.OBJECTIVE).max()
    assert table["optimum", zheng2025.OBJECTIVE]["ours"] == best
    for name in some:
        ours = table[name, zheng2025.OBJECTIVE]
        assert 0 < ours["ours"] <= best
        assert ours["runs"] == 3
        assert ours["difference"] == ours["ours"] - ours["paper"]
    assert np.isnan(table["bananas", "clean"]["ours"])
    assert "Ours search the 25 architectures of the store" in found.differs[-1]


def test_their_settings_are_options_of_ours(bench: RobBench) -> None:
    """But for sizes: the store here has a quarter of the architectures that their BANANAS begins with."""
    name, options = zheng2025.ALGORITHMS["bananas"]
    (run,) = repeat(name, bench, zheng2025.OBJECTIVE, budget=25, runs=1, options={**options, "initial": 5, "batch": 2})
    assert run.best == ARCHS[-1]


def test_another_store_is_told_what_it_lacks(bench: RobBench, few_bench: RobBench) -> None:
    assert overview(bench).set_index("name")["lacks"][NAME] == ""
    with pytest.raises(NotMeasured, match="lacks architectures of NARes: it holds those of NAS-Bench-201"):
        compare(NAME, few_bench)


def test_records_without_corruptions_are_told_apart(tmp_path: Path) -> None:
    one = record(ARCHS[0], 0)
    one["test_best"][0]["corruptions"] = {}
    import_source("nares", written(tmp_path / "cifar10.jsonl", [one]), tmp_path / "store.h5")
    with pytest.raises(NotMeasured, match=r"lacks .*fog.* of cifar10 \(pgd-8/255\): robbench import nares cifar10\.jsonl --into STORE"):
        compare(NAME, RobBench(tmp_path / "store.h5"))
