"""WideResNets are built as cells are: planned, trained in stacks, attacked, kept, merged, verified, evaluated; and scored by proxies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from robbench_builders.attacks import FGSM
from robbench_builders.datasets import load
from robbench_builders.definitions import read_recipe
from robbench_builders.errors import BuildError, WeightsError
from robbench_builders.evaluations import EVALUATIONS, Evaluation
from robbench_builders.networks.wrn import StackedWide, WideSkeleton, flops, parameters
from robbench_builders.plan import Plan
from robbench_builders.plan_file import read_plan
from robbench_builders.planning import plan_of
from robbench_builders.proxies import KNOWN, PROXIES, initialised, score, score_untrained
from robbench_builders.proxies.anatomy import feature_number
from robbench_builders.proxies.jacobians import Hessian
from robbench_builders.proxies.passes import layers, record
from robbench_builders.proxies.rscore import Psi
from robbench_builders.proxies.swap import Swap
from robbench_builders.proxies.zcprob import ZCPRob
from robbench_builders.recipes import RECIPES, Recipe
from robbench_builders.results import shards
from robbench_builders.results.merge import merge
from robbench_builders.results.verify import verify
from robbench_builders.run import run
from robbench_builders.train import train
from robbench_builders.weights.loading import network_of
from robbench import RobBench
from robbench.cli import main
from robbench.spaces.wrn import WRN

torch.set_num_threads(1)

EPS = 16 / 255
ARCHS = ("d4w8-d4w10-d4w8", "d4w8-d5w8-d4w8", "d4w10-d4w8-d4w8")
"""The first and the last can be stacked."""
TINY = Recipe("tiny-wrn", epochs=1, channels=1, stem_channels=2, batch_size=12, learning_rate=0.05, flip=False, crop=0.0)
SKELETON = WideSkeleton(channels=1, stem_channels=3, image_channels=2, classes=3)
MIXED = tuple(map(WRN.parse, ("d4w8-d4w10-d4w8", "d4w10-d4w8-d4w8")))


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch)


def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe and an evaluation of a second."""
    monkeypatch.setitem(RECIPES, TINY.name, TINY)
    proxies = {name: PROXIES[name] for name in ("snip", "synflow")}
    monkeypatch.setitem(EVALUATIONS, "tiny", Evaluation("tiny", {"fgsm": FGSM()}, (EPS,), ("contrast",), proxies, images=10))


def test_planned_run_merged_verified_and_evaluated(tmp_path: Path, tiny_images: str) -> None:
    def robbench(*words: str | Path) -> str:
        result = CliRunner().invoke(main, list(map(str, words)))
        assert result.exit_code == 0, result.output
        return result.output

    build, store, weights, again = (tmp_path / name for name in ("build", "store.h5", "weights", "again.h5"))
    (tmp_path / "archs.txt").write_text("\n".join(ARCHS))
    options = ("--space", "wrn", "--archs", tmp_path / "archs.txt", "--dataset", tiny_images, "--evaluation", "tiny", "--stack", "2")
    assert "3 architectures × 1 seeds in 2 units of 2" in robbench("build", "plan", build, "--recipe", TINY.name, *options)
    assert [unit.archs for unit in read_plan(build).units()] == [(ARCHS[0], ARCHS[2]), (ARCHS[1],)]
    assert len(list(run(build, device="cpu", weights=weights))) == 2
    merge(build, store)
    assert all(one.succeeded for one in verify(store, sample=1, device="cpu"))
    bench, skeleton = RobBench(store), WideSkeleton(1, 2, 1, 2)
    assert bench.space is WRN
    for unit in read_plan(build).units():
        shard = shards.read(shards.path_of(build, unit))
        for k, arch in enumerate(map(WRN.parse, unit.archs)):
            assert bench.query(arch, "fgsm", eps=EPS) == shard.outcomes["fgsm"][k, 0].mean()
            assert bench.query(arch, "synflow") == shard.proxies["synflow"][k]
            assert bench.query(arch, "params") == parameters(arch, skeleton) / 1e6
            assert bench.query(arch, "flops") == flops(arch, skeleton, 8) / 1e6

    common = ("--dataset", tiny_images, "--evaluation", "tiny", "--device", "cpu", "--stack", "2")
    robbench("build", "evaluate", *sorted(weights.iterdir()), "--into", again, "--training", "standard", *common)
    evaluated = RobBench(again)
    for metric in ("clean", f"fgsm@{EPS}", "contrast@3"):
        assert evaluated.query_many(ARCHS, metric).tolist() == bench.query_many(ARCHS, metric).tolist()


