from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F
from torch import Tensor, nn

from robbench_builders.datasets import Dataset
from robbench_builders.errors import BuildError
from robbench_builders.networks.plain import Network, Skeleton
from robbench_builders.networks.stacked import StackedNetwork
from robbench_builders.recipes import RECIPES, Adversary, Recipe
from robbench_builders.schedules import HalfCosine, OneCycle, Schedule, Steps, Triangle
from robbench_builders.train import fit, generator, train
from robbench.spaces.nb201 import Cell

CELL = Cell.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|")
EPOCHS, STEPS = 5, 7
OF_CELLS = [name for name, recipe in RECIPES.items() if recipe.cells is not None]


def rates(schedule: Schedule, rate: float = 0.2) -> list[tuple[float, float]]:
    return [schedule.at(step, STEPS, EPOCHS, rate, 0.9) for step in range(EPOCHS * STEPS)]


def torchs(make: object, rate: float = 0.2, *, each_epoch: bool = False) -> list[tuple[float, float]]:
    """The same from torch's schedulers: the second witness."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], rate, momentum=0.9)
    scheduler = make(optimizer)  # type: ignore[operator]
    found = []
    for step in range(EPOCHS * STEPS):
        group = optimizer.param_groups[0]
        found.append((group["lr"], group["momentum"]))
        optimizer.step()
        if not each_epoch or step % STEPS == STEPS - 1:
            scheduler.step()
    return found


@pytest.mark.parametrize(
    ("ours", "make", "each_epoch"),
    [
        (HalfCosine(), lambda sgd: torch.optim.lr_scheduler.CosineAnnealingLR(sgd, EPOCHS * STEPS), False),
        (Steps((2, 4), 0.3), lambda sgd: torch.optim.lr_scheduler.MultiStepLR(sgd, [2, 4], 0.3), True),
        (OneCycle(), lambda sgd: torch.optim.lr_scheduler.OneCycleLR(sgd, 0.2, epochs=EPOCHS, steps_per_epoch=STEPS), False),
        (
            OneCycle(0.5, 10, 100, 0.8, 0.9),
            lambda sgd: torch.optim.lr_scheduler.OneCycleLR(
                sgd, 0.2, EPOCHS * STEPS, pct_start=0.5, div_factor=10, final_div_factor=100, base_momentum=0.8, max_momentum=0.9
            ),
            False,
        ),
        (
            Triangle(),
            lambda sgd: torch.optim.lr_scheduler.CyclicLR(sgd, 0.0, 0.2, EPOCHS * STEPS / 2, EPOCHS * STEPS / 2, cycle_momentum=False),
            False,
        ),
    ],
)
def test_schedules_are_torchs(ours: Schedule, make: object, each_epoch: bool) -> None:
    np.testing.assert_allclose(rates(ours), torchs(make, each_epoch=each_epoch), rtol=1e-12, atol=1e-15)


def test_the_half_cosine_keeps_the_bits_that_it_had() -> None:
    import math

    assert [rate for rate, _ in rates(HalfCosine(), 0.1)] == [0.1 * (1 + math.cos(math.pi * (now / 35))) / 2 for now in range(35)]


@pytest.mark.parametrize(
    ("adversary", "name"),
    [
        (Adversary(8 / 255, 2 / 255, 7), "pgd-8/255"),
        (Adversary(0.1, 0.025, 7), "pgd-25.5/255"),
        (Adversary(8 / 255, 0.01, 7), "pgd-8/255-step-2.55/255"),
        (Adversary(8 / 255, 2 / 255, 10), "pgd-8/255-steps-10"),
        (Adversary(8 / 255, 8 / 255, 1), "pgd-8/255-steps-1-step-8/255"),
        (Adversary(8 / 255, 8 / 255, 1, random_start=False), "fgsm-8/255"),
        (Adversary(8 / 255, 2 / 255, 7, random_start=False), "pgd-8/255-from-image"),
        (Adversary.fast(8 / 255), "fast-8/255"),
        (Adversary(8 / 255, 10 / 255, 1), "fast-8/255"),
    ],
)
def test_the_name_of_a_training_says_its_adversary(adversary: Adversary, name: str) -> None:
    recipe = Recipe("mine", epochs=1, adversary=adversary)
    assert recipe.training_name == name
    assert replace(recipe, training="ours").training_name == "ours"


def test_published_trainings_are_called_as_their_sources_call_them() -> None:
    names = {name: recipe.training_name for name, recipe in RECIPES.items()}
    assert names["nb201-200"] == names["ha2023"] == names["digits"] == "standard"
    assert names["nb201-200-pgd"] == names["ha2023-pgd"] == names["wu2024"] == "pgd-8/255"
    assert (names["yang2025"], names["wong2020"]) == ("pgd-8/255-step-2.55/255", "fast-8/255")


def test_settings_are_those_of_the_first_stores_where_nothing_younger_is_used() -> None:
    assert RECIPES["digits-pgd"].settings() == {
        "name": "digits-pgd",
        "epochs": 4,
        "channels": 8,
        "cells": 1,
        "batch_size": 32,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.0005,
        "flip": False,
        "crop": 0.0,
        "adversary": {"eps": 0.1, "step": 0.025, "steps": 7},
        "precision": "float32",
    }
    assert replace(RECIPES["digits"], nesterov=False).settings()["nesterov"] is False
    younger = replace(RECIPES["digits"], cutout=0.5, clip=5.0)
    assert younger.settings() == {**RECIPES["digits"].settings(), "cutout": 0.5, "clip": 5.0}


def test_recipes_that_stores_know_say_what_they_always_said() -> None:
    """To the byte: settings in their order, labels, and the checksums by which kept weights and units are found."""
    text = json.dumps([[name, RECIPES[name].label, RECIPES[name].settings()] for name in OF_CELLS])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "69c57b870f72edd9"
    assert Recipe("mine", epochs=1).cells == 5


def test_a_label_tells_recipes_of_one_name_apart() -> None:
    mine = replace(RECIPES["digits"], name="mine")
    assert RECIPES["digits"].label == "digits"
    assert mine.label.startswith("mine:")
    assert mine.label != replace(mine, epochs=9).label


@pytest.fixture(scope="module")
def batch() -> Dataset:
    """One batch of every recipe: twelve images of three channels, 8×8."""
    rng = np.random.default_rng(0)
    images, labels = rng.random((12, 3, 8, 8)).astype(np.float32), np.arange(12) % 3
    return Dataset("batch", images, labels, images, labels, 3)


def by_hand(recipe: Recipe, dataset: Dataset, epochs: int) -> Tensor:
    """A network trained on that batch, written out with torch's own optimiser and, for one step, Wong et al.'s own formula."""
    network = Network(CELL, Skeleton(2, 1, 3, 3), dataset.mean, dataset.std, generator=generator(0, f"weights/{CELL}"))
    optimizer = torch.optim.SGD(
        network.parameters(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=recipe.nesterov
    )
    images, labels = torch.from_numpy(dataset.train_images), torch.from_numpy(dataset.train_labels)
    for epoch in range(epochs):
        rate, momentum = recipe.schedule.at(epoch, 1, recipe.epochs, recipe.learning_rate, recipe.momentum)
        optimizer.param_groups[0].update(lr=rate, momentum=momentum)
        given = attacked_by_hand(network, images, labels, recipe.adversary) if recipe.adversary else images
        network.train()
        optimizer.zero_grad()
        F.cross_entropy(network(given), labels).backward()
        optimizer.step()
    logits: Tensor = network.eval()(images)
    return logits


def attacked_by_hand(network: nn.Module, images: Tensor, labels: Tensor, adversary: Adversary) -> Tensor:
    network.eval()
    x = images
    for _ in range(adversary.steps):
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(network(x), labels, reduction="sum"), x)
        x = torch.clamp(x + adversary.step * gradient.sign(), images - adversary.eps, images + adversary.eps).clamp(0, 1)
    return x.detach()


@pytest.mark.parametrize("name", ["nb201-200", "nb201-200-pgd", "ha2023", "ha2023-pgd", "yang2025", "wu2024", "wong2020"])
def test_recipes_of_the_papers_train_as_written_out(batch: Dataset, name: str) -> None:
    """On one batch a step; random starts, flips and crops, which cannot be drawn twice alike, are left out."""
    published = RECIPES[name]
    adversary = published.adversary and replace(published.adversary, random_start=False)
    schedule = Steps((1,), published.schedule.factor) if isinstance(published.schedule, Steps) else published.schedule
    recipe = replace(published, epochs=2, channels=2, cells=1, flip=False, crop=0.0, adversary=adversary, schedule=schedule)
    network = Network(CELL, recipe.skeleton(batch), batch.mean, batch.std, generator=generator(0, f"weights/{CELL}"))
    stack = StackedNetwork([network])
    fit(stack, 1, batch, recipe, seed=0)
    found = stack.eval()(torch.from_numpy(batch.train_images))[0]
    torch.testing.assert_close(found, by_hand(recipe, batch, 2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OF_CELLS)
def test_every_recipe_learns_from_a_batch_in_full(batch: Dataset, name: str) -> None:
    published = RECIPES[name]
    schedule = Steps((1,)) if isinstance(published.schedule, Steps) else published.schedule
    recipe = replace(published, epochs=2, channels=2, cells=1, schedule=schedule)
    _, (record,) = train([CELL], batch, recipe, seed=0)
    assert record.diverged is None
    assert np.isfinite(record.loss)


def test_recipes_say_what_the_papers_say() -> None:
    ha, yang, wu, wong = (RECIPES[name] for name in ("ha2023-pgd", "yang2025", "wu2024", "wong2020"))
    assert (ha.epochs, ha.batch_size, ha.learning_rate, ha.weight_decay) == (200, 64, 0.1, 1e-4)
    assert ha.adversary == Adversary(8 / 255, 2 / 255, 7)
    assert (yang.epochs, yang.batch_size, yang.adversary) == (120, 64, Adversary(8 / 255, 0.01, 7))
    assert [yang.schedule.at(epoch, 1, 120, 0.1, 0.9)[0] for epoch in (0, 98, 99, 119)] == pytest.approx([0.1, 0.1, 0.01, 0.01])
    assert (wu.epochs, wu.batch_size, wu.weight_decay, wu.schedule, wu.nesterov) == (50, 256, 5e-4, OneCycle(), False)
    assert wu.adversary == Adversary(8 / 255, 2 / 255, 7)
    assert (wong.epochs, wong.batch_size, wong.learning_rate, wong.adversary) == (15, 128, 0.2, Adversary.fast(8 / 255))
    assert wong.adversary is not None
    assert wong.adversary.step == pytest.approx(10 / 255)


def test_a_normalisation_of_ones_own(batch: Dataset) -> None:
    recipe = Recipe("mine", epochs=1, channels=2, cells=1, mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))
    stack, _ = train([CELL], batch, recipe, seed=0)
    assert stack.extract(0).mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert stack.extract(0).std.flatten().tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(BuildError, match=r"'mine' has 1 values of std; batch has 3 channels"):
        train([CELL], batch, replace(recipe, std=(1.0,)), seed=0)
