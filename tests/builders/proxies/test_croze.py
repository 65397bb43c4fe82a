from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("torch")

import torch.nn.functional as F
from torch import Tensor

from robbench_builders.networks.plain import Network
from robbench_builders.proxies import Passes, ProxyError
from robbench_builders.proxies.anatomy import feature_number
from robbench_builders.proxies.croze import EQUATIONS, GAUSSIAN, RELEASED, Croze, Form, pair
from robbench_builders.proxies.passes import layers
from tests.builders.proxies.small import CELLS, Values, images, labels, plain, stacked, value, weighted
from tests.builders.proxies.twins import by_the_equations, released


def whole(one: Tensor, other: Tensor) -> Tensor:
    return F.cosine_similarity(one.flatten(), other.flatten(), dim=0)


def released_parts(network: Network, *, gaussian: bool | str = False) -> Values:
    """Z, P and G of every layer, ``(layers, 3)``: cosines along output channels or images, summed."""
    one, other = released(network, gaussian=gaussian)
    along = [
        [F.cosine_similarity(mine, its, dim=0) for mine, its in zip(ours, theirs, strict=True)]
        for ours, theirs in zip(one, other, strict=True)
    ]
    return np.array([[(1 + z).sum().item(), (1 + p).sum().item(), g.abs().sum().item()] for p, g, z in zip(*along, strict=True)])


@pytest.mark.parametrize(("form", "gaussian"), [("croze", False), ("croze_gaussian", True)])
def test_as_released(form: str, gaussian: bool) -> None:
    parts = [released_parts(network, gaussian=gaussian) for network in map(stacked().extract, range(len(CELLS)))]
    np.testing.assert_allclose(value(form), [layers.prod(1).sum() for layers in parts], rtol=1e-8)
    for position, part in enumerate(("features", "parameters", "gradients")):
        np.testing.assert_allclose(value(f"{form}_{part}"), [layers[:, position].sum() for layers in parts], rtol=1e-8, err_msg=part)


def test_products_of_two_parts_are_taken_layer_by_layer() -> None:
    parts = [released_parts(network) for network in map(stacked().extract, range(len(CELLS)))]
    for name, columns in {"features_parameters": [0, 1], "features_gradients": [0, 2], "parameters_gradients": [1, 2]}.items():
        np.testing.assert_allclose(value(f"croze_{name}"), [part[:, columns].prod(1).sum() for part in parts], rtol=1e-8, err_msg=name)


def test_noise_of_the_input_alone_leaves_the_weights_perturbed_along_the_gradient() -> None:
    parts = [released_parts(network, gaussian="input") for network in map(stacked().extract, range(len(CELLS)))]
    np.testing.assert_allclose(value("croze_gaussian_input"), [part.prod(1).sum() for part in parts], rtol=1e-8)
    assert not np.allclose(value("croze_gaussian_input"), value("croze_gaussian"), rtol=1e-6)
    assert not np.allclose(value("croze_gaussian_input"), value("croze"), rtol=1e-9)


@pytest.mark.parametrize("part", ["", "weights", "features_weights", "features_features", "all_features"])
def test_what_is_no_part_is_refused(part: str) -> None:
    with pytest.raises(ProxyError, match=f"'{part}' is no part of CRoZe; expected all, features, parameters, gradients, or two of them"):
        Croze(part=part)


def test_by_the_equations() -> None:
    """Whole tensors, a layer's own features, and weights compared after a step of gradient descent, of rate 0.1."""

    def score(network: Network) -> float:
        one, other = by_the_equations(network)
        features = [1 + whole(*pair) for pair in zip(one.features, other.features, strict=True)]
        stepped = [[w - 0.1 * g for w, g in zip(each.weights, each.gradients, strict=True)] for each in (one, other)]
        parameters = [1 + whole(*pair) for pair in zip(*stepped, strict=True)]
        gradients = [whole(*pair).abs() for pair in zip(one.gradients, other.gradients, strict=True)]
        return sum((z * p * g).item() for z, p, g in zip(features, parameters, gradients, strict=True))

    np.testing.assert_allclose(value("croze_equations"), plain(score), rtol=1e-8)


def forms(form: Form) -> Values:
    return value("croze", compute=Croze(form))


@pytest.mark.parametrize("field", ["batch_norm", "absolute", "beta", "ascend", "standardise", "learning_rate", "whole", "own_features"])
def test_every_ingredient_between_the_forms_counts(field: str) -> None:
    assert not np.allclose(forms(RELEASED), forms(replace(RELEASED, **{field: getattr(EQUATIONS, field)})), rtol=1e-9)


def test_batch_norm_may_stay_in_the_reductions_alone() -> None:
    values = [forms(replace(RELEASED, batch_norm=where)) for where in ("none", "reductions", "all")]
    assert all(not np.allclose(one, other) for one, other in pairwise(values))


def test_nothing_perturbed_is_consistent_all_over() -> None:
    still = replace(RELEASED, beta=0.0, eps=0.0, standardise=False, whole=True, own_features=True)
    parts = [value("croze", compute=Croze(still, part)) for part in ("features", "parameters", "gradients")]
    counts = plain(lambda network: len(weighted(network)))
    np.testing.assert_allclose(parts[1], 2 * counts, rtol=1e-10)
    assert (parts[0] <= 2 * counts + 1e-9).all()
    assert (parts[2] <= counts + 1e-9).all()
    # A layer that is off for all images has no direction: its cosines are 0, not 1.
    np.testing.assert_allclose(parts[0][1], 2 * counts[1], rtol=1e-10)
    np.testing.assert_allclose(parts[2][1], counts[1], rtol=1e-10)


def test_perturbations_have_the_length_that_the_form_says() -> None:
    for form in (RELEASED, GAUSSIAN, EQUATIONS):
        stack = stacked()
        clean, robust = pair(Passes(stack, images(), labels()), form)
        one, other = clean.stack.state(1), robust.stack.state(1)
        for path in layers(stack):
            if 1 in layers(stack)[path].members:
                step = other[f"{path}.weight"] - one[f"{path}.weight"]
                assert float(step.norm() / one[f"{path}.weight"].norm()) == pytest.approx(form.beta, rel=1e-9)
        assert len(clean.record.images[0]) == 8
        if form is EQUATIONS:
            assert float((robust.record.images - clean.record.images).detach().abs().max()) == pytest.approx(form.eps)
            assert float(robust.record.images.detach().min()) >= 0


def test_random_perturbations_do_not_follow_the_gradient() -> None:
    assert not np.allclose(value("croze_gaussian"), value("croze"))
    assert np.array_equal(value("croze_gaussian"), value("croze_gaussian"))


def test_feature_numbers() -> None:
    stack = stacked()
    expected = dict(zip([m for m, _ in stack.extract(1).named_modules() if m.endswith("conv") or m in PLAIN], NUMBERS, strict=True))
    for path, layer in layers(stack).items():
        if 1 in layer.members:
            assert feature_number(stack, path) == expected[path], path


PLAIN = ("stem.0", "body.2.shortcut", "body.5.shortcut", "classifier")
# Of cell 1, which has four convolutions: stem; a cell, and one that ends the stage; reduction; …
NUMBERS = [0, *[0] * 4, *[1] * 4, *[1] * 3, *[1] * 4, *[2] * 4, *[2] * 3, *[2] * 4, *[3] * 4, 4]
