"""Checkpoints: the weights of one network in a file, the architecture and the seed that they are of, and the network itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from robbench_builders.datasets import Dataset
from robbench_builders.errors import WeightsError
from robbench_builders.weights import published, released_darts
from robbench_builders.weights.files import Entry
from robbench_builders.weights.loading import network_of, skeleton_of
from robbench.arguments import SEED_BITS, checked_seed
from robbench.measurements.lookup import Lookup
from robbench.spaces import space_named
from robbench.store import Store

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and std of each channel, in units of images in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The weights of one network, and what they are of."""

    entry: Entry
    space: str
    arch: Any
    seed: int
    written: str | None = None
    """The architecture's text, as it was given: released names of DARTS go by its order."""

    @property
    def record(self) -> dict[str, str | int]:
        """For the provenance of what is measured: the file, and which of its tensors were loaded."""
        said: dict[str, str | int] = {"file": self.entry.path.name, "sha256": self.entry.sha256, "tensors": len(self.entry.names)}
        return said | ({"entry": "/".join(self.entry.keys)} if self.entry.keys else {})


def identified(
    entry: Entry, *, space: str = "nb201", arch: str | None = None, seed: int | None = None, at_index: Callable[[int], Any] | None = None
) -> Checkpoint:
    """An entry with the architecture and the seed that it is of: as the file says, or else as is said here.

    Arguments:
        space: the search space, which the file does not say.
        arch: the architecture, as text.
        seed: of the training; 0, where neither says it.
        at_index: the architecture of a published index.

    Raises:
        WeightsError: nobody says the architecture, or the file says another.
        UnknownArchitecture: it is none of the space.
    """
    space = entry.kept.about.space if entry.kept else space
    known = space_named(space)
    told = None if arch is None else known.parse(arch)
    found = None if entry.arch is None else known.parse(entry.arch)
    if found is None and told is None and entry.index is not None and at_index is not None:
        found = at_index(entry.index)
    if found is not None and told is not None and found != told:
        raise WeightsError(f"{entry} says that it is of {found}; expected {told}, as was said.")
    one = told if found is None else found
    if one is None:
        which = "" if entry.index is None else f" It says the index {entry.index}: name a store that carries the published index, too."
        raise WeightsError(f"{entry} does not say which architecture it is of; name it (--arch or --index).{which}")
    if entry.seed is not None and seed is not None and entry.seed != seed:
        raise WeightsError(f"{entry} says that it is of seed {entry.seed}; expected {seed}, as was said.")
    said = entry.seed if seed is None else seed
    return Checkpoint(entry, space, one, checked_seed(0 if said is None else said, bits=SEED_BITS), entry.arch if arch is None else arch)


def at_index(store: Path, index: int) -> Any:
    """The architecture of a published index, by a store that carries it.

    Raises:
        WeightsError: there is no such store.
        UnknownArchitecture: it carries no published index, or not this one.
    """
    if not store.exists():
        raise WeightsError(
            f"{store} is not there to say which architecture {index} is; name a store that carries the published index (--indexed-by)."
        )
    with Store(store) as opened:
        return Lookup(opened).parse(index)


def loaded(checkpoint: Checkpoint, dataset: Dataset, normalisation: Normalisation | None = None) -> Any:
    """The network of a checkpoint, in eval mode, fit for a data set.

    Arguments:
        normalisation: of the images; by default as the file says, or as published for the data set.

    Raises:
        WeightsError: tensors that do not fit the architecture or the data set, or a normalisation that nobody says.
    """
    entry = checkpoint.entry
    where, (channels, _, _) = str(entry), dataset.image_shape
    if entry.kept is not None and entry.kept.training.diverged is not None:
        raise WeightsError(f"{where} is of a training that diverged: {entry.kept.training.diverged}.")
    tensors = entry.tensors()
    own = skeleton_of(tensors, where, checkpoint.arch) if entry.kept is None else entry.kept.skeleton
    skeleton = replace(own, image_channels=channels, classes=dataset.num_classes)
    mean, std = _normalisation(entry, dataset, normalisation)
    return network_of(checkpoint.arch, tensors, where, skeleton=skeleton, mean=mean, std=std, written=checkpoint.written)


def common(checkpoints: Sequence[Checkpoint], dataset: Dataset, normalisation: Normalisation | None = None) -> dict[str, Any]:
    """What the networks of checkpoints have in common: skeleton and normalisation.  Every file is read, and compared with its architecture.

    Raises:
        WeightsError: as `loaded`; or one has another skeleton or normalisation than the first.
    """
    settings: list[dict[str, Any]] = []
    for one in checkpoints:
        network = loaded(one, dataset, normalisation)
        settings.append(
            {
                "skeleton": asdict(network.skeleton),
                "normalisation": {"mean": network.mean.flatten().tolist(), "std": network.std.flatten().tolist()},
            }
        )
    for one, other in zip(checkpoints, settings, strict=True):
        if other != settings[0]:
            differing = next(name for name, value in other.items() if value != settings[0][name])
            raise WeightsError(
                f"{one.entry} has the {differing} {other[differing]}, and {checkpoints[0].entry} {settings[0][differing]};"
                " evaluate them one after the other, under names of their own (--training)."
            )
    return settings[0]


def _normalisation(entry: Entry, dataset: Dataset, given: Normalisation | None) -> Normalisation | tuple[None, None]:
    """What the network of an entry normalises images by; None where its tensors say it."""
    if entry.says_normalisation:
        if given is not None:
            raise WeightsError(f"{entry} holds the normalisation of its network; leave it out (--normalise).")
        return None, None
    if given is None and released_darts.is_released(entry.names):
        given = released_darts.NORMALISATION.get(dataset.name)
    elif given is None and dataset.name in published.NORMALISATION:
        given = _of_grey_levels(*published.NORMALISATION[dataset.name])
    if given is None:
        raise WeightsError(
            f"{entry} does not say how its network normalises images, and none is published for {dataset.name}; say it (--normalise)."
        )
    mean, std = given
    if len(mean) != dataset.image_shape[0]:
        raise WeightsError(f"a normalisation of {len(mean)} channels; expected {dataset.image_shape[0]}, as {dataset.name} has.")
    return mean, std


def normalisation_from(text: str, dataset: Dataset) -> Normalisation:
    """What a text says: ``none``, ``dataset`` for the mean and std of its training pixels, or ``MEAN,…/STD,…``, a number a channel.

    Raises:
        WeightsError: it says none of these.
    """
    channels = dataset.image_shape[0]
    if text in ("none", "dataset"):
        return (dataset.mean, dataset.std) if text == "dataset" else ((0.0,) * channels, (1.0,) * channels)
    try:
        mean, std = (tuple(float(value) for value in part.split(",")) for part in text.split("/"))
    except ValueError:
        mean, std = (), ()
    if not len(mean) == len(std) == channels or not all(0 < value < math.inf for value in std) or not all(map(math.isfinite, mean)):
        example = f"{','.join(['0.5'] * channels)}/{','.join(['0.25'] * channels)}"
        raise WeightsError(
            f"{text!r} is no normalisation of {channels} channels; expected none, dataset, or MEAN/STD in units of images in [0, 1]: {example}."
        )
    return mean, std


def _of_grey_levels(mean: Sequence[float], std: Sequence[float]) -> Normalisation:
    return tuple(level / 255 for level in mean), tuple(level / 255 for level in std)
