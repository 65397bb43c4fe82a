from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from robbench_builders.networks.plain import Network
from tests.builders.proxies.small import loss, plain, value, weighted, with_gradients


def gradient(module: Any) -> Tensor:
    found: Tensor = module.weight.grad
    return found


def test_grad_norm() -> None:
    expected = plain(lambda network: sum(float(gradient(m).norm()) for m in weighted(with_gradients(network))))
    np.testing.assert_allclose(value("grad_norm"), expected, rtol=1e-8)


def test_plain() -> None:
    expected = plain(lambda network: sum(float((gradient(m) * m.weight.detach()).sum()) for m in weighted(with_gradients(network))))
    np.testing.assert_allclose(value("plain"), expected, rtol=1e-8)


def test_snip() -> None:
    expected = plain(lambda network: sum(float((gradient(m) * m.weight.detach()).abs().sum()) for m in weighted(with_gradients(network))))
    np.testing.assert_allclose(value("snip"), expected, rtol=1e-8)


def test_grasp_against_finite_differences_of_the_gradient() -> None:
    """Hg is how the gradient changes along itself."""

    def moved(network: Network, direction: list[Tensor], step: float) -> list[Tensor]:
        with torch.no_grad():
            for module, along in zip(weighted(network), direction, strict=True):
                module.weight += step * along
        return [gradient(module).clone() for module in weighted(with_gradients(network))]

    def grasp(network: Network) -> float:
        start = [module.weight.detach().clone() for module in weighted(network)]
        g = [gradient(module).clone() for module in weighted(with_gradients(network))]
        step = 1e-9  # short, so that no ReLU is crossed
        ahead = moved(network, g, step)
        behind = moved(network, g, -2 * step)
        return -sum(float((w * (a - b)).sum()) / (2 * step) for w, a, b in zip(start, ahead, behind, strict=True))

    np.testing.assert_allclose(value("grasp"), plain(grasp), rtol=1e-4)


def test_fisher_channel_by_channel() -> None:
    def fisher(network: Network) -> float:
        outputs: list[Tensor] = []

        def keep(_: Any, __: Any, output: Tensor) -> None:
            output.retain_grad()
            outputs.append(output)

        for module in weighted(network):
            module.register_forward_hook(keep)
        torch.autograd.backward(loss(network))
        total = 0.0
        for output in outputs:
            if output.grad is not None:
                for channel in range(output.shape[1]):
                    per_image = (output.detach() * output.grad)[:, channel].flatten(1 if output.dim() > 2 else 0)
                    information = per_image.sum(1) if output.dim() > 2 else per_image
                    total += 0.5 * float((information**2).mean())
        return total

    expected = plain(fisher)
    assert (expected > 0).all()
    np.testing.assert_allclose(value("fisher"), expected, rtol=1e-8)
