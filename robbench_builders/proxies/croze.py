"""CRoZe: the consistency of features, parameters and gradients when a network and its input are perturbed.  Ha et al. (2023).

The paper's equations and the implementation that its tables were made with are two different measures; both are here, as settings of one:

                        EQUATIONS                           RELEASED
    batch norm          kept                                the identity
    weights             as drawn                            absolute values
    perturbed weights   θ + β‖θ‖ ∇L/‖∇L‖, β = 0.1           β = 2
    perturbed input     up the loss, in [0, 1]              down the loss, standardised and then clamped to [0, 1]
    compared weights    after a step of gradient descent    as they are
    features            of the layer itself                 of the stage, or cell, that the layer is in: `anatomy`
    cosines             of whole tensors                    along the first dimension, summed over the others

A layer is a convolution or the linear layer.  Only their weights are perturbed.  The released networks for NAS-Bench-201 also keep batch norm in
the reductions and give the cells' convolutions biases; docs/fidelity.md says how little the former changes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import reduce
from operator import mul
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from robbench_builders.errors import ProxyError
from robbench_builders.proxies.anatomy import AnyStack, feature_number
from robbench_builders.proxies.initialise import initialised
from robbench_builders.proxies.passes import (
    Gradients,
    Passes,
    Record,
    gradients,
    layers,
    losses,
    own,
    record,
    standardised,
    total,
    unstandardised,
    weights,
    without_batch_norm,
)
from robbench_builders.train import generator

PARTS = ("features", "parameters", "gradients")
_TINY = 1e-30  # so that a layer whose gradient is zero does not move


@dataclass(frozen=True)
class Form:
    """A variant of the measure.

    Arguments:
        batch_norm: where it is kept: "all", in the "reductions" between stages, or "none"; elsewhere it is the identity.
        absolute: replace all parameters by their absolute values.
        beta: length of the perturbation of a layer's weights, as a share of their norm.
        eps: the input's perturbation, L∞ (or the deviation of Gaussian noise).
        ascend: the input moves up the loss; otherwise down.
        standardise: eps and the clamp to [0, 1] are of images that have been standardised.
        learning_rate: of a step of gradient descent by both networks before their weights are compared.
        whole: cosines are of whole tensors; otherwise along the first dimension: output channels, or images.
        own_features: a layer's features are its own; otherwise its stage's, in DARTS its cell's.
        gaussian: both perturbations are drawn from a normal distribution instead of following the gradient; "input": that of the input alone.
        images: how many, the first of the batch.
    """

    batch_norm: str = "none"
    absolute: bool = True
    beta: float = 2.0
    eps: float = 0.01
    ascend: bool = False
    standardise: bool = True
    learning_rate: float = 0.0
    whole: bool = False
    own_features: bool = False
    gaussian: bool | Literal["input"] = False
    images: int = 8


RELEASED = Form()
GAUSSIAN = Form(gaussian=True)
GAUSSIAN_INPUT = Form(gaussian="input")
EQUATIONS = Form(
    batch_norm="all",
    absolute=False,
    beta=0.1,
    ascend=True,
    standardise=False,
    learning_rate=0.1,
    whole=True,
    own_features=True,
)


class Side(NamedTuple):
    """One of the two stacks that are compared, after a forward and a backward pass; everything float64."""

    stack: AnyStack
    record: Record
    gradients: Gradients


class Pair(NamedTuple):
    """A stack and its perturbed copy."""

    clean: Side
    robust: Side


class Consistency(NamedTuple):
    """Three consistencies of each layer, by path: ``(members,)``, float64."""

    features: dict[str, Tensor]
    """Z = Σ 1 + cos."""
    parameters: dict[str, Tensor]
    """P = Σ 1 + cos."""
    gradients: dict[str, Tensor]
    """G = Σ |cos|."""


@dataclass(frozen=True)
class Croze:
    """Σ over layers of Z·P·G, of the product of two of them, or of one alone.

    Arguments:
        form: `RELEASED` (what the tables of the paper were made with), `GAUSSIAN` (the same with random perturbations), `GAUSSIAN_INPUT` (with a
            random perturbation of the input; their appendix B.2), or `EQUATIONS`.
        part: features (Z), parameters (P), gradients (G), two of them joined by an underscore, as in features_parameters (Z·P), or all.

    Raises:
        ProxyError: there is no such part.

    Source: Ha, Kim and Hwang (2023), equations 3 to 10; products of two parts: their appendix B.1.
    """

    form: Form = RELEASED
    part: str = "all"

    def __post_init__(self) -> None:
        if not set(self._parts) <= set(PARTS) or len(set(self._parts)) < len(self._parts):
            raise ProxyError(
                f"{self.part!r} is no part of CRoZe; expected all, {', '.join(PARTS)}, or two of them, as in {'_'.join(PARTS[:2])}."
            )

    @property
    def _parts(self) -> list[str]:
        return list(PARTS) if self.part == "all" else self.part.split("_")

    def __call__(self, passes: Passes) -> Tensor:
        """``(stack,)``, float64, non-negative."""
        found = passes.once(self.form, lambda: consistency(pair(passes, self.form), self.form))
        parts: list[dict[str, Tensor]] = [getattr(found, part) for part in self._parts]
        return total(passes.stack, {path: reduce(mul, (part[path] for part in parts)) for path in parts[0]})


def pair(passes: Passes, form: Form) -> Pair:
    """The networks in this form, and their copies with perturbed weights, on an input perturbed against those."""
    return passes.once(("pair", form), lambda: _pair(passes, form))


def consistency(networks: Pair, form: Form) -> Consistency:
    """The consistency of the two sides of a pair, layer by layer: by the paper's equations, or as the released code computes them."""
    clean, robust = networks
    by = weights(clean.stack)
    moved = [
        {path: weight.detach() - form.learning_rate * side.gradients.weights[path] for path, weight in weights(side.stack).items()}
        for side in networks
    ]
    return Consistency(
        features=_features(networks, form),
        parameters={path: _sum(1 + _cosine(moved[0][path], moved[1][path], form)) for path in by},
        gradients={path: _sum(_cosine(clean.gradients.weights[path], robust.gradients.weights[path], form).abs()) for path in by},
    )