def test_a_network_becomes_the_same_beside_wider_ones_and_alone(tiny_images: str) -> None:
    dataset = load(tiny_images)
    stack, trainings = train(MIXED, dataset, TINY, seed=3)
    for k, arch in enumerate(MIXED):
        alone, (training,) = train([arch], dataset, TINY, seed=3)
        assert trainings[k].loss == pytest.approx(training.loss, rel=1e-4)
        for name, tensor in alone.state(0).items():
            torch.testing.assert_close(stack.state(k)[name], tensor, rtol=1e-3, atol=1e-4)


def test_classes_are_drawn_and_stacked_by_depth(tiny_images: str) -> None:
    plan = Plan(tiny_images, TINY.name, "tiny", classes=300, sample_seed=0, seeds=(0,), stack=16, space="wrn")
    units = plan.units()
    assert sorted(arch for unit in units for arch in unit.archs) == sorted(plan.architectures())
    for unit in units:
        assert len({WRN.parse(arch).depths for arch in unit.archs}) == 1
        assert len(unit.archs) <= 16


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.stem_channels])
def test_every_recipe_learns_from_a_batch(name: str, tiny_images: str) -> None:
    _, (training,) = train([WRN.members[0]], load(tiny_images), replace(RECIPES[name], epochs=1), seed=0)
    assert training.diverged is None
    assert np.isfinite(training.loss)


def test_a_recipe_is_of_one_kind_of_networks(tmp_path: Path, tiny_images: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[recipe]\nname = "mine"\nepochs = 3\nchannels = 2\nstem_channels = 8\n')
    recipe = read_recipe(path)
    assert recipe == Recipe("mine", epochs=3, channels=2, stem_channels=8)
    assert recipe.skeleton(load(tiny_images)) == WideSkeleton(2, 8, 1, 2)
    assert "cells" not in recipe.settings()
    with pytest.raises(
        BuildError, match=r"has cells=5, of NAS-Bench-201, and stem_channels=8, of WideResNets; leave one out \(cells=None\)"
    ):
        replace(recipe, cells=5)
    with pytest.raises(
        BuildError, match=r"'digits' is of networks with channels and cells, which those of NARes are not; give tiny-wrn|wrn-digits"
    ):
        plan_of(tiny_images, recipe="digits", evaluation="tiny", space="wrn", archs=ARCHS)
    with pytest.raises(BuildError, match=r"'tiny-wrn' is of networks with channels and stem_channels, which those of DARTS are not"):
        plan_of(tiny_images, recipe=TINY.name, evaluation="tiny", space="darts", archs=("darts-v2",))


def test_tensors_tell_the_skeleton() -> None:
    arch = MIXED[1]
    state = initialised([arch], SKELETON).extract(0).state_dict()
    found = network_of(arch, state, "weights")
    assert found.skeleton == SKELETON
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.state_dict().items() if "tracked" not in name)
    with pytest.raises(
        WeightsError, match=r"weights has no stages\.0\.0\.conv_1\.weight of a multiple of 16 channels; expected the weights"
    ):
        network_of(WRN.parse("d4w16-d4w8-d4w8"), state, "weights")
    del state["stages.0.0.conv_1.weight"]
    with pytest.raises(WeightsError, match=r"weights has no stages\.0\.0\.conv_1\.weight"):
        network_of(arch, state, "weights")


