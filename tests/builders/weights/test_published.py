from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from robbench_builders.errors import WeightsError
from robbench_builders.networks.plain import Network, Skeleton
from robbench_builders.networks.stacked import StackedNetwork
from robbench_builders.weights.loading import network_of
from robbench_builders.weights.published import NORMALISATION, SPELLINGS, names
from robbench.spaces.nb201 import Cell
from tests.builders.weights.tiny_network import tiny_network

ARCHS = (
    "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|",
    "|nor_conv_1x1~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_1x1~0|nor_conv_3x3~1|nor_conv_1x1~2|",
    "|skip_connect~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|skip_connect~2|",
)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
IMAGES = torch.rand(6, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def normalised(images: Any) -> Any:
    return (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("arch", ARCHS)
def test_published_weights_give_the_published_networks_logits(arch: str, spelling: str, training: bool) -> None:
    theirs = tiny_network(arch, cells=2, classes=5, spelling=spelling, image_channels=3)
    weights = copy.deepcopy(theirs.state_dict())
    ours = network_of(Cell.parse(arch), weights, "here", mean=MEAN, std=STD).train(training)
    assert ours.skeleton == Skeleton(channels=4, cells=2, image_channels=3, classes=5)
    _, expected = theirs.train(training)(normalised(IMAGES))
    torch.testing.assert_close(ours(IMAGES), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(StackedNetwork([network_of(Cell.parse(arch), weights, "here", mean=MEAN, std=STD)]).eval().train(training)(IMAGES)[0], expected, rtol=1e-4, atol=1e-5)  # fmt: skip
    # A step of running statistics is theirs, too.
    torch.testing.assert_close(ours.state_dict()["head.0.running_var"], theirs.state_dict()["lastact.0.running_var"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_tensor_has_one_name(spelling: str) -> None:
    ours = Network(Cell.parse(ARCHS[1]), Skeleton(channels=4, cells=2))
    theirs = tiny_network(ARCHS[1], cells=2, spelling=spelling, image_channels=3).state_dict()
    found = names(ours, spelling)
    assert sorted(found.values()) == sorted(theirs)
    assert found.keys() == ours.state_dict().keys() - {"mean", "std"}


def test_layers_are_numbered_as_in_the_arch_string_and_cells_with_the_reductions() -> None:
    """The names that are published, at full size."""
    found = set(names(Network(Cell.parse(ARCHS[0]), Skeleton()), "layers").values())
    convolutions = {f"cells.{cell}.layers.{j}.op.1.weight" for cell in (*range(5), *range(6, 11), *range(12, 17)) for j in (0, 2, 5)}
    reductions = {f"cells.{cell}.{part}.weight" for cell in (5, 11) for part in ("conv_a.op.1", "conv_b.op.1", "downsample.1")}
    assert {name for name in found if name.endswith("op.1.weight") or "downsample" in name} == convolutions | reductions
    assert "cells.16.edges.3<-2.0.op.2.running_mean" in names(Network(Cell.parse(ARCHS[0]), Skeleton()), "edges").values()


def test_published_normalisations_are_those_of_the_images(  # to the digits in which they were published
) -> None:
    (mean, std) = NORMALISATION["cifar10"]
    assert [round(value / 255, 2) for value in (*mean, *std)] == [0.49, 0.48, 0.45, 0.25, 0.24, 0.26]


def given(arch: str = ARCHS[0], **options: Any) -> dict[str, Any]:
    return tiny_network(arch, **options).state_dict()


def load(weights: dict[str, Any], arch: str = ARCHS[0], **options: Any) -> Network:
    found: Network = network_of(Cell.parse(arch), weights, "some.pth", mean=(0.0,), std=(1.0,), **options)
    return found


def test_another_architecture_is_told_by_what_has_no_place() -> None:
    with pytest.raises(
        WeightsError,
        match=r"some\.pth lacks cells\.0\.layers\.1\.op\.1\.weight and \d+ more, expected \(4, 4, 3, 3\); expected the weights of .*are they of another arch",
    ):
        load(given(), ARCHS[1])
    with pytest.raises(
        WeightsError, match=r"some\.pth has cells\.0\.layers\.0\.op\.1\.weight and \d+ more, \(4, 4, 3, 3\), for which there"
    ):
        load(given(), ARCHS[2])


def test_another_kernel_is_told_by_its_shape() -> None:
    other = ARCHS[0].replace("nor_conv_1x1~1", "nor_conv_3x3~1")
    with pytest.raises(WeightsError, match=r"cells\.0\.layers\.2\.op\.1\.weight is \(4, 4, 1, 1\); expected \(4, 4, 3, 3\)"):
        load(given(), other)


@pytest.mark.parametrize(
    ("expected", "tensor", "shapes"),
    [
        (Skeleton(channels=16, cells=1, image_channels=1, classes=2), r"stem\.0\.weight", r"\(4, 1, 3, 3\); expected \(16, 1, 3, 3\)"),
        (Skeleton(channels=4, cells=1, image_channels=1, classes=10), r"classifier\.weight", r"\(2, 16\); expected \(10, 16\)"),
        (Skeleton(channels=4, cells=1, image_channels=3, classes=2), r"stem\.0\.weight", r"\(4, 1, 3, 3\); expected \(4, 3, 3, 3\)"),
    ],
    ids=["width", "classes", "image channels"],
)
def test_another_skeleton_is_told_by_the_tensor(expected: Skeleton, tensor: str, shapes: str) -> None:
    with pytest.raises(WeightsError, match=rf"some\.pth: {tensor} is {shapes}"):
        network_of(Cell.parse(ARCHS[0]), given(), "some.pth", skeleton=expected)


def test_cells_that_are_left_out_are_missed() -> None:
    weights = {name: tensor for name, tensor in given(cells=2).items() if not name.startswith("cells.7.")}
    with pytest.raises(WeightsError, match=r"some\.pth lacks cells\.7\.layers\.0\.op\.1\.weight"):
        load(weights)


@pytest.mark.parametrize("name", ["stem.0.weight", "classifier.weight"])
def test_what_tells_the_width_is_named_where_it_is_missing_or_no_weight(name: str) -> None:
    weights = given()
    weights[name] = torch.ones(3)
    with pytest.raises(WeightsError, match=rf"{name} is \(3,\); expected a tensor of [24] dimensions"):
        load(weights)
    del weights[name]
    with pytest.raises(WeightsError, match=rf"{name} is missing; expected a tensor of [24] dimensions"):
        load(weights)


def test_weights_without_reductions_are_no_network() -> None:
    with pytest.raises(WeightsError, match=r"no cells\.5\.downsample\.1\.weight, or such, of a reduction"):
        load({name: tensor for name, tensor in given().items() if "downsample" not in name})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_named(value: float) -> None:
    weights = given()
    weights["cells.1.conv_b.op.2.running_mean"][3] = value
    with pytest.raises(WeightsError, match=r"cells\.1\.conv_b\.op\.2\.running_mean has values that are NaN or infinite"):
        load(weights)


def test_a_negative_variance_is_named() -> None:
    weights = given()
    weights["stem.1.running_var"][0] = -1.0
    with pytest.raises(WeightsError, match=r"stem\.1\.running_var has negative values, and is a variance"):
        load(weights)


@pytest.mark.parametrize("change", [torch.Tensor.half, torch.Tensor.to_sparse, lambda tensor: tensor.to("meta")])
def test_tensors_of_another_form_are_named(change: Any) -> None:
    weights = given()
    weights["classifier.weight"] = change(weights["classifier.weight"])
    with pytest.raises(
        WeightsError, match=r"classifier\.weight is torch\.float(16|32), .*; expected torch\.float32, dense, with its values"
    ):
        load(weights)


def test_a_skeleton_of_any_size_takes_no_memory_before_it_fits() -> None:
    weights = given()
    weights["stem.0.weight"] = torch.zeros(1).expand(10**6, 1, 3, 3)
    with pytest.raises(WeightsError, match=r"expected \(1000000,|expected \(1000000, "):
        load(weights)
