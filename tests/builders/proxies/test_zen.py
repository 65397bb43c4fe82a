from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

from robbench_builders.networks.plain import Network
from robbench_builders.proxies import initialised
from robbench_builders.train import generator
from tests.builders.proxies.small import CELLS, SKELETON, images, plain, value


def test_zen_of_gaussian_networks_and_inputs() -> None:
    random = generator(0, "zen")
    x, epsilon = (torch.randn(images().shape, generator=random).double() for _ in range(2))

    def zen(network: Network) -> float:
        scales: list[float] = []

        def scale(_: Any, given: tuple[Tensor]) -> None:
            variance = given[0].var((0, 2, 3)).mean()
            if variance > 0:
                scales.append(0.5 * float(variance.log()))

        hooks = [m.register_forward_pre_hook(scale) for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        near = network.head(network.body(network.stem(x)))
        for hook in hooks:
            hook.remove()
        far = network.head(network.body(network.stem(x + 0.01 * epsilon)))
        moved = [float((a - b).pow(2).sum().sqrt()) for a, b in zip(near, far, strict=True)]
        return float(np.log(np.mean(moved))) + sum(scales)

    with torch.no_grad():
        drawn = initialised(CELLS, SKELETON, seed=0, init="gaussian", purpose="zen").double()
        np.testing.assert_allclose(value("zen"), plain(zen, drawn), rtol=1e-8)
