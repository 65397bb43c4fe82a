"""Genotypes of DARTS are built from files as cells of NAS-Bench-201 are: planned, trained in stacks, attacked, kept, merged, verified, evaluated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from robbench_builders.attacks import FGSM
from robbench_builders.datasets import Dataset, load
from robbench_builders.definitions import read_evaluation, read_recipe
from robbench_builders.errors import BuildError, WeightsError
from robbench_builders.evaluations import EVALUATIONS, Evaluation
from robbench_builders.networks.darts import DartsNetwork, DartsSkeleton, StackedDarts, flops, parameters
from robbench_builders.plan import Plan
from robbench_builders.plan_file import read_plan, write_plan
from robbench_builders.planning import plan_of, plan_of_weights
from robbench_builders.proxies import PROXIES
from robbench_builders.recipes import RECIPES, Adversary, Recipe
from robbench_builders.results import shards
from robbench_builders.results.merge import merge
from robbench_builders.run import run
from robbench_builders.train import fit, generator, train
from robbench_builders.units import run_unit
from robbench_builders.weights import kept
from robbench_builders.weights.checkpoints import identified, loaded
from robbench_builders.weights.evaluating import evaluate
from robbench_builders.weights.files import read
from robbench import RobBench
from robbench.cli import main
from robbench.spaces.darts import DARTS
from robbench.spaces.nb201 import Cell
from robbench.store import Store
from robbench.store.arrays import Name
from tests.genotypes import drawn, relabelled

torch.set_num_threads(1)  # as builds compute, and networks this small only lose by more
CPU = torch.device("cpu")
EPS = 16 / 255
ARCHS = ("darts-v2", "lrnas", "advrush")
"""The second has an edge without an operation."""
SPECS = tuple(str(DARTS.parse(arch)) for arch in ARCHS)
CELL = Cell.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|")
TINY = Recipe("tiny-darts", epochs=2, channels=2, layers=3, batch_size=12, learning_rate=0.05, flip=False, crop=0.0, drop_path=0.3)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch)


def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe and an evaluation of a second."""
    monkeypatch.setitem(RECIPES, TINY.name, TINY)
    proxies = {name: PROXIES[name] for name in ("snip", "synflow")}
    monkeypatch.setitem(EVALUATIONS, "tiny", Evaluation("tiny", {"fgsm": FGSM()}, (EPS,), ("contrast",), proxies, images=10))


def plan(images: str, **change: Any) -> Plan:
    given: dict[str, Any] = {"recipe": TINY.name, "evaluation": "tiny", "space": "darts", "archs": ARCHS, "seeds": (0, 3), "stack": 2}
    return plan_of(images, **{**given, **change})


def coloured(pixels: int) -> Dataset:
    """Two classes of bright and dark images."""
    rng, labels = np.random.default_rng(0), np.arange(12) % 2
    images = np.clip(0.3 * labels[:, None, None, None] + 0.6 * rng.random((12, 3, pixels, pixels)), 0, 1).astype(np.float32)
    return Dataset("coloured", images, labels, images[:4], labels[:4], 2)


def network(arch: Any, recipe: Recipe, dataset: Dataset, seed: int) -> DartsNetwork:
    """As training starts from it."""
    return DartsNetwork(arch, recipe.skeleton(dataset), dataset.mean, dataset.std, generator=generator(seed, f"weights/{arch}"))


# ---- training


@pytest.mark.parametrize(
    ("change", "pixels"),
    [
        ({}, 8),
        ({"drop_path": 0.0, "adversary": Adversary(0.1, 0.05, 2)}, 8),
        ({"epochs": 1, "auxiliary": 0.4, "layers": 3}, 32),
        ({"cutout": 0.5, "clip": 0.1}, 8),
    ],
    ids=["drop path", "adversary", "auxiliary head", "cutout and clipping"],
)
def test_a_network_becomes_the_same_in_a_stack_and_alone(change: dict[str, Any], pixels: int) -> None:
    """In double precision, since two epochs make much of rounding."""
    recipe, dataset, archs = replace(TINY, batch_size=6, **change), coloured(pixels), drawn(3, seed=5)
    stack = StackedDarts([network(arch, recipe, dataset, 3).double() for arch in archs])
    losses, accuracies, _ = fit(stack, 3, dataset, recipe, seed=3)
    for k in (0, 2):
        plain = network(archs[k], recipe, dataset, 3).double()
        # Only a stack is attacked: one of itself alone.
        alone = plain if recipe.adversary is None else StackedDarts([plain])
        loss, accuracy, _ = fit(alone, 1, dataset, recipe, seed=3)
        expected = plain.state_dict() if alone is plain else alone.state(0)  # type: ignore[operator]
        for name, tensor in stack.state(k).items():
            torch.testing.assert_close(tensor, expected[name], rtol=1e-6, atol=1e-8)
        assert float(losses[k]) == pytest.approx(float(loss), rel=1e-5)
        assert float(accuracies[k]) == float(accuracy)


