from __future__ import annotations

import math
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from robbench_builders.attacks import ATTACKS, FGSM, PGD, InPrecision
from robbench_builders.code import code_of
from robbench_builders.corruptions import CORRUPTIONS
from robbench_builders.datasets import Dataset
from robbench_builders.definitions import evaluation_of, read_evaluation, read_images, read_recipe, recipe_of
from robbench_builders.errors import BuildError
from robbench_builders.evaluations import EVALUATIONS, Evaluation
from robbench_builders.proxies import PROXIES, Proxy
from robbench_builders.proxies.rscore import Psi
from robbench_builders.recipes import RECIPES, Adversary, Recipe
from robbench_builders.schedules import SCHEDULES, OneCycle
from robbench_builders.tables import Place, Table
from robbench_builders.units import settings_of_evaluation

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_build.toml"
DOCS = Path(__file__).parents[2] / "docs" / "builds.md"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_the_example_says_what_it_says() -> None:
    recipe, evaluation = read_recipe(EXAMPLE), read_evaluation(EXAMPLE)
    assert recipe == Recipe(
        "digits-fast",
        epochs=2,
        channels=8,
        cells=1,
        batch_size=32,
        learning_rate=0.05,
        flip=False,
        crop=0.0,
        schedule=OneCycle(warmup=0.4),
        adversary=Adversary.fast(16 / 255),
    )
    assert recipe.training_name == "fast-16/255"
    assert evaluation == Evaluation(
        "digits-few",
        {"fgsm": FGSM(), "pgd": PGD(steps=10, relative_step=0.25)},
        (8 / 255, 16 / 255),
        ("fog", "contrast"),
        {name: PROXIES[name] for name in ("synflow", "snip")},
        images=60,
        grids={"fgsm": (4 / 255, 8 / 255, 16 / 255, 32 / 255)},
    )
    assert evaluation.levels("pgd") == (8 / 255, 16 / 255)


def test_the_docs_show_the_example() -> None:
    assert EXAMPLE.read_text("utf-8") in DOCS.read_text("utf-8")


@pytest.mark.parametrize("of", [Recipe, Adversary, Evaluation, Proxy, *SCHEDULES.values()])
def test_the_docs_list_every_field(of: type) -> None:
    """And every kind of schedule, and every recipe."""
    listed = set(re.findall(r"`([a-z0-9_-]+)`", DOCS.read_text("utf-8")))
    assert {each.name for each in fields(of)} - {"grids", "compute"} <= listed
    assert SCHEDULES.keys() | RECIPES.keys() <= listed


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_reads_back_from_what_a_plan_says_of_it(name: str) -> None:
    assert recipe_of(Table(RECIPES[name].settings(), Place("a plan", ""))) == RECIPES[name]


@pytest.mark.parametrize("name", EVALUATIONS)
def test_every_evaluation_reads_back_from_what_a_plan_says_of_it(name: str) -> None:
    again = evaluation_of(Table(EVALUATIONS[name].record(), Place("a plan", "")))
    assert again == EVALUATIONS[name]
    assert again.settings() == EVALUATIONS[name].settings()


def test_all_attacks_read_back() -> None:
    one = Evaluation("mine", ATTACKS, (0.1,))
    assert evaluation_of(Table(one.record(), Place("a plan", ""))) == one


def test_shorthands(tmp_path: Path) -> None:
    text = '[evaluation]\nname = "mine"\neps = [0.1]\nattacks = ["fgsm", "square"]\ncorruptions = "all"\nproxies = "all"\n'
    found = read_evaluation(written(tmp_path, text))
    assert found.attacks == {name: ATTACKS[name] for name in ("fgsm", "square")}
    assert found.corruptions == tuple(CORRUPTIONS)
    assert found.proxies.keys() == PROXIES.keys() - {"params", "flops"}


def test_a_name_in_a_store_may_stand_for_an_attack_with_other_arguments(tmp_path: Path) -> None:
    text = '[evaluation]\nname = "mine"\neps = [0.1]\n[evaluation.attacks.attack-strong]\nattack = "pgd"\nsteps = 100\n'
    assert read_evaluation(written(tmp_path, text)).attacks == {"attack-strong": PGD(steps=100)}


