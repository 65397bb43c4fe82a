"""benchmarks/tiny_robustbench.py at its smallest size: one small cell, random images."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from robbench_builders.datasets import Dataset
from robbench_builders.networks.darts import DartsSkeleton
from robbench import RobBench
from robbench.measurements.rscore import r_scores
from robbench.spaces.darts import DARTS
from robbench.store.rows import Rows
from robbench.store.writing import extend
from robbench.surrogates import fit
from tests.genotypes import drawn
from tests.synthetic import array

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))  # the script takes from one beside it
    study: Any = import_module("tiny_robustbench")
    made_of: Any = import_module("darts_best")
TINY = DartsSkeleton(channels=2, layers=1, stem=False, image_channels=2, classes=2)
ARCHS = drawn(3)


@pytest.fixture
def data() -> Dataset:
    rng = np.random.default_rng(0)
    images, labels = rng.random((8, 2, 8, 8)).astype(np.float32), np.arange(8) % 2
    return Dataset("noise", images, labels, images, labels, 2)


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One part of two proxies, of which one needs more images than there are."""
    monkeypatch.setattr(study, "FOLDER", tmp_path)
    monkeypatch.setattr(study, "UNIT", 2)
    monkeypatch.setitem(study.PARTS, "sizes", study.Part(study.some("params", "swap"), TINY, 8))


def kept(*values: float | None) -> dict[Any, Any]:
    return {arch: study.Kept({"zcprob": value}, {}, 1.0) for arch, value in zip(drawn(len(values)), values, strict=True)}


def test_a_run_keeps_its_units_and_goes_on_where_it_was_stopped(data: Dataset, tmp_path: Path) -> None:
    study.run("drawn", "sizes", ARCHS[:2], data)
    first = tmp_path / "drawn" / "sizes" / "00000.json"
    before = first.read_bytes(), first.stat().st_mtime_ns
    study.run("drawn", "sizes", ARCHS, data)
    assert (first.read_bytes(), first.stat().st_mtime_ns) == before
    found = study.results("drawn", "sizes")
    assert list(found) == ARCHS
    assert np.isnan(list(study.column(found, "swap").values())).all()
    assert all(one.values["params"] > 0 and one.seconds > 0 for one in found.values())
    assert {one.reasons["swap"] for one in found.values()} == {"a batch of 8 images, of at least 16"}
    (line,) = list(study.rates_table())[2:]
    assert line.startswith("| drawn | sizes | C = 2, 1 cell, no stem | 3 |")
    assert line.endswith("| swap 0.00%, others 100%; swap: a batch of 8 images, of at least 16 (3) |")


def test_an_effective_rate_counts_neither_what_is_missing_nor_zeros() -> None:
    assert study.rates(kept(None, 0.0, -2.0, 1.0)) == "zcprob 50.00%"
    assert study.rates(kept(-2.0, 1.0)) == "100%"


def test_genotypes_drawn_are_different_and_the_first_stay_the_same() -> None:
    many = study.drawn(40)
    assert len({DARTS.key(arch) for arch in many}) == 40
    assert study.drawn(10) == many[:10]


def test_agreement_is_over_what_both_know() -> None:
    truth = np.arange(30.0)
    assert study.agreement(truth**3, truth) == "1.000 [1.00, 1.00] | 1.000 [1.00, 1.00]"
    ours = np.where(truth < 10, np.nan, -truth)
    assert study.agreement(ours, truth) == "-1.000 [-1.00, -1.00] | -1.000 [-1.00, -1.00]"


def test_the_best_are_the_highest_of_those_with_a_value() -> None:
    archs = drawn(4)
    assert made_of.best(dict(zip(archs, [1.0, np.nan, 3.0, 2.0], strict=True)), 2) == [archs[2], archs[3]]


