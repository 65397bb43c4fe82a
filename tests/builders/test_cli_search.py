"""`robbench build search`: what it prints is what a search from Python finds; stopped, it goes on; what makes no sense is refused before anything is scored."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

pytest.importorskip("torch")

from robbench_builders.datasets import load
from robbench_builders.networks.darts import DartsSkeleton
from robbench_builders.networks.plain import Skeleton
from robbench_builders.proxies import LiveProxy, Scores, live, objective, objectives
from robbench.cli import main
from robbench.search import ALGORITHMS, oracle_of
from robbench.search.trnas import r_score
from robbench.spaces.darts import DARTS
from robbench.spaces.nb201 import NB201
from tests.builders.proxies.test_scores_file import Scoring

TINY = "--space darts --channels 2 --layers 3"


@pytest.fixture(autouse=True)
def scoring(monkeypatch: pytest.MonkeyPatch) -> Scoring:
    """Scores of no meaning, in no time."""
    found = Scoring()
    monkeypatch.setattr(live, "score_untrained", found)
    return found


def search(images: str, command: str, *more: object) -> Result:
    return CliRunner().invoke(main, ["build", "search", *command.split(), "--dataset", images, *map(str, more)])


def answer(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def snip(images: str) -> LiveProxy:
    return objective("snip", load(images), DartsSkeleton(2, 3, 1, 2), seed=4)


def test_runs_are_those_of_python(tiny_images: str, tmp_path: Path) -> None:
    out = tmp_path / "asked.csv"
    found = answer(
        search(
            tiny_images,
            f"evolution snip {TINY} --budget 9 --runs 2 --seed 3 --network-seed 4 --population 4 --sample 2 --json",
            "--out",
            out,
        )
    )
    asked = pd.read_csv(out)
    for run in range(2):
        oracle = oracle_of("darts", snip(tiny_images), budget=9)
        expected = ALGORITHMS["evolution"](oracle, DARTS, np.random.default_rng((3, run)), population=4, sample=2)
        assert found["found"][run] == {"run": run, "arch": str(expected.best), "snip": expected.value}
        assert asked[asked["run"] == run]["snip"].tolist() == [query.value for query in oracle.queries]
    assert (found["algorithm"], found["space"], found["budget"], found["failures"]) == ("evolution", "darts", 9, {})
    assert found["scored"] == len({DARTS.key(DARTS.parse(arch)) for arch in asked["arch"]})


def test_trnas_by_the_r_score_of_populations_and_by_size(tiny_images: str) -> None:
    found = answer(
        search(
            tiny_images,
            f"trnas r_score_psi r_score_phi cell_depth --direction cell_depth=min --combine r_score {TINY} --population 3 --generations 1 --json",
        )
    )
    parts = objectives(["r_score_psi", "r_score_phi"], load(tiny_images), DartsSkeleton(2, 3, 1, 2))
    oracle = oracle_of("darts", [*parts, "cell_depth"], budget=300, directions={"cell_depth": "min"})
    expected = ALGORITHMS["trnas"](oracle, DARTS, np.random.default_rng((0, 0)), population=3, generations=1, combine=r_score)
    assert [row["arch"] for row in found["found"]] == [str(one.arch) for one in expected.front]


def test_a_proxy_guides_a_search_by_another_or_by_itself(tiny_images: str, scoring: Scoring) -> None:
    """CRoZe's AE + warm-up + move, and what Ha et al. do with it in DARTS: nothing but the proxy is asked."""
    found = answer(search(tiny_images, f"random-warmup snip --proxy croze --pool 5 --budget 3 {TINY} --json"))
    assert found["scored"] == len(scoring.seen) == 5 + 3
    scoring.seen.clear()
    found = answer(search(tiny_images, f"warmup-move croze --proxy croze --pool 5 --budget 3 --population 3 {TINY} --json"))
    assert found["scored"] == len(scoring.seen) == 5, "once for both, and no neighbours that the budget does not pay for"