def test_an_attack_in_another_precision_is_written_down_and_runs_the_same_code(tmp_path: Path) -> None:
    text = '[evaluation]\nname = "mine"\neps = [0.1]\n[evaluation.attacks.pgd]\nsteps = 5\nprecision = "{}"\n'
    fast = read_evaluation(written(tmp_path, text.format("bfloat16")))
    exact = read_evaluation(written(tmp_path, text.format("float32")))
    assert fast.attacks == {"pgd": InPrecision(PGD(steps=5), "bfloat16")}
    assert exact.attacks == {"pgd": PGD(steps=5)}
    assert evaluation_of(Table(fast.record(), Place("a plan", ""))) == fast
    assert fast.settings()["attacks"]["pgd"] == {**PGD(steps=5).settings(), "precision": "bfloat16"}
    assert fast.label != exact.label
    images = np.zeros((2, 1, 8, 8), np.float32)
    dataset = Dataset("mine", images, np.arange(2), images, np.arange(2), 2)
    assert settings_of_evaluation(fast, dataset)["code"] == settings_of_evaluation(exact, dataset)["code"] == {"pgd": code_of(PGD())}
    with pytest.raises(BuildError, match=r"attacks\.pgd.*'half' is not a precision"):
        read_evaluation(written(tmp_path, text.format("half")))


def test_a_proxy_takes_its_own_fields(tmp_path: Path) -> None:
    text = '[evaluation]\nname = "mine"\nattacks = []\n[evaluation.proxies.r_score_psi]\nrepeats = 2\nimages = 8\n'
    (proxy,) = read_evaluation(written(tmp_path, text)).proxies.values()
    assert (proxy.compute, proxy.images) == (Psi(repeats=2), 8)


def test_what_is_the_same_as_a_built_in_one_may_have_its_name(tmp_path: Path) -> None:
    assert read_recipe(written(tmp_path, '[recipe]\nname = "nb201-200"\nepochs = 200\n')) == RECIPES["nb201-200"]


