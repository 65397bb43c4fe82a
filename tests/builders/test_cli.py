from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from robbench.cli import main


def robbench(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["build", *map(str, arguments)])
    return result.exit_code, result.output


@pytest.mark.usefixtures("quick")
def test_plan_run_status_merge_verify(tmp_path: Path, tiny_images: str) -> None:
    folder, store = tmp_path / "build", tmp_path / "store.h5"
    code, printed = robbench(
        "plan", folder, "--dataset", tiny_images, "--recipe", "digits", "--evaluation", "digits-light", "--classes", 2, "--stack", 1
    )
    assert (code, printed) == (0, f"{folder}: 2 classes × 1 seeds in 2 units of 1\n")
    assert robbench("status", folder)[1].startswith(f"{folder}: 0 of 2 units done")
    code, printed = robbench("merge", folder, "--into", store)
    assert code == 1
    assert "lacks 2 of 2 units" in printed
    code, printed = robbench("run", folder, "--device", "cpu")
    assert code == 0
    assert f"all 2 units are done; next: robbench build merge {folder} --into STORE" in printed
    assert robbench("status", folder)[1].startswith(f"{folder}: 2 of 2 units done")
    assert robbench("merge", folder, "--into", store) == (0, f"{store}: 15 arrays added, 0 filled, 0 already there\n")
    code, printed = robbench("verify", store, "--device", "cpu")
    assert code == 0
    assert "in the same environment: 0 of 168 outcomes and 0 proxies differ" in printed
    (unit,) = json.loads(robbench("verify", store, "--device", "cpu", "--json")[1])["units"]
    assert (unit["succeeded"], unit["outcomes"], unit["differing_outcomes"]) == (True, 168, 0)
    told = json.loads(robbench("merge", folder, "--into", store, "--json")[1])
    assert (told["into"], told["added"], len(told["unchanged"])) == (str(store), [], 15)
    told = json.loads(robbench("status", folder, "--json")[1])
    assert (told["done"], told["total"], told["recipe"], told["failed"], told["running"]) == (2, 2, "digits", [], [])
    again = ("plan", tmp_path / "again", "--dataset", tiny_images, "--recipe", "digits", "--evaluation", "digits-light", "--classes", 3)
    told = json.loads(robbench(*again, "--stack", 2, "--json")[1])
    assert told == {"folder": str(tmp_path / "again"), "architectures": 3, "seeds": [0], "units": 2, "stack": 2}


@pytest.mark.usefixtures("quick")
def test_every_command_has_examples_and_they_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from robbench_builders.cli import build, proxies
    from robbench_builders.recipes import RECIPES

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(RECIPES, "digits", replace(RECIPES["digits"], epochs=1))
    shown = {name: str(command.epilog) for name, command in {**build.commands, "proxies": proxies, "build": build}.items()}
    assert all("$ robbench " in text for text in shown.values())
    lines = {name: re.findall(r"\$ robbench (.+)", text) for name, text in shown.items() if "which need" not in text}
    every = [*lines["status"], *lines["verify"][1:], *lines["proxies"]]  # one store for all of them
    assert {line for name in ("plan", "run", "status", "merge", "verify", "proxies", "build") for line in lines[name]} == set(every)
    for line in every:
        result = CliRunner().invoke(main, shlex.split(line))
        assert result.exit_code == 0, f"robbench {line}\n{result.output}"


def test_the_stack_is_chosen_where_it_is_left_out(tmp_path: Path, tiny_images: str) -> None:
    code, printed = robbench(
        "plan", tmp_path, "--dataset", tiny_images, "--recipe", "digits", "--evaluation", "digits-light", "--classes", 40, "--device", "cpu"
    )
    assert (code, printed) == (0, f"{tmp_path}: 40 classes × 1 seeds in 3 units of 16\n")


def test_a_stack_of_none_is_not_taken_for_one_left_out(tmp_path: Path, tiny_images: str) -> None:
    code, printed = robbench(
        "plan", tmp_path, "--dataset", tiny_images, "--recipe", "digits", "--evaluation", "digits-light", "--stack", 0, "--device", "cpu"
    )
    assert code == 1
    assert "--stack 0 is not a number of networks a unit" in printed
    assert not list(tmp_path.iterdir())


def test_a_missing_data_set_is_an_error_of_the_data(tmp_path: Path) -> None:
    code, printed = robbench(
        "plan",
        tmp_path,
        "--dataset",
        "cifar10",
        "--recipe",
        "nb201-12",
        "--evaluation",
        "published",
        "--data",
        tmp_path / "nowhere",
        "--stack",
        2,
    )
    assert code == 1
    assert printed.startswith("Error: DatasetError: ")


def test_errors_are_one_line_where_the_package_is_not_installed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "robbench_builders", "status", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert result.returncode == 1
    assert result.stderr == f"Error: BuildError: {tmp_path} has no plan.json; make one with `robbench build plan {tmp_path} …`.\n"


def test_an_unknown_recipe_is_wrong_usage(tmp_path: Path) -> None:
    code, _ = robbench("plan", tmp_path, "--dataset", "digits", "--recipe", "nope", "--evaluation", "published")
    assert code == 2


