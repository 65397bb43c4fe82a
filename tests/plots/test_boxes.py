from __future__ import annotations

import numpy as np
import pytest

from robbench import CannotPlot, InvalidArgument, RobBench, UnknownMetric
from robbench.plots import COLUMN, PAGE, accuracy_boxes, threats_of
from tests.plots.legible import assert_legible


def test_the_stores_threats_are_found(bench: RobBench) -> None:
    assert threats_of(bench, "attack") == ["fgsm", "pgd"]
    assert threats_of(bench, "corruption") == ["fog", "contrast"]
    assert threats_of(bench, "attack", training="pgd-8/255") == ["pgd", "square"]


def test_boxes_are_the_quartiles_at_each_level(bench: RobBench) -> None:
    figure = accuracy_boxes(bench, ["pgd"])
    (ax,) = figure.axes
    assert ax.get_title() == "PGD"
    assert figure.get_suptitle() == f"toy10, {len(bench.classes) - 1:,} architectures"
    assert figure.get_supxlabel() == "eps (1/255; grey: clean)"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0.5", "1", "2", "8"]
    for position, metric in enumerate(["clean", "pgd@0.5/255", "pgd@1/255", "pgd@2/255", "pgd@8/255"]):
        values = bench.query_many(bench.classes, metric, missing="nan")
        box = np.asarray(ax.patches[position].get_path().vertices)[:, 1]
        assert (box.min(), box.max()) == pytest.approx(np.nanquantile(values, [0.25, 0.75]))
        assert np.asarray(ax.patches[position].get_path().vertices)[:4, 0].mean() == pytest.approx(np.sqrt([0, 0.5, 1, 2, 8][position]))
        medians = [line for line in ax.lines if line.get_color() == "black" and line.get_linewidth() == 1.2]
        assert np.asarray(medians[position].get_ydata())[0] == pytest.approx(np.nanmedian(values))


@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_every_threat_has_a_panel_and_every_text_is_legible(bench: RobBench, width: float) -> None:
    figure = accuracy_boxes(bench, ["fgsm", "pgd", "fog"], width=width)
    assert [ax.get_title() for ax in figure.axes] == ["FGSM", "PGD", "fog"]
    assert {ax.get_xlabel() for ax in figure.axes} <= {"", "eps (1/255; grey: clean)", "severity (grey: clean)"}
    assert figure.axes[-1].get_xlabel() == "severity (grey: clean)"
    assert figure.get_figwidth() == width
    assert_legible(figure)


@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_published_threats_are_legible(published: RobBench, width: float) -> None:
    figure = accuracy_boxes(published, width=width)
    assert figure.get_suptitle() == "CIFAR-10, 6,466 architectures"
    labels = [[text.get_text() for text in ax.get_xticklabels()] for ax in figure.axes]
    assert all({"0.1", "8"} <= set(shown) for shown in labels)
    assert ["255" in shown for shown in labels] == [True, False, False, False]
    assert_legible(figure)
    assert_legible(accuracy_boxes(published, threats_of(published, "corruption"), width=width))


def test_what_has_no_levels_is_refused(bench: RobBench) -> None:
    with pytest.raises(CannotPlot, match="clean, square has no levels in this store; expected among fgsm, pgd, fog, contrast"):
        accuracy_boxes(bench, ["clean", "pgd", "square"])
    with pytest.raises(CannotPlot, match="no attack has no levels in this store; expected among none"):
        accuracy_boxes(bench, dataset="toy/odd%")
    with pytest.raises(UnknownMetric, match=r"'pdg' is not a metric\. Did you mean 'pgd'"):
        accuracy_boxes(bench, ["pdg"])
    with pytest.raises(InvalidArgument, match=r"accuracy_boxes has no option 'trainin'\. Did you mean 'training'"):
        accuracy_boxes(bench, trainin="pgd-8/255")  # type: ignore[call-arg]
    with pytest.raises(InvalidArgument, match=r"kind='atack' has no meaning\. Did you mean 'attack'\? Expected 'attack' or 'corruption'"):
        threats_of(bench, "atack")
