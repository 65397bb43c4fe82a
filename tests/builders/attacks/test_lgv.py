from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F

from robbench_builders.attacks import LGV, AttackError, Surrogates
from robbench_builders.attacks.streams import image_streams
from robbench_builders.datasets import Dataset, load
from robbench_builders.errors import BuildError
from robbench_builders.evaluate import robust_outcomes
from robbench_builders.evaluations import Evaluation
from robbench_builders.recipes import Recipe
from robbench_builders.schedules import Constant
from robbench_builders.train import augment, generator
from robbench_builders.vicinity import VICINITY, collect
from robbench.errors import InvalidArgument
from tests.builders.toy_networks import Stack, digits, trained, untrained

SURROGATES = Surrogates((untrained(5), untrained(6), untrained(7)), {"dataset": "digits"})
ATTACK = LGV(SURROGATES, steps=7)
SHORT = Recipe("short", epochs=2, batch_size=8, learning_rate=0.05, weight_decay=1e-4, nesterov=False, schedule=Constant())


@pytest.fixture(scope="module")
def images() -> Any:
    return digits()[0][1200:1230]


@pytest.fixture(scope="module")
def labels() -> Any:
    return digits()[1][1200:1230]


def attacked(attack: LGV, images: Any, labels: Any, eps: Any) -> Any:
    return attack(trained(0), images, labels, eps, streams=image_streams(0, torch.arange(images.shape[-4])))


# The attack


def test_each_step_follows_the_gradient_of_the_next_surrogate(images: Any, labels: Any) -> None:
    eps, x = 4 / 255, images.double()
    surrogates = Surrogates(tuple(deepcopy(network).double() for network in SURROGATES.networks))
    order = torch.randperm(3, generator=torch.Generator().manual_seed(0)).tolist()
    for turn in range(7):
        point = x.clone().requires_grad_()
        slope = torch.autograd.grad(F.cross_entropy(surrogates.networks[order[turn % 3]](point), labels, reduction="sum"), point)[0]
        x = (x + eps / 10 * slope.sign()).clamp(images.double() - eps, images.double() + eps).clamp(0, 1)
    torch.testing.assert_close(attacked(LGV(surrogates, steps=7), images.double(), labels, eps), x)


def test_it_never_leaves_the_ball_and_fills_it(images: Any, labels: Any) -> None:
    eps = torch.tensor([0.02, 0.1, 0.3]).repeat(10)
    found = attacked(LGV(SURROGATES, steps=30), images, labels, eps)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    moved = (found - images).abs().flatten(1).amax(1)
    assert (moved <= eps + 1e-6).all()
    assert (moved >= 0.9 * eps).all()


def test_the_target_is_never_asked(images: Any, labels: Any) -> None:
    def target(given: Any) -> Any:
        raise AssertionError("the attack asked its target")

    assert ATTACK(target, images, labels, 0.1, streams=image_streams(0, torch.arange(30))).shape == images.shape


def test_outcomes_are_those_of_the_target_and_of_each_network_of_a_stack(images: Any, labels: Any) -> None:
    grid = [0.02, 0.2]
    together = robust_outcomes(Stack(trained(0), trained(1)), images, labels, ATTACK, grid)
    assert together.shape == (2, 2, 30)
    for network, outcomes in zip((trained(0), trained(1)), together, strict=True):
        assert (
            robust_outcomes(network, images, labels, ATTACK, grid) != outcomes
        ).sum() <= 1  # a batch of another size may round differently


def test_an_image_is_attacked_the_same_whatever_the_rest_of_the_batch(images: Any, labels: Any) -> None:
    surrogates = Surrogates(tuple(deepcopy(network).double() for network in SURROGATES.networks))
    attack, given = LGV(surrogates, steps=5), images.double()
    torch.testing.assert_close(attacked(attack, given, labels, 0.1)[10:14], attacked(attack, given[10:14], labels[10:14], 0.1))


def test_a_target_that_is_its_own_surrogate_breaks(images: Any, labels: Any) -> None:
    clean, broken = robust_outcomes(trained(0), images, labels, LGV(Surrogates((trained(0),))), [0.0, 0.3])
    assert clean.mean() > 0.8
    assert broken.mean() < 0.2


