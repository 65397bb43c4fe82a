"""Proxies of networks of DARTS: all at once, and beside plain networks scored step by step."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robbench_builders.datasets import load
from robbench_builders.errors import BuildError
from robbench_builders.networks.darts import DartsNetwork, DartsSkeleton, parameters
from robbench_builders.networks.darts.operations import Depthwise, FactorizedReduction
from robbench_builders.networks.families import plain as network_of
from robbench_builders.networks.layers import ReLUConvBN
from robbench_builders.networks.plain import Skeleton
from robbench_builders.proxies import KNOWN, PROXIES, Passes, Proxy, Scores, initialised, score, score_untrained
from robbench_builders.proxies.anatomy import AnyStack, feature_number
from robbench_builders.proxies.jacobians import Hessian
from robbench_builders.proxies.passes import layers
from robbench_builders.proxies.rscore import Psi
from robbench_builders.proxies.swap import Swap
from robbench_builders.proxies.zcprob import ZCPRob
from robbench.spaces.darts import DARTS, Genotype
from tests.builders.proxies.small import MEAN, STD, Values, images, labels, weighted, without_batch_norm
from tests.builders.proxies.test_rscore import agreement

SKELETON = DartsSkeleton(channels=2, layers=3, image_channels=2, classes=3)
GENOTYPES = tuple(
    map(
        DARTS.parse,
        (
            "sep5~0+sep3~1|skip~0+sep3~1|avg~1+sep5~3|skip~1+dil3~4//max~0+sep3~1|sep5~0+max~1|skip~0+avg~1|sep3~1+skip~3",
            "skip~0+max~1|dil5~0+avg~2|sep3~1+dil3~2|max~0+skip~4//max~0+skip~1|dil3~0+sep5~2|avg~1+max~3|skip~0+skip~2",
            # The normal cell does not read what comes before the last, so the layers that bring it reach no output.
            "sep3~1+skip~1|avg~1+skip~2|max~1+dil3~2|avg~1+skip~4//sep3~0+avg~1|skip~0+max~2|skip~1+avg~2|dil5~0+skip~1",
        ),
    )
)
WITHOUT_POOLING = Genotype.of_cells(DARTS.parse("zcprob").normal, DARTS.parse("trnas").reduce)
ZCPROB = ZCPRob(images=12, around=4)
QUICK: dict[str, Proxy] = {
    **PROXIES,
    "hessian": replace(PROXIES["hessian"], compute=Hessian(iterations=2, images=4)),
    "r_score_psi": replace(PROXIES["r_score_psi"], compute=Psi(repeats=1)),
    "r_score_psi_equations": replace(PROXIES["r_score_psi_equations"], compute=Psi(by_layer=True, repeats=1)),
    "r_score_phi_cells": KNOWN["r_score_phi_cells"],
    "swap": replace(KNOWN["swap"], compute=Swap(repeats=1)),
    "swap_regularised": replace(KNOWN["swap_regularised"], compute=Swap(regularised=True, repeats=1)),
    "zcprob": replace(KNOWN["zcprob"], compute=replace(ZCPROB, t=1.0), images=12),
    "zcprob_equations": replace(KNOWN["zcprob_equations"], compute=replace(ZCPROB, equations=True, t=1.0), images=12),
}


def stacked(archs: tuple[Genotype, ...] = GENOTYPES, init: str = "random") -> AnyStack:
    return initialised(archs, SKELETON, MEAN, STD, init=init).double()


def scored(archs: tuple[Genotype, ...] = GENOTYPES, seed: int = 0) -> Scores:
    return score(stacked(archs), images(), labels(), seed=seed, proxies=QUICK)


@pytest.fixture(scope="module")
def every() -> Scores:
    return scored()


def value(compute: Callable[[Passes], Tensor] | str) -> Values:
    proxy = QUICK[compute] if isinstance(compute, str) else Proxy(compute)
    return score(stacked(), images(), labels(), proxies={"one": proxy}).values["one"]


def plain(function: Callable[[DartsNetwork], float]) -> Values:
    return np.array([function(stacked().extract(k)) for k in range(len(GENOTYPES))])


# What holds for all of them


def test_all_have_a_finite_value(every: Scores) -> None:
    assert every.failures == {}
    for name in QUICK:
        assert np.isfinite(every.values[name]).all(), name
    np.testing.assert_allclose(every.values["params"], [parameters(arch, SKELETON) / 1e6 for arch in GENOTYPES])


def test_a_stack_is_its_networks_one_at_a_time(every: Scores) -> None:
    for k, arch in enumerate(GENOTYPES[:2]):
        for name, found in scored((arch,)).values.items():
            np.testing.assert_allclose(found, every.values[name][k : k + 1], rtol=1e-6, err_msg=name)


def test_the_same_seed_gives_the_same_score(every: Scores) -> None:
    drawn = ["zen", "jacob_fro", "croze_gaussian_parameters", "r_score_psi", "swap"]
    again, other = (score(stacked(), images(), labels(), [*drawn, "zcprob"], seed=seed, proxies=QUICK) for seed in (0, 1))
    for name in (*drawn, "zcprob"):
        np.testing.assert_allclose(again.values[name], every.values[name], rtol=1e-9, err_msg=name)
    for name in drawn:
        assert not np.allclose(other.values[name], every.values[name]), name


def test_an_auxiliary_head_is_not_seen() -> None:
    with_head = initialised(GENOTYPES[:1], replace(SKELETON, auxiliary=True), MEAN, STD)
    without = initialised(GENOTYPES[:1], SKELETON, MEAN, STD)
    without.load_state_dict({name: tensor for name, tensor in with_head.state_dict().items() if not name.startswith("auxiliary")})
    pixels = torch.rand(8, 2, 32, 32, generator=torch.Generator().manual_seed(2))
    names = ["params", "l2_norm", "snip", "synflow", "nwot"]
    one, other = (score(stack, pixels, labels(8), names) for stack in (with_head, without))
    for name in names:
        np.testing.assert_allclose(one.values[name], other.values[name], rtol=1e-5, err_msg=name)


# Why a value is missing


def test_a_genotype_whose_output_ignores_its_input_has_no_score_but_a_size() -> None:
    dead = DARTS.parse("none~0+none~1|none~0+none~1|none~0+none~1|none~0+none~1//max~0+max~1|max~1+skip~2|max~0+skip~2|max~1+skip~2")
    found = score(stacked((GENOTYPES[0], dead)), images(), labels(), ["params", "snip", "r_score_psi"], proxies=QUICK)
    assert np.isfinite(found.values["params"]).all()
    assert np.isnan(found.values["snip"]).tolist() == [False, True]
    assert found.failures["r_score_psi"] == {"the output ignores the input": 1}
    assert found.reasons["snip"] == (None, "the output ignores the input")
    assert found.reasons["params"] == (None, None)


def test_a_jacobian_that_batch_norm_fixes_is_missing_and_not_rounding() -> None:
    """Cells without pooling end in batch norms, whose sums over a batch no image changes."""
    found = score(stacked((GENOTYPES[0], WITHOUT_POOLING)), images(), labels(), ["jacov", "epe_nas", "jacob_fro"])
    reason = "the Jacobian is rounding: batch norm fixes the sum of the batch's logits"
    for name in ("jacov", "epe_nas"):
        assert np.isnan(found.values[name]).tolist() == [False, True], name
        assert found.reasons[name] == (None, reason)
        assert found.failures[name] == {reason: 1}
    assert np.isfinite(found.values["jacob_fro"]).all()
    trained = score(stacked((WITHOUT_POOLING,)).eval(), images(), labels(), ["jacov"])
    assert np.isfinite(trained.values["jacov"]).all(), "running statistics fix nothing"


@pytest.mark.parametrize("error", [torch.linalg.LinAlgError, ZeroDivisionError])  # type: ignore[attr-defined]
def test_arithmetic_that_fails_for_one_network_leaves_the_others_their_values(error: type[Exception]) -> None:
    def fails(passes: Passes) -> Tensor:
        if GENOTYPES[1] in passes.stack.archs:
            raise error("no eigenvalues")
        return torch.full((len(passes.stack),), 3.0)

    found = score(stacked(), images(), labels(), proxies={"fails": Proxy(fails)})
    assert found.values["fails"][[0, 2]].tolist() == [3.0, 3.0]
    assert found.reasons["fails"] == (None, f"{error.__name__.lstrip('_')}: no eigenvalues", None)
    assert sum(found.failures["fails"].values()) == 1


def test_a_mistake_in_a_proxy_is_none_of_the_networks() -> None:
    def mistaken(passes: Passes) -> Tensor:
        raise TypeError("a bug")

    with pytest.raises(TypeError, match="a bug"):
        score(stacked(), images(), labels(), proxies={"mistaken": Proxy(mistaken)})


def test_a_skeleton_of_the_other_family_is_refused(tiny_images: str) -> None:
    with pytest.raises(BuildError, match="is no skeleton of networks of DARTS; expected a DartsSkeleton"):
        score_untrained(GENOTYPES, load(tiny_images), ["params"])
    with pytest.raises(BuildError, match="is no skeleton of networks of DARTS; expected a DartsSkeleton"):
        initialised(GENOTYPES, Skeleton())


def test_genotypes_are_scored_on_a_data_set(tiny_images: str) -> None:
    skeleton = DartsSkeleton(channels=2, layers=3, image_channels=1, classes=2)
    found = score_untrained(GENOTYPES, load(tiny_images), ["params", "snip"], skeleton=skeleton, batch_size=8)
    assert found.settings["snip"].items() >= {"channels": 2, "layers": 3, "auxiliary": False, "init": "random"}.items()
    assert np.isfinite(found.values["snip"]).all()
    network = network_of(GENOTYPES[0], skeleton)
    assert found.values["params"][0] == sum(weight.numel() for weight in network.parameters()) / 1e6


# Patterns


def relu_inputs(network: DartsNetwork, batch: Tensor) -> list[Tensor]:
    seen: list[Tensor] = []
    places = [module for module in network.modules() if isinstance(module, ReLUConvBN | Depthwise | FactorizedReduction)]
    hooks = [place.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().flatten(1))) for place in places]
    network(batch)
    for hook in hooks:
        hook.remove()
    return seen


def patterns(network: DartsNetwork) -> float:
    on = torch.cat(relu_inputs(network, images()), 1) > 0
    return float(len({tuple(neuron) for neuron in on.T.tolist()}))


@torch.no_grad()
def test_swap_counts_patterns_of_neurons_over_images() -> None:
    drawn = [initialised(GENOTYPES, SKELETON, MEAN, STD, init="gaussian", purpose=f"r_score/{repeat}").double() for repeat in range(2)]
    expected = np.mean([[patterns(stack.extract(k)) for k in range(len(GENOTYPES))] for stack in drawn], axis=0)
    np.testing.assert_array_equal(value(Swap(repeats=2)), expected)
    np.testing.assert_array_equal(value(Psi(repeats=2)), expected)
    thousands = np.array([parameters(arch, SKELETON) / 1000 for arch in GENOTYPES])
    regularised = value(Swap(regularised=True, mu=1.0, sigma=2.0, repeats=2))
    np.testing.assert_allclose(regularised, expected * np.exp(-((thousands - 1) ** 2) / 2), rtol=1e-12)


def test_networks_without_a_stem_are_scored_as_one_at_a_time() -> None:
    """One reduction cell, which is what SWAP's released script scores."""
    skeleton = DartsSkeleton(channels=3, layers=1, image_channels=2, classes=3, stem=False)
    names = ["swap", "r_score_phi", "croze", "snip", "nwot", "params"]
    stacks = [initialised(archs, skeleton, MEAN, STD).double() for archs in (GENOTYPES, GENOTYPES[:1])]
    together, alone = (score(stack, images(), labels(), names, proxies={**KNOWN, "swap": QUICK["swap"]}) for stack in stacks)
    assert together.failures == {}
    for name in names:
        np.testing.assert_allclose(together.values[name][:1], alone.values[name], rtol=1e-9, err_msg=name)
    network = stacks[0].extract(0)
    assert len(relu_inputs(network, images())) == sum(
        isinstance(m, ReLUConvBN | Depthwise | FactorizedReduction) for m in network.modules()
    )


