from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from robbench import RobBench
from robbench.cli import main
from robbench.cli.plot import plot as group

pytest.importorskip("matplotlib")

ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
DRAWN = {
    "boxes": ["corruptions", "pgd"],
    "correlation": ["clean", "pgd@1/255", "synflow", "--method", "spearman"],
    "scatter": ["clean", "kernel_parameters", "--direction", "kernel_parameters=min"],
    "proxies": ["clean", "pgd@1/255"],
    "classes": ["clean"],
    "confidences": ["pgd"],
    "importance": ["clean", "--features", "operations"],
    "curves": ["pgd", f"ours={ARCH}", ARCH, "3456"],
    "search": ["clean", "random", "local", "--budget", "20", "--runs", "3"],
    "architecture": ["3456"],
    "best": ["clean", "pgd@1/255"],
    "top": ["clean", "--n", "2"],
}


def plot(store: Path, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["plot", *map(str, arguments), "--store", str(store)])


@pytest.mark.parametrize("kind", [kind for kind in group.commands if kind != "confidences"])  # see tests/plots/test_confusion.py
def test_every_kind_is_drawn(kind: str, few_store: Path, tmp_path: Path) -> None:
    if kind == "importance":
        pytest.importorskip("sklearn")
    found = plot(few_store, kind, *DRAWN[kind], "--out", tmp_path / "figure.svg")
    assert (found.exit_code, found.stdout) == (0, ""), found.output
    assert (tmp_path / "figure.svg").read_text("utf-8").startswith("<?xml")


def test_importances_to_several_targets_are_drawn_side_by_side(few_store: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    options = ["--features", "operations", "--split", "random", "--by", "impurity", "--without", "none"]
    found = plot(few_store, "importance", "clean", "fog@3", "clean+fog@3", *options, "--out", tmp_path / "figure.svg")
    assert (found.exit_code, found.stdout) == (1, "")
    assert "without has 'none', which is none of" in found.stderr
    found = plot(few_store, "importance", "clean", "fog@3", "clean+fog@3", *options[:-2], "--out", tmp_path / "figure.svg")
    assert (found.exit_code, found.stdout) == (0, ""), found.output
    assert "clean accuracy and fog, severity 3" in (tmp_path / "figure.svg").read_text("utf-8")


@pytest.mark.parametrize(("width", "inches"), [("column", 3.25), ("page", 6.75)])
def test_width_and_resolution_are_as_asked(width: str, inches: float, few_store: Path, tmp_path: Path) -> None:
    from matplotlib.image import imread

    assert plot(few_store, "architecture", ARCH, "--width", width, "--dpi", 100, "--out", tmp_path / "figure.png").exit_code == 0
    assert imread(tmp_path / "figure.png").shape[1] == round(100 * inches)


def test_what_was_drawn_is_told_to_programs(few_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "figure.svg"
    found = plot(few_store, "architecture", ARCH, "--width", "column", "--out", out, "--json")
    told = json.loads(found.stdout)
    assert told.pop("inches")[0] == 3.25
    assert told == {"figure": "architecture", "store": str(few_store), "out": str(out), "bytes": out.stat().st_size, "dpi": 300}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["scater", "clean", "pgd@1/255"], 2, "No such command 'scater'"),
        (["scatter", "clean"], 2, "Missing argument 'Y'"),
        (["architecture", ARCH, ARCH], 2, "Got unexpected extra argument"),
        (["correlation", "clean"], 2, r"Missing argument 'METRIC\.\.\.'"),
        (["correlation", "clean", "pgd@1/255", "--seed", "777"], 2, "No such option.*--seed"),
        (["architecture", ARCH, "--method", "spearman"], 2, "No such option.*--method"),
        (["search", "clean", "rnadom"], 1, "'rnadom' is not"),
        (["scatter", "clean", "pgd@1/255", "--runs", 3], 2, "No such option.*--runs"),
        (["scatter", "clean", "pdg"], 1, "UnknownMetric: 'pdg' is not a metric. Did you mean 'pgd'"),
        (["boxes", "clean"], 1, "CannotPlot: clean has no levels in this store"),
        (["architecture", ARCH, "--width", "full"], 2, "Invalid value for '--width': 'full' is not one of 'column', 'page'"),
        (["architecture", ARCH, "--dpi", "20"], 2, "Invalid value for '--dpi': 20 is not in the range"),
    ],
)
def test_a_wrong_call_writes_nothing_and_says_why(arguments: list[str], code: int, message: str, few_store: Path, tmp_path: Path) -> None:
    found = plot(few_store, *arguments, "--out", tmp_path / "figure.png")
    assert (found.exit_code, found.stdout) == (code, "")
    assert re.search(message, found.stderr)  # click's words differ a little from version to version
    assert list(tmp_path.iterdir()) == []