# ---- proxies

QUICK = {
    **{name: KNOWN[name] for name in KNOWN if name not in ("zcprob", "zcprob_equations") and not name.endswith("10x256")},
    "hessian": replace(PROXIES["hessian"], compute=Hessian(iterations=2, images=4)),
    "r_score_psi": replace(PROXIES["r_score_psi"], compute=Psi(repeats=1)),
    "r_score_psi_equations": replace(PROXIES["r_score_psi_equations"], compute=Psi(by_layer=True, repeats=1)),
    "zcprob": replace(KNOWN["zcprob"], compute=ZCPRob(images=12, around=4, t=1.0), images=12),
    "swap": replace(KNOWN["swap"], compute=Swap(repeats=1)),
    "swap_regularised": replace(KNOWN["swap_regularised"], compute=Swap(regularised=True, repeats=1)),
}


def images() -> Any:
    return torch.rand(16, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


LABELS = torch.arange(16) % 3


def test_every_proxy_of_a_stack_is_that_of_its_networks_alone() -> None:
    """Where widths differ, and where they do not."""
    stack = initialised((*MIXED, MIXED[0]), SKELETON, [0.3, 0.6], [0.2, 0.4]).double()
    assert isinstance(stack, StackedWide)
    told: list[str] = []
    found = score(stack, images(), LABELS, proxies=QUICK, notice=told.append)
    assert told == list(QUICK)
    alike = score(initialised((MIXED[0], MIXED[0]), SKELETON, [0.3, 0.6], [0.2, 0.4]).double(), images(), LABELS, proxies=QUICK)
    assert not found.failures
    for name, values in found.values.items():
        assert np.isfinite(values).all(), name
        assert values[0] == values[2] == pytest.approx(alike.values[name][0], rel=1e-6), name
        assert alike.values[name][0] == pytest.approx(alike.values[name][1], rel=1e-6), name
        assert values[0] != values[1], name


def test_proxies_look_after_the_stem_after_each_stage_and_at_what_is_pooled() -> None:
    stack = initialised(MIXED[:1], SKELETON).double()
    found = record(stack, images())
    assert [feature.shape[-1] for feature in found.features] == [3, 8, 20, 32, 32]
    assert found.head.shape == (1, 16, 2, 2, 32)
    assert len(found.relu_inputs) == 2 * 12 + 1
    numbers = {path: feature_number(stack, path) for path in layers(stack)}
    assert (numbers["stem.0"], numbers["stages.0.3.conv_2"], numbers["stages.2.0.shortcut"], numbers["classifier"]) == (0, 1, 3, 4)


def test_architectures_of_other_depths_are_scored_together(tiny_images: str) -> None:
    archs, dataset = tuple(map(WRN.parse, ARCHS)), load(tiny_images)
    found = score_untrained(archs, dataset, ["snip", "params"], skeleton=WideSkeleton(1, 2, 1, 2), batch_size=12)
    for k, arch in enumerate(archs):
        alone = score_untrained([arch], dataset, ["snip", "params"], skeleton=WideSkeleton(1, 2, 1, 2), batch_size=12)
        for name in ("snip", "params"):
            assert found.values[name][k] == pytest.approx(alone.values[name][0], rel=1e-4)


def test_the_command_line_scores_them(tiny_images: str) -> None:
    words = ["proxies", "WRN-28-8", "--space", "wrn", "--dataset", tiny_images, "--proxy", "params", "--channels", "1"]
    expected = parameters(WRN.parse("WRN-28-8"), WideSkeleton(1, 8, 1, 2)) / 1e6
    assert f"{expected:.6g}\n" in CliRunner().invoke(main, [*words, "--stem-channels", "8"]).stdout
    refused = CliRunner().invoke(main, [*words, "--cells", "1"])
    assert "networks of the space wrn have no --cells; expected --channels or --stem-channels" in refused.output
