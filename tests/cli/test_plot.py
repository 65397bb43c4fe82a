from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from robbench.cli import main
from robbench.cli.plot import KINDS

pytest.importorskip("matplotlib")

ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
DRAWN = {
    "boxes": ["corruptions", "pgd"],
    "correlation": ["clean", "pgd@1/255", "synflow", "--method", "spearman"],
    "scatter": ["clean", "kernel_parameters", "--direction", "kernel_parameters=min"],
    "importance": ["clean", "--features", "operations"],
    "curves": ["pgd", f"ours={ARCH}", ARCH, "3456"],
    "search": ["clean", "random", "local", "--budget", "20", "--runs", "3"],
    "cell": ["3456"],
    "best": ["clean", "pgd@1/255"],
}


def plot(store: Path, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["plot", *map(str, arguments), "--store", str(store)])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn(kind: str, small_store: Path, tmp_path: Path) -> None:
    if kind == "importance":
        pytest.importorskip("sklearn")
    found = plot(small_store, kind, *DRAWN[kind], "--out", tmp_path / "figure.svg")
    assert (found.exit_code, found.stdout) == (0, ""), found.output
    assert (tmp_path / "figure.svg").read_text("utf-8").startswith("<?xml")


@pytest.mark.parametrize(("width", "inches"), [("column", 3.3), ("full", 6.8)])
def test_width_and_resolution_are_as_asked(width: str, inches: float, small_store: Path, tmp_path: Path) -> None:
    from matplotlib.image import imread

    assert plot(small_store, "cell", ARCH, "--width", width, "--dpi", 100, "--out", tmp_path / "cell.png").exit_code == 0
    assert imread(tmp_path / "cell.png").shape[1] == round(100 * inches)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["scater", "clean", "pgd@1/255"],
            2,
            "'scater' is not a kind of figure. Did you mean 'scatter' or 'search'? Known: boxes, correlation, scatter",
        ),
        (["scatter", "clean"], 2, "scatter takes X Y; 1 arguments were given"),
        (["cell", ARCH, ARCH], 2, "cell takes ARCH; 2 arguments were given"),
        (
            ["correlation", "clean", "pgd@1/255", "--seed", "777"],
            2,
            "--seed is not for correlation, whose options are: --dataset, --training, --method",
        ),
        (["cell", ARCH, "--method", "spearman"], 2, "--method is not for cell, whose options are: none"),
        (["search", "clean", "rnadom"], 1, "'rnadom' is not"),
        (["scatter", "clean", "pgd@1/255", "--runs", 3], 2, "--runs is not for scatter"),
        (["scatter", "clean", "pdg"], 1, "UnknownMetric: 'pdg' is not a metric. Did you mean 'pgd'"),
        (["boxes", "clean"], 1, "CannotPlot: clean has no levels in this store"),
    ],
)
def test_a_wrong_call_writes_nothing_and_says_why(arguments: list[str], code: int, message: str, small_store: Path, tmp_path: Path) -> None:
    found = plot(small_store, *arguments, "--out", tmp_path / "figure.png")
    assert (found.exit_code, found.stdout) == (code, "")
    assert message in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_format_is_checked_before_anything_is_drawn(tmp_path: Path) -> None:
    found = plot(tmp_path / "absent.h5", "cell", ARCH, "--out", tmp_path / "figure.jpg")
    assert found.exit_code == 1
    assert found.stderr.startswith("Error: CannotPlot: 'figure.jpg' is not in a format that figures are written in")


def test_a_folder_that_is_not_there_is_an_error_of_one_line(small_store: Path, tmp_path: Path) -> None:
    found = plot(small_store, "cell", ARCH, "--out", tmp_path / "absent" / "figure.svg")
    assert found.exit_code == 1
    assert found.stderr.startswith(f"Error: {tmp_path / 'absent' / 'figure.svg'} cannot be written: ")


def test_the_help_lists_every_kind() -> None:
    text = CliRunner().invoke(main, ["plot", "--help"]).stdout
    assert all(f"\n  {name} " in text for name in KINDS)
