"""The page on a study in three sittings: its commands run as they stand, on images and networks that are smaller."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from robbench_builders.plan_file import read_plan
from robbench import NotMeasured, RobBench
from robbench.cli import main

ROOT = Path(__file__).parents[2]
FEWER = {"--classes 8": "--classes 2", "--classes 12": "--classes 3", "--dataset cifar10 --data cifar-10-batches-py": "--dataset {images}"}
FASTER = {"channels = 8": "channels = 4", "epochs = 4": "epochs = 1", "images = 1000": "images = 6", "queries = 500": "queries = 5"}


@pytest.fixture
def page(tmp_path: Path, tiny_images: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The page's commands, in a folder that has the files that it asks for; the images are 8×8 pixels."""
    for file in ("study.toml", "study_attacks.toml"):
        text = (ROOT / "examples" / file).read_text("utf-8")
        for slow, fast in FASTER.items():
            text = text.replace(slow, fast)
        (tmp_path / file).write_text(text)
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "study.md").read_text("utf-8")
    for many, few in FEWER.items():
        text = text.replace(many, few.format(images=tiny_images))
    return re.findall(r"^\$ robbench (.*)$", text, re.MULTILINE)


def test_each_sitting_extends_the_store_and_trains_nothing_twice(page: list[str], tmp_path: Path) -> None:
    weights = []
    for command in page:
        if command.startswith("query"):
            built = read_plan(tmp_path / "study" / "first").units()[0].archs[0]  # which classes are drawn, no page can know
            command = command.replace(shlex.split(command)[1], built)
        result = CliRunner().invoke(main, shlex.split(command))
        assert result.exit_code == 0, result.output
        if " run " in command:
            weights.append({path.name: path.stat().st_mtime_ns for path in (tmp_path / "study" / "weights").glob("*.npz")})
    first, attacked, more = weights
    assert len(first) == 2
    assert attacked == first
    assert more.items() > first.items()
    assert len(more) == 6
    bench = RobBench(tmp_path / "study.h5")
    units = read_plan(tmp_path / "study" / "more").units()
    old = set(read_plan(tmp_path / "study" / "first").units()[0].archs)
    for arch in (arch for unit in units for arch in unit.archs):
        assert {bench.query(arch, "pgd", eps=1 / 255, seed=seed) >= 0 for seed in (0, 1)} == {True}
        if arch in old:
            assert bench.query(arch, "square", eps=1 / 255, seed=0) >= 0
        else:
            with pytest.raises(NotMeasured):
                bench.query(arch, "square", eps=1 / 255)
