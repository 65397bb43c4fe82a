"""Everything that runs on a device, on one that is not there: nothing is left on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

from robbench_builders.attacks import APGD, APGDDLR, APGDT, CW, FABT, FGSM, PGD, SPSA, Attack, AutoAttack, DeepFool, Square, SquareRescaled
from robbench_builders.datasets import Dataset
from robbench_builders.evaluate import corruption_outcomes, robust_outcomes, transfer_outcomes
from robbench_builders.networks.frozen import FrozenStack
from robbench_builders.networks.layers import AvgPool
from robbench_builders.networks.stacked import Stack
from robbench_builders.proxies import PROXIES, score, score_untrained
from robbench_builders.proxies.jacobians import Hessian
from robbench_builders.proxies.rscore import Psi
from robbench_builders.recipes import RECIPES, Adversary
from robbench_builders.reliability import reliability
from robbench_builders.train import train
from tests.builders.elsewhere import CPU, CUDA, Elsewhere, TwoDevices, WrongThere
from tests.builders.proxies.small import CELLS, CONSTANT

STRONGEST = AutoAttack(steps=2, targets=2, queries=3)
ATTACKS: tuple[Attack, ...] = (
    FGSM(), FGSM(targeted=True), PGD(steps=2), Square(queries=3), Square(queries=3, targeted=True), SquareRescaled(queries=3), APGD(steps=4), APGDDLR(steps=2),
    APGDT(targets=2, steps=2), FABT(targets=2, steps=2), CW(steps=2), DeepFool(steps=2), SPSA(steps=1, samples=2),
)  # fmt: skip
QUICK = PROXIES | {
    "hessian": replace(PROXIES["hessian"], compute=Hessian(iterations=2, images=2)),
    "r_score_psi": replace(PROXIES["r_score_psi"], compute=Psi(repeats=1)),
    "r_score_psi_equations": replace(PROXIES["r_score_psi_equations"], compute=Psi(by_layer=True, repeats=1)),
}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    labels = np.arange(16) % 4
    images = ((labels[:, None, None, None] + rng.random((16, 1, 8, 8))) / 5).astype(np.float32)
    return Dataset("made up", images, labels, images, labels, 4)


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as mode:
        yield mode
    assert mode.done > 100


@pytest.fixture
def trained(elsewhere: Elsewhere, dataset: Dataset) -> Stack[Any]:
    small = replace(RECIPES["digits"], epochs=1, channels=2, flip=True, crop=1 / 8, adversary=Adversary(0.1, 0.05, 2))
    stack, _ = train((*CELLS[:2], CONSTANT), dataset, small, 0, CUDA)
    assert stack.classifier.weight.device == CUDA
    return stack


def test_attacks_corruptions_and_what_is_asked_of_them(trained: Stack[Any], dataset: Dataset) -> None:
    network = FrozenStack(trained)
    images, labels = (torch.from_numpy(array).to(CUDA) for array in (dataset.test_images, dataset.test_labels))
    for attack in ATTACKS:
        assert robust_outcomes(network, images, labels, attack, [0.0, 0.2], batch_size=12).shape == (3, 2, 16)
    assert corruption_outcomes(network, dataset.corrupted, labels, "fog", [3], first=9).shape == (3, 1, 9)
    assert transfer_outcomes(network, network, images, labels, PGD(steps=1), 0.2).shape == (3, 3, 16)
    assert reliability(network, images, labels, [0.2], STRONGEST).outcomes.shape == (3, 1, 16)


def test_proxies_of_trained_and_of_untrained_networks(trained: Stack[Any], dataset: Dataset) -> None:
    images, labels = (torch.from_numpy(array).to(CUDA) for array in (dataset.train_images, dataset.train_labels))
    assert score(trained, images, labels, ["hessian", "jacob_fro", "nwot"], proxies=QUICK).failures.keys() == {
        "hessian",
        "jacob_fro",
        "nwot",
    }
    untrained = score_untrained(CELLS[:2], dataset, proxies=QUICK, channels=2, cells_a_stage=1, device=CUDA)
    assert untrained.failures == {}


def test_networks_come_and_go(trained: Stack[Any], dataset: Dataset) -> None:
    one = trained.extract(1)
    trained.insert(1, one)
    assert one(torch.from_numpy(dataset.test_images).to(CUDA)).device == CUDA


@pytest.mark.parametrize(
    "wrong",
    [
        lambda there: there + torch.ones(3),
        lambda there: there.index_add(0, torch.tensor([1]), there[:1]),
        lambda there: torch.ones(3)[there.long()],
        lambda there: there.numpy(),
        lambda there: there.normal_(generator=torch.Generator()),
        lambda there: torch.rand(3, device=there.device, generator=torch.Generator()),
    ],
)
def test_what_cuda_would_refuse_is_refused(wrong: Callable[[Tensor], object]) -> None:
    with Elsewhere(), pytest.raises(TwoDevices):
        wrong(torch.zeros(3, device=CUDA))


@pytest.mark.parametrize("order", [torch.channels_last, torch.contiguous_format])
def test_pooling_that_cuda_would_get_wrong_is_refused_and_ours_is_not(order: torch.memory_format) -> None:
    with Elsewhere():
        image = torch.rand(2, 3, 4, 4, device=CUDA).contiguous(memory_format=order)
        if order == torch.channels_last:
            with pytest.raises(WrongThere):
                nn.AvgPool2d(3, 1, 1)(image)
        pooled = AvgPool(3, 1, 1)(image)
    assert torch.equal(pooled, nn.functional.avg_pool2d(image.contiguous(), 3, 1, 1, count_include_pad=False))


def test_what_cuda_would_do_is_done() -> None:
    with Elsewhere():
        here, there = torch.ones(3), torch.zeros(3, device=CUDA)
        assert (here.device, there.device) == (CPU, CUDA)
        assert {found.device for found in (there[here.long()], there * torch.tensor(2.0), here.to(CUDA), nn.Parameter(there))} == {CUDA}
        assert here.to(CUDA).cpu().numpy().tolist() == [1, 1, 1]
        assert torch.autograd.grad((there.requires_grad_() ** 2).sum(), there)[0].device == CUDA
