"""The loop that trains a stack of networks by a recipe (`robbench_builders.recipes`).

A trained network depends on the recipe, the data, the seed and its own architecture: seed and architecture draw its initial weights; the seed
alone draws the order of the images and their augmentation, so all networks see the same batches.  On the same device, with the same
library versions, number of threads and stack, a rerun gives the same bits.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from robbench_builders.datasets import Dataset
from robbench_builders.errors import BuildError
from robbench_builders.networks.darts import DartsNetwork, StackedDarts
from robbench_builders.networks.families import plain, stacked
from robbench_builders.networks.layers import Stacked
from robbench_builders.networks.stacked import Stack
from robbench_builders.precision import products
from robbench_builders.recipes import Adversary, Recipe
from robbench.arguments import checked_seed

_NO_GRADIENT = 1e-6
"""Keeps a norm of 0 from dividing; torch's `clip_grad_norm_` adds as much."""


@dataclass(frozen=True)
class Training:
    """How the training of one network went."""

    loss: float
    """Cross-entropy, without that of an auxiliary head, the mean over the images of the last epoch as they were trained on (augmented, attacked); in nats."""
    accuracy: float
    """On the same images: a fraction in [0, 1]."""
    seconds: float
    """The stack's wall-clock time, divided by its networks."""
    diverged: str | None
    """Why the network cannot be used, because its loss or weights are not finite; None if it can."""


def train(
    archs: Sequence[Any],
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Stack[Any], tuple[Training, ...]]:
    """Trained networks, in eval mode and with frozen parameters, and how their training went, in the order of the architectures.

    A network that diverges is reported in its `Training`, not raised: the others of the stack are not touched by it.

    Arguments:
        archs: of a search space whose networks are in the recipe's skeleton; all are trained at once, as far as memory allows.
        seed: draws initial weights (with the architecture), the order of the images, and their augmentation.
        progress: called after each epoch, with the epochs done and the epochs in all.

    Raises:
        BuildError: no architectures, or of a space whose networks are in another skeleton, or a precision that the device does not offer.
    """
    started = time.perf_counter()
    skeleton, (mean, std) = recipe.skeleton(dataset), recipe.normalisation(dataset)
    stack = stacked([plain(arch, skeleton, mean, std, generator=generator(seed, f"weights/{arch}")) for arch in archs]).to(device)
    loss, accuracy, first_bad = fit(stack, len(stack), dataset, recipe, seed, progress=progress)
    stack.eval().requires_grad_(False)
    seconds = (time.perf_counter() - started) / len(stack)
    return stack, tuple(
        Training(loss[k].item(), accuracy[k].item(), seconds, _diverged(stack.state(k), int(first_bad[k]))) for k in range(len(stack))
    )