def test_shares_of_edges_in_a_published_architecture() -> None:
    kinds = [kind for kinds in made_of.PARTS.values() for kind in kinds]
    found = {cell: dict(zip(kinds, made_of.shares([DARTS.parse("darts-v2")] * 3, cell).T, strict=True)) for cell in ("normal", "reduce")}
    assert found["normal"]["sep_conv_3x3"].tolist() == [5 / 8] * 3  # all alike: the interval is the share itself
    assert found["normal"]["dil_conv_3x3"][0] == 1 / 8
    assert found["reduce"]["max_pool_3x3"][0] == 5 / 8
    assert found["normal"]["from node 2"][0] == 1 / 8
    assert sum(share[0] for cell in found.values() for share in cell.values()) == pytest.approx(4)


def test_the_interval_of_a_share_is_over_genotypes() -> None:
    """Half of them have a share of 5/8 and half of 0, so the mean of 40 has a standard deviation of about 5/16/√40."""
    archs = [DARTS.parse("darts-v2")] * 20 + [DARTS.parse("pdarts")] * 20
    place = made_of.PARTS["operations"].index("max_pool_3x3")
    share, low, high = made_of.shares(archs, "reduce")[:, place]
    apart = abs(made_of.counts(archs[0], "reduce")[place] - made_of.counts(archs[-1], "reduce")[place]) / 8
    assert low < share < high
    assert high - low == pytest.approx(2 * 1.96 * apart / 2 / np.sqrt(40), rel=0.15)


def test_r_score_is_over_the_population_that_has_both_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    archs, psi, phi = drawn(12), np.arange(1.0, 13), np.linspace(5, 1, 12) ** 2
    both = {
        "psi": {arch: study.Kept({"r_score_psi": value}, {}, 1.0) for arch, value in zip(archs, psi, strict=True)},
        "phi": {
            arch: study.Kept({"r_score_phi": value, "r_score_phi_cells": 1.0}, {}, 1.0)
            for arch, value in zip(archs[1:], phi[1:], strict=True)
        },
    }
    monkeypatch.setattr(study, "results", lambda of, name: both[name])
    found = study.of_r_score("drawn")["r_score"]
    assert list(found) == archs[1:]
    assert list(found.values()) == pytest.approx(r_scores(psi[1:], phi[1:]).tolist())


def test_the_table_has_proxies_and_the_surrogate_s_predictions_out_of_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accuracies are given by the number of parameters, but for noise; a proxy that is their order, and lacks some, is in the table as such."""
    archs = drawn(60)
    sizes = DARTS.features["size"][0](archs).values[:, 0]
    accuracies = np.clip(sizes / 20 + np.random.default_rng(0).normal(0, 0.003, 60), 0, 1)
    extend(tmp_path / "few.h5", Rows.of(DARTS, archs), [array("toy10 standard clean accuracy", accuracies)])
    bench = RobBench(tmp_path / "few.h5")
    monkeypatch.setattr(study, "TARGETS", ("clean",))
    monkeypatch.setattr(study, "MODEL", "ridge")
    known = {arch: study.Kept({"params": bench.query(arch, "clean"), "swap": None}, {}, 1.0) for arch in archs[5:]}
    monkeypatch.setattr(study, "results", lambda of, name: known if name == "sizes" else {})
    _, _, proxy, surrogate = study.correlation_table(bench)
    assert proxy == "| params | sizes | C = 2, 1 cell, no stem | 55 | 1.000 [1.00, 1.00] | 1.000 [1.00, 1.00] |"
    score = fit(bench, "clean", model="ridge", split="folds", train=0.9).about.scores["clean"]
    assert 0 < score["kendall"] < score["spearman"] < 1
    assert surrogate.startswith(f"| the surrogate `ridge`, ten folds | | | 60 | {score['spearman']:.3f} [")
    assert f" | {score['kendall']:.3f} [" in surrogate


def test_tables_go_below_the_mark_and_those_not_made_again_stay() -> None:
    first, last = study.TITLES[0], study.TITLES[-1]
    document = study.updated("prose\n", {last: ["| old |"]}, study.TITLES, study.MARK)
    found = study.updated(document, {first: ["| new |"]}, study.TITLES, study.MARK)
    assert found == f"prose\n{study.MARK}\n### {first}\n\n| new |\n\n### {last}\n\n| old |\n"
    assert study.updated(found, {first: ["| new |"]}, study.TITLES, study.MARK) == found