def test_a_rerun_gives_the_same_bits_and_another_seed_does_not() -> None:
    archs, dataset = drawn(2, seed=1), coloured(8)
    one, same, other = (train(archs, dataset, TINY, seed=seed)[0] for seed in (0, 0, 1))
    assert all(torch.equal(tensor, same.state_dict()[name]) for name, tensor in one.state_dict().items())
    assert not torch.equal(one.classifier.weight, other.classifier.weight)


def test_drop_path_grows_with_the_epochs_and_ends_below_its_probability() -> None:
    dataset, seen = coloured(8), list[float]()
    plain = network(drawn(1)[0], TINY, dataset, 0)
    plain.stem.register_forward_hook(lambda *_: seen.append(plain.drop_path))
    fit(plain, 1, dataset, replace(TINY, epochs=4, batch_size=12), seed=0)
    assert seen == pytest.approx([0.3 * epoch / 4 for epoch in range(4)])


def test_the_auxiliary_loss_is_added_with_its_weight() -> None:
    """One step of SGD, written out."""
    recipe, dataset = replace(TINY, epochs=1, auxiliary=0.4, layers=3, drop_path=0.0, batch_size=12), coloured(32)
    arch = drawn(1)[0]
    found, expected = (network(arch, recipe, dataset, 0).train() for _ in range(2))
    fit(found, 1, dataset, recipe, seed=0)
    optimizer = torch.optim.SGD(expected.parameters(), recipe.learning_rate, 0.9, weight_decay=5e-4, nesterov=True)
    labels = torch.from_numpy(dataset.train_labels)
    logits, auxiliary = expected.both_logits(torch.from_numpy(dataset.train_images))
    assert auxiliary is not None
    loss = torch.nn.functional.cross_entropy
    (loss(logits, labels) + 0.4 * loss(auxiliary, labels)).backward()
    optimizer.step()
    for name in ("auxiliary.classifier.weight", "classifier.weight", "stem.0.weight"):
        torch.testing.assert_close(found.state_dict()[name], expected.state_dict()[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.layers])
def test_every_recipe_learns_from_a_batch(name: str) -> None:
    recipe = replace(RECIPES[name], epochs=1, channels=2, layers=3, schedule=TINY.schedule)
    _, (record,) = train(drawn(1), coloured(8), recipe, seed=0)
    assert record.diverged is None
    assert np.isfinite(record.loss)


def test_recipes_say_what_the_papers_say() -> None:
    ha, yang, feng = (RECIPES[f"darts-{name}"] for name in ("ha2023-pgd", "yang2025", "feng2025"))
    for recipe, nb201 in ((ha, "ha2023-pgd"), (yang, "yang2025")):
        own = {"name", "channels", "cells", "layers"}
        assert {field: value for field, value in recipe.settings().items() if field not in own} == {
            field: value for field, value in RECIPES[nb201].settings().items() if field not in own
        }
        assert recipe.size == {"channels": 36, "layers": 20, "auxiliary": False}
    assert (feng.epochs, feng.weight_decay, feng.momentum, feng.adversary) == (105, 1e-4, 0.9, yang.adversary)
    assert feng.size == {"channels": 16, "layers": 8, "auxiliary": False}
    assert [feng.schedule.at(epoch, 1, 105, 0.1, 0.9)[0] for epoch in (98, 99)] == pytest.approx([0.1, 0.01])


# ---- from files


