"""Weights in place of a recipe: what a plan says of networks that were trained elsewhere, and need not be trained here.

Weights     a training's name, skeleton, normalisation, and which file each network is from
Source      where a plan's networks are from: a recipe, or weights
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from robbench_builders.datasets import Dataset
from robbench_builders.errors import WeightsError
from robbench_builders.evaluations import Evaluation
from robbench_builders.networks.families import skeleton_from
from robbench_builders.recipes import Recipe, checked_name, digest, find_recipe
from robbench_builders.results import listing
from robbench_builders.results.listing import Record


def key_of(arch: str, seed: int) -> str:
    """What a network is called where something is said of it alone: its file, or why it diverged."""
    return f"{arch}, seed {seed}"


@dataclass(frozen=True)
class Weights:
    """Networks of one skeleton and one normalisation, whose weights are in files of one folder.

    Raises:
        BuildError: the name is none, or no skeleton has this size.
    """

    name: str
    """Of the training."""
    size: Mapping[str, Any]
    """The fields of the skeleton, but for those that the data set says."""
    mean: tuple[float, ...]
    """Subtracted from every channel of the images, which are in [0, 1]."""
    std: tuple[float, ...]
    files: Mapping[str, Any] = field(repr=False)
    """By `key_of`, each network's file name, sha256, entry and number of tensors; of a store that does not list them, what stands for that."""

    def __post_init__(self) -> None:
        checked_name(self.name)
        skeleton_from(self.size)

    def __hash__(self) -> int:
        return hash(self.label)

    @property
    def batch_size(self) -> int:
        """Of training, of which there is none."""
        return 0

    @property
    def training_name(self) -> str:
        """What a store calls the training."""
        return self.name

    @property
    def label(self) -> str:
        """The name, followed by a checksum of all that is said here."""
        return f"{self.name}:{digest({**self.settings(), 'files': listing.summed(self.files)})}"

    def skeleton(self, dataset: Dataset) -> Any:
        """The macro skeleton of the networks on a data set."""
        return skeleton_from({**self.size, "image_channels": dataset.image_shape[0], "classes": dataset.num_classes})

    def normalisation(self, dataset: Dataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation that the networks normalise by."""
        return self.mean, self.std

    def settings(self) -> dict[str, Any]:
        """What the networks have in common, as JSON has it."""
        fields = {"name": self.name, **self.size, "mean": self.mean, "std": self.std}
        plain: dict[str, Any] = json.loads(json.dumps(fields))
        return plain

    def record(self) -> dict[str, Any]:
        """All that is said here, as JSON has it; `weights_from` reads it."""
        return {**self.settings(), "files": dict(self.files)}

    def of(self, archs: Iterable[str], seed: int) -> Weights:
        """Those of some networks.

        Raises:
            WeightsError: there is no file of one of them.
        """
        if listing.is_summed(self.files):
            return self
        keys = [key_of(arch, seed) for arch in archs]
        if missing := [key for key in keys if key not in self.files]:
            more = f", and of {len(missing) - 1} more" if len(missing) > 1 else ""
            raise WeightsError(
                f"there is no file with the weights of {missing[0]}{more}; put it into the folder, or leave the network out."
            )
        return replace(self, files={key: self.files[key] for key in keys})

    def file_of(self, arch: str, seed: int) -> Record:
        """The file of a network; raises as `of`."""
        found: Record = self.of([arch], seed).files[key_of(arch, seed)]
        return found


Source = Recipe | Weights


def source_of(given: str | Source) -> Source:
    """Where networks are from: the recipe of a name, or what is given; raises as `find_recipe`."""
    return given if isinstance(given, Weights) else find_recipe(given)


def put_through(evaluation: Evaluation, source: Source) -> Evaluation:
    """What a plan's networks are put through: proxies are of the weights that a training starts from, and not of those in files."""
    return replace(evaluation, proxies={}) if isinstance(source, Weights) else evaluation


def weights_from(fields: Mapping[str, Any]) -> Weights:
    """The weights of a `Weights.record`; raises ValueError, TypeError or KeyError where it is none."""
    files = fields["files"]
    if not listing.is_summed(files):
        for key, record in files.items():
            if not (isinstance(record["file"], str) and isinstance(record["sha256"], str) and "/" not in record["file"]):
                raise ValueError(f"the file of {key} is {record}")
    size = {name: value for name, value in fields.items() if name not in ("name", "mean", "std", "files")}
    return Weights(fields["name"], size, tuple(map(float, fields["mean"])), tuple(map(float, fields["std"])), files)