def test_settings_say_what_the_surrogates_are() -> None:
    assert LGV(SURROGATES).settings() == {
        "attack": "lgv",
        "norm": "Linf",
        "steps": 50,
        "relative_step": 0.1,
        "seed": 0,
        "surrogates": 3,
        "surrogates_weights": SURROGATES.weights,
        "surrogates_dataset": "digits",
    }
    others = [Surrogates(SURROGATES.networks[::-1]), Surrogates(SURROGATES.networks[:2])]
    assert len({SURROGATES.weights, *(other.weights for other in others)}) == 3
    assert Surrogates(SURROGATES.networks).weights == SURROGATES.weights


def test_what_cannot_be_a_transfer_attack_is_refused() -> None:
    with pytest.raises(AttackError, match="was given no surrogates; expected at least one network"):
        Surrogates(())
    with pytest.raises(AttackError, match=r"surrogate 1 is in training mode, in which images mix; call eval\(\) on it"):
        Surrogates((untrained(0), untrained(1).train()))
    with pytest.raises(InvalidArgument, match="steps=0"):
        LGV(SURROGATES, steps=0)
    with pytest.raises(InvalidArgument, match=r"seed=18446744073709551616 is not a seed here; .*below 2\^63"):
        LGV(SURROGATES, seed=2**64)
    with pytest.raises(BuildError, match="lgv is a LGV, which a plan cannot write down"):
        Evaluation("mine", {"lgv": ATTACK}, (0.1,)).record()


# Its surrogates


@pytest.fixture
def dataset(tiny_images: str) -> Dataset:
    return load(tiny_images)


def test_surrogates_lie_along_sgd_with_a_constant_rate(dataset: Dataset) -> None:
    """Against torch's SGD step by step: 6 steps, 3 models, so one every other step."""
    given = untrained(0, classes=2)
    found = collect(given, dataset, SHORT, models=3, seed=4)
    expected, network = [], deepcopy(given).train()
    optimizer = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9, weight_decay=1e-4)
    order, augmentation = generator(4, "order"), generator(4, "augmentation")
    images, labels = torch.from_numpy(dataset.train_images), torch.from_numpy(dataset.train_labels)
    for step, index in enumerate(index for _ in range(2) for index in torch.randperm(24, generator=order).split(8)):
        optimizer.zero_grad()
        F.cross_entropy(network(augment(images[index], SHORT, augmentation)), labels[index]).backward()
        optimizer.step()
        if step % 2:
            expected.append(deepcopy(network.state_dict()))
    assert len(found.networks) == len(expected) == 3
    for surrogate, state in zip(found.networks, expected, strict=True):
        assert not surrogate.training
        assert not any(parameter.requires_grad for parameter in surrogate.parameters())
        torch.testing.assert_close(dict(surrogate.state_dict()), dict(state))


def test_the_network_that_is_collected_from_stays(dataset: Dataset) -> None:
    given = untrained(0, classes=2).requires_grad_(False)
    before = deepcopy(given.state_dict())
    collect(given, dataset, SHORT, models=1)
    assert not given.training
    assert all(torch.equal(tensor, given.state_dict()[name]) for name, tensor in before.items())


def test_the_papers_settings_are_recorded(dataset: Dataset) -> None:
    recipe = replace(VICINITY, batch_size=4)
    found = collect(untrained(0, classes=2), dataset, recipe)
    assert len(found.networks) == 40
    assert found.settings.items() >= {"recipe": "lgv", "models": 40, "seed": 0, "learning_rate": 0.05, "epochs": 10}.items()
    assert (
        found.settings["recipe_digest"]
        != collect(untrained(0, classes=2), dataset, replace(recipe, batch_size=5)).settings["recipe_digest"]
    )


def test_more_models_than_steps_and_training_that_diverges_are_refused(dataset: Dataset) -> None:
    with pytest.raises(BuildError, match="7 models were asked of 6 steps of training; expected at most as many"):
        collect(untrained(0, classes=2), dataset, SHORT, models=7)
    with pytest.raises(InvalidArgument, match="models=0"):
        collect(untrained(0, classes=2), dataset, SHORT, models=0)
    for epochs in (1, 2):
        with pytest.raises(BuildError, match="left the finite numbers, so there are no surrogates; try a learning rate below inf"):
            collect(untrained(0, classes=2), dataset, replace(SHORT, learning_rate=float("inf"), epochs=epochs, batch_size=24), models=1)
