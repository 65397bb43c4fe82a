"""Jacobians and Hessians over many mini-batches, as Jung et al. (2023), section 4.1, measure them: the mean of 10 mini-batches of 256 images.

The paper averages over training and over test images, of random and of trained networks: which, the batch and the stack that are scored say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from robbench_builders.errors import ProxyError
from robbench_builders.proxies.jacobians import JacobFro, eigenvalues_of_images
from robbench_builders.proxies.passes import Members, Passes, every_parameter, losses, own, summed
from robbench_builders.train import generator
from robbench.arguments import checked_count

_TINY = 1e-30

Vector = list[Tensor]
"""A vector of each network, in parts ``(members, …)``."""
Product = Callable[[Vector], Vector]
"""A symmetric matrix of each network, times a vector."""


@dataclass(frozen=True)
class MiniBatches:
    """How a batch is divided.

    Arguments:
        batches, size: the first mini-batches of so many images; what is left over is not used.

    Raises:
        InvalidArgument: not an integer of at least 1, or a mini-batch of one image.
    """

    batches: int = 10
    size: int = 256

    def __post_init__(self) -> None:
        checked_count(self.batches, "batches")
        checked_count(self.size, "size", of="images", least=2)

    def divide(self, passes: Passes) -> Iterator[Passes]:
        """The passes of each mini-batch, with random numbers of its own; in training mode its own batch norm's statistics, too.

        Raises:
            ProxyError: the batch has too few images.
        """
        needed, given = self.batches * self.size, len(passes.images)
        if given < needed:
            raise ProxyError(
                f"{self.batches} mini-batches of {self.size} images were asked of a batch of {given}; expected at least {needed}."
            )
        seeds = torch.randint(2**31, (self.batches,), generator=generator(passes.seed, "minibatches")).tolist()
        for seed, images, labels in zip(seeds, passes.images.split(self.size), passes.labels.split(self.size), strict=False):
            yield Passes(passes.stack, images, labels, seed, order=1)


@dataclass(frozen=True)
class MeanJacobFro(MiniBatches):
    """Mean over mini-batches of `JacobFro`: the root of a mini-batch's mean squared norm, by random projections.

    Arguments:
        projections: as of `JacobFro`.
    """

    projections: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_count(self.projections, "projections")

    def __call__(self, passes: Passes) -> Tensor:
        """``(stack,)``, non-negative, in logits a unit of image."""
        return torch.stack([JacobFro(self.projections)(each) for each in self.divide(passes)]).mean(0)


@dataclass(frozen=True)
class MeanHessian(MiniBatches):
    """Mean over mini-batches of the largest eigenvalue of the Hessian of the mini-batch's mean loss with respect to its images.

    Batch norm's statistics are fixed, so images do not mix: it is the largest eigenvalue of any image of the mini-batch, divided by their number.
    The paper's text is about this Hessian (Zhao et al., 2020), and computes it by a tool for that of `MeanWeightsHessian` (Chatzimichailidis et
    al., 2019); which of them its figure shows, it does not say.
    """

    def __call__(self, passes: Passes) -> Tensor:
        """``(stack,)``, float64, in nats a squared unit of image."""
        return torch.stack([_of_images(each) / self.size for each in self.divide(passes)]).mean(0)


@dataclass(frozen=True)
class MeanWeightsHessian(MiniBatches):
    """Mean over mini-batches of the largest eigenvalue of the Hessian of the mini-batch's mean loss with respect to the weights, by Lanczos' method.

    All parameters count; batch norm is in the stack's mode.

    Arguments:
        iterations: products with the Hessian.
    """

    iterations: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_count(self.iterations, "iterations")

    def __call__(self, passes: Passes) -> Tensor:
        """``(stack,)``, float64, in nats a squared unit of weight."""
        return torch.stack([_of_weights(each, self.iterations) for each in self.divide(passes)]).mean(0)


def _of_images(passes: Passes) -> Tensor:
    with torch.enable_grad():
        images = own(passes.frozen, passes.images)
        return eigenvalues_of_images(passes.frozen(images), images).amax(-1)


def _of_weights(passes: Passes, iterations: int) -> Tensor:
    stack = passes.stack
    of = every_parameter(stack)
    with torch.enable_grad():
        product = _hessian(losses(stack(passes.images), passes.labels).mean(1).sum(), [parameter for _, parameter in of.values()])
    # By name, so that a network's start does not depend on the others of the stack.
    start = [
        torch.randn(parameter.shape[1:], generator=generator(passes.seed, f"hessian/{name}")).to(parameter).expand_as(parameter)
        for name, (_, parameter) in of.items()
    ]
    return largest_eigenvalue(product, start, [members for members, _ in of.values()], iterations)


def _hessian(loss: Tensor, variables: Vector) -> Product:
    """Of the networks' summed loss; zero where it is linear, or does not depend on a variable."""
    slopes = torch.autograd.grad(loss, variables, create_graph=True, allow_unused=True)
    curved = [(k, slope) for k, slope in enumerate(slopes) if slope is not None and slope.requires_grad]

    def product(vector: Vector) -> Vector:
        if not curved:
            return [torch.zeros_like(variable) for variable in variables]
        found = torch.autograd.grad(
            [slope for _, slope in curved], variables, [vector[k] for k, _ in curved], retain_graph=True, allow_unused=True
        )
        return [torch.zeros_like(variable) if part is None else part for part, variable in zip(found, variables, strict=True)]

    return product