def test_processes_and_a_cluster_are_not_asked_for_at_once(tmp_path: Path) -> None:
    code, printed = robbench("run", tmp_path, "--workers", 2, "--scheduler", "tcp://127.0.0.1:1")
    assert code == 2
    assert "a cluster has workers of its own: leave out --workers or --scheduler" in printed


def test_a_cluster_is_asked_where_its_scheduler_is_given(tmp_path: Path, tiny_images: str) -> None:
    pytest.importorskip("distributed")
    robbench("plan", tmp_path, "--dataset", tiny_images, "--recipe", "digits", "--evaluation", "digits-light", "--classes", 1, "--stack", 1)
    code, printed = robbench("run", tmp_path, "--scheduler", "nowhere")
    assert code == 1
    assert "BuildError: no scheduler at 'nowhere'" in printed


CELL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"
CONSTANT = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def scored(*arguments: object) -> tuple[int, str, str]:
    from robbench_builders.cli import proxies

    result = CliRunner().invoke(proxies, [*map(str, arguments), "--channels", "3", "--cells", "1", "--batch-size", "8"])
    return result.exit_code, result.stdout, result.stderr


def test_proxies_of_architectures(tiny_images: str) -> None:
    code, printed, missing = scored(CELL, CONSTANT, "--dataset", tiny_images, "--proxy", "params", "--proxy", "snip")
    assert code == 0
    lines = printed.splitlines()
    assert (lines[0], lines[3]) == (CELL, CONSTANT)
    assert lines[1].split()[0] == "params"
    assert lines[5].split() == ["snip", "-"]
    assert missing == "snip is missing for 1 of 2: the output ignores the input\n"


def test_proxies_of_no_such_architecture_name_or_device(tiny_images: str) -> None:
    for arguments, message in (
        (("|nope~0|", "--dataset", tiny_images), "Error: UnknownArchitecture: "),
        ((CELL, "--dataset", tiny_images, "--proxy", "synflo"), "Error: ProxyError: 'synflo' is not a proxy. Did you mean 'synflow'"),
        ((CELL, "--dataset", tiny_images, "--init", "zeros"), "Error: ProxyError: 'zeros' is not an initialisation"),
        (
            (CELL, "--dataset", tiny_images, "--seed", -1),
            "Error: InvalidArgument: --seed -1 is not a seed; expected an integer of at least 0",
        ),
        ((CELL, "--dataset", tiny_images, "--device", "abacus"), "Error: BuildError: device 'abacus' cannot be used"),
    ):
        result = CliRunner().invoke(main, ["proxies", *map(str, arguments)])
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(message)


def test_proxies_of_genotypes(tiny_images: str) -> None:
    from robbench_builders.cli import proxies

    options = ["--space", "darts", "--dataset", tiny_images, "--channels", "2", "--batch-size", "8", "--proxy", "params", "--proxy", "snip"]
    result = CliRunner().invoke(proxies, ["trnas", "darts-v2", *options, "--layers", "3", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["values"]["trnas"]["params"] > found["values"]["darts-v2"]["params"] > 0
    assert found["values"]["trnas"]["snip"] > 0
    assert found["settings"]["snip"].items() >= {"channels": 2, "layers": 3}.items()
    bare = CliRunner().invoke(proxies, ["trnas", *options, "--layers", "1", "--no-stem", "--json"])
    assert json.loads(bare.stdout)["settings"]["snip"].items() >= {"layers": 1, "stem": False}.items()
    refused = CliRunner().invoke(proxies, ["trnas", *options, "--cells", "1"])
    assert refused.exit_code == 2
    assert "networks of the space darts have no --cells; expected --channels or --layers or --no-stem." in refused.stderr
    mixed = CliRunner().invoke(main, ["proxies", CELL, *options])
    assert mixed.exit_code == 1
    assert "is an architecture of NAS-Bench-201; expected one of DARTS" in mixed.stderr


def test_proxies_as_json(tiny_images: str) -> None:
    code, printed, _ = scored(CELL, CONSTANT, "--dataset", tiny_images, "--proxy", "snip", "--json")
    found = json.loads(printed)
    assert code == 0
    assert found["values"][CELL]["snip"] > 0
    assert found["values"][CONSTANT]["snip"] is None
    assert found["failures"] == {"snip": {"the output ignores the input": 1}}
    assert found["settings"]["snip"]["init"] == "random"


def test_another_space_is_planned_and_scored_by_its_name(tmp_path: Path, tiny_images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.toy_space import TOY, register

    register(monkeypatch)
    options = ("--dataset", tiny_images, "--recipe", "digits", "--evaluation", "digits-light", "--stack", 3)
    code, printed = robbench("plan", tmp_path / "toy", "--space", "toy", *options)
    assert (code, printed) == (0, f"{tmp_path / 'toy'}: 8 classes × 1 seeds in 3 units of 3\n")
    code, printed, _ = scored(TOY.members[-1], "--space", "toy", "--dataset", tiny_images, "--proxy", "params")
    assert code == 0
    assert printed.startswith(f"{TOY.members[-1]}\n  params")
    code, printed = robbench("plan", tmp_path / "other", "--space", "darts9", *options)
    assert code == 1
    assert "UnknownSpace: 'darts9' is not a search space that this RobBench knows" in printed
