from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from robbench import CannotPlot, InvalidArgument, RobBench
from robbench.measurements.wording import words
from robbench.plots import COLUMN, PAGE, eps_curves, search_curves
from tests.plots.legible import assert_legible


@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_curves_are_the_measurements_from_clean_on(bench: RobBench, width: float) -> None:
    archs = {"one": bench.classes[0], "another": bench.classes[9]}
    figure = eps_curves(bench, archs, "pgd", width=width)
    (ax,) = figure.axes
    for line, (name, arch) in zip(ax.lines, archs.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_allclose(np.asarray(line.get_xdata()), np.sqrt([0, 0.5, 1, 2, 8]))
        expected = [bench.query(arch, "clean"), *bench.curve(arch, "pgd")]
        np.testing.assert_array_equal(line.get_ydata(), expected)
    assert len({line.get_marker() for line in ax.lines}) == len({line.get_linestyle() for line in ax.lines}) == 2
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("eps (1/255; 0: clean)", "accuracy under PGD")
    assert figure.get_suptitle() == "toy10"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(archs)
    assert_legible(figure)


@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_eps_1_stands_apart_and_no_line_leads_to_it(published: RobBench, width: float) -> None:
    figure = eps_curves(published, {"best": 6111}, "fgsm", width=width)
    (ax,) = figure.axes
    at, values = np.asarray(ax.lines[0].get_xdata(), float), np.asarray(ax.lines[0].get_ydata(), float)
    assert values[-1] == published.query(6111, "fgsm", eps=1)
    assert np.isnan(values[-2])
    assert at[-3] == pytest.approx(np.sqrt(8))
    assert at[-1] > at[-3]
    assert {"0", "0.1", "0.5", "1", "8", "255"} <= {text.get_text() for text in ax.get_xticklabels()}
    assert_legible(figure)


@pytest.mark.parametrize(("archs", "attack"), [({}, "pgd"), ({"a": 0}, "fog"), ({"a": 0}, "clean")])
def test_curves_need_architectures_and_an_attack(bench: RobBench, archs: Any, attack: str) -> None:
    with pytest.raises(
        CannotPlot, match=f"eps curves need at least one architecture and an attack; {len(archs)} and '{attack}' were given"
    ):
        eps_curves(bench, archs, attack)


def test_options_are_spelled(bench: RobBench) -> None:
    with pytest.raises(InvalidArgument, match=r"eps_curves has no option 'dataste'\. Did you mean 'dataset'"):
        eps_curves(bench, {"a": 0}, dataste="toy10")  # type: ignore[call-arg]
    with pytest.raises(InvalidArgument, match=r"search_curves has no option 'bset'\. Did you mean 'best'"):
        search_curves({"a": np.zeros((1, 2))}, bset=1.0)  # type: ignore[call-arg]


@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_the_band_is_of_the_runs(width: float) -> None:
    runs = np.maximum.accumulate(np.random.default_rng(0).random((20, 50)), axis=1)
    figure = search_curves({"random search": runs, "regularized evolution": runs**0.5}, y=words("pgd@1/255"), width=width, title="CIFAR-10")
    (ax,) = figure.axes
    assert figure.get_suptitle() == "CIFAR-10"
    assert ax.get_ylabel().replace("\n", " ") == "accuracy under PGD, eps 1/255"
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), runs.mean(axis=0))
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), np.arange(1, 51))
    band = np.asarray(ax.collections[0].get_paths()[0].vertices)[:, 1]
    low, high = np.quantile(runs, [0.1, 0.9], axis=0)
    assert (band.min(), band.max()) == (low.min(), high.max())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["random search", "regularized evolution"]
    assert_legible(figure)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_regret_is_the_distance_from_the_best_on_an_axis_of_powers_that_ends_in_0(width: float, sign: int) -> None:
    runs = sign * np.array([[0.1, 0.5, 0.59, 0.6], [0.2, 0.2, 0.58, 0.58 + 1e-12]])
    figure = search_curves({"a": runs}, best=sign * 0.6, y="accuracy", width=width)
    (ax,) = figure.axes
    np.testing.assert_allclose(np.asarray(ax.lines[0].get_ydata()), np.abs(sign * 0.6 - runs).mean(axis=0))
    assert ax.get_ylabel() == "regret in accuracy"
    assert (ax.get_yscale(), ax.get_ylim()[0]) == ("symlog", 0)
    assert ax.get_yticks()[0] == 0
    ticks = ax.get_yticks()[1:]
    assert (ticks >= 0.01 - 1e-9).all()
    at = ax.transData.transform([(0, tick) for tick in (0.01, 0.1, 0.05, 0.5)])[:, 1]
    assert at[1] - at[0] == pytest.approx(at[3] - at[2]), "ten times as much is as far anywhere"
    assert_legible(figure)


def test_the_best_is_reached_at_0_in_spite_of_rounding() -> None:
    (ax,) = search_curves({"a": np.array([[0.3, 0.1 + 0.2]])}, best=0.3).axes
    assert np.asarray(ax.lines[0].get_ydata()).tolist() == [0, 0]
    assert ax.get_ylim()[0] == 0
    with pytest.raises(CannotPlot, match="no run of a, b has found a value; there are no search curves to draw"):
        search_curves({name: np.full((2, 3), np.nan) for name in "ab"})


def test_runs_at_other_costs_are_steps_where_all_have_begun_and_none_has_ended() -> None:
    one = pd.DataFrame({"cost": [1.0, 3.0, 6.0], "incumbent": [0.1, 0.3, 0.6]})
    other = pd.DataFrame({"cost": [2.0, 5.0], "incumbent": [0.5, 0.7]})
    (ax,) = search_curves({"both": [one, other], "alone": one}).axes
    assert np.asarray(ax.lines[0].get_xdata()).tolist() == [2, 3, 5]
    assert np.asarray(ax.lines[0].get_ydata()).tolist() == pytest.approx([(0.1 + 0.5) / 2, (0.3 + 0.5) / 2, (0.3 + 0.7) / 2])
    assert np.asarray(ax.lines[1].get_ydata()).tolist() == [0.1, 0.3, 0.6]


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ({}, "there are no search curves to draw; expected a name and its runs"),
        ({"a": np.zeros(3)}, r"a: an array of shape \(3,\) was given; expected \(runs, queries\), at least one of each"),
        ({"a": np.zeros((0, 3))}, r"a: an array of shape \(0, 3\) was given"),
        ({"a": []}, r"a: no runs were given; expected an array \(runs, queries\), or a DataFrame a run"),
        ({"a": pd.DataFrame({"cost": [1], "best": [2]})}, "a: a run is not a DataFrame with columns cost and incumbent"),
        ({"a": [[0.1, 0.2]]}, "a: a run is not a DataFrame with columns cost and incumbent"),
        (
            {"a": [pd.DataFrame({"cost": [start], "incumbent": [0.5]}) for start in (1, 2)]},
            "a: one run ends at cost 1, before another begins at 2; there is nothing that all runs cover",
        ),
    ],
)
def test_what_is_no_search_is_refused(curves: Any, message: str) -> None:
    with pytest.raises(CannotPlot, match=message):
        search_curves(curves)