def test_images_are_looked_for_from_the_file(tmp_path: Path) -> None:
    assert read_images(written(tmp_path, '[dataset]\nname = "mine"\npath = "in/mine.npz"\n')) == ("mine", tmp_path / "in" / "mine.npz")
    with pytest.raises(BuildError, match=r"mine\.toml, line 1: \[dataset\]: it lacks path"):
        read_images(written(tmp_path, '[dataset]\nname = "mine"\n'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 2\nepoch = 3", r"mine\.toml, line 4: \[recipe\] epoch: there is no such field\. Did you mean 'epochs'"),
        ("epochs = 'many'", r"line 3: \[recipe\] epochs: 'many' is a string; expected an integer"),
        ("epochs = true", r"line 3: \[recipe\] epochs: True is true or false; expected an integer"),
        ("epochs = 2.5", r"epochs: 2\.5 is a number; expected an integer"),
        ("epochs = 0", r"\[recipe\]: epochs=0 is not a number of epochs"),
        ("", r"mine\.toml, line 1: \[recipe\]: it lacks epochs"),
        ("epochs = 2\nlearning_rate = '1/0'", r"learning_rate: '1/0' is a string; expected a number, or a string such as '8/255'"),
        ("epochs = 2\nlearning_rate = nan", r"learning_rate=nan; expected a positive number"),
        ("epochs = 2\nmomentum = 1", r"momentum=1\.0; expected a number in \[0, 1\)"),
        ("epochs = 2\nmomentum = 0", r"nesterov without momentum"),
        ("epochs = 2\nweight_decay = -1", r"weight_decay=-1\.0; expected a number of at least 0"),
        ("epochs = 2\ncrop = 2", r"crop=2\.0; expected a share"),
        ("epochs = 2\nmean = 0.5", r"mean: 0\.5 is a number; expected a list"),
        ("epochs = 2\nmean = ['a']", r"mean: 'a' is a string; expected a number"),
        ("epochs = 2\nstd = [0]", r"std=\(0\.0,\); expected positive numbers"),
        ("epochs = 2\nmean = [inf]", r"mean=\(inf,\); expected finite numbers"),
        ("epochs = 2\nprecision = 'half'", r"precision='half'; expected one of float32, tf32, bfloat16"),
        ("epochs = 2\ntraining = 'untrained'", r"training='untrained'; expected a name, and not 'untrained'"),
        ("epochs = 2\nlike = 'digit'", r"'digit' is not a recipe\. Did you mean 'digits'"),
        ("epochs = 2\nadversary = 3", r"line 4: \[recipe\] adversary: 3 is an integer; expected a table"),
        (
            "epochs = 2\n[recipe.adversary]\neps = 8\nstep = 1\nsteps = 7",
            r"line 4: \[recipe\.adversary\]: the adversary's eps=8\.0; .*8/255",
        ),
        ("epochs = 2\n[recipe.adversary]\neps = 0.1\nstep = 3\nsteps = 7", r"the adversary's step=3\.0; expected one in \(0, 2\]"),
        ("epochs = 2\n[recipe.adversary]\neps = 0.1\nstep = 0.1\nsteps = 0", r"\[recipe\.adversary\]: steps=0 is not a number of steps of"),
        ("epochs = 2\n[recipe.adversary]\neps = 0.1", r"\[recipe\.adversary\]: it lacks step, steps"),
        (
            "epochs = 2\n[recipe.schedule]\nkind = 'step'",
            r"line 5: \[recipe\.schedule\] kind: 'step' is not a kind .* Did you mean 'steps'",
        ),
        ("epochs = 2\n[recipe.schedule]\nfactor = 1", r"line 4: \[recipe\.schedule\]: None is not a kind of schedule"),
        ("epochs = 2\n[recipe.schedule]\nkind = 'steps'\nafter = [2]", r"has 2 epochs, and its rate falls after 2"),
        ("epochs = 2\n[recipe.schedule]\nkind = 'steps'\nafter = [2, 1]", r"after=\[2, 1\]; expected numbers of epochs, ascending"),
        ("epochs = 2\n[recipe.schedule]\nkind = 'steps'\nafter = [1]\nfactor = 2", r"factor=2\.0; expected one in \(0, 1\]"),
        ("epochs = 2\n[recipe.schedule]\nkind = 'one-cycle'\nwarmup = 1", r"OneCycle\(warmup=1\.0.* makes no sense"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_named_by_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BuildError, match=message):
        read_recipe(written(tmp_path, f'[recipe]\nname = "mine"\n{text}\n'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("eps = [2]\nattacks = ['fgsm']", r"\[evaluation\]: eps=2\.0 is outside \[0, 1\]: .*eps=2/255"),
        ("eps = [-0.1]\nattacks = ['fgsm']", r"eps=-0\.1 is not a distance"),
        ("eps = [nan]\nattacks = ['fgsm']", r"eps=nan is not a distance"),
        ("eps = [0.1, '25.5/255']\nattacks = ['fgsm']", r"runs fgsm at eps 0\.1 twice"),
        ("attacks = ['fgsm']", r"has no eps for fgsm"),
        ("eps = 0.1\nattacks = ['fgsm']", r"line 3: \[evaluation\] eps: 0\.1 is a number; expected a list"),
        ("eps = [0.1]\nattacks = ['fgms']", r"\[evaluation\.attacks\.fgms\]: 'fgms' is not an attack\. Did you mean 'fgsm'"),
        ("eps = [0.1]\nattacks = ['fgsm', 'fgsm']", r"line 4: \[evaluation\] attacks: a name is there twice"),
        ("eps = [0.1]\n[evaluation.attacks.mine]\nattack = 'pgd'", r"calls an attack 'mine', .* One of your own is called attack-mine"),
        ("eps = [0.1]\n[evaluation.attacks.clean]\nattack = 'pgd'", r"calls an attack 'clean'"),
        (
            "eps = [0.1]\n[evaluation.attacks.pgd]\nstep = 4",
            r"line 5: \[evaluation\.attacks\.pgd\] step: there is no such field\. Did you mean 'steps'",
        ),
        (
            "eps = [0.1]\n[evaluation.attacks.pgd]\nsteps = '4'",
            r"line 5: \[evaluation\.attacks\.pgd\] steps: '4' is a string; expected an integer",
        ),
        ("eps = [0.1]\n[evaluation.attacks.square]\nschedule = 'no'", r"schedule='no' is not one of Square's"),
        ("eps = [0.1]\n[evaluation.attacks.fgsm]\neps = []", r"has no eps for fgsm"),
        ("eps = [0.1]\nattacks = []\ncorruptions = ['fgo']", r"'fgo' is not a corruption\. Did you mean 'fog'"),
        ("eps = [0.1]\nattacks = []\ncorruptions = ['fog', 'fog']", r"has a corruption twice"),
        ("attacks = []\nproxies = ['synflo']", r"'synflo' is not a proxy\. Did you mean 'synflow'"),
        ("attacks = []\n[evaluation.proxies.snip]\nrepeats = 2", r"line 5: \[evaluation\.proxies\.snip\] repeats: there is no such field"),
        ("attacks = []\n[evaluation.proxies.r_score_psi]\nimages = '8'", r"images: '8' is a string; expected an integer"),
        ("attacks = []\nimages = 0", r"images=0 is not a number of images"),
        ("attacks = []\ngrids = {}", r"a grid of an attack's own is the field eps of its table"),
        ("like = 'publishd'", r"'publishd' is not an evaluation\. Did you mean 'published'"),
    ],
)
def test_what_is_wrong_with_an_evaluation_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BuildError, match=message):
        read_evaluation(written(tmp_path, f'[evaluation]\nname = "mine"\n{text}\n'))


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    with pytest.raises(
        BuildError, match=r"the name 'digits' is taken by a built-in recipe that says something else; give this one another"
    ):
        read_recipe(written(tmp_path, '[recipe]\nname = "digits"\nepochs = 5\n'))
    with pytest.raises(BuildError, match=r"the name 'digits' is taken by a built-in evaluation"):
        read_evaluation(written(tmp_path, '[evaluation]\nname = "digits"\nattacks = []\n'))
    with pytest.raises(BuildError, match=r"it has no name; what is like another needs a name of its own"):
        read_recipe(written(tmp_path, '[recipe]\nlike = "digits"\nepochs = 5\n'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[recipe", r"mine\.toml is not TOML: "),
        ("[recipe]\nname = 'a'\nname = 'b'", r"is not TOML: Cannot overwrite a value"),
        ("[recipes]\nname = 'a'", r"mine\.toml, line 1: recipes: there is no such field\. Did you mean 'recipe'"),
        ("[evaluation]\nname = 'a'", r"mine\.toml: it has no table \[recipe\]; it has evaluation"),
        ("recipe = 3", r"line 1: recipe: 3 is an integer; expected a table"),
        ("a = " + "[" * 50_000, r"is not TOML"),
        ("# " + "x" * 2**20, r"has more than 1048576 bytes"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BuildError, match=message):
        read_recipe(written(tmp_path, text))


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"nowhere\.toml is not a file"):
        read_recipe(tmp_path / "nowhere.toml")
    (tmp_path / "raw.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BuildError, match=r"raw\.toml is not TOML"):
        read_recipe(tmp_path / "raw.toml")


def test_published_levels_are_those_of_the_published_files() -> None:
    """Jung et al. (2023), table 2."""
    published = EVALUATIONS["published"]
    grey = {name: [round(eps * 255, 6) for eps in published.levels(name)] for name in published.attacks}
    assert grey.pop("fgsm") == [0.1, 0.5, 1, 2, 3, 4, 5, 6, 7, 8, 255]
    assert set(grey) == {"pgd", "apgd-ce", "square"}
    assert all(levels == [0.1, 0.5, 1, 2, 3, 4, 8] for levels in grey.values())
    assert math.isclose(published.levels("fgsm")[-1], 1)