@torch.no_grad()
def largest_eigenvalue(product: Product, start: Vector, members: list[Members], iterations: int) -> Tensor:
    """Of each network's symmetric matrix, ``(stack,)``, float64; from below.  NaN for a matrix that is not finite.

    Without reorthogonalisation: rounding repeats eigenvalues, and moves none.

    Arguments:
        start: any vectors; members: the networks of each of their parts.
        iterations: products.

    Source: Lanczos (1950).
    """
    stack = 1 + max(max(some) for some in members)

    def dot(one: Vector, other: Vector) -> Tensor:
        return summed(stack, ((some, (a.double() * b.double()).flatten(1).sum(1)) for some, a, b in zip(members, one, other, strict=True)))

    def scaled(vector: Vector, by: Tensor) -> Vector:
        return [
            part * by[torch.tensor(some, device=by.device)].to(part).view(-1, *[1] * (part.dim() - 1))
            for some, part in zip(members, vector, strict=True)
        ]

    length = dot(start, start).sqrt()
    before, vector = [torch.zeros_like(part) for part in start], scaled(start, 1 / length.clamp(min=_TINY))
    diagonal, beside = list[Tensor](), [torch.zeros_like(length)]
    for _ in range(iterations):
        image = product(vector)
        # Where the last vector is zero, the matrix is exhausted: the first entry again adds no eigenvalue that is larger.
        entry = dot(image, vector)
        diagonal.append(torch.where(dot(vector, vector) > 0, entry, diagonal[0]) if diagonal else entry)
        parts = zip(image, scaled(vector, diagonal[-1]), scaled(before, beside[-1]), strict=True)
        rest = [one - along - back for one, along, back in parts]
        length = dot(rest, rest).sqrt()
        beside.append(length)
        before, vector = vector, scaled(rest, 1 / length.clamp(min=_TINY))
    off = torch.stack(beside[1:-1], -1) if iterations > 1 else length.new_zeros(stack, 0)
    matrix = torch.diag_embed(torch.stack(diagonal, -1)) + torch.diag_embed(off, 1) + torch.diag_embed(off, -1)
    usable = matrix.isfinite().all(-1).all(-1)
    found: Tensor = torch.linalg.eigvalsh(torch.where(usable[:, None, None], matrix, torch.eye(iterations).to(matrix)))[:, -1]
    return found.masked_fill(~usable, torch.nan)
