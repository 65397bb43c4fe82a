"""Each of AutoAttack's warnings is raised by a network that deserves it, and by no other."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from robbench_builders.attacks import AutoAttack
from robbench_builders.evaluate import robust_outcomes
from robbench_builders.reliability import reliability
from tests.builders.toy_networks import Stack, digits, trained

IMAGES, LABELS = digits()[0][1200:1240], digits()[1][1200:1240]
SHORT = AutoAttack(steps=5, targets=1, queries=200)
GRID = [0.05, 0.15]


def test_ordinary_networks_raise_no_warning() -> None:
    stack = Stack(trained(0), trained(1))
    report = reliability(stack, IMAGES, LABELS, [0.03], AutoAttack(steps=20, targets=3, queries=50), batch_size=30)
    assert report.warnings == []
    assert not report.randomized.any()
    assert not report.probabilities.any()
    assert (report.zero_gradients == 0).all()
    assert report.square_gain.shape == (2, 1)
    assert report.outcomes.shape == (2, 1, 40)


def test_outcomes_are_autoattacks() -> None:
    report = reliability(trained(0), IMAGES, LABELS, GRID, SHORT)
    assert (report.outcomes != robust_outcomes(trained(0), IMAGES, LABELS, SHORT, GRID)).sum() <= 1
    assert report.zero_gradients.shape == ()
    assert report.square_gain.shape == (2,)


def test_a_random_network() -> None:
    generator = torch.Generator().manual_seed(0)

    def network(images: Any) -> Any:
        logits = trained(0)(images)
        return logits + 0.01 * torch.randn(logits.shape, generator=generator)

    report = reliability(network, IMAGES, LABELS, [0.05], SHORT)
    assert report.randomized
    assert "the network is random: their answers to the same images differ." in report.warnings


def test_a_network_that_returns_probabilities() -> None:
    def network(images: Any) -> Any:
        return trained(0)(images).softmax(-1)

    report = reliability(network, IMAGES, LABELS, [0.05], SHORT)
    assert report.probabilities
    assert "the network is returning probabilities: give the attacks logits." in report.warnings


def masked(images: Any) -> Any:
    """Sees 16 grey levels only: right, and without a gradient."""
    return trained(0)((images * 16).round() / 16)


def test_a_network_that_masks_its_gradients_in_a_stack_with_one_that_does_not() -> None:
    def stacked(images: Any) -> Any:
        own = images.expand(2, *images.shape[-4:])
        return torch.stack([trained(0)(own[0]), masked(own[1])])

    report = reliability(stacked, IMAGES, LABELS, GRID, SHORT)
    assert report.zero_gradients.tolist() == [0, 1]
    assert report.square_gain[1].max() > 0.1
    assert (report.square_gain[1] >= report.square_gain[0]).all()
    assert "1 of 2 networks are without any gradient on up to 100.0% of the images." in report.warnings
    assert any("broken by Square where gradients failed" in warning for warning in report.warnings)
    assert np.isfinite(report.square_gain).all()


def test_a_network_whose_gradients_are_not_a_number() -> None:
    def network(images: Any) -> Any:
        logits = trained(0)(images)
        return torch.where(images.amax() < 2, logits, (images.sum() * 0).sqrt() / 0)

    report = reliability(network, IMAGES, LABELS, [0.05], SHORT)
    assert report.zero_gradients == 1
