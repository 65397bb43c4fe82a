"""Named tensors into a network: each is compared with its place before anything is copied."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from robbench_builders.errors import WeightsError
from robbench_builders.networks import CELLS, cell_of, space_of
from robbench_builders.networks.darts import DartsNetwork, DartsSkeleton
from robbench_builders.networks.darts.network import STEM_MULTIPLIER
from robbench_builders.networks.families import kind_of, plain
from robbench_builders.networks.plain import Network, Skeleton
from robbench_builders.networks.wrn import WideSkeleton
from robbench_builders.weights import published, released_darts
from robbench.spaces.wrn import WideResNet

COUNTER = "num_batches_tracked"
"""Batch norm's count of batches, which nothing is computed of: it may be there, and is not read."""

MOST_CELLS = 100
"""A stage, of a skeleton that tensors tell."""

_BODY = re.compile(r"(?:body|cells)\.(\d{1,4})\.")
_SHORTCUT = re.compile(r"(?:cells|body)\.(\d{1,4})\.(?:downsample\.1|shortcut)\.weight")


def network_of(
    arch: Any,
    tensors: Mapping[str, Tensor],
    where: str,
    *,
    skeleton: Any = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    finite: bool = True,
    written: str | None = None,
) -> Any:
    """The network of an architecture with these weights, in eval mode, on the CPU.

    Arguments:
        arch: of a search space in `robbench_builders.networks`.
        tensors: by ours names, or by the published ones, of NAS-Bench-201 in either spelling, of DARTS as released; float32.
        where: what they are of, for errors.
        skeleton: the macro skeleton; by default the one that the tensors are of.
        mean, std: the normalisation, as for `Network`; tensors that are named as ours say it themselves.
        finite: refuse values that are not finite.
        written: the text of a genotype, as it was given, whose order released names of DARTS go by.

    Raises:
        WeightsError: nothing says that order; or tensors that are missing, too many, of another shape or type, or not finite: by name, with what was expected.
    """
    skeleton = skeleton_of(tensors, where, arch) if skeleton is None else skeleton
    with torch.device("meta"):  # shapes without memory: what the tensors say of the skeleton may be anything
        places = plain(arch, skeleton, mean, std)
    if published.is_published(tensors) and isinstance(places, Network):
        names = published.names(places, published.spelling_of(tensors))
    elif released_darts.is_released(tensors) and isinstance(places, DartsNetwork):
        names = released_darts.names(places, tensors, where, written)
    else:
        names = {name: name for name in places.state_dict()}
    _refuse_unfit(places, tensors, names, where, finite)
    network = plain(arch, skeleton, mean, std).eval()
    state = network.state_dict()
    with torch.no_grad():
        for ours, theirs in names.items():
            if not ours.endswith(COUNTER):
                state[ours].copy_(tensors[theirs])
    return network


def skeleton_of(tensors: Mapping[str, Tensor], where: str, arch: Any) -> Any:
    """The skeleton of an architecture's network that tensors are of.

    Raises:
        WeightsError: the tensors that tell are not there, or are no weights of a convolution and of a linear layer.
    """
    _refuse_without_ends(tensors, where)
    return _TOLD[kind_of(space_of(arch).name)](tensors, where, arch)


def _of_stages(tensors: Mapping[str, Tensor], where: str, arch: Any) -> Skeleton:
    """Of N cells a stage, the first reduction has the number N."""
    reductions = [int(match[1]) for name in tensors if (match := _SHORTCUT.fullmatch(name))]
    if not 0 < min(reductions, default=0) <= MOST_CELLS:
        raise WeightsError(f"{where} has no cells.5.downsample.1.weight, or such, of a reduction; expected the weights of a whole network.")
    (channels, image_channels), classes = tensors["stem.0.weight"].shape[:2], len(tensors["classifier.weight"])
    return Skeleton(channels, min(reductions), image_channels, classes)


def _of_layers(tensors: Mapping[str, Tensor], where: str, arch: Any) -> DartsSkeleton:
    """As many cells as the body has numbers; the stem is of three times the channels."""
    numbers = {int(match[1]) for name in tensors if (match := _BODY.match(name))}
    if not 3 <= len(numbers) <= 3 * MOST_CELLS:
        raise WeightsError(
            f"{where} has weights of {len(numbers)} cells in body.0, body.1, … or cells.0, cells.1, …; expected 3 to {3 * MOST_CELLS}: weights of DARTS'"
            " networks are read as a build keeps them (--keep-weights), as saved from one of `robbench_builders.networks.darts`, or as the released code names them."
        )
    (stem, image_channels), classes = tensors["stem.0.weight"].shape[:2], len(tensors["classifier.weight"])
    return DartsSkeleton(
        stem // STEM_MULTIPLIER,
        len(numbers),
        image_channels,
        classes,
        any(name.startswith(("auxiliary.", "auxiliary_head.")) for name in tensors),
    )


