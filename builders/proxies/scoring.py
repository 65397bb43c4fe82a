"""The proxies by name, and how a stack is scored: which proxies apply, which passes they share, and why a value is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from builders.datasets import Dataset
from builders.errors import ProxyError
from builders.networks import space_of
from builders.networks.plain import Skeleton
from builders.networks.stacked import StackedNetwork
from builders.precision import exact_convolutions
from builders.proxies.activations import nwot
from builders.proxies.croze import EQUATIONS, GAUSSIAN, GAUSSIAN_INPUT, Croze
from builders.proxies.initialise import initialised
from builders.proxies.jacobians import Hessian, JacobFro, epe_nas, jacov
from builders.proxies.minibatches import MeanHessian, MeanJacobFro, MeanWeightsHessian
from builders.proxies.passes import Passes
from builders.proxies.rscore import Phi, Psi
from builders.proxies.saliency import fisher, grad_norm, grasp, plain, snip
from builders.proxies.size import flops, l2_norm, params
from builders.proxies.synflow import synflow
from builders.proxies.zen import Zen
from builders.train import generator
from robbench.arguments import nearest

Notice = Callable[[str], object]
"""Called with the name of a proxy when its values have been computed."""

_CONSTANT_OUTPUT = "the output ignores the input"


@dataclass(frozen=True)
class Proxy:
    """One proxy, and what it needs for its values to mean something.

    Arguments:
        compute: from the passes to ``(stack,)``.
        order: how often it differentiates the shared forward pass.
        images, labels: the smallest batch, and the fewest different labels in it.
        signal: it has no value for a network whose output ignores the input.
        loss: it depends on the loss, which is always zero for a data set of one class.
    """

    compute: Callable[[Passes], Tensor]
    order: int = 0
    images: int = 1
    labels: int = 1
    signal: bool = True
    loss: bool = False

    def settings(self) -> dict[str, Any]:
        """The proxy's parameters, for the provenance of its values: a flat dict."""
        compute: Any = self.compute
        fields = asdict(compute) if is_dataclass(compute) and not isinstance(compute, type) else {}
        return {**fields.pop("form", {}), **fields}


PROXIES: dict[str, Proxy] = {
    "params": Proxy(params, signal=False),
    "flops": Proxy(flops, signal=False),
    "l2_norm": Proxy(l2_norm, signal=False),
    "grad_norm": Proxy(grad_norm, order=1, images=2, loss=True),
    "plain": Proxy(plain, order=1, images=2, loss=True),
    "snip": Proxy(snip, order=1, images=2, loss=True),
    "fisher": Proxy(fisher, order=1, images=2, loss=True),
    "grasp": Proxy(grasp, order=2, images=2, loss=True),
    "synflow": Proxy(synflow),
    "nwot": Proxy(nwot, images=2),
    "jacov": Proxy(jacov, order=1, images=2),
    "epe_nas": Proxy(epe_nas, order=1, images=2, labels=2),
    "zen": Proxy(Zen(), images=2),
    "jacob_fro": Proxy(JacobFro(), images=2),
    "hessian": Proxy(Hessian(), images=2, loss=True),
    "croze": Proxy(Croze(), images=8, loss=True),
    "croze_features": Proxy(Croze(part="features"), images=8, loss=True),
    "croze_parameters": Proxy(Croze(part="parameters"), images=8, loss=True),
    "croze_gradients": Proxy(Croze(part="gradients"), images=8, loss=True),
    "croze_gaussian": Proxy(Croze(GAUSSIAN), images=8, loss=True),
    "croze_gaussian_features": Proxy(Croze(GAUSSIAN, "features"), images=8),
    "croze_gaussian_parameters": Proxy(Croze(GAUSSIAN, "parameters"), images=8),
    "croze_gaussian_gradients": Proxy(Croze(GAUSSIAN, "gradients"), images=8, loss=True),
    "croze_equations": Proxy(Croze(EQUATIONS), images=8, loss=True),
    "r_score_psi": Proxy(Psi(), images=16),
    "r_score_phi": Proxy(Phi(), images=8, loss=True),
    "r_score_psi_equations": Proxy(Psi(by_layer=True), images=16),
    "r_score_phi_equations": Proxy(Phi(EQUATIONS, cosines=True), images=8, loss=True),
}
"""What is measured where nothing else is asked for."""

