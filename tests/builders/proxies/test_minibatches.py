from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from robbench_builders.datasets import load
from robbench_builders.networks.plain import Network
from robbench_builders.proxies import KNOWN, Passes, ProxyError, batch_of, initialised, score, score_untrained
from robbench_builders.proxies.anatomy import AnyStack
from robbench_builders.proxies.minibatches import MeanHessian, MeanJacobFro, MeanWeightsHessian, largest_eigenvalue
from robbench.errors import InvalidArgument
from robbench.spaces.nb201 import Cell
from tests.builders.proxies.small import CELLS, MEAN, SKELETON, STD, Values, images, labels, plain, stacked

TINY = replace(SKELETON, channels=1, cells=1)
FEW = (
    Cell.parse("|nor_conv_1x1~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"),
    Cell.parse("|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"),
)


def tiny() -> AnyStack:
    return initialised(FEW[1:], TINY, MEAN, STD).double()


def minibatches(size: int = 2, batches: int = 2) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(images().split(size)[:batches], labels().split(size)[:batches], strict=True)


def found(compute: Any, stack: AnyStack) -> Values:
    return np.asarray(compute(Passes(stack, images(), labels())).numpy())


def with_statistics_of(batch: Tensor, network: Network) -> Network:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()(batch)
    return network.eval()


def test_the_jacobian_is_the_mean_over_minibatches_of_the_whole_jacobians_norm() -> None:
    def norm(network: Network) -> float:
        norms = []
        for batch, _ in minibatches():
            with_statistics_of(batch, network)
            rows = [torch.autograd.functional.jacobian(lambda x: network(x[None])[0], image).flatten() for image in batch]
            norms.append(float(torch.stack(rows).square().sum(1).mean().sqrt()))
        return float(np.mean(norms))

    np.testing.assert_allclose(found(MeanJacobFro(2, 2, projections=300), tiny()), plain(norm, tiny()), rtol=0.05)


def test_the_hessian_of_the_images_is_that_of_the_minibatchs_loss_written_out() -> None:
    def largest(network: Network) -> float:
        values = []
        for batch, truth in minibatches():
            with_statistics_of(batch, network)
            whole = torch.autograd.functional.hessian(lambda x, y=truth: F.cross_entropy(network(x), y), batch)
            values.append(float(torch.linalg.eigvalsh(whole.reshape(batch.numel(), -1))[-1]))
        return float(np.mean(values))

    np.testing.assert_allclose(found(MeanHessian(2, 2), tiny()), plain(largest, tiny()), rtol=1e-6)


@pytest.mark.parametrize("trained", [False, True])
def test_the_hessian_of_the_weights_is_that_of_all_parameters_written_out(trained: bool) -> None:
    """In training mode through the mini-batch's statistics, in eval mode with the running ones."""
    stack = tiny().train(not trained)

    def largest(network: Network) -> float:
        given = {name: parameter.detach() for name, parameter in network.named_parameters()}
        flat = torch.cat([parameter.flatten() for parameter in given.values()])

        def loss(vector: Tensor, batch: Tensor, truth: Tensor) -> Tensor:
            parts = vector.split([parameter.numel() for parameter in given.values()])
            named = {name: part.view_as(given[name]) for name, part in zip(given, parts, strict=True)}
            return F.cross_entropy(functional_call(network, named, (batch,)), truth)

        values = [
            float(torch.linalg.eigvalsh(torch.autograd.functional.hessian(lambda v, b=batch, y=truth: loss(v, b, y), flat))[-1])
            for batch, truth in minibatches()
        ]
        return float(np.mean(values))

    np.testing.assert_allclose(found(MeanWeightsHessian(2, 2, iterations=30), stack), plain(largest, stack), rtol=1e-5)


def test_a_network_of_a_stack_is_measured_as_it_is_alone() -> None:
    for compute in (MeanJacobFro(2, 4), MeanHessian(2, 4), MeanWeightsHessian(2, 4, iterations=2)):
        alone = [found(compute, stacked((cell,)))[0] for cell in CELLS]
        np.testing.assert_allclose(found(compute, stacked()), alone, rtol=1e-8)


def test_the_largest_eigenvalue_is_no_other() -> None:
    """Of a matrix whose largest in absolute value is negative, of one of rank one, of nothing, and of what is not finite."""
    matrices = torch.zeros(4, 6, 6, dtype=torch.float64)
    matrices[0] = torch.diag(torch.tensor([-9.0, -3.0, 0.5, 1.0, 2.0, -1.0]))
    matrices[1, 2, 2] = 7
    matrices[3, 0, 0] = torch.nan
    start = torch.linspace(1, 2, 24, dtype=torch.float64).view(4, 6)
    values = largest_eigenvalue(lambda v: [torch.einsum("sij,sj->si", matrices, v[0])], [start], [(0, 1, 2, 3)], 6)
    np.testing.assert_allclose(values.numpy(), [2, 7, 0, np.nan], atol=1e-9)
    negative = -torch.eye(6, dtype=torch.float64)[None]
    values = largest_eigenvalue(lambda v: [torch.einsum("sij,sj->si", negative, v[0])], [start[:1]], [(0,)], 4)
    np.testing.assert_allclose(values.numpy(), [-1])


def test_what_is_left_over_is_not_used_and_too_few_images_are_missing_values() -> None:
    compute = MeanJacobFro(2, 4)
    short = compute(Passes(stacked(), images(8), labels(8))).numpy()
    np.testing.assert_array_equal(found(compute, stacked()), short)
    told = score(stacked(), images(), labels(), ["jacob_fro_10x256"])
    assert told.failures == {"jacob_fro_10x256": {"a batch of 16 images, of at least 2560": 3}}
    with pytest.raises(ProxyError, match="5 mini-batches of 4 images were asked of a batch of 16; expected at least 20"):
        found(MeanJacobFro(5, 4), stacked())


def test_settings_say_how_many_minibatches() -> None:
    assert KNOWN["jacob_fro_10x256"].settings() == {"batches": 10, "size": 256, "projections": 1}
    assert KNOWN["hessian_weights_10x256"].settings() == {"batches": 10, "size": 256, "iterations": 20}


@pytest.mark.parametrize("given", [{"batches": 0}, {"size": 1}, {"projections": 0}])
def test_no_minibatches_are_refused(given: dict[str, int]) -> None:
    with pytest.raises(InvalidArgument, match=f"{next(iter(given))}="):
        MeanJacobFro(**given)


def test_batches_are_of_training_or_of_test_images(tiny_images: str) -> None:
    dataset = load(tiny_images)
    for part, pool in (("train", dataset.train_images), ("test", dataset.test_images)):
        drawn, truth = batch_of(dataset, 5, part=part)
        places = [next(k for k, image in enumerate(pool) if np.array_equal(image, one)) for one in drawn.numpy()]
        assert len(set(places)) == len(places) == 5
        assert np.array_equal(truth.numpy(), getattr(dataset, f"{part}_labels")[places])
    with pytest.raises(ProxyError, match="'validation' is no part of a data set; expected train or test"):
        batch_of(dataset, 5, part="validation")
    options: dict[str, Any] = {"channels": 1, "cells_a_stage": 1, "batch_size": 5, "part": "test"}
    assert score_untrained(FEW, dataset, ["l2_norm"], **options).settings["l2_norm"]["part"] == "test"
