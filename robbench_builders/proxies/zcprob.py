"""ZCPRob: a robust neural tangent kernel, times the roughness of the loss around images.  Feng et al. (2025).

R = −exp(t · K) · H: the upper bound of the adversarial loss, negative, so that higher is better.  g are gradients of the loss of an image with respect to
the weights, l(x) is that with respect to the image, z = h · sign(l) / ‖sign(l)‖₂.

                        RELEASED                                                EQUATIONS
    K                   Σ G² / 100, G = Σ g over 50 images; of the first 11     the mean over layers of Σ g_i·g_j / 50²
                        tensors of at least 50 elements the first 50            over all pairs of 50 images
    H                   mean over images of ‖l(x + z) − l(x)‖₂,                 mean over images of ‖(l(x + z) − l(x)) / h‖₂²,
                        of the mean loss of 8 images                            of each image's own loss

The released code means to multiply the gradients of 25 images with those of 25 others.  It neither sets gradients to zero between images nor copies what it
keeps of them: all 50 are one piece of memory, which in the end holds their sum.  Its network is in eval mode from the first pass on, so batch norms of an
untrained one do nothing.  In both forms t = 5·10⁶, h = 50, and images are in [0, 1] without normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from robbench_builders.proxies.anatomy import AnyStack
from robbench_builders.proxies.passes import Members, Passes, every_parameter, layers, losses, own, summed, total, unstandardised
from robbench.arguments import checked_count

_TINY = 1e-30
_TENSORS, _COORDINATES = 11, 50
_PRODUCTS = 25 / 2500  # of as many pairs of the same sum, over what the released code divides by


class _Parts(NamedTuple):
    """What both forms are made of."""

    gradients: dict[str, tuple[Members, Tensor]]
    """Of the summed loss of the images, by the parameter's name, ``(members, …)``; in the order of a plain network's parameters."""
    differences: Tensor
    """l(x + z) − l(x) of each image's own loss: ``(stack, images, elements)``, float64."""


@dataclass(frozen=True)
class ZCPRob:
    """−exp(t · K) · H, as released or by the paper's equation 4: see the module.

    Arguments:
        equations: by the equation, whose network outputs we take to be losses, as released.
        t: of K.
        h: length of the step.
        images: of which gradients are taken with respect to the weights, the first of the batch.
        around: how many of them H is about.

    Raises:
        InvalidArgument: images or around is not an integer of at least 1.

    Source: Feng, Ou, Fan and Sun (2025), equation 4, and the released code as Yang et al. (2025) evaluate it.
    """

    equations: bool = False
    t: float = 5e6
    h: float = 50.0
    images: int = 50
    around: int = 8

    def __post_init__(self) -> None:
        checked_count(self.images, "images")
        checked_count(self.around, "around", of="images")

    def __call__(self, passes: Passes) -> Tensor:
        """``(stack,)``, float64, never above 0; not finite where t · K is too large for an exponential."""
        parts = passes.once(("zcprob", self.h, self.images, self.around), lambda: _parts(passes, self.h, self.images, self.around))
        lengths: Tensor = parts.differences.norm(dim=-1)
        if self.equations:
            kernel, roughness = _kernel(passes.stack, parts) / self.images**2, (lengths / self.h).square().mean(-1)
        else:
            kernel, roughness = _PRODUCTS * _corner(len(passes.stack), parts), lengths.mean(-1) / lengths.shape[1]
        return -torch.exp(self.t * kernel) * roughness


def _kernel(stack: AnyStack, parts: _Parts) -> Tensor:
    """The squared norm of the gradient of a layer's weight, the mean over a network's layers."""
    squares = {path: parts.gradients[f"{path}.weight"][1].double().flatten(1).square().sum(1) for path in layers(stack)}
    return total(stack, squares) / total(stack, {path: torch.ones_like(square) for path, square in squares.items()})


def _corner(stack: int, parts: _Parts) -> Tensor:
    """The squared norm of the first coordinates of each network's first tensors that are large enough; one that reaches no output does not count."""
    found: list[tuple[Members, Tensor]] = []
    counted: Tensor | None = None
    for members, gradient in parts.gradients.values():
        flat = gradient.double().flatten(1)
        if flat.shape[1] < _COORDINATES:
            continue
        counted = flat.new_zeros(stack) if counted is None else counted
        index = torch.tensor(members, device=flat.device)
        taken = flat.ne(0).any(1) & (counted[index] < _TENSORS)
        counted[index] += taken
        found.append((members, flat[:, :_COORDINATES].square().sum(1) * taken))
    return summed(stack, found)


def _parts(passes: Passes, h: float, images: int, around: int) -> _Parts:
    stack = passes.untouched().requires_grad_().eval()
    named = every_parameter(stack)
    with torch.enable_grad():
        loss = losses(stack(unstandardised(stack, passes.images[:images])), passes.labels[:images]).sum()
        parameters = [parameter for _, parameter in named.values()]
        found = torch.autograd.grad(loss, parameters, allow_unused=True)
        x = own(stack, passes.images[:around])
        slope = _slope(stack, x, passes.labels[:around])
        sign = slope.sign().flatten(2)
        step = (h * sign / sign.norm(dim=-1, keepdim=True).clamp(min=_TINY)).view_as(x)
        moved = _slope(stack, (x + step).detach().requires_grad_(), passes.labels[:around])
    gradients = {
        name: (members, torch.zeros_like(parameter) if gradient is None else gradient)
        for (name, (members, parameter)), gradient in zip(named.items(), found, strict=True)
    }
    return _Parts(gradients, (moved.double() - slope.double()).flatten(2))


def _slope(stack: AnyStack, x: Tensor, labels: Tensor) -> Tensor:
    """Of each image's own loss with respect to it; images do not mix in eval mode."""
    found = torch.autograd.grad(losses(stack(unstandardised(stack, x)), labels).sum(), x, allow_unused=True)[0]
    return torch.zeros_like(x) if found is None else found
