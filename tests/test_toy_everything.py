"""A space of a dozen architectures goes through everything that a bench offers, and each answer is one that can be worked out by hand.

Elsewhere: searches and oracles (search/test_any_space), adapters (adapters/), commands (cli/), builds (robbench_builders/test_toy_build).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from robbench import RobBench
from robbench.analysis import anomalies, anomaly_counts, best, correlations, neighbors, noise_ceiling, pareto_front
from robbench.errors import CannotFit, NotMeasured, UnknownArchitecture
from robbench.measurements.joining import join
from robbench.measurements.noise import twin_groups
from robbench.spaces.nb201 import NB201
from robbench.store import verify
from robbench.store.rows import Rows
from robbench.store.writing import extend
from robbench.surrogates import Surrogate, fit
from robbench.surrogates.fitting import gather
from robbench.surrogates.forest import Forest
from robbench.surrogates.surrogate import About
from tests.synthetic import IMAGES, array
from tests.toy_space import TOY, Chain, register, structure
from tests.toy_store import CLEAN, LATENCY, PGD, PGD_EPS, ROWS, SYNFLOW, arrays, write_toy_store

ALL = TOY.members
HELD = (ALL[11], *ALL[3:9])
"""Seven of them, in an order of their own."""
CONVOLUTIONS = [arch.ops.count("nor_conv_1x1") for arch in ALL]
METRICS = ["clean", "pgd@1/255", "pgd@2/255", "edgegpu_latency", "synflow"]


def of_class(values: np.ndarray, arch: Chain) -> float:
    return float(values[ROWS.class_row[TOY.key(arch)]])


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of those that are `HELD`."""
    register(monkeypatch)
    write_toy_store(tmp_path / "part.h5", HELD)
    return tmp_path / "part.h5"


# ---- questions


def test_every_architecture_has_the_measurements_of_its_class_and_its_own(toy_bench: RobBench) -> None:
    assert (toy_bench.space, toy_bench.architectures) == (TOY, ALL)
    assert [TOY.key(arch) for arch in toy_bench.classes] == list(ROWS.keys)
    for row, arch in enumerate(ALL):
        for spelling in (arch, str(arch)):
            assert toy_bench.query(spelling, "clean") == of_class(CLEAN, arch)
            assert toy_bench.query(spelling, "pgd", eps=1 / 255) == of_class(PGD[:, 0], arch)
            assert toy_bench.query(spelling, "edgegpu_latency") == LATENCY[row]
            assert toy_bench.query(spelling, "synflow") == SYNFLOW[row]
            assert toy_bench.query(spelling, "kernel_parameters") == CONVOLUTIONS[row]
    for metric in METRICS:
        assert toy_bench.query_many(ALL, metric).tolist() == [toy_bench.query(arch, metric) for arch in ALL]


def test_levels_between_measured_ones_are_interpolated(toy_bench: RobBench) -> None:
    """Between two levels log-odds are a straight line over the root of eps; half an image of a thousand keeps them finite."""
    along = (np.sqrt(1.5) - 1) / (np.sqrt(2) - 1)
    for arch in ALL:
        one, other = (logit(0.0005 + 0.999 * of_class(PGD[:, level], arch)) for level in (0, 1))
        expected = (expit(one + along * (other - one)) - 0.0005) / 0.999
        assert toy_bench.query(arch, "pgd@1.5/255", interpolate=True) == pytest.approx(expected)


def test_a_metric_is_derived_from_the_measured_ones(toy_bench: RobBench) -> None:
    for arch in ALL:
        clean, pgd = of_class(CLEAN, arch), of_class(PGD[:, 0], arch)
        assert toy_bench.query(arch, "hrs-pgd@1/255") == pytest.approx(2 * clean * pgd / (clean + pgd))
        assert toy_bench.query(arch, "mean_adversarial_measured") == pytest.approx((pgd + of_class(PGD[:, 1], arch)) / 2)