def test_searches_are_drawn_by_regret_or_by_value(few_bench: RobBench, few_store: Path, tmp_path: Path) -> None:
    asked = ("clean", "random", "--budget", "20", "--runs", "3")
    for flags, axis in (((), "regret in clean accuracy"), (("--values",), "clean accuracy")):
        assert plot(few_store, "search", *asked, *flags, "--out", tmp_path / "figure.svg").exit_code == 0
        assert f"<!-- {axis} -->" in (tmp_path / "figure.svg").read_text("utf-8")
    figure = few_bench.plot.search("clean", ["random"], budget=20, runs=3)
    best = few_bench.top("clean", 1)["clean"][0]
    assert figure.get_suptitle().replace("\n", " ") == f"toy10, best: {best:.3g}; mean of 3 runs, 10th to 90th percentile"


def test_what_a_store_lacks_is_said_for_every_kind(few_bench: RobBench, tmp_path: Path) -> None:
    """A store with a single architecture, of which nothing but NaN is known."""
    from robbench.spaces.nb201 import NB201
    from robbench.store.rows import Rows
    from robbench.store.writing import extend
    from tests.synthetic import array

    nothing = (
        array("toy standard clean accuracy", np.full(1, np.nan)),
        array("toy standard pgd accuracy", np.full((1, 1), np.nan), {"eps": [1 / 255]}),
    )
    extend(tmp_path / "one.h5", Rows.of(NB201, [NB201.parse(ARCH)]), nothing)
    for kind in group.commands:
        if kind in ("architecture", "importance"):
            continue
        arguments = [argument.replace("--out", "") for argument in {"search": ["clean"]}.get(kind, DRAWN[kind])]
        found = plot(tmp_path / "one.h5", kind, *arguments, "--out", tmp_path / "figure.svg")
        assert found.exit_code == 1, (kind, found.output)
        assert re.match(r"Error: [A-Z]\w+: .{20}", found.stderr), (kind, found.stderr)
        assert not (tmp_path / "figure.svg").exists()


def test_the_format_is_checked_before_anything_is_drawn(tmp_path: Path) -> None:
    found = plot(tmp_path / "absent.h5", "architecture", ARCH, "--out", tmp_path / "figure.jpg")
    assert found.exit_code == 1
    assert found.stderr.startswith("Error: CannotPlot: 'figure.jpg' is not in a format that figures are written in")


def test_a_folder_that_is_not_there_is_an_error_of_one_line(few_store: Path, tmp_path: Path) -> None:
    found = plot(few_store, "architecture", ARCH, "--out", tmp_path / "absent" / "figure.svg")
    assert found.exit_code == 1
    assert found.stderr == (
        f"Error: CannotPlot: {tmp_path / 'absent' / 'figure.svg'} cannot be written: there is no folder {tmp_path / 'absent'}."
        "  Name a file in a folder that is there and that you may write to.\n"
    )


def test_the_help_lists_every_kind_and_each_its_own_options() -> None:
    text = CliRunner().invoke(main, ["plot", "--help"]).stdout
    assert all(f"\n  {name} " in text for name in DRAWN)
    own = {"boxes": "--seed", "correlation": "--method", "scatter": "--direction", "importance": "--features", "search": "--budget"}
    for kind in DRAWN:
        text = CliRunner().invoke(main, ["plot", kind, "--help"]).stdout
        assert all(option in text for option in ("--out", "--width", "--dpi", "--store"))
        assert {other for other, option in own.items() if option in text} >= {kind} & own.keys()
        assert not any(own[other] in text for other in ("correlation", "scatter", "importance", "search") if other != kind)


@pytest.mark.parametrize("kind", ["boxes", "correlation", "scatter", "search"])
def test_any_space_is_drawn(kind: str, toy_store: Path, tmp_path: Path) -> None:
    arguments = (
        ["clean", "random", "--budget", "5", "--runs", "2"] if kind == "search" else ["pgd"] if kind == "boxes" else ["clean", "pgd@1/255"]
    )
    found = plot(toy_store, kind, *arguments, "--out", tmp_path / "figure.svg")
    assert (found.exit_code, found.stdout) == (0, ""), found.output


def test_a_space_that_does_not_say_how_it_is_drawn_has_no_figure(toy_store: Path, tmp_path: Path) -> None:
    found = plot(toy_store, "architecture", "none/none/skip_connect", "--out", tmp_path / "figure.svg")
    assert (found.exit_code, found.stdout) == (1, "")
    assert found.stderr == "Error: CannotPlot: there is no figure of architectures of the toy space; `drawing` has one in text.\n"