def test_planned_run_merged_verified_and_evaluated_from_the_shell(tmp_path: Path, tiny_images: str) -> None:
    def robbench(*words: str | Path) -> str:
        result = CliRunner().invoke(main, list(map(str, words)))
        assert result.exit_code == 0, result.output
        return result.output

    build, store, weights = tmp_path / "build", tmp_path / "store.h5", tmp_path / "weights"
    (tmp_path / "archs.txt").write_text("\n".join(ARCHS))
    options = ("--space", "darts", "--archs", tmp_path / "archs.txt", "--dataset", tiny_images, "--evaluation", "tiny", "--stack", "2")
    assert "3 architectures × 1 seeds in 2 units of 2" in robbench("build", "plan", build, "--recipe", TINY.name, *options)
    run_one = run(build, device="cpu", weights=weights)
    next(iter(run_one))
    run_one.close()  # type: ignore[attr-defined]
    assert "1 of 2 units done" in robbench("build", "status", build)
    robbench("build", "run", build, "--device", "cpu", "--keep-weights", weights)
    assert "2 of 2 units done" in robbench("build", "status", build)
    robbench("build", "merge", build, "--into", store)
    assert "0 of " in robbench("build", "verify", store, "--sample", "1", "--device", "cpu")
    files = sorted(weights.iterdir())
    assert len(files) == 3

    again = tmp_path / "again.h5"
    common = ("--dataset", tiny_images, "--evaluation", "tiny", "--device", "cpu")
    robbench("build", "evaluate", *files, "--into", again, "--training", "standard", *common)
    for arch, metric in ((arch, metric) for arch in ARCHS for metric in ("clean", f"fgsm@{EPS}", "contrast@3")):
        assert robbench("query", arch, metric, "--store", store) == robbench("query", arch, metric, "--store", again)

    planned = tmp_path / "planned"
    assert "3 architectures" in robbench("build", "plan", planned, "--weights", weights, "--space", "darts", "--stack", "3", *common[:4])
    robbench("build", "run", planned, "--device", "cpu")
    robbench("build", "merge", planned, "--into", again, "--training", "from files")
    assert RobBench(again).query(ARCHS[0], "clean", training="from files") == RobBench(again).query(ARCHS[0], "clean", training="standard")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_images: str) -> Path:
    """A build of three architectures with two seeds, run; to be read only."""
    folder = tmp_path_factory.mktemp("darts") / "build"
    with pytest.MonkeyPatch.context() as monkeypatch:
        known(monkeypatch)
        write_plan(folder, plan(tiny_images))
        assert len(list(run(folder, device="cpu"))) == 4
    return folder


def test_what_was_built_is_in_the_store_by_any_spelling(folder: Path, tmp_path: Path, tiny_images: str) -> None:
    """The space cannot be listed: rows are of the architectures that the plan names."""
    merge(folder, tmp_path / "store.h5")
    bench, name = RobBench(tmp_path / "store.h5"), load(tiny_images).name
    with Store(tmp_path / "store.h5") as store:
        assert store.space.name == "darts"
        assert store.rows.exact == SPECS
        assert not np.isnan(store.read(Name(name, "standard", "fgsm", "accuracy"))).any()
    skeleton = DartsSkeleton(2, 3, 1, 2)
    for unit in read_plan(folder).units():
        shard = shards.read(shards.path_of(folder, unit))
        for k, arch in enumerate(map(DARTS.parse, unit.archs)):
            expected = shard.outcomes["fgsm"][k, 0].mean()
            other = next(one for one in relabelled(arch) if one != arch)
            for spelling in (arch, str(arch), str(other), *DARTS.spellings(arch).values()):
                assert bench.query(spelling, "fgsm", eps=EPS, seed=unit.seed) == expected
            assert bench.query(arch, "synflow", seed=unit.seed) == shard.proxies["synflow"][k]
            assert bench.query(arch, "params") == parameters(arch, skeleton) / 1e6
            assert bench.query(arch, "flops") == flops(arch, skeleton, 8) / 1e6


def test_another_spelling_joins_the_row_of_its_class(folder: Path, tmp_path: Path, tiny_images: str) -> None:
    merge(folder, tmp_path / "store.h5")
    other = next(one for one in relabelled(DARTS.parse(ARCHS[0])) if str(one) != SPECS[0])
    write_plan(tmp_path / "more", plan(tiny_images, archs=(str(other), "trnas"), seeds=(7,)))
    list(run(tmp_path / "more", device="cpu"))
    merge(tmp_path / "more", tmp_path / "store.h5")
    bench = RobBench(tmp_path / "store.h5")
    assert bench.query(ARCHS[0], "clean", seed=7) == bench.query(other, "clean", seed=7)
    assert bench.query(other, "clean", seed=3) == bench.query(ARCHS[0], "clean", seed=3)
    with Store(tmp_path / "store.h5") as store:
        assert set(store.rows.exact) == {*SPECS, str(other), str(DARTS.parse("trnas"))}
        assert len(store.rows.keys) == 4


