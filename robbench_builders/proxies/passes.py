"""What proxies share: the layers of a stack, recorded forward and backward passes, each made once for all proxies that need it.

Shapes throughout, with each network's own rows first:

    members                     positions in the stack of the networks that have a layer
    weight of a layer           (members, outputs, inputs[, k, k])     gradients likewise
    output of a layer           (members, batch, …, outputs)           pixels, where there are some, before channels
    input of a ReLU             (members, batch, height, width, channels)
    feature                     (stack, batch[, height, width], channels)

Everything runs on copies: a stack that is scored keeps its weights and its batch norm's statistics.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterable
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robbench_builders.networks.layers import Stacked, StackedBatchNorm, StackedConv, StackedLinear, StackedReduction
from robbench_builders.proxies.anatomy import RECTIFIED, AnyStack, anatomy, first_members, without_auxiliary

T = TypeVar("T")
Members = tuple[int, ...]
_MOMENTUM = 0.1  # of torch's batch norm


class Activation(NamedTuple):
    """What a layer took or gave, of the networks of a stack that have it."""

    members: Members
    raw: Tensor
    """As stacked layers have it, with the networks along `axis`."""
    axis: int

    @property
    def value(self) -> Tensor:
        """``(members, batch, …)``."""
        return self.raw.movedim(self.axis, 0)


class Record(NamedTuple):
    """A forward pass, with what its layers took and gave."""

    images: Tensor
    logits: Tensor
    """``(stack, batch, classes)``."""
    relu_inputs: list[Activation]
    """In the order of the pass."""
    outputs: dict[str, Activation]
    """Of convolutions and the linear layer, by path."""
    features: list[Tensor]
    """As `robbench_builders.proxies.anatomy` says, the pooled vector last."""
    head: Tensor
    """``(stack, batch, height, width, channels)``: what is pooled."""


class Gradients(NamedTuple):
    """Of each network's mean cross-entropy, by path; zero where a layer reaches no output."""

    weights: dict[str, Tensor]
    outputs: dict[str, Tensor]


def layers(stack: AnyStack) -> dict[str, Stacked]:
    """Convolutions and the linear layer, by path, from the stem to the classifier."""
    return {path: module for path, module in stack.named_modules() if isinstance(module, StackedConv | StackedLinear)}


def batch_norms(stack: AnyStack) -> dict[str, StackedBatchNorm]:
    """Batch norms, by path."""
    return {path: module for path, module in stack.named_modules() if isinstance(module, StackedBatchNorm)}


def every_parameter(stack: AnyStack) -> dict[str, tuple[Members, Tensor]]:
    """All parameters, ``(members, …)``, with the networks that have each; by name, in the order of a plain network's."""
    return {
        f"{path}.{name}": (module.members, parameter)
        for path, module in stack.named_modules()
        if isinstance(module, Stacked)
        for name, parameter in module.named_parameters()
    }


def weights(stack: AnyStack) -> dict[str, Tensor]:
    """The weights of `layers`, by path."""
    return {path: module.get_parameter("weight") for path, module in layers(stack).items()}


def without_batch_norm(stack: AnyStack, *, in_reductions: bool = True) -> AnyStack:
    """The same stack with the identity in place of every batch norm, or of those outside the reductions; changed in place."""
    reductions = tuple(f"{path}." for path, module in stack.named_modules() if isinstance(module, StackedReduction))
    for path in batch_norms(stack):
        parent, _, name = path.rpartition(".")
        if in_reductions or not path.startswith(reductions):
            setattr(stack.get_submodule(parent), name, nn.Identity())
    return stack


def standardised(stack: AnyStack, images: Tensor) -> Tensor:
    """Images in [0, 1], normalised as by the stack's first step: mean 0 and standard deviation 1 a channel, over the data set."""
    return (images - stack.mean) / stack.std


def unstandardised(stack: AnyStack, images: Tensor) -> Tensor:
    """The inverse of `standardised`."""
    return images * stack.std + stack.mean