def test_a_curve_is_the_threat_at_its_levels(toy_bench: RobBench) -> None:
    curve = toy_bench.curve(ALL[7], "pgd")
    assert curve.index.tolist() == PGD_EPS
    assert curve.tolist() == PGD[ROWS.class_row[TOY.key(ALL[7])]].tolist()


def test_a_table_has_a_row_for_each_class(toy_bench: RobBench) -> None:
    table = toy_bench.table()
    assert list(table.index) == list(ROWS.classes)
    assert sorted(table.columns) == sorted(METRICS)
    assert table["clean"].tolist() == CLEAN.tolist()
    assert table["pgd@2/255"].tolist() == PGD[:, 1].tolist()
    assert table["synflow"].tolist() == [SYNFLOW[ROWS.exact_row[spec]] for spec in ROWS.classes]


def test_the_best_are_classes_or_exact_architectures_as_the_metric_is(toy_bench: RobBench) -> None:
    top = toy_bench.top("clean", 20)
    assert top["clean"].tolist() == sorted(CLEAN.tolist(), reverse=True)
    assert top["class_key"].tolist() == [TOY.key(TOY.parse(arch)) for arch in top["arch"]]
    fastest = toy_bench.top("edgegpu_latency", 20)
    assert fastest["edgegpu_latency"].tolist() == sorted(LATENCY.tolist())
    assert set(fastest["arch"]) == set(ROWS.exact)


def test_an_explanation_says_whose_value_it_is(toy_bench: RobBench) -> None:
    one, other = Chain(("skip_connect", "none", "nor_conv_1x1")), Chain(("nor_conv_1x1", "none", "skip_connect"))
    for arch in (one, other):
        found = toy_bench.explain(arch, "clean")
        assert (found.value, found.identity, found.class_key, found.how) == (of_class(CLEAN, one), "class", TOY.key(one), "measured")
        assert found.architecture == str(arch)
    assert toy_bench.explain(one, "synflow").identity == "exact"


def test_an_architecture_of_another_space_is_named_so_whatever_is_asked(toy_bench: RobBench, few_bench: RobBench) -> None:
    cell, chain = NB201.members[7], ALL[7]
    for bench, arch, is_of, expected in (
        (toy_bench, cell, "NAS-Bench-201", "the toy space"),
        (few_bench, chain, "the toy space", "NAS-Bench-201"),
    ):
        for spelling in (arch, str(arch)):
            said = f"^{re.escape(str(arch))} is an architecture of {is_of}; expected one of {expected}\\.$"
            with pytest.raises(UnknownArchitecture, match=said):
                bench.query(spelling, "clean")
            with pytest.raises(UnknownArchitecture, match=said):
                bench.query_many([spelling], "clean")
            with pytest.raises(UnknownArchitecture, match=said):
                bench.explain(spelling, "clean")
            with pytest.raises(UnknownArchitecture, match=said):
                bench.curve(spelling, "pgd")
            with pytest.raises(UnknownArchitecture, match=said):
                bench.oracle("clean")(spelling)


# ---- rows that come later


def test_rows_of_a_second_import_stand_beside_those_of_the_first(part: Path) -> None:
    new = [arch for arch in ALL if arch not in HELD]
    later = Rows.of(TOY, new)
    extend(part, later, [one for one in arrays(later) if one.name.metric in ("clean", "synflow")])
    bench = RobBench(part)
    verify(part)
    assert bench.architectures == (*HELD, *new)
    held = {TOY.key(arch) for arch in HELD}
    for row, arch in enumerate(ALL):
        assert bench.query(arch, "clean") == of_class(CLEAN, arch)
        assert bench.query(arch, "synflow") == SYNFLOW[row]
        if TOY.key(arch) in held:
            assert bench.query(arch, "pgd@1/255") == of_class(PGD[:, 0], arch)
        else:
            with pytest.raises(NotMeasured, match=r"pgd@1/255 of toy10 \(standard\) was not measured for"):
                bench.query(arch, "pgd@1/255")
    assert np.isnan(bench.query_many(ALL, "edgegpu_latency", missing="nan")).tolist() == [arch in new for arch in ALL]
    assert bench.table()["pgd@1/255"].isna().tolist() == [TOY.key(arch) not in held for arch in bench.classes]


