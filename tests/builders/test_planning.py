from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from robbench_builders import architectures
from robbench_builders.architectures import packed, read_archs
from robbench_builders.errors import BuildError, DatasetError
from robbench_builders.evaluations import EVALUATIONS, Evaluation
from robbench_builders.plan import Plan
from robbench_builders.plan_file import PLAN_FILE, plan_from, read_plan, write_plan
from robbench_builders.planning import plan_of
from robbench_builders.recipes import RECIPES
from robbench_builders.run import run, todo
from robbench import RobBench
from robbench.cli import main
from robbench.errors import RobBenchError, UnknownArchitecture
from robbench.spaces import SPACES
from robbench.spaces.nb201 import Cell
from tests.toy_space import TOY, ToySpace, register

ARCHS = (
    "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    "|avg_pool_3x3~0|+|none~0|skip_connect~1|+|none~0|nor_conv_1x1~1|skip_connect~2|",
)
# The same function of one input: none on the way that the other skips.
ISOMORPHIC = (
    "|skip_connect~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|",
    "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|",
)


def planned(tiny_images: str, **changes: object) -> Plan:
    return plan_of(tiny_images, "digits", "digits-light", **{"archs": ARCHS, "stack": 1, **changes})  # type: ignore[arg-type]


def test_architectures_are_built_as_they_are_given(tiny_images: str) -> None:
    plan = planned(tiny_images, seeds=(0, 3))
    assert [unit.archs for unit in plan.units()] == [(ARCHS[0],), (ARCHS[1],)] * 2
    assert plan.classes is None
    assert planned(tiny_images, archs=[Cell.parse(arch) for arch in ARCHS], seeds=(0, 3)) == plan
    assert plan_from(json.loads(json.dumps(plan.record()))) == plan


def test_a_store_says_architectures_in_little_room() -> None:
    plan = Plan("digits", "digits", "digits-light", classes=500, sample_seed=0, seeds=(0,), stack=4)
    named = replace(plan, classes=None, archs=tuple(plan.architectures()))
    said = json.dumps(named.record(short=True))
    assert len(said) < 500 * 10
    assert plan_from(json.loads(said)) == named


@pytest.mark.parametrize("text", ["?", "AAAA", packed(ARCHS)[:-8], packed(ARCHS * 100)])
def test_what_is_no_packed_list(tiny_images: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architectures, "LARGEST", 1000)
    with pytest.raises(BuildError, match=r"is no list of architectures: "):
        plan_from({**planned(tiny_images).record(), "archs": text})


@pytest.mark.parametrize(
    ("archs", "message"),
    [
        ((ARCHS[0], ARCHS[0]), r"is to be built twice; leave one out"),
        (ISOMORPHIC, r"is to be built and so is .*, which is the same architecture: stores have one row for both; leave one out"),
        (("|nope~0|",), r"nope"),
    ],
)
def test_architectures_that_cannot_be_built(tiny_images: str, archs: tuple[str, ...], message: str) -> None:
    with pytest.raises(RobBenchError, match=message):
        planned(tiny_images, archs=archs)


def test_no_architectures(tiny_images: str) -> None:
    with pytest.raises(BuildError, match=r"there are no architectures; expected at least one, or a number of classes"):
        Plan(tiny_images, "digits", "digits", None, 0, (0,), 1)
    with pytest.raises(BuildError, match=r"classes=3 and 2 architectures; expected one or the other: classes=None"):
        planned(tiny_images, classes=3)


