from __future__ import annotations

import csv
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robbench_builders.errors import BuildError
from robbench_builders.networks.plain import Network, Skeleton, flops, parameters
from robbench.spaces.nb201 import Cell
from tests.strategies import any_cell

SMALL = Skeleton(channels=4, cells=1, image_channels=1)
PUBLISHED = {
    "zc_nasbench201_cifar10.csv": (Skeleton(), 32),
    "zc_nasbench201_ImageNet16-120.csv": (Skeleton(classes=120), 16),
}


@pytest.mark.parametrize("file", PUBLISHED)
def test_parameters_and_flops_are_the_published_ones(file: str, reference: Path) -> None:
    skeleton, size = PUBLISHED[file]
    with (reference / "nbsuite_zero" / file).open(encoding="utf-8") as lines:
        rows = [(Cell.from_naslib([int(index) for index in row["net"].strip("()").split(",")]), row) for row in csv.DictReader(lines)]
    assert len(rows) == 9445
    wrong = [
        str(cell)
        for cell, row in rows
        if (flops(cell, skeleton, size), parameters(cell, skeleton))
        != (round(float(row["flops"]) * 1e6), round(float(row["params"]) * 1e6))
    ]
    assert wrong == []


@settings(max_examples=20)
@given(any_cell, st.sampled_from([SMALL, Skeleton(channels=3, cells=2, image_channels=2, classes=5)]))
def test_parameters_are_those_of_the_module(cell: Cell, skeleton: Skeleton) -> None:
    assert parameters(cell, skeleton) == sum(parameter.numel() for parameter in Network(cell, skeleton).parameters())


def test_flops_grow_with_the_area() -> None:
    cell = Cell(("nor_conv_3x3",) * 6)
    assert flops(cell, SMALL, (16, 32)) == flops(cell, SMALL, (32, 16))
    assert flops(cell, SMALL, 16) < flops(cell, SMALL, (16, 32)) < flops(cell, SMALL, 32)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 13), (16, 8)])
def test_any_image_size(height: int, width: int) -> None:
    network = Network(Cell(("avg_pool_3x3",) * 6), SMALL, generator=torch.Generator().manual_seed(0))
    assert network(torch.rand(3, 1, height, width)).shape == (3, 10)


def test_weights_depend_on_the_generator_alone() -> None:
    cell = Cell(("nor_conv_3x3",) * 6)
    before = torch.random.get_rng_state()
    one, same, other = (Network(cell, SMALL, generator=torch.Generator().manual_seed(seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["stem.0.weight"], other["stem.0.weight"])
    assert torch.equal(before, torch.random.get_rng_state())


def test_weights_are_uniform_within_the_published_bound() -> None:
    network = Network(Cell(("nor_conv_3x3",) * 6), Skeleton(), generator=torch.Generator().manual_seed(0))
    weight = network.state_dict()["body.0.edges.nor_conv_3x3_01.conv.weight"]
    bound = (16 * 9) ** -0.5
    assert 0.95 * bound < weight.abs().max() <= bound
    assert abs(weight.std().item() / (bound / 3**0.5) - 1) < 0.05


def test_normalisation_is_the_first_layer() -> None:
    cell, images = Cell(("skip_connect",) * 6), torch.rand(4, 1, 8, 8)
    plain, normalising = (
        Network(cell, SMALL, mean, std, generator=torch.Generator().manual_seed(0)) for mean, std in ((None, None), ([0.3], [0.25]))
    )
    torch.testing.assert_close(normalising(images), plain((images - 0.3) / 0.25))


def test_output_that_ignores_the_input_is_constant() -> None:
    network = Network(Cell(("nor_conv_3x3", "none", "none", "none", "none", "none")), SMALL, generator=torch.Generator().manual_seed(0))
    logits = network.eval()(torch.rand(5, 1, 8, 8))
    assert torch.equal(logits, logits[:1].expand(5, -1))


def test_a_mean_of_the_wrong_length() -> None:
    with pytest.raises(BuildError, match=r"mean has 3 values; expected 1, one for each image channel"):
        Network(Cell(("none",) * 6), SMALL, [0.1, 0.2, 0.3])