def test_it_goes_on_where_it_was_stopped(tiny_images: str, tmp_path: Path, scoring: Scoring) -> None:
    command = f"evolution snip {TINY} --budget 8 --runs 2 --population 3"
    whole = search(tiny_images, command, "--json")
    every, kept = [*scoring.seen], tmp_path / "kept"
    scoring.seen.clear()
    for left, runs in ((2, 0), (7, 1)):
        scoring.left = left
        stopped = search(tiny_images, command, "--keep", kept)
        assert stopped.exit_code == 1
        assert (
            f"interrupted after {runs} of 2 runs; scores of {len(scoring.seen)} architectures are in {kept}: the same command goes on."
            in (stopped.stderr)
        )
        assert len(stopped.stdout.splitlines()) == (4 if runs else 0), "the runs that were finished"
    scoring.left = float("inf")
    again = search(tiny_images, command, "--keep", kept, "--json")
    assert again.stdout == whole.stdout
    assert scoring.seen == every
    scoring.left = 0
    assert "interrupted after 0 of 2 runs; with --keep FILE, it could go on." in search(tiny_images, command).stderr


def test_what_has_no_value_is_counted(tiny_images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def overflowing(archs: list[Any], dataset: Any, names: list[str], **options: Any) -> Scores:
        values = np.array([float(int(DARTS.key(arch)[0], 16)) for arch in archs])
        return Scores(
            {"zcprob": np.where(values < 8, np.nan, values)}, {}, {}, {"zcprob": tuple("too large" if v < 8 else None for v in values)}
        )

    monkeypatch.setattr(live, "score_untrained", overflowing)
    result = search(tiny_images, f"random zcprob {TINY} --budget 30")
    lost = int(result.stderr.split("zcprob is missing for ")[1].split(" of 30: too large")[0])
    assert 5 < lost < 25
    assert answer(search(tiny_images, f"random zcprob {TINY} --budget 30 --json"))["failures"] == {"zcprob": {"too large": lost}}


def test_the_examples_of_its_help_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")  # for the digits
    monkeypatch.chdir(tmp_path)
    lines = re.findall(r"^    \$ robbench (.+)$", CliRunner().invoke(main, ["build", "search", "-h"]).output, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        result = CliRunner().invoke(main, shlex.split(line))
        assert result.exit_code == 0, result.output
    assert (tmp_path / "scores.jsonl").read_text().count("\n") > 2


def test_another_space(tiny_images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def size(archs: list[Any], dataset: Any, names: list[str], *, skeleton: Any, **options: Any) -> Scores:
        assert skeleton == Skeleton(4, 1, 1, 2)
        return Scores({"snip": np.array([NB201.attributes["kernel_parameters"](arch) for arch in archs])}, {}, {}, {})

    monkeypatch.setattr(live, "score_untrained", size)
    (found,) = answer(search(tiny_images, "random snip --channels 4 --cells 1 --budget 9 --json"))["found"]
    assert found["snip"] == NB201.attributes["kernel_parameters"](NB201.parse(found["arch"])) > 0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (f"random snipp {TINY}", "'snipp' cannot be asked without a store"),
        (
            f"random snip {TINY} --population 3",
            "random takes no --population; of --proxy, --pool, --sample, --population, --generations, --combine it takes none",
        ),
        (f"evolution snip {TINY} --proxy croze", "evolution takes no --proxy"),
        (f"nsga2 snip nwot {TINY} --combine r_score", "nsga2 takes no --combine"),
        (f"trnas snip {TINY} --combine r_score", "name these first"),
        (f"anneal snip {TINY}", "'anneal' is not a search algorithm"),
        (f"evolution snip nwot {TINY}", "this algorithm searches one objective"),
        (f"evolution snip {TINY} --direction nwot=min", "--direction names nwot, which is not an objective"),
        (f"warmup snip --proxy nothing {TINY}", "'nothing' is not a proxy"),
        (f"random snip {TINY} --cells 3", "networks of the space darts have no --cells"),
        (f"random snip {TINY} --seed -1", "--seed -1 is not a seed"),
        (f"random snip {TINY} --runs 0", "--runs 0 is not a number of runs"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_scored(command: str, message: str, tiny_images: str, scoring: Scoring) -> None:
    result = search(tiny_images, command)
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.stderr.split())
    assert scoring.seen == []
