from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from robbench_builders.networks.plain import Network
from tests.builders.proxies.small import images, plain, relu_inputs, value


def test_nwot_counts_agreements_image_by_image() -> None:
    def nwot(network: Network) -> float:
        on = np.concatenate([inputs.numpy() > 0 for inputs in relu_inputs(network, images())], axis=1)
        kernel = np.array([[np.sum(one == other) for other in on] for one in on], float)
        return float(np.linalg.slogdet(kernel)[1])

    np.testing.assert_allclose(value("nwot"), plain(nwot), rtol=1e-10)
