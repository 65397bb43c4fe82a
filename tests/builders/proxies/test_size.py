from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from torch import Tensor, nn

from robbench_builders.networks.layers import Conv, Linear, ReLUConvBN
from robbench_builders.networks.plain import Network
from tests.builders.proxies.small import SKELETON, images, plain, value, weighted


def test_params_are_the_network_s_parameters_in_millions() -> None:
    np.testing.assert_allclose(value("params"), plain(lambda network: sum(p.numel() for p in network.parameters()) / 1e6), rtol=1e-12)


def test_flops_are_counted_module_by_module() -> None:
    """On a network that runs: the global pooling counts as published, one pixel higher and wider than the image."""

    def count(network: Network) -> float:
        total = 0

        def add(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
            nonlocal total
            if isinstance(module, Conv):
                total += output.numel() * module.weight[0].numel()
            elif isinstance(module, Linear):
                total += module.weight.numel()
            elif isinstance(module, nn.BatchNorm2d):
                total += 2 * given[0].numel()
            elif isinstance(module, nn.ReLU | ReLUConvBN):
                total += given[0].numel()
            elif isinstance(module, nn.AvgPool2d):
                side = module.kernel_size
                total += output.numel() * (side * side if isinstance(side, int) else side[0] * side[1])

        for module in network.modules():
            module.register_forward_hook(add)
        network.eval()(images(1))
        return (total + SKELETON.widths[-1] * 3 * 3) / 1e6

    np.testing.assert_allclose(value("flops"), plain(count), rtol=1e-12)


def test_l2_norm_is_a_sum_of_the_norms_of_the_layers() -> None:
    expected = plain(lambda network: sum(float(module.weight.detach().pow(2).sum().sqrt()) for module in weighted(network)))
    np.testing.assert_allclose(value("l2_norm"), expected, rtol=1e-10)