def test_architectures_of_another_space_are_named(tiny_images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    with pytest.raises(UnknownArchitecture, match=r"is an architecture of the toy space; expected one of NAS-Bench-201"):
        planned(tiny_images, archs=(str(TOY.members[3]),))
    assert planned(tiny_images, archs=TOY.members[3:5], space="toy").archs == tuple(map(str, TOY.members[3:5]))


def test_a_space_that_cannot_be_listed_is_built_by_name(tiny_images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(ToySpace):
        members = None  # type: ignore[assignment]

    register(monkeypatch)
    monkeypatch.setitem(SPACES, "toy", Endless())
    units = planned(tiny_images, archs=TOY.members[3:5], space="toy").units()
    assert [unit.archs for unit in units] == [(str(arch),) for arch in TOY.members[3:5]]


def test_files_of_architectures(tmp_path: Path) -> None:
    lines, table = tmp_path / "archs.txt", tmp_path / "found.csv"
    lines.write_text(f"# the best\n{ARCHS[0]}\n\n  {ARCHS[1]}\n")
    assert read_archs(lines, "nb201") == ARCHS
    table.write_text(f'run,arch,clean\n0,"{ARCHS[0]}",0.9\n0,"{ARCHS[1]}",0.8\n')
    assert read_archs(table, "nb201") == ARCHS


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", f"{ARCHS[0]}\n\n{ARCHS[0]}\n", r"a\.txt has .* twice, in lines 1 and 3; leave one out"),
        ("a.txt", f"{ARCHS[0]}\n|nope~0|\n", r"a\.txt, line 2: .*nope"),
        ("a.txt", "# nothing\n", r"a\.txt has no architectures"),
        ("a.csv", "architecture,clean\na,1\n", r"a\.csv has no column 'arch'; it has architecture, clean"),
        ("a.csv", "", r"a\.csv has no column 'arch'; it has none"),
        ("b.txt", None, r"a\.txt is not a file of at most"),
    ],
)
def test_files_that_have_none(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(RobBenchError, match=message):
        read_archs(tmp_path / (name if text is not None else "a.txt"), "nb201")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xff")
    with pytest.raises(BuildError, match=r"a\.txt cannot be read as text"):
        read_archs(tmp_path / "a.txt", "nb201")


def test_planning_twice_gives_the_same_plan(tiny_images: str, tmp_path: Path) -> None:
    first, again = (planned(tiny_images, stack=None) for _ in range(2))
    write_plan(tmp_path, first)
    before = (tmp_path / PLAN_FILE).read_bytes()
    write_plan(tmp_path, again)
    assert (tmp_path / PLAN_FILE).read_bytes() == before


def test_a_plan_does_not_depend_on_the_current_folder(tiny_images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.npz").write_bytes(Path(tiny_images.removeprefix("npz:")).read_bytes())
    monkeypatch.chdir(tmp_path)
    relative, named = planned("npz:mine.npz"), planned("mine", data=Path("mine.npz"))
    monkeypatch.chdir("/")
    assert relative.load().checksum == named.load().checksum == relative.checksum
    assert (relative.dataset, named.dataset) == (f"npz:{tmp_path / 'mine.npz'}", "mine")


def test_a_build_goes_on_in_another_folder_with_its_data_elsewhere(tiny_images: str, tmp_path: Path) -> None:
    images = tmp_path / "here" / "mine.npz"
    images.parent.mkdir()
    images.write_bytes(Path(tiny_images.removeprefix("npz:")).read_bytes())
    quick = replace(RECIPES["digits"], name="quick", epochs=1)
    plan = plan_of("mine", quick, Evaluation("clean", {}), data=images, archs=ARCHS, stack=1)
    write_plan(tmp_path / "here" / "build", plan)
    next(run(tmp_path / "here" / "build", device="cpu"))
    (tmp_path / "here").rename(tmp_path / "there")
    folder = tmp_path / "there" / "build"
    assert len(todo(folder)) == 1
    with pytest.raises(DatasetError, match=r"here/mine\.npz, where mine was when the plan was made, is not here; .*--data PATH"):
        next(run(folder, device="cpu"))
    other = tmp_path / "other.npz"
    with np.load(tmp_path / "there" / "mine.npz") as arrays:
        np.savez(other, **{**arrays, "test_images": arrays["test_images"] / 2})
    with pytest.raises(DatasetError, match=r"mine in .*other\.npz has the checksum \w{16}, and the plan's has \w{16}; give the images"):
        next(run(folder, device="cpu", data=other))
    assert len(list(run(folder, device="cpu", data=tmp_path / "there" / "mine.npz"))) == 1


def test_a_plan_says_what_its_names_stood_for(tiny_images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plan(tmp_path, planned(tiny_images))
    with monkeypatch.context() as patch:
        patch.setitem(RECIPES, "digits", replace(RECIPES["digits"], epochs=9))
        with pytest.raises(BuildError, match=r"is of another version of RobBench, .*: recipe\.epochs was 4, and is 9\. Go on with that"):
            read_plan(tmp_path)
    light = EVALUATIONS["digits-light"]
    monkeypatch.setitem(EVALUATIONS, "digits-light", replace(light, eps=light.eps[:2]))
    with pytest.raises(BuildError, match=r"evaluation\.eps was \[.*\], and is \["):
        read_plan(tmp_path)


def test_a_changed_plan_is_no_plan(tiny_images: str, tmp_path: Path) -> None:
    write_plan(tmp_path, planned(tiny_images))
    path = tmp_path / PLAN_FILE
    path.write_text(path.read_text().replace('"epochs": 4', '"epochs": 5'))
    with pytest.raises(BuildError, match=r"plan\.json is not a plan: what it stands for was changed"):
        read_plan(tmp_path)


def test_plans_of_earlier_versions_are_read_and_planned_again(tiny_images: str, tmp_path: Path) -> None:
    """They say names only."""
    plan = planned(tiny_images, archs=(), classes=3)
    older = {name: value for name, value in plan.record().items() if name != "checksum"}
    (tmp_path / PLAN_FILE).write_text(json.dumps(older))
    assert read_plan(tmp_path) == replace(plan, checksum=None)
    assert [unit.key for unit in read_plan(tmp_path).units()] == [unit.key for unit in plan.units()]
    write_plan(tmp_path, plan)
    with pytest.raises(BuildError, match=r"is of another plan \(it differs in seeds\)"):
        write_plan(tmp_path, replace(plan, seeds=(5,)))


def test_a_built_in_one_is_known_by_its_name_however_it_is_given(tiny_images: str) -> None:
    plan = planned(tiny_images)
    assert replace(plan, recipe=RECIPES["digits"], evaluation=EVALUATIONS["digits-light"]) == plan
    for what, given in (("recipe", replace(RECIPES["digits"], epochs=9)), ("evaluation", Evaluation("digits", {}))):
        with pytest.raises(
            BuildError, match=rf"the name 'digits' is taken by a built-in {what} that says something else; give yours another"
        ):
            replace(plan, **{what: given})  # type: ignore[arg-type]


def test_units_of_ones_own_recipes_are_told_apart_by_what_they_say(tiny_images: str) -> None:
    mine = replace(RECIPES["digits"], name="mine")
    plans = [replace(planned(tiny_images), recipe=recipe) for recipe in (mine, replace(mine, epochs=9))]
    keys = [plan.units()[0].key for plan in plans]
    assert len(set(keys)) == 2
    assert plans[0].units()[0].trained_by == mine
    assert plan_from(json.loads(json.dumps(plans[1].record()))) == plans[1]


def test_from_the_shell(tiny_images: str, tmp_path: Path) -> None:
    toml = tmp_path / "mine.toml"
    toml.write_text(
        f'[recipe]\nname = "mine"\nlike = "digits"\nepochs = 1\n[evaluation]\nname = "mine"\neps = [0.1]\nattacks = ["fgsm"]\n'
        f'[dataset]\nname = "tiny"\npath = "{tiny_images.removeprefix("npz:")}"\n'
    )
    (tmp_path / "archs.txt").write_text("\n".join(ARCHS))
    options = ["--dataset", str(toml), "--recipe", str(toml), "--evaluation", str(toml), "--stack", "2"]

    def plan(name: str, *more: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["build", "plan", str(tmp_path / name), *options, *more])
        return result.exit_code, result.output

    assert plan("a", "--archs", str(tmp_path / "archs.txt")) == (0, f"{tmp_path / 'a'}: 2 architectures × 1 seeds in 1 units of 2\n")
    found = read_plan(tmp_path / "a")
    assert (found.dataset, found.archs, found.units()[0].trained_by.settings()["epochs"]) == ("tiny", ARCHS, 1)
    assert plan("b", "--top", "3", "pgd@16/255")[0] == 0
    assert list(read_plan(tmp_path / "b").archs) == RobBench().top("pgd@16/255", 3)["arch"].tolist()
    code, printed = plan("c", "--classes", "3", "--archs", str(tmp_path / "archs.txt"))
    assert (code, "--classes, --archs and --top each say" in printed) == (2, True)
    code, printed = plan("c", "--store", "x.h5")
    assert (code, "--store is the store of --top N METRIC" in printed) == (2, True)
    code, printed = plan("c", "--data", "x.npz")
    assert (code, "says where its data set is; leave --data x.npz out" in printed) == (1, True)