VARIANTS: dict[str, Proxy] = {
    "croze_features_parameters": Proxy(Croze(part="features_parameters"), images=8, loss=True),
    "croze_features_gradients": Proxy(Croze(part="features_gradients"), images=8, loss=True),
    "croze_parameters_gradients": Proxy(Croze(part="parameters_gradients"), images=8, loss=True),
    "croze_gaussian_input": Proxy(Croze(GAUSSIAN_INPUT), images=8, loss=True),
    "jacob_fro_10x256": Proxy(MeanJacobFro(), images=2560),
    "hessian_10x256": Proxy(MeanHessian(), images=2560, loss=True),
    "hessian_weights_10x256": Proxy(MeanWeightsHessian(), images=2560, loss=True),
}
"""Forms of these that papers measure beside them, computed only when asked for by name."""

KNOWN: dict[str, Proxy] = {**PROXIES, **VARIANTS}


@dataclass(frozen=True, eq=False)
class Scores:
    """Proxies of the networks of a stack."""

    values: dict[str, npt.NDArray[np.float64]]
    """By proxy, float64 ``(stack,)``; NaN where there is no value."""
    failures: dict[str, dict[str, int]]
    """By proxy, why values are missing, and how often; proxies without missing values are left out."""
    settings: dict[str, dict[str, Any]]
    """By proxy, its parameters and how it was measured, for the provenance of its values."""


def score(
    stack: StackedNetwork,
    images: Tensor,
    labels: Tensor,
    names: Sequence[str] | None = None,
    *,
    seed: int = 0,
    proxies: Mapping[str, Proxy] | None = None,
    notice: Notice = lambda name: None,
) -> Scores:
    """Proxies of every network of a stack: initialised (`initialised`), then in training mode, or trained, then in eval mode.

    The stack is not changed.  A network's values depend neither on the others of the stack nor on the other proxies asked for, but
    for rounding.

    Arguments:
        images: ``(batch, channels, height, width)``, float, in [0, 1]; labels: ``(batch,)``, int64.
        names: of `proxies`; all of them if left out, or those of `PROXIES` if both are.
        seed: of the random numbers that proxies draw: weights, noise, directions.
        proxies: those that can be computed; `PROXIES` and `VARIANTS` if left out.
        notice: called with each proxy's name when its values have been computed.

    Raises:
        ProxyError: an unknown name, or images and labels that are not a batch for these networks.
    """
    known = KNOWN if proxies is None else proxies
    chosen = list(PROXIES if proxies is None else proxies) if names is None else list(dict.fromkeys(names))
    _check(chosen, known, stack.skeleton, images, labels)
    missing = {name: _not_applicable(known[name], stack, images, labels) for name in chosen}
    applicable = [name for name in chosen if missing[name] is None]
    passes = Passes(stack, images, labels, seed, order=max((known[name].order for name in applicable), default=0))
    values, failures = {}, {}
    for name in chosen:
        if (why := missing[name]) is not None:
            values[name], reasons = np.full(len(stack), np.nan), [why] * len(stack)
        else:
            with exact_convolutions():
                values[name], reasons = _checked_values(known[name], known[name].compute(passes), stack)
        if reasons:
            failures[name] = dict(Counter(reasons))
        notice(name)
    shared = {"seed": seed, "batch_size": len(images), "statistics": "of the batch" if stack.training else "running"}
    return Scores(values, failures, {name: {**shared, **known[name].settings()} for name in chosen})


