"""How a stack is scored: which proxies apply, which passes they share, and why a value is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from robbench_builders.datasets import Dataset
from robbench_builders.errors import ProxyError
from robbench_builders.networks import space_of
from robbench_builders.networks.families import alike, stacked
from robbench_builders.networks.plain import Skeleton
from robbench_builders.precision import exact_convolutions
from robbench_builders.proxies.anatomy import AnyStack
from robbench_builders.proxies.initialise import initialised
from robbench_builders.proxies.passes import Passes
from robbench_builders.proxies.registry import KNOWN, PROXIES, Proxy
from robbench_builders.train import generator
from robbench.arguments import checked_seed, nearest

Notice = Callable[[str], object]
"""Called with the name of a proxy when its values have been computed."""

_CONSTANT_OUTPUT = "the output ignores the input"


@dataclass(frozen=True, eq=False)
class Scores:
    """Proxies of the networks of a stack."""

    values: dict[str, npt.NDArray[np.float64]]
    """By proxy, float64 ``(stack,)``; NaN where there is no value."""
    failures: dict[str, dict[str, int]]
    """By proxy, why values are missing, and how often; proxies without missing values are left out."""
    settings: dict[str, dict[str, Any]]
    """By proxy, its parameters and how it was measured, for the provenance of its values."""
    reasons: dict[str, tuple[str | None, ...]] = field(default_factory=dict)
    """By proxy, why the value of each network is missing, or None: ``(stack,)``; what `failures` counts."""


def score(
    stack: AnyStack,
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
        InvalidArgument: a seed that is none.
    """
    known = KNOWN if proxies is None else proxies
    chosen = list(PROXIES if proxies is None else proxies) if names is None else list(dict.fromkeys(names))
    _check(chosen, known, stack.skeleton, images, labels)
    checked_seed(seed)
    if not stack.alike:

        def alone(group: Sequence[int], notice: Notice) -> Scores:
            return score(stacked([stack.extract(k) for k in group]), images, labels, chosen, seed=seed, proxies=known, notice=notice)

        return _together([[k] for k in range(len(stack))], alone, notice)
    missing = {name: _not_applicable(known[name], stack, images, labels) for name in chosen}
    applicable = [name for name in chosen if missing[name] is None]
    passes = Passes(stack, images, labels, seed, order=max((known[name].order for name in applicable), default=0))
    values: dict[str, npt.NDArray[np.float64]] = {}
    reasons: dict[str, tuple[str | None, ...]] = {}
    for name in chosen:
        if (why := missing[name]) is not None:
            values[name], reasons[name] = np.full(len(stack), np.nan), (why,) * len(stack)
        else:
            with exact_convolutions():
                values[name], reasons[name] = _computed(known[name], passes)
        notice(name)
    failures = {name: dict(Counter(why for why in each if why)) for name, each in reasons.items() if any(each)}
    shared = {"seed": seed, "batch_size": len(images), "statistics": "of the batch" if stack.training else "running"}
    return Scores(values, failures, {name: {**shared, **known[name].settings()} for name in chosen}, reasons)


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
        archs: of one search space, or of several whose networks share a skeleton.
        init: one of `INITIALISATIONS`.
        batch_size: images, all if there are fewer.
        channels, cells_a_stage: C and N of the macro skeleton of NAS-Bench-201.
        skeleton: the macro skeleton, of any of `robbench_builders.networks.families`, in place of these; for images and classes as the data set has them.
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
    images, labels = (tensor.to(device) for tensor in batch_of(dataset, batch_size, seed=seed, part=part))

    def stacked_alike(group: Sequence[int], notice: Notice) -> Scores:
        stack = initialised([archs[k] for k in group], skeleton, mean, std, seed=seed, init=init).to(device)
        return score(stack, images, labels, names, seed=seed, proxies=proxies, notice=notice)

    groups = alike(archs, skeleton) if len(archs) > 1 else [list(range(len(archs)))]
    found = _together(groups, stacked_alike, notice)
    drawn = {"init": init, **size_of(skeleton), "dataset": dataset.name}
    if part != "train":
        drawn["part"] = part
    return replace(found, settings={name: {**drawn, **settings} for name, settings in found.settings.items()})


def _together(groups: Sequence[Sequence[int]], scored: Callable[[Sequence[int], Notice], Scores], notice: Notice) -> Scores:
    """The scores of groups of networks, given by their positions, as those of all; the last group's are noticed."""
    found = [scored(group, (lambda name: None) if number < len(groups) else notice) for number, group in enumerate(groups, 1)]
    if len(found) == 1:
        return found[0]
    where = np.argsort([k for group in groups for k in group])
    values = {name: np.concatenate([each.values[name] for each in found])[where] for name in found[0].values}
    whys = {name: [why for each in found for why in each.reasons[name]] for name in values}
    reasons = {name: tuple(why[k] for k in where) for name, why in whys.items()}
    failures = {name: dict(Counter(why for why in each if why)) for name, each in reasons.items() if any(each)}
    return Scores(values, failures, found[0].settings, reasons)


def size_of(skeleton: Any) -> dict[str, Any]:
    """A skeleton's fields but for those that follow from the data set."""
    return {name: value for name, value in asdict(skeleton).items() if name not in ("image_channels", "classes")}


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


def _check(names: Sequence[str], known: Mapping[str, Proxy], skeleton: Any, images: Tensor, labels: Tensor) -> None:
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


def _not_applicable(proxy: Proxy, stack: AnyStack, images: Tensor, labels: Tensor) -> str | None:
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


def _computed(proxy: Proxy, passes: Passes) -> tuple[npt.NDArray[np.float64], tuple[str | None, ...]]:
    """The values, NaN where there is none, and why; where arithmetic fails for some of the networks, those of the others."""
    stack = passes.stack
    passes.notes.clear()
    try:
        return _checked_values(proxy, proxy.compute(passes), stack, passes.notes)
    except (ArithmeticError, torch.linalg.LinAlgError) as error:  # type: ignore[attr-defined]
        if len(stack) == 1:
            return np.full(1, np.nan), (f"{type(error).__name__.lstrip('_')}: {error}",)
    alone = (Passes(stacked([stack.extract(k)]), passes.images, passes.labels, passes.seed, order=passes.order) for k in range(len(stack)))
    values, reasons = zip(*(_computed(proxy, each) for each in alone), strict=True)
    return np.concatenate(values), tuple(chain.from_iterable(reasons))


def _checked_values(
    proxy: Proxy, values: Tensor, stack: AnyStack, notes: Mapping[int, str]
) -> tuple[npt.NDArray[np.float64], tuple[str | None, ...]]:
    """The values, NaN where they mean nothing, and why."""
    array = np.asarray(values.detach().double().cpu().numpy()).copy()
    constant = [proxy.signal and _is_constant(arch) for arch in stack.archs]
    reasons = tuple(
        _CONSTANT_OUTPUT if dead else None if finite else notes.get(k, "the value is not finite")
        for k, (dead, finite) in enumerate(zip(constant, np.isfinite(array), strict=True))
    )
    array[[why is not None for why in reasons]] = np.nan
    return array, reasons


def _is_constant(arch: Any) -> bool:
    return space_of(arch).is_constant(arch)