def _of_widths(tensors: Mapping[str, Tensor], where: str, arch: WideResNet) -> WideSkeleton:
    """The first stage has so many channels for each unit of the architecture's width factor."""
    name = "stages.0.0.conv_1.weight"
    channels, beyond = divmod(len(tensors[name]) if name in tensors and tensors[name].ndim == 4 else 0, arch.widths[0])
    if beyond or not channels:
        raise WeightsError(
            f"{where} has no {name} of a multiple of {arch.widths[0]} channels; expected the weights of the network of {arch}, named as"
            " `robbench_builders.networks.wrn` names them: as a build keeps them (--keep-weights), or as saved from such a network."
        )
    (stem, image_channels), classes = tensors["stem.0.weight"].shape[:2], len(tensors["classifier.weight"])
    return WideSkeleton(channels, stem, image_channels, classes)


_TOLD: dict[type, Callable[[Mapping[str, Tensor], str, Any], Any]] = {
    Skeleton: _of_stages,
    DartsSkeleton: _of_layers,
    WideSkeleton: _of_widths,
}
"""By the kind of skeleton, how tensors tell its size."""


def _refuse_without_ends(tensors: Mapping[str, Tensor], where: str) -> None:
    for name, dimensions in {"stem.0.weight": 4, "classifier.weight": 2}.items():
        if name not in tensors or tensors[name].ndim != dimensions or 0 in tensors[name].shape:
            found = f"is {_shape(tensors[name])}" if name in tensors else "is missing"
            raise WeightsError(f"{where}: {name} {found}; expected a tensor of {dimensions} dimensions, which tells the network's width.")


def _refuse_unfit(network: Any, tensors: Mapping[str, Tensor], names: Mapping[str, str], where: str, finite: bool) -> None:
    """Do nothing where tensors fit the network, in which each is called as `names` says; otherwise raise WeightsError."""
    state = network.state_dict()
    wanted = {theirs: state[ours] for ours, theirs in names.items() if not ours.endswith(COUNTER)}
    _refuse_missing_and_extra(network, wanted, tensors, where)
    for name, place in wanted.items():
        _refuse_other_form(name, tensors[name], place, where)
    for name in wanted if finite else ():
        _refuse_senseless(name, tensors[name], where)


def _refuse_missing_and_extra(network: Any, wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor], where: str) -> None:
    missing = [name for name in wanted if name not in tensors]
    extra = [name for name in tensors if name not in wanted and not name.endswith(COUNTER)]
    if not missing and not extra:
        return
    parts = [f"lacks {_first_of(missing)}, expected {_shape(wanted[missing[0]])}"] if missing else []
    if extra:
        parts.append(f"has {_first_of(extra)}, {_shape(tensors[extra[0]])}, for which there is no place")
    raise WeightsError(
        f"{where} {' and '.join(parts)}; expected the weights of {network.arch}{_operations(network.arch)} in {network.skeleton}: are they of another architecture?"
    )


def _operations(arch: Any) -> str:
    """In words, where an architecture is one cell; a genotype says its own."""
    if space_of(arch).name not in CELLS:
        return ""
    return f" ({', '.join(f'{op} on {source}→{target}' for source, target, op in cell_of(arch).edges) or 'nothing'})"


def _refuse_other_form(name: str, tensor: Tensor, place: Tensor, where: str) -> None:
    if tensor.shape != place.shape:
        raise WeightsError(
            f"{where}: {name} is {_shape(tensor)}; expected {_shape(place)}: the file is of another architecture, width, class count or number of image channels."
        )
    if tensor.dtype != place.dtype or tensor.layout != torch.strided or tensor.device.type != "cpu":
        raise WeightsError(
            f"{where}: {name} is {tensor.dtype}, {tensor.layout}, on {tensor.device}; expected {place.dtype}, dense, with its values in the file."
        )


def _refuse_senseless(name: str, tensor: Tensor, where: str) -> None:
    if not tensor.isfinite().all():
        raise WeightsError(f"{where}: {name} has values that are NaN or infinite; the training diverged, or the file is damaged.")
    if name.endswith("running_var") and tensor.min() < 0:
        raise WeightsError(f"{where}: {name} has negative values, and is a variance; the file is damaged.")


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))


def _first_of(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