def score_untrained(
    archs: Sequence[Any],
    dataset: Dataset,
    names: Sequence[str] | None = None,
    *,
    seed: int = 0,
    init: str = "random",
    batch_size: int = 64,
    channels: int = 16,
    cells_a_stage: int = 5,
    skeleton: Any = None,
    proxies: Mapping[str, Proxy] | None = None,
    normalisation: tuple[Sequence[float], Sequence[float]] | None = None,
    part: str = "train",
    device: torch.device | str = "cpu",
    notice: Notice = lambda name: None,
) -> Scores:
    """Proxies of untrained networks on images drawn at random, by `initialised` and `score`.

    Arguments:
        archs: of search spaces in `builders.networks.CELLS`.
        init: one of `INITIALISATIONS`.
        batch_size: images, all if there are fewer.
        channels, cells_a_stage: C and N of the macro skeleton of NAS-Bench-201.
        skeleton: the macro skeleton, of any of `builders.networks.families`, in place of these; for images and classes as the data set has them.
        names, seed, proxies, notice: as for `score`.
        normalisation: mean and standard deviation of every channel; the data set's if left out.
        part: of the data set, as for `batch_of`.
        device: where to measure.

    Raises:
        ProxyError, BuildError: as `initialised`, `batch_of` and `score`.
    """
    if skeleton is None:
        skeleton = Skeleton(channels, cells_a_stage, dataset.image_shape[0], dataset.num_classes)
    mean, std = normalisation or (dataset.mean, dataset.std)
    stack = initialised(archs, skeleton, mean, std, seed=seed, init=init).to(device)
    images, labels = (tensor.to(device) for tensor in batch_of(dataset, batch_size, seed=seed, part=part))
    found = score(stack, images, labels, names, seed=seed, proxies=proxies, notice=notice)
    drawn = {"init": init, "channels": channels, "cells": cells_a_stage, "dataset": dataset.name}
    if part != "train":
        drawn["part"] = part
    return replace(found, settings={name: {**drawn, **settings} for name, settings in found.settings.items()})


def batch_of(dataset: Dataset, size: int, *, seed: int = 0, part: str = "train") -> tuple[Tensor, Tensor]:
    """Images drawn at random, without repetition, and their labels: ``(size, channels, height, width)`` and ``(size,)``; all if there are fewer.

    Arguments:
        part: train or test: of the training or of the test images.

    Raises:
        ProxyError: another part.
    """
    parts = {"train": (dataset.train_images, dataset.train_labels), "test": (dataset.test_images, dataset.test_labels)}
    if part not in parts:
        raise ProxyError(f"{part!r} is no part of a data set; expected {' or '.join(parts)}.")
    chosen = torch.randperm(len(parts[part][0]), generator=generator(seed, "proxies/batch"))[:size]
    images, labels = (torch.from_numpy(array)[chosen] for array in parts[part])
    return images, labels


def _check(names: Sequence[str], known: Mapping[str, Proxy], skeleton: Skeleton, images: Tensor, labels: Tensor) -> None:
    for name in names:
        if name not in known:
            raise ProxyError(f"{name!r} is not a proxy.{nearest(name, known)} Known: {', '.join(known)}.")
    if images.dim() != 4 or not images.is_floating_point() or not len(images):
        raise ProxyError(f"images are {images.dtype} {tuple(images.shape)}; expected floats in [0, 1], (batch, channels, height, width).")
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        raise ProxyError(f"labels are {labels.dtype} {tuple(labels.shape)} for {len(images)} images; expected int64, one for each.")
    if images.shape[1] != skeleton.image_channels:
        raise ProxyError(f"images have {images.shape[1]} channels; expected {skeleton.image_channels}, as these networks take.")
    if int(labels.min()) < 0 or int(labels.max()) >= skeleton.classes:
        found = f"{int(labels.min())} to {int(labels.max())}"
        raise ProxyError(f"labels are {found}; expected 0 to {skeleton.classes - 1}, as these networks have {skeleton.classes} classes.")


def _not_applicable(proxy: Proxy, stack: StackedNetwork, images: Tensor, labels: Tensor) -> str | None:
    """Why no network has a value on this batch, or None."""
    if len(images) < proxy.images:
        return f"a batch of {len(images)} images, of at least {proxy.images}"
    different = int(labels.unique().numel())
    if different < proxy.labels:
        return f"{different} class in the batch, of at least {proxy.labels}"
    if proxy.loss and stack.skeleton.classes < 2:
        return "a data set of one class, whose loss is always zero"
    if proxy.signal and all(_is_constant(arch) for arch in stack.archs):
        return _CONSTANT_OUTPUT
    return None


def _checked_values(proxy: Proxy, values: Tensor, stack: StackedNetwork) -> tuple[npt.NDArray[np.float64], list[str]]:
    """The values, NaN where they mean nothing, and the reasons."""
    array = np.asarray(values.detach().double().cpu().numpy()).copy()
    constant = np.array([proxy.signal and _is_constant(arch) for arch in stack.archs])
    infinite = ~np.isfinite(array) & ~constant
    array[constant | infinite] = np.nan
    return array, [_CONSTANT_OUTPUT] * int(constant.sum()) + ["the value is not finite"] * int(infinite.sum())


def _is_constant(arch: Any) -> bool:
    return space_of(arch).is_constant(arch)