def own(stack: AnyStack, images: Tensor) -> Tensor:
    """Each network's own copy of the images, so that gradients with respect to them are its own."""
    return images.detach().expand(len(stack), *images.shape).clone().requires_grad_()


def record(stack: AnyStack, images: Tensor) -> Record:
    """A recorded forward pass of all networks."""
    by = layers(stack)
    outputs: dict[str, Tensor] = {}
    relu_inputs: list[Activation] = []
    features: list[Tensor] = []
    head: list[Tensor] = []
    hooks = []
    everyone = tuple(range(len(stack)))

    def note_relu(members: Members, value: Tensor) -> None:
        relu_inputs.append(Activation(members, value, 3))

    def before(module: nn.Module, note: Callable[[Tensor], None]) -> None:
        hooks.append(module.register_forward_pre_hook(lambda _, given: note(given[0])))

    def after(module: nn.Module, note: Callable[[Tensor], None]) -> None:
        hooks.append(module.register_forward_hook(lambda _, __, value: note(value)))

    for path, layer in by.items():
        after(layer, partial(outputs.__setitem__, path))
    for module in stack.modules():
        if isinstance(module, RECTIFIED):
            before(module, partial(note_relu, first_members(module)))
        elif isinstance(module, nn.ReLU):
            before(module, partial(note_relu, everyone))
    for module in anatomy(stack).features(stack):
        after(module, features.append)
    before(stack.classifier, features.append)
    after(anatomy(stack).pooled(stack), head.append)
    try:
        logits = stack(images)
    finally:
        for hook in hooks:
            hook.remove()
    return Record(
        images,
        logits,
        relu_inputs,
        {path: Activation(by[path].members, value, 0 if isinstance(by[path], StackedLinear) else 3) for path, value in outputs.items()},
        [*(value.movedim(3, 0) for value in features[:-1]), features[-1].movedim(1, 0)],
        head[0].movedim(3, 0),
    )


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of every network and image, ``(stack, batch)``, in nats."""
    truth = labels.expand(len(logits), -1)
    return F.cross_entropy(logits.flatten(0, 1), truth.flatten(), reduction="none").view(truth.shape)


def gradients(stack: AnyStack, of: Record, labels: Tensor, *, differentiable: bool = False) -> Gradients:
    """Of each network's mean loss with respect to the weights and outputs of `layers`; the recorded pass can be differentiated again.

    Arguments:
        differentiable: the gradients can be differentiated, too.
    """
    by = weights(stack)
    wanted = [*by.values(), *(of.outputs[path].raw for path in by)]
    # Each network's loss depends on its own weights only, so the sum's gradients are theirs.
    found = torch.autograd.grad(
        losses(of.logits, labels).mean(1).sum(), wanted, retain_graph=True, create_graph=differentiable, allow_unused=True
    )
    filled = [torch.zeros_like(tensor) if gradient is None else gradient for gradient, tensor in zip(found, wanted, strict=True)]
    outputs = {path: gradient.movedim(of.outputs[path].axis, 0) for path, gradient in zip(by, filled[len(by) :], strict=True)}
    return Gradients(dict(zip(by, filled[: len(by)], strict=True)), outputs)


def total(stack: AnyStack, values: dict[str, Tensor]) -> Tensor:
    """The sum over layers, ``(stack,)``, of one number ``(members,)`` a layer and network; zero for a network with none of them."""
    by = layers(stack)
    return summed(len(stack), ((by[path].members, value) for path, value in values.items()))


def summed(stack: int, parts: Iterable[tuple[Members, Tensor]]) -> Tensor:
    """Scatter-add of parts ``(members, …)`` along the stack, ``(stack, …)``."""
    result: Tensor | None = None
    for members, value in parts:
        if result is None:
            result = value.new_zeros(stack, *value.shape[1:])
        result.index_add_(0, torch.tensor(members, device=value.device), value.detach())
    assert result is not None
    return result


class Passes:
    """Forward and backward passes of a stack on one batch, each made when a proxy first needs it, and only once.

    In the stack's mode: in training mode batch norm takes the batch's statistics, as an initialised network has no others; in eval
    mode the running ones, as a trained network is used.

    Arguments:
        images: ``(batch, channels, height, width)``, in [0, 1]; labels: ``(batch,)``, int64.
        seed: of the random numbers that proxies draw.
        order: how often the shared pass will be differentiated: 0, 1 or 2.
    """

    def __init__(self, stack: AnyStack, images: Tensor, labels: Tensor, seed: int = 0, *, order: int = 2) -> None:
        self._given = stack
        self.stack = self.untouched().requires_grad_(order > 0)
        self.images, self.labels, self.seed, self.order = images, labels, seed, order
        self._kept: dict[Hashable, Any] = {}
        self.notes: dict[int, str] = {}
        """Why a network has no value, by its position in the stack: for proxies to say, beside a value of NaN."""

    def untouched(self) -> AnyStack:
        """A copy of the stack as it was given: in training mode the shared pass changes batch norm's running statistics."""
        return without_auxiliary(copy.deepcopy(self._given))

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` returned when it was first called with this key."""
        if key not in self._kept:
            self._kept[key] = compute()
        kept: T = self._kept[key]
        return kept

    @cached_property
    def record(self) -> Record:
        """The shared forward pass."""
        with torch.set_grad_enabled(self.order > 0):
            return record(self.stack, own(self.stack, self.images) if self.order > 0 else self.images)

    @cached_property
    def gradients(self) -> Gradients:
        """The shared backward pass."""
        return gradients(self.stack, self.record, self.labels, differentiable=self.order > 1)

    @cached_property
    def jacobian(self) -> Tensor:
        """Of the sum of a network's logits over classes and batch, with respect to each image: ``(stack, batch, pixels)``."""
        with torch.enable_grad():
            found = torch.autograd.grad(self.record.logits.sum(), self.record.images, retain_graph=True, allow_unused=True)[0]
        return (torch.zeros_like(self.record.images) if found is None else found).detach().flatten(2)

    @cached_property
    def jacobian_vanishes(self) -> Tensor:
        """Whether all of `jacobian` is rounding: ``(stack,)``, bool.

        Batch norm fixes the sum over the batch of what it gives, so in training mode the logits of a network that ends in batch norms alone have a sum that no
        image changes.  Then the Jacobian is as good as zero beside that of a sum whose terms alternate in sign.
        """
        if anatomy(self.stack).rectified or not self.stack.training:
            return torch.zeros(len(self.stack), dtype=torch.bool, device=self.images.device)
        logits, images = self.record.logits, self.record.images
        signs = 1 - 2 * (torch.arange(logits.shape[1], device=logits.device) % 2)
        with torch.enable_grad():
            found = torch.autograd.grad((logits.sum(-1) * signs).sum(), images, retain_graph=True, allow_unused=True)[0]
        beside = torch.zeros_like(images) if found is None else found
        vanishes: Tensor = self.jacobian.flatten(1).norm(dim=1) <= torch.finfo(images.dtype).eps ** 0.5 * beside.flatten(1).norm(dim=1)
        return vanishes

    @cached_property
    def frozen(self) -> AnyStack:
        """The stack in eval mode, so that images are treated one by one; a stack in training mode gets this batch's statistics as running ones."""
        if self.stack.training:
            return calibrated(self.stack, self.images).eval()
        return self.stack


@torch.no_grad()
def calibrated(stack: AnyStack, images: Tensor) -> AnyStack:
    """A copy whose running statistics are the mean and (unbiased) variance of these images, in the stack's mode."""
    copied = copy.deepcopy(stack).train()
    statistics = [dict(module.named_buffers()) for module in batch_norms(copied).values()]
    for buffers in statistics:
        buffers["running_mean"].zero_()
        buffers["running_var"].zero_()
    copied(images)
    for buffers in statistics:
        buffers["running_mean"].div_(_MOMENTUM)
        buffers["running_var"].div_(_MOMENTUM)
    return copied.train(stack.training)