def test_swap_is_regularised_around_the_sizes_of_its_space_where_nothing_is_said() -> None:
    factor = value(Swap(regularised=True, repeats=1)) / value(Swap(repeats=1))
    random = np.random.default_rng(0)
    sizes = np.array([parameters(DARTS.sample(random), SKELETON) / 1000 for _ in range(200)])
    thousands = np.array([parameters(arch, SKELETON) / 1000 for arch in GENOTYPES])
    np.testing.assert_allclose(factor, np.exp(-((thousands - sizes.mean()) ** 2) / (2 * sizes.var())), rtol=1e-10)


# Consistency


class Side:
    """A plain network after a pass: what CRoZe and R-Score compare of it, in the order of its layers."""

    def __init__(self, network: DartsNetwork, x: Tensor) -> None:
        self.layers = weighted(network)
        self.weights = [layer.weight.detach() for layer in self.layers]
        logits, self.features = forward(network, x)
        loss = F.cross_entropy(logits, labels(8))
        found = torch.autograd.grad(loss, [layer.weight for layer in self.layers], allow_unused=True)
        self.reached = [gradient is not None for gradient in found]
        self.gradients = [torch.zeros_like(w) if g is None else g for w, g in zip(self.weights, found, strict=True)]


def forward(network: DartsNetwork, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Logits, and features from the input on: the stem's, the cells', and the pooled vector."""
    before = last = network.stem(x)
    features = [x, last]
    for cell in network.body:
        before, last = last, cell(before, last, network.kept)
        features.append(last)
    features.append(last.mean((2, 3)))
    return network.classifier(features[-1]), features


def sides(network: DartsNetwork) -> tuple[Side, Side]:
    """The network and its twin, as released: no batch norm, absolute weights, β = 2, ε = 0.01 down the loss of standardised images."""
    without_batch_norm(network)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    x = (images(8) - torch.tensor(MEAN).double().view(-1, 1, 1)) / torch.tensor(STD).double().view(-1, 1, 1)
    clean, twin = Side(network, x), copy.deepcopy(network)
    with torch.no_grad():
        for layer, gradient in zip(weighted(twin), clean.gradients, strict=True):
            if gradient.any():
                layer.weight += 2 * layer.weight.norm() / gradient.norm() * gradient
    point = x.clone().requires_grad_()
    slope = torch.autograd.grad(F.cross_entropy(forward(twin, point)[0], labels(8)), point)[0]
    return clean, Side(twin, (x - 0.01 * slope.sign()).clamp(0, 1))


def cells_seen(network: DartsNetwork) -> list[int]:
    """For each layer, how many cells there are up to its own, which counts; one more for the classifier."""
    return [
        SKELETON.layers + 1 if name == "classifier" else int(name.split(".")[1]) + 1 if name.startswith("body") else 0
        for name, module in network.named_modules()
        if module in weighted(network)
    ]


def test_croze_compares_each_layer_by_its_cell() -> None:
    def croze(network: DartsNetwork) -> float:
        one, other = sides(network)
        total = 0.0
        for k, number in enumerate(cells_seen(network)):
            z, p, g = (
                F.cosine_similarity(mine.detach(), its.detach(), dim=0)
                for mine, its in (
                    (one.features[number + 1], other.features[number + 1]),
                    (one.weights[k], other.weights[k]),
                    (one.gradients[k], other.gradients[k]),
                )
            )
            total += float((1 + z).sum() * (1 + p).sum() * g.abs().sum())
        return total

    np.testing.assert_allclose(value("croze"), plain(croze), rtol=1e-8)
    stack = stacked()
    expected = dict(
        zip(
            [name for name, m in stack.extract(0).named_modules() if isinstance(m, nn.Conv2d | nn.Linear)],
            cells_seen(stack.extract(0)),
            strict=True,
        )
    )
    assert {path: feature_number(stack, path) for path, layer in layers(stack).items() if 0 in layer.members} == expected


def test_phi_as_released_pairs_every_convolution_with_the_input() -> None:
    """And the classifier with the first cell's output; layers without a gradient have no term.  As it was meant, layers are paired as by CRoZe."""

    def phi(network: DartsNetwork, *, meant: bool) -> float:
        one, other = sides(network)
        theta = [agreement(*pair) for pair in zip(one.weights, other.weights, strict=True)]
        v = [agreement(*pair) for pair in zip(one.features, other.features, strict=True)]
        if meant:
            return sum(theta[k] * v[number + 1] for k, number in enumerate(cells_seen(network)))
        return sum(theta[k] * v[2 if layer is network.classifier else 0] for k, layer in enumerate(one.layers) if one.reached[k])

    np.testing.assert_allclose(value("r_score_phi"), plain(lambda network: phi(network, meant=False)), rtol=1e-8)
    np.testing.assert_allclose(value("r_score_phi_cells"), plain(lambda network: phi(network, meant=True)), rtol=1e-8)
    assert not all(sides(stacked().extract(2))[0].reached), "a genotype with a layer that reaches no output"


# ZCPRob


def roughness(network: DartsNetwork, h: float, *, equations: bool) -> float:
    """The second factor, by the released code's steps, or by the equation."""
    y = labels(4)

    def slope(x: Tensor, reduction: str) -> Tensor:
        point = x.clone().requires_grad_()
        return torch.autograd.grad(F.cross_entropy(bare(network, point), y, reduction=reduction), point)[0]

    x = images()[:4]
    sign = slope(x, "sum").sign()
    z = h * sign / sign.flatten(1).norm(dim=1)[:, None, None, None]
    if equations:
        return float(((slope(x + z, "sum") - slope(x, "sum")) / h).flatten(1).square().sum(1).mean())
    return float((slope(x + z, "mean") - slope(x, "mean")).flatten(1).norm(dim=1).mean())


def bare(network: DartsNetwork, x: Tensor) -> Tensor:
    """The logits of images that are not normalised."""
    logits: Tensor = network.eval()(x * network.std + network.mean)
    return logits


def test_zcprob_as_released_image_by_image() -> None:
    """Gradients pile up, and all 50 that are kept are one piece of memory."""

    def zcprob(network: DartsNetwork) -> float:
        kept: dict[str, list[Tensor]] = {}
        for x, y in zip(images()[:12], labels()[:12], strict=True):
            torch.autograd.backward(F.cross_entropy(bare(network, x[None]), y[None]))
            seen = 0
            for name, parameter in network.named_parameters():
                if parameter.grad is not None and parameter.numel() >= 50 and seen < 11:
                    seen += 1
                    kept.setdefault(name, []).append(parameter.grad.view(-1)[:50])
        assert {len(gradients) for gradients in kept.values()} == {12}
        # As many products as there are of 25 with 25 gradients.
        kernel = sum(25 * float(gradients[0] @ gradients[-1]) / 2500 for gradients in kept.values())
        return float(-np.exp(1e-3 * kernel) * roughness(network, 50.0, equations=False))

    np.testing.assert_allclose(value(replace(ZCPROB, t=1e-3)), plain(zcprob), rtol=1e-8)


def test_zcprob_by_the_equation_is_a_double_sum_over_images() -> None:
    def zcprob(network: DartsNetwork) -> float:
        parameters = [layer.weight for layer in weighted(network)]
        rows = []
        for x, y in zip(images()[:12], labels()[:12], strict=True):
            found = torch.autograd.grad(F.cross_entropy(bare(network, x[None]), y[None]), parameters, allow_unused=True)
            rows.append([torch.zeros(1).double() if gradient is None else gradient.flatten() for gradient in found])
        kernel = np.mean([np.mean([float(one[m] @ other[m]) for one in rows for other in rows]) for m in range(len(parameters))])
        return float(-np.exp(2.0 * kernel) * roughness(network, 5.0, equations=True))

    np.testing.assert_allclose(value(replace(ZCPROB, equations=True, t=2.0, h=5.0)), plain(zcprob), rtol=1e-8)


def test_zcprob_of_a_network_that_is_too_large_for_an_exponential_is_missing() -> None:
    found = score(stacked(), images(), labels(), proxies={"zcprob": replace(QUICK["zcprob"], compute=replace(ZCPROB, t=1e12))})
    assert found.failures == {"zcprob": {"the value is not finite": len(GENOTYPES)}}