# ---- predictions


def test_a_dozen_architectures_are_too_few_to_fit(toy_bench: RobBench) -> None:
    with pytest.raises(
        CannotFit, match=r"clean was measured for 8 architectures: \d to train on and \d to test on; a forest needs at least 10 and 20"
    ):
        fit(toy_bench, "clean", model="forest")
    with pytest.raises(CannotFit, match=r"synflow was measured for 12 architectures"):
        fit(toy_bench, "synflow", model="blend")


@pytest.mark.parametrize("target", ["clean", "edgegpu_latency"])
def test_a_surrogate_predicts_what_the_store_holds_and_what_it_does_not(target: str, part: Path) -> None:
    pytest.importorskip("sklearn")
    before = RobBench(part)
    data = gather(before.measurements, target, "structure")
    forest = Forest.fit(data.features, data.targets, 1, seed=0)
    means = forest.predict(data.features)
    about = About(
        dataset="toy10",
        training=data.training,
        target=target,
        outputs=[target],
        monotone=[],
        model="forest",
        model_version=Forest.version,
        features="structure",
        feature_version=TOY.feature_version,
        feature_names=list(data.names),
        rows=data.kind,
        split={"kind": "twin", "train": 1.0, "seed": 0},
        scores={target: {"r2": 1.0, "kendall": 1.0, "spearman": 1.0, "mae": 0.0, "n": len(data.rows)}},
        versions={},
        seconds=0.0,
    )
    calibration = np.tile(np.concatenate([means, data.targets[:, :1] - means], axis=1), (4, 1)).astype(np.float32)
    Surrogate(about, forest, data.rows.astype(np.uint32), calibration).save(part)
    bench = RobBench(part)
    assert bench.surrogates()["target"].tolist() == [target]
    expected = forest.predict(structure(ALL).values)[:, 0]
    half = np.sort(np.abs(calibration[:, 1]))[int(np.ceil((len(calibration) + 1) * 0.9)) - 1]
    for row, arch in enumerate(ALL):
        found = bench.predict(arch, target)
        assert found.mean == pytest.approx(expected[row], abs=1e-6)
        assert found.high - found.mean == pytest.approx(min(half, 1 - found.mean) if target == "clean" else half, abs=2e-6)
        assert bench.predict_many([arch], target).tolist() == [list(found[:3])]
    np.testing.assert_allclose(bench.predict_many(ALL, target)[:, 0], expected, atol=1e-6)
    oracle = bench.oracle(target, on="surrogate", budget=12)
    assert [oracle(arch) for arch in ALL] == bench.predict_many(ALL, target)[:, 0].tolist()
    with pytest.raises(UnknownArchitecture, match=r"is an architecture of NAS-Bench-201; expected one of the toy space"):
        bench.predict(str(NB201.members[0]), target)


# ---- noise


def test_noise_is_what_the_one_pair_of_twins_differs_by(toy_bench: RobBench) -> None:
    """Of eight classes two are twins; a draw is one of their two differences from their mean, times the root of two."""
    one, other = (ALL[row] for row in sorted({TOY.members.index(TOY.parse(spec)) for spec in twins_of_two_classes(toy_bench)}))
    apart = (of_class(CLEAN, one) - of_class(CLEAN, other)) / np.sqrt(2)
    oracle = toy_bench.oracle("clean", noise="twin", noise_seed=3)
    for arch in ALL:
        clean = of_class(CLEAN, arch)
        either = np.clip([clean + apart, clean - apart], 0, 1)
        assert np.isclose(oracle(arch), either, atol=1e-12).any()
    ceiling = noise_ceiling(toy_bench, "clean", resamples=5)
    assert ceiling.degrees_of_freedom == 1
    assert ceiling.noise == pytest.approx(abs(apart))
    assert ceiling.r2 == pytest.approx(1 - apart**2 / CLEAN.var(ddof=1))


