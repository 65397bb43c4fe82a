from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from builders.network import flops
from tests.builders.proxies.small import CELLS, SKELETON, plain, value, weighted


def test_params_are_the_network_s_parameters_in_millions() -> None:
    np.testing.assert_allclose(value("params"), plain(lambda network: sum(p.numel() for p in network.parameters()) / 1e6), rtol=1e-12)


def test_flops_are_those_of_the_images_size_in_millions() -> None:
    np.testing.assert_allclose(value("flops"), [flops(cell, SKELETON, 8) / 1e6 for cell in CELLS], rtol=1e-12)


def test_l2_norm_is_a_sum_of_the_norms_of_the_layers() -> None:
    expected = plain(lambda network: sum(float(module.weight.detach().pow(2).sum().sqrt()) for module in weighted(network)))
    np.testing.assert_allclose(value("l2_norm"), expected, rtol=1e-10)
