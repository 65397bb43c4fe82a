from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
import torch.nn.functional as F
from torch import Tensor

from builders.network import CellModule, Network, Reduction
from builders.proxies import Passes
from builders.proxies.croze import EQUATIONS, GAUSSIAN, RELEASED, Croze, Form, feature_number, pair
from builders.proxies.passes import layers
from tests.builders.proxies.small import MEAN, SKELETON, STD, Values, images, labels, plain, stacked, value, weighted, without_batch_norm

X, Y = images(8), labels(8)
# In single precision first, as networks hold them.
CENTRE, SPREAD = (torch.tensor(numbers).double().view(-1, 1, 1) for numbers in (MEAN, STD))


def forward(network: Network, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Logits and the five features of a network, from standardised images, module by module."""
    x = network.stem(x)
    features = [x]
    for module in network.body:
        x = module(x)
        if isinstance(module, Reduction):
            features.append(x)
    features.append(x)
    features.append(network.head(x).mean((2, 3)))
    return network.classifier(features[-1]), features


def feature_of_each_layer(network: Network) -> list[int]:
    """Cells seen so far // cells a stage, in the order of the modules, and one more for the classifier."""
    numbers, cells = [], 0
    for module in network.modules():
        cells += isinstance(module, CellModule)
        if module in weighted(network):
            numbers.append(cells // SKELETON.cells + (module is network.classifier))
    return numbers


def gradients(network: Network, x: Tensor) -> list[Tensor]:
    found = torch.autograd.grad(F.cross_entropy(forward(network, x)[0], Y), [m.weight for m in weighted(network)], allow_unused=True)
    return [torch.zeros_like(m.weight) if g is None else g for m, g in zip(weighted(network), found, strict=True)]


def released(network: Network) -> list[tuple[float, float, float]]:
    """Z, P and G of every layer: the released implementation, step by step, for one network."""
    twin = stacked().extract([str(cell) for cell in stacked().cells].index(str(network.cell)))
    for one in (network, twin):
        without_batch_norm(one)
        with torch.no_grad():
            for parameter in one.parameters():
                parameter.abs_()
    x = (X - CENTRE) / SPREAD
    clean = gradients(network, x)
    with torch.no_grad():
        for module, g in zip(weighted(twin), clean, strict=True):
            if g.any():
                module.weight += 2.0 * module.weight.norm() / g.norm() * g
    attacked = x.clone().requires_grad_()
    slope = torch.autograd.grad(F.cross_entropy(forward(twin, attacked)[0], Y), attacked)[0]
    attacked = (x - 0.01 * slope.sign()).clamp(0, 1)
    robust = gradients(twin, attacked)
    ours, theirs = forward(network, x)[1], forward(twin, attacked)[1]
    found = []
    for m, t, g, h, number in zip(weighted(network), weighted(twin), clean, robust, feature_of_each_layer(network), strict=True):
        z = (1 + F.cosine_similarity(ours[number], theirs[number], dim=0)).sum()
        p = (1 + F.cosine_similarity(m.weight, t.weight, dim=0)).sum()
        found.append((z.item(), p.item(), F.cosine_similarity(g, h, dim=0).abs().sum().item()))
    return found


def test_as_released() -> None:
    np.testing.assert_allclose(value("croze"), plain(lambda n: sum(z * p * g for z, p, g in released(n))), rtol=1e-8)


@pytest.mark.parametrize(("name", "position"), [("croze_features", 0), ("croze_parameters", 1), ("croze_gradients", 2)])
def test_the_parts_of_the_released_form(name: str, position: int) -> None:
    np.testing.assert_allclose(value(name), plain(lambda n: sum(layer[position] for layer in released(n))), rtol=1e-8)


def by_the_equations(network: Network) -> float:
    """Equations 3 to 10 for one network: batch norm, signed weights, whole tensors, a layer's own features."""
    twin = stacked().extract([str(cell) for cell in stacked().cells].index(str(network.cell)))
    beta, eps, rate = 0.1, 0.01, 0.1
    outputs: list[Tensor] = []
    clean = gradients(network, (X - CENTRE) / SPREAD)
    with torch.no_grad():
        for module, g in zip(weighted(twin), clean, strict=True):
            if g.any():
                module.weight += beta * module.weight.norm() / g.norm() * g
    attacked = X.clone().requires_grad_()
    slope = torch.autograd.grad(F.cross_entropy(twin(attacked), Y), attacked)[0]
    attacked = (X + eps * slope.sign()).clamp(0, 1)
    robust = gradients(twin, (attacked - CENTRE) / SPREAD)
    sides = []
    for one, x in ((network, X), (twin, attacked)):
        outputs = []
        hooks = [m.register_forward_hook(lambda _, __, output, kept=outputs: kept.append(output.flatten())) for m in weighted(one)]
        order: list[int] = []
        hooks += [m.register_forward_hook(lambda _, __, ___, i=i, kept=order: kept.append(i)) for i, m in enumerate(weighted(one))]
        one(x)
        for hook in hooks:
            hook.remove()
        sides.append(dict(zip(order, outputs, strict=True)))
    total = 0.0
    for i, (m, t, g, h) in enumerate(zip(weighted(network), weighted(twin), clean, robust, strict=True)):
        z = 1 + F.cosine_similarity(sides[0][i], sides[1][i], dim=0)
        p = 1 + F.cosine_similarity((m.weight - rate * g).flatten(), (t.weight - rate * h).flatten(), dim=0)
        total += (z * p * F.cosine_similarity(g.flatten(), h.flatten(), dim=0).abs()).item()
    return total


def test_by_the_equations() -> None:
    np.testing.assert_allclose(value("croze_equations"), plain(by_the_equations), rtol=1e-8)


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
