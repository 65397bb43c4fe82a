"""examples/darts_search.py: what it prints is what its files hold; what was built is not built again."""

from __future__ import annotations

import json
import re
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from robbench_builders.datasets import load
from robbench_builders.networks.darts import DartsSkeleton
from robbench_builders.proxies import KNOWN, objective
from robbench_builders.proxies.rscore import Psi
from robbench import RobBench
from robbench.spaces.darts import DARTS
from tests.genotypes import relabelled

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "darts_search.py"))
SIZE = "--channels 2 --layers 3 --epochs 1 --budget 2 --population 2 --repeats 1 --attacked 6 --steps 2 --targets 1 --queries 2"
SEARCHES = ("random-zcprob", "random-r_score", "trnas-r_score")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Four classes, one for each quarter that is bright; 8×8 pixels."""
    rng, arrays = np.random.default_rng(0), dict[str, Any]()
    for part, n in (("train", 64), ("test", 12)):
        labels = np.arange(n) % 4
        pictures = 0.5 * rng.random((n, 1, 8, 8))
        for picture, label in zip(pictures, labels, strict=True):
            picture[0, 4 * (label // 2) :, 4 * (label % 2) :][:4, :4] += 0.5
        arrays |= {f"{part}_labels": labels, f"{part}_images": pictures.astype(np.float32)}
    path = tmp_path_factory.mktemp("images") / "quarters.npz"
    np.savez(path, **arrays)
    return f"npz:{path}"


def rows(text: str, first: str) -> list[list[str]]:
    """The lines of a table that begin with a word, in their columns."""
    return [re.split(r"\s{2,}", line) for line in text.splitlines() if line.startswith(first) and "  " in line]


def test_it_prints_what_its_files_hold_and_builds_nothing_twice(images: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(tmp_path), "--images", images, *SIZE.split()]
    EXAMPLE["main"](arguments)
    printed = capsys.readouterr().out

    dataset, bench = load(images), RobBench(tmp_path / "store.h5")
    psi = {"r_score_psi": replace(KNOWN["r_score_psi"], compute=Psi(repeats=1))}
    for name in SEARCHES:
        (found,) = re.findall(rf"^{name}: (.+)$", printed, re.MULTILINE)
        proxy = objective(name.partition("-")[2], dataset, DartsSkeleton(2, 3, 1, 4), proxies=psi)
        _, scored, _, score = rows(printed, name)[0]
        assert scored == "2"
        assert score == f"{proxy(DARTS.parse(found)):.5g}"
        assert bench.query(found, "clean", training="standard") >= 0
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")

    for training, row in zip(("standard", "fast-25.5/255"), rows(printed, "advrush"), strict=False):
        metrics = ("clean", "fgsm@0.1", "pgd@0.1", "autoattack@0.1", "gaussian_noise@3", "contrast@3")
        values = [100 * bench.query("advrush", metric, training=training) for metric in metrics]
        assert row == ["advrush", training, f"{1000 * bench.query('advrush', 'params'):.1f}", *map("{:.1f}".format, values)]

    matrix = json.loads((tmp_path / "transfer.json").read_text())
    (attack,), networks = matrix["attacks"], [one["arch"] for one in matrix["networks"]]
    assert (attack["eps"], attack["settings"]["steps"], matrix["dataset"]["images"]) == (0.1, 20, 6)
    at = networks.index(str(DARTS.parse("advrush")))
    assert rows(printed, "advrush")[-1] == ["advrush", *(f"{100 * value:.1f}" for value in attack["accuracy"][at])]

    before = files(tmp_path)
    assert len(networks) <= 5
    assert sum(name.startswith("weights/") for name in before) == 2 * len(networks)
    options = EXAMPLE["parsed"](arguments)
    EXAMPLE["build"](options, map(DARTS.parse, networks), EXAMPLE["recipe_of"](options))
    assert files(tmp_path) == before


def files(folder: Path) -> dict[str, int]:
    """When each of the weights and the results of networks was written."""
    return {f"{path.parent.name}/{path.name}": path.stat().st_mtime_ns for path in folder.glob("*/*.npz")}


def test_an_architecture_that_two_searches_found_is_trained_once() -> None:
    arch = DARTS.parse("trnas")
    other = next(one for one in relabelled(arch) if one != arch)
    found = EXAMPLE["candidates"]({"one": EXAMPLE["Searched"](arch, 1.0, 5, 1.0), "two": EXAMPLE["Searched"](other, 1.0, 5, 1.0)})
    assert list(found) == ["one = two", "darts-v2", "advrush"]
    assert found["one = two"] == arch