def test_a_unit_again_gives_the_same_bits(folder: Path, tiny_images: str) -> None:
    unit = read_plan(folder).units()[1]
    before, again = shards.read(shards.path_of(folder, unit)), run_unit(unit, load(tiny_images), CPU)
    assert before.outcomes.keys() == again.outcomes.keys()
    assert all(np.array_equal(found, again.outcomes[threat]) for threat, found in before.outcomes.items())
    assert all(np.array_equal(found, again.proxies[name], equal_nan=True) for name, found in before.proxies.items())
    assert [one["loss"] for one in before.trainings] == [one["loss"] for one in again.trainings]


def test_weights_with_an_auxiliary_head_are_kept_and_read_whole(tmp_path: Path) -> None:
    recipe, dataset, arch = replace(TINY, epochs=1, auxiliary=0.4, layers=3), coloured(32), DARTS.parse(ARCHS[0])
    stack, (training,) = train([arch], dataset, recipe, seed=0)
    about = kept.About("darts", str(arch), dataset.checksum, recipe.settings(), 0)
    kept.write(tmp_path, about, stack.extract(0), training, {})
    torch.save(stack.extract(0).state_dict(), tmp_path / "state.pth")
    for path in (kept.path_of(tmp_path, about), tmp_path / "state.pth"):
        (entry,) = read(path)
        found = loaded(identified(entry, space="darts", arch=str(arch)), dataset)
        assert found.skeleton == recipe.skeleton(dataset)
        assert found.skeleton.auxiliary
        assert all(torch.equal(tensor, stack.state(0)[name]) for name, tensor in found.state_dict().items() if name in stack.state(0))
        list(evaluate([identified(entry, space="darts", arch=str(arch))], tmp_path / f"{path.stem}.h5", dataset, EVALUATIONS["tiny"]))


# ---- a recipe in a file


def test_a_recipe_says_layers_an_auxiliary_head_and_drop_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[recipe]\nname = "mine"\nepochs = 3\nchannels = 8\nlayers = 5\nauxiliary = "2/5"\ndrop_path = 0.2\n')
    recipe = read_recipe(path)
    assert recipe == Recipe("mine", epochs=3, channels=8, layers=5, auxiliary=0.4, drop_path=0.2)
    assert recipe.skeleton(coloured(32)) == DartsSkeleton(8, 5, 3, 2, auxiliary=True)
    path.write_text('[recipe]\nname = "longer"\nlike = "darts-yang2025"\nepochs = 150\n')
    assert read_recipe(path) == replace(RECIPES["darts-yang2025"], name="longer", epochs=150)