def _features(networks: Pair, form: Form) -> dict[str, Tensor]:
    clean, robust = networks
    if form.own_features:
        return {
            path: _sum(1 + _cosine(output.value.detach(), robust.record.outputs[path].value.detach(), form))
            for path, output in clean.record.outputs.items()
        }
    stages = [
        _sum(1 + _cosine(one.detach(), other.detach(), form))
        for one, other in zip(clean.record.features, robust.record.features, strict=True)
    ]
    return {path: stages[feature_number(clean.stack, path)][torch.tensor(layer.members)] for path, layer in layers(clean.stack).items()}


def _cosine(one: Tensor, other: Tensor, form: Form) -> Tensor:
    """Of tensors ``(members, …)``: along the dimension after the members, or of all that is a network's."""
    if form.whole:
        one, other = one.flatten(1), other.flatten(1)
    return F.cosine_similarity(one, other, dim=1)


def _sum(values: Tensor) -> Tensor:
    return values.flatten(1).sum(1) if values.dim() > 1 else values


def _pair(passes: Passes, form: Form) -> Pair:
    stack = copy.deepcopy(passes.stack).double().requires_grad_()
    if form.absolute:
        with torch.no_grad():
            for parameter in stack.parameters():
                parameter.abs_()
    if form.batch_norm != "all":
        without_batch_norm(stack, in_reductions=form.batch_norm == "none")
    images, labels = passes.images[: form.images].double(), passes.labels[: form.images]
    twin = copy.deepcopy(stack)
    with torch.enable_grad():
        clean = _side(stack, own(stack, images), labels)
        _step(twin, _directions(passes) if form.gaussian is True else clean.gradients.weights, form)
        robust = _side(twin, _perturbed(twin, images, labels, form, passes.seed), labels)
    return Pair(clean, robust)


def _side(stack: AnyStack, images: Tensor, labels: Tensor) -> Side:
    passed = record(stack, images)
    return Side(stack, passed, gradients(stack, passed, labels))


@torch.no_grad()
def _step(stack: AnyStack, directions: dict[str, Tensor], form: Form) -> None:
    """Move the weights of every layer by β times their norm along a direction."""
    for path, weight in weights(stack).items():
        direction = directions[path]
        length = _norm(weight) / (_norm(direction) + _TINY)
        weight.add_(form.beta * length * direction)


def _norm(weight: Tensor) -> Tensor:
    """Of each network's weight, shaped to multiply it."""
    norm: Tensor = weight.flatten(1).norm(dim=1)
    return norm.view(-1, *[1] * (weight.dim() - 1))


def _directions(passes: Passes) -> dict[str, Tensor]:
    given = passes.stack
    drawn = initialised(given.archs, given.skeleton, seed=passes.seed, init="gaussian", purpose="croze")
    return {path: weight.detach().to(passes.images.device).double() for path, weight in weights(drawn).items()}


def _perturbed(stack: AnyStack, images: Tensor, labels: Tensor, form: Form, seed: int) -> Tensor:
    """Each network's own input, perturbed against that network, in [0, 1]."""
    points = own(stack, images)
    if form.gaussian:
        moves = torch.randn(images.shape, dtype=torch.float64, generator=generator(seed, "croze/input")).to(images.device).expand_as(points)
    else:
        slope = torch.autograd.grad(losses(stack(points), labels).sum(), points, allow_unused=True)[0]
        moves = torch.zeros_like(points) if slope is None else slope.sign() * (1 if form.ascend else -1)
    start = standardised(stack, points) if form.standardise else points
    moved = (start + form.eps * moves).clamp(0, 1).detach()
    return (unstandardised(stack, moved) if form.standardise else moved).requires_grad_()