def fit(
    network: nn.Module,
    stack: int,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    *,
    progress: Callable[[int, int], None] | None = None,
    after_step: Callable[[int], None] = lambda done: None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Train in place a stack, or a plain network as a stack of one, on the device where it is.

    Arguments:
        progress: called after every epoch with the epochs that are done, and how many there are.
        after_step: called after every step with the steps that are done.

    Returns:
        loss, accuracy: ``(stack,)``, float32, means over the last epoch.
        first_bad: ``(stack,)``, int64: the first step at which the loss was not finite; −1 where it always was.

    Raises:
        BuildError: a precision that the device does not offer; or an auxiliary head or drop path of networks that are not of DARTS.
    """
    device = next(network.parameters()).device
    autocast = _autocast(recipe, device)
    images, labels = torch.from_numpy(dataset.train_images).to(device), torch.from_numpy(dataset.train_labels).to(device)
    # Drawn on the CPU, so that all devices see the same batches.
    order, augmentation = generator(seed, "order"), generator(seed, "augmentation")
    optimizer = torch.optim.SGD(
        network.parameters(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=recipe.nesterov, fused=True
    )
    _begin_drop_path(network, recipe, seed)
    network.train()
    steps = math.ceil(len(images) / recipe.batch_size)
    first_bad = torch.full((stack,), -1, device=device)
    loss_sum = torch.zeros(stack, device=device)
    correct = torch.zeros(stack, device=device)
    with products(tf32=recipe.precision == "tf32"):
        for epoch in range(recipe.epochs):
            loss_sum.zero_()
            correct.zero_()
            if isinstance(network, DartsNetwork | StackedDarts):
                network.drop_path = recipe.drop_path * epoch / recipe.epochs
            for step, index in enumerate(torch.randperm(len(images), generator=order).to(device).split(recipe.batch_size)):
                now = epoch * steps + step
                rate, momentum = recipe.schedule.at(now, steps, recipe.epochs, recipe.learning_rate, recipe.momentum)
                optimizer.param_groups[0].update(lr=rate, momentum=momentum)
                batch, truth = augment(images[index], recipe, augmentation), labels[index].expand(stack, -1)
                if recipe.cutout:
                    batch = cut_out(batch, recipe.cutout, recipe.normalisation(dataset)[0], augmentation)
                if recipe.adversary is not None:
                    with autocast:  # its own, because it keeps the weights that it has cast, and they are to have a gradient below
                        batch = _attacked(network, batch, truth, recipe.adversary, index, seed=_derived(seed, f"attack/{now}"))
                with autocast:
                    logits, auxiliary = _heads(network, batch)
                losses = _losses(logits, truth)
                minimised = losses if auxiliary is None else losses + recipe.auxiliary * _losses(auxiliary, truth)
                optimizer.zero_grad(set_to_none=True)
                # Each network's loss only depends on its own weights: the sum's gradients are theirs, and a NaN stays where it arose.
                minimised.mean(1).sum().backward()
                if recipe.clip is not None:
                    clip_gradients(network, recipe.clip)
                optimizer.step()
                with torch.no_grad():
                    first_bad = torch.where((first_bad < 0) & ~minimised.isfinite().all(1), now, first_bad)
                    loss_sum += losses.sum(1)
                    correct += (logits.argmax(-1).view(truth.shape) == truth).sum(1)
                after_step(now + 1)
            if progress is not None:
                progress(epoch + 1, recipe.epochs)
    return loss_sum / len(images), correct / len(images), first_bad


def _heads(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Logits, and those of an auxiliary head, where there is one: ``(…, batch, classes)``."""
    return network.both_logits(images) if isinstance(network, DartsNetwork | StackedDarts) else (network(images), None)


def _losses(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy of every image: ``(stack, batch)``."""
    return F.cross_entropy(logits.view(truth.numel(), -1).float(), truth.flatten(), reduction="none").view(truth.shape)


def _begin_drop_path(network: nn.Module, recipe: Recipe, seed: int) -> None:
    """Drop path's random numbers are each network's own, so that it becomes the same in every stack."""
    if isinstance(network, DartsNetwork | StackedDarts):
        network.seed_drop_path(lambda arch: _derived(seed, f"drop-path/{arch}"))
    elif recipe.drop_path or recipe.auxiliary:
        raise BuildError(
            f"the recipe {recipe.name!r} has an auxiliary head or drop path, which only networks of DARTS have; set both to 0, or train such networks."
        )


def augment(images: Tensor, recipe: Recipe, generator: Generator) -> Tensor:
    """Images ``(batch, channels, h, w)`` in [0, 1], each mirrored and cropped at random as the recipe says."""
    batch, _, height, width = images.shape
    if recipe.flip:
        flip = torch.rand(batch, generator=generator) < 0.5
        images = torch.where(flip.to(images.device).view(-1, 1, 1, 1), images.flip(3), images)
    border = round(recipe.crop * height), round(recipe.crop * width)
    if any(border):
        y, x = (
            torch.randint(2 * b + 1, (batch, 1), generator=generator) + torch.arange(n)
            for b, n in zip(border, (height, width), strict=True)
        )
        padded = F.pad(images, (border[1], border[1], border[0], border[0]))
        which = torch.arange(batch, device=images.device).view(-1, 1, 1)
        images = padded.permute(0, 2, 3, 1)[which, y.to(images.device).unsqueeze(2), x.to(images.device).unsqueeze(1)].permute(0, 3, 1, 2)
    return images


def cut_out(images: Tensor, share: float, mean: Sequence[float], generator: Generator) -> Tensor:
    """Images ``(batch, channels, h, w)``, each without a square around a pixel drawn at random: there it is the mean, which networks that normalise see as 0.

    What of the square is beyond the border is lost, so that less than `share` of each side may be cut out.

    Source: DeVries and Taylor (2017), "Improved regularization of convolutional neural networks with cutout", as released with DARTS.
    """
    batch, _, height, width = images.shape
    inside = []
    for n in (height, width):
        side = round(share * n)
        first = torch.randint(n, (batch, 1), generator=generator) - side // 2
        inside.append((torch.arange(n) >= first) & (torch.arange(n) < first + side))
    square = (inside[0].unsqueeze(2) & inside[1].unsqueeze(1)).unsqueeze(1).to(images.device)
    return torch.where(square, images.new_tensor(mean).view(1, -1, 1, 1), images)


@torch.no_grad()
def clip_gradients(network: nn.Module, largest: float) -> None:
    """Scale down, in place, each gradient of a longer Euclidean norm than the largest, over all weights of a network: of each of a stack for itself."""
    if not isinstance(network, Stack):
        nn.utils.clip_grad_norm_(network.parameters(), largest)
        return
    parts = [
        (torch.tensor(layer.members, device=weight.device), weight.grad)
        for layer in network.modules()
        if isinstance(layer, Stacked)
        for weight in layer.parameters(recurse=False)
        if weight.grad is not None
    ]
    squares = parts[0][1].new_zeros(len(network))
    for members, gradient in parts:
        squares.index_add_(0, members, gradient.flatten(1).square().sum(1))
    shares = (largest / (squares.sqrt() + _NO_GRADIENT)).clamp(max=1)
    for members, gradient in parts:
        gradient.mul_(shares[members].view(-1, *[1] * (gradient.dim() - 1)))


def generator(seed: int, purpose: str) -> Generator:
    """A random number generator, on the CPU, for one purpose under one seed: purposes share no numbers.

    Raises:
        InvalidArgument: the seed is none.
    """
    return Generator().manual_seed(_derived(checked_seed(seed), purpose))


def _derived(seed: int, purpose: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:7])


def _attacked(network: nn.Module, images: Tensor, labels: Tensor, adversary: Adversary, index: Tensor, seed: int) -> Tensor:
    """Each network's own adversarial images, against the network as it will be evaluated: with batch norm's running statistics."""
    from robbench_builders.attacks.pgd import PGD
    from robbench_builders.attacks.streams import image_streams

    attack = PGD(adversary.steps, adversary.step / adversary.eps, adversary.random_start, early_stop=False)
    network.eval()
    images = attack(network, images.expand(len(labels), *images.shape), labels, adversary.eps, streams=image_streams(seed, index))
    network.train()
    return images


def _autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    if recipe.precision != "float32" and device.type != "cuda":
        raise BuildError(
            f"the recipe {recipe.name!r} asks for {recipe.precision} on {device.type}; only CUDA devices gain by it: use float32."
        )
    return torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")


def _diverged(state: dict[str, Tensor], first_bad: int) -> str | None:
    if first_bad >= 0:
        return f"the loss was not finite at step {first_bad}"
    bad = [name for name, tensor in state.items() if not tensor.isfinite().all()]
    return f"{bad[0]} is not finite after the last step" if bad else None
