from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import CannotPlot, InvalidArgument, NotMeasured, RobBench
from robbench.plots import class_matrix, confidence_curves
from robbench.plots.confusion import _of_classes
from robbench.store.writing import extend
from tests.plots.legible import assert_legible
from tests.synthetic import CLASSES, ROWS, array

EPS: dict[str, list[float]] = {"eps": [1 / 255, 8 / 255, 1]}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> RobBench:
    """Ten networks with confidences and counts."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("drawn") / "s.h5"

    def some(*shape: int) -> np.ndarray:
        values = np.full((CLASSES, *shape), np.nan)
        values[:10] = rng.random((10, *shape))
        return values

    two: dict[str, Any] = {"label": [], "class": []}
    counts = np.zeros((CLASSES, 10, 10), np.uint16)
    counts[:, 3, 7] = 5
    extend(
        path,
        ROWS,
        [
            array("toy standard clean accuracy", np.full(CLASSES, 0.5)),
            array("toy standard clean confusion", counts, {"label": [], "prediction": []}, unit="count"),
            array("toy standard clean confidence_label", some(10, 10), two),
            array("toy standard fgsm confidence_label", some(3, 10, 10), {**EPS, **two}),
            array("toy standard fgsm confidence_prediction", some(3, 2), {**EPS, "images": []}),
        ],
    )
    return RobBench(path)


def test_confusions_are_summed_and_predictions_stand_in_rows(drawn: RobBench) -> None:
    figure = class_matrix(drawn, "clean")
    shown = np.asarray(figure.axes[0].images[0].get_array())
    assert shown[7, 3] == 5 * CLASSES
    masked: Any = figure.axes[0].images[0].get_array()
    assert masked.mask.sum() == 99, "no images are no colour"
    assert figure.get_suptitle() == f"toy, clean, {CLASSES:,} networks"
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("label", "prediction")
    assert_legible(figure)


def test_confidences_are_means_over_the_networks_that_have_them(drawn: RobBench) -> None:
    figure = class_matrix(drawn, "clean", measure="confidence_label")
    found = drawn.measurements.store.read(drawn.measurements.store.names()[1])[:10]
    np.testing.assert_allclose(np.asarray(figure.axes[0].images[0].get_array()), found.mean(axis=0))
    with pytest.raises(InvalidArgument, match="measure='outcomes' has no meaning"):
        class_matrix(drawn, "clean", measure="outcomes")


@pytest.mark.parametrize(
    ("label", "lines"), [(None, ["correct predictions", "incorrect predictions"]), (4, [f"class {number}" for number in range(10)])]
)
def test_lines_run_over_eps_with_eps_1_apart(label: int | None, lines: list[str], drawn: RobBench) -> None:
    figure = confidence_curves(drawn, "fgsm", label=label)
    (ax,) = figure.axes
    assert [line.get_label() for line in ax.lines] == lines
    for line in ax.lines:
        np.testing.assert_allclose(np.asarray(line.get_xdata())[:2], np.sqrt([1, 8]))
        assert np.isnan(np.asarray(line.get_ydata())[2])
    assert figure.get_suptitle() == ("toy" if label is None else "toy, images of class 4")
    assert ax.get_ylabel() == "mean confidence under FGSM"
    measure = "confidence_prediction" if label is None else "confidence_label"
    (name,) = (name for name in drawn.measurements.store.names() if (name.metric, name.measure) == ("fgsm", measure))
    means = drawn.measurements.store.read(name)[:10].mean(axis=0)
    expected = means if label is None else means[:, label]
    np.testing.assert_allclose(np.stack([np.asarray(line.get_ydata())[[0, 1, 3]] for line in ax.lines], axis=1), expected)
    assert_legible(figure)


def test_of_many_classes_the_surest_have_lines_and_the_others_one_together() -> None:
    means = np.random.default_rng(0).dirichlet(np.ones(100), size=3)
    lines = _of_classes(means)
    assert len(lines) == 11
    np.testing.assert_allclose(sum(lines.values()), 1)
    assert list(lines)[-1] == "90 others together"
    assert f"class {means.max(axis=0).argmax()}" in lines
    assert min(line.max() for line in list(lines.values())[:-1]) > np.sort(means.max(axis=0))[89]


def test_nothing_but_gaps_is_refused(tmp_path: Path) -> None:
    gaps = [
        array("toy standard clean confidence_label", np.full((CLASSES, 2, 2), np.nan), {"label": [], "class": []}),
        array("toy standard fgsm confidence_prediction", np.full((CLASSES, 1, 2), np.nan), {"eps": [1 / 255], "images": []}),
    ]
    extend(tmp_path / "gaps.h5", ROWS, gaps)
    with pytest.raises(CannotPlot, match="clean:confidence_label was not measured of any architecture; there is no matrix to draw"):
        class_matrix(RobBench(tmp_path / "gaps.h5"), "clean", measure="confidence_label")
    with pytest.raises(CannotPlot, match="confidences under fgsm were not measured of any architecture"):
        confidence_curves(RobBench(tmp_path / "gaps.h5"))


def test_what_there_is_nothing_of_is_refused(drawn: RobBench) -> None:
    with pytest.raises(CannotPlot, match="label=10 is none of the 10 classes"):
        confidence_curves(drawn, "fgsm", label=10)
    with pytest.raises(CannotPlot, match="'fog' is none"):
        confidence_curves(drawn, "fog")
    with pytest.raises(NotMeasured, match=r"pgd \(confidence_prediction\) of toy is not in"):
        confidence_curves(drawn, "pgd")