def twins_of_two_classes(bench: RobBench) -> list[str]:
    groups = twin_groups(TOY, bench.classes).tolist()
    return [str(arch) for arch, group in zip(bench.classes, groups, strict=True) if groups.count(group) == 2]


# ---- analysis


def test_correlations_are_over_what_the_metrics_were_measured_of(toy_bench: RobBench) -> None:
    from scipy.stats import kendalltau, spearmanr

    table = correlations(toy_bench, ["clean", "synflow"], "pgd@1/255", resamples=5)
    rows = [ROWS.class_row[TOY.key(arch)] for arch in ALL]
    for one, (ours, values, robust) in zip(
        table.to_dict("records"), [("class", CLEAN, PGD[:, 0]), ("exact", SYNFLOW, PGD[rows, 0])], strict=True
    ):
        assert (one["rows"], one["n"]) == (ours, len(values))
        assert one["kendall"] == pytest.approx(kendalltau(values, robust).statistic)
        assert one["spearman"] == pytest.approx(spearmanr(values, robust).statistic)


def test_the_front_is_what_nothing_dominates(toy_bench: RobBench) -> None:
    found = pareto_front(toy_bench, ["clean", "edgegpu_latency"])
    points = [(of_class(CLEAN, arch), -LATENCY[row]) for row, arch in enumerate(ALL)]
    left = [
        str(arch)
        for arch, point in zip(ALL, points, strict=True)
        if not any(other != point and all(b >= a for a, b in zip(point, other, strict=True)) for other in points)
    ]
    assert sorted(found["arch"]) == sorted(left)
    assert found["clean"].is_monotonic_decreasing


def test_the_best_keep_the_constraints(toy_bench: RobBench) -> None:
    found = best(toy_bench, "synflow", {"kernel_parameters": (None, 1), "clean": (0.7, None)}, n=3)
    allowed = [row for row, arch in enumerate(ALL) if CONVOLUTIONS[row] <= 1 and of_class(CLEAN, arch) >= 0.7]
    assert found["synflow"].tolist() == sorted(SYNFLOW[allowed].tolist(), reverse=True)[:3]
    assert len(allowed) > 1


def test_neighbors_are_those_of_the_space_with_what_the_change_does(toy_bench: RobBench, part: Path) -> None:
    found = neighbors(toy_bench, ALL[4], "edgegpu_latency")
    assert found.columns[0] == "variable"
    assert found["arch"].tolist() == list(map(str, TOY.neighbors(ALL[4])))
    rows = [ALL.index(arch) for arch in TOY.neighbors(ALL[4])]
    assert found["difference"].tolist() == (LATENCY[rows] - LATENCY[4]).tolist()
    assert found["same_class"].tolist() == [TOY.key(ALL[row]) == TOY.key(ALL[4]) for row in rows]
    some = neighbors(RobBench(part), ALL[4], "edgegpu_latency")
    assert some["value"].isna().tolist() == [ALL[row] not in HELD for row in rows]


def test_what_rises_with_eps_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    pgd = PGD.copy()
    pgd[2] = [0.0, 0.9]
    extend(tmp_path / "odd.h5", ROWS, [array("toy10 standard pgd accuracy", pgd, {"eps": PGD_EPS})])
    bench = RobBench(tmp_path / "odd.h5")
    found = anomalies(bench)
    assert found[["arch", "kind", "size"]].to_numpy().tolist() == [[ROWS.classes[2], "rises with eps", 0.9]]
    assert found["errors"][0] == pytest.approx(0.9 / np.sqrt(0.09 / IMAGES))
    assert anomaly_counts(bench).set_index("kind").loc["rises with eps", "beyond_noise"] == 1


def test_metrics_are_joined_on_architectures(toy_bench: RobBench) -> None:
    found = join(toy_bench.measurements, ["clean", "synflow", "kernel_parameters"])
    assert (found.rows, found.archs) == ("exact", ALL)
    assert found.values["clean"].tolist() == [of_class(CLEAN, arch) for arch in ALL]
    assert found.values["kernel_parameters"].tolist() == CONVOLUTIONS
