from __future__ import annotations

import pytest
from matplotlib.colors import to_rgba

from robbench import CannotPlot, InvalidArgument, RobBench
from robbench.plots import COLUMN, PAGE, top_choices
from robbench.plots.cells import STYLES
from robbench.spaces.darts import DARTS
from robbench.spaces.nb201 import OPERATIONS
from tests.plots.legible import assert_legible


@pytest.mark.parametrize("width", [COLUMN, PAGE])
def test_tiles_are_the_operations_of_the_best_in_order(bench: RobBench, width: float) -> None:
    figure = top_choices(bench, "pgd@1/255", 3, width=width)
    (ax,) = figure.axes
    best = [bench.parse(arch) for arch in bench.best("pgd@1/255", n=3)["arch"]]
    colours = [tile.get_facecolor() for tile in ax.patches]
    assert colours == [to_rgba(STYLES[operation]["color"]) for arch in best for operation in arch.ops]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["0→1", "0→2", "1→2", "0→3", "1→3", "2→3"]
    values = bench.best("pgd@1/255", n=3)["pgd@1/255"]
    assert ax.get_xlabel().replace("\n", " ") == f"rank by accuracy under PGD, eps 1/255 ({values[0]:.3g} to {values[2]:.3g})"
    assert figure.get_suptitle() == "toy10"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["none", "skip", "conv 1×1", "conv 3×3", "pool 3×3"]
    assert_legible(figure)


def test_only_those_with_so_many_of_an_operation(bench: RobBench) -> None:
    counted = bench.parse(bench.best("clean", n=1)["arch"][0]).ops.count("nor_conv_3x3")
    (ax,) = top_choices(bench, "clean", 20, counts={"nor_conv_3x3": counted}).axes
    archs = [bench.parse(arch) for arch in bench.best("clean", n=10**6)["arch"]]
    assert len(ax.patches) == 6 * min(20, sum(arch.ops.count("nor_conv_3x3") == counted for arch in archs))
    pairs = {(patch.get_hatch(), patch.get_facecolor()) for patch in ax.patches}
    assert len(pairs) == len(dict(pairs)) == len({colour for _, colour in pairs}) > 1, "a hatch for each colour"


@pytest.mark.parametrize(("width", "ranks"), [(COLUMN, ["1", "5", "10", "15", "20"]), (PAGE, [str(rank) for rank in range(1, 21)])])
def test_ranks_are_written_as_they_have_room(width: float, ranks: list[str], bench: RobBench) -> None:
    figure = top_choices(bench, "clean", 20, width=width)
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ranks
    assert_legible(figure)


def test_what_cannot_be_drawn_is_refused(bench: RobBench) -> None:
    with pytest.raises(CannotPlot, match="clean was not measured of any architecture with nor_conv_3x3 6 times, none 1 times"):
        top_choices(bench, "clean", counts={"nor_conv_3x3": 6, "none": 1})
    with pytest.raises(InvalidArgument, match=f"counts has 'conv'; expected operations of NAS-Bench-201: {', '.join(OPERATIONS)}"):
        top_choices(bench, "clean", counts={"conv": 1})
    with pytest.raises(InvalidArgument, match="counts=-1 is not a number of times none"):
        top_choices(bench, "clean", counts={"none": -1})


def test_a_space_that_chooses_more_than_operations_is_refused(bench: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RobBench, "space", DARTS)
    with pytest.raises(CannotPlot, match=r"architectures of DARTS choose more than operations; `bench.plot.architecture` draws each"):
        top_choices(bench, "clean")