def test_the_docs_show_the_example() -> None:
    example = Path(__file__).parents[2] / "examples" / "own_darts.toml"
    assert example.read_text("utf-8") in (example.parents[1] / "docs" / "darts.md").read_text("utf-8")
    assert read_recipe(example).drop_path == 0.2
    assert read_evaluation(example).proxies.keys() == {"synflow", "zcprob"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 2\nlayers = 8\ncells = 5", r"cells=5, of NAS-Bench-201, and layers=8, of DARTS; leave one out"),
        ("like = 'digits'\nlayers = 8", r"cells=1, of NAS-Bench-201, and layers=8, .* let `like` name a recipe of the same search space"),
        (
            "epochs = 2\nauxiliary = 0.4",
            r"has auxiliary=0\.4, which is of networks of DARTS; say how many layers these have, or leave it out",
        ),
        ("epochs = 2\ndrop_path = 0.2", r"has drop_path=0\.2, which is of networks of DARTS"),
        ("epochs = 2\nlayers = 8\ndrop_path = 1", r"drop_path=1\.0; expected a probability below 1"),
        ("epochs = 2\nlayers = 8\nauxiliary = -1", r"auxiliary=-1\.0; expected a weight of at least 0"),
        ("epochs = 2\ncutout = 1.5", r"cutout=1\.5; expected a share of the side, in \[0, 1\]"),
        ("epochs = 2\nclip = 0", r"clip=0\.0; expected a positive number, or none"),
        ("epochs = 2\nlayers = 2", r"a network of 2 cells has no room for two reductions; expected at least 3"),
        ("epochs = 2\nlayers = 0", r"layers=0 is not a number of layers"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_named_by_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'[recipe]\nname = "mine"\n{text}\n')
    with pytest.raises(BuildError, match=rf"mine\.toml, line 1: \[recipe\]: .*{message}"):
        read_recipe(path)


def test_other_numbers_of_nodes_are_in_units_of_their_own(tiny_images: str) -> None:
    other = SPECS[0].replace("//", "@4,5//")
    archs = (SPECS[0], other, *SPECS[1:])
    assert [unit.archs for unit in plan(tiny_images, archs=archs, seeds=(0,), stack=2).units()] == [SPECS[:2], SPECS[2:], (other,)]
    assert [unit.archs for unit in plan(tiny_images, archs=archs, seeds=(0,), stack=1).units()] == [*((arch,) for arch in SPECS), (other,)]


# ---- what does not belong together, refused before anything is trained


REFUSED: dict[str, tuple[Callable[[str], object], str]] = {
    "cells of NAS-Bench-201": (
        lambda images: plan(images, space="nb201", archs=[str(CELL)]),
        r"'tiny-darts' is of networks with channels and layers, which those of NAS-Bench-201 are not; give nb201-200, .*of the search space darts \(--space darts\)",
    ),
    "a recipe of NAS-Bench-201": (
        lambda images: plan(images, recipe="digits"),
        r"'digits' is of networks with channels and cells, which those of DARTS are not; give darts-ha2023, .*of the search space nb201 \(--space nb201\)",
    ),
    "an auxiliary head for small images": (
        lambda images: plan(images, recipe=replace(TINY, name="with-a-head", auxiliary=0.4)),
        r"'with-a-head' has an auxiliary head, which takes images of 32×32 pixels, and those of .* are of 8×8; set auxiliary to 0",
    ),
    "an edge twice": (
        lambda images: plan(images, archs=[SPECS[0].replace("sep3~0+sep3~1", "sep3~0+sep3~0", 1)]),
        "a cell has an edge twice",
    ),
    "classes of a space that cannot be listed": (
        lambda images: plan(images, archs=()),
        r"DARTS has too many architectures to draw classes from; expected .* or the architectures to build",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_wrong_combination_is_refused_when_it_is_planned(what: str, tiny_images: str) -> None:
    make, message = REFUSED[what]
    with pytest.raises(BuildError, match=message):
        make(tiny_images)


def test_a_wrong_combination_is_refused_from_python(tmp_path: Path) -> None:
    dataset, head = coloured(8), replace(TINY, auxiliary=0.4)
    with pytest.raises(BuildError, match=r"DartsSkeleton\(.*\) is no skeleton of networks of NAS-Bench-201"):
        train([CELL], dataset, TINY, seed=0)
    with pytest.raises(BuildError, match=r"has an auxiliary head, which takes images of 32×32 pixels"):
        train(drawn(1), dataset, head, seed=0)
    with pytest.raises(BuildError, match=r"auxiliary head or drop path, which only networks of DARTS have; set both to 0"):
        fit(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2)), 1, dataset, TINY, seed=0)


def test_weights_of_another_space_or_under_other_names_are_refused(tmp_path: Path, tiny_images: str) -> None:
    dataset, arch = load(tiny_images), DARTS.parse(ARCHS[0])
    state = network(arch, TINY, dataset, 0).state_dict()
    torch.save({name.replace("body.", "blocks."): tensor for name, tensor in state.items()}, tmp_path / "theirs.pth")
    (entry,) = read(tmp_path / "theirs.pth")
    with pytest.raises(WeightsError, match=r"has weights of 0 cells in body\.0, .*; expected 3 to 300: .*--keep-weights"):
        loaded(identified(entry, space="darts", arch=str(arch)), dataset)
    torch.save(state, tmp_path / "ours.pth")
    (entry,) = read(tmp_path / "ours.pth")
    with pytest.raises(
        WeightsError, match=r"ours\.pth (lacks|has) .*; expected the weights of .* in DartsSkeleton\(.*are they of another architecture"
    ):
        loaded(identified(entry, space="darts", arch=ARCHS[2]), dataset)
    folder = tmp_path / "kept"
    _, (training,) = train([arch], dataset, replace(TINY, epochs=1), seed=0)
    kept.write(folder, kept.About("darts", str(arch), dataset.checksum, TINY.settings(), 0), network(arch, TINY, dataset, 0), training, {})
    with pytest.raises(WeightsError, match=r"is of the search space darts; expected nb201: say --space darts"):
        plan_of_weights(tiny_images, folder, "tiny")
