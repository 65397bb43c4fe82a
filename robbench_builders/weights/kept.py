"""Weights that a build keeps: one network a file, so that a new attack or corruption is evaluated without training again.

<key>.npz, uncompressed, without pickle:

record    JSON: what the weights are of, and how their training went
sum       sha256, as hexadecimal digits, of the record and of every tensor's name, type, shape and bytes
<name>    each tensor of the plain network's state_dict, the normalisation among them

The key is a hash of what the weights depend on: architecture, data, recipe, seed.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from robbench_builders.errors import UNREADABLE, BuildError, DamagedWeights, WeightsError
from robbench_builders.networks.families import skeleton_from
from robbench_builders.recipes import digest
from robbench_builders.train import Training
from robbench_builders.weights.loading import COUNTER, network_of
from robbench.spaces import space_named
from robbench.store.atomic import replacing

RECORD, SUM = "record", "sum"


@dataclass(frozen=True)
class About:
    """What weights are of: all that they depend on, but for rounding."""

    space: str
    arch: str
    dataset: str
    """Its checksum."""
    recipe: dict[str, Any]
    """Its `Recipe.settings`."""
    seed: int

    @property
    def key(self) -> str:
        """16 hexadecimal digits; of the recipe, what it and its training are called does not count."""
        fields = asdict(self) | {"recipe": {name: value for name, value in self.recipe.items() if name not in ("name", "training")}}
        return digest(fields)


class Kept(NamedTuple):
    """The content of a file."""

    about: About
    skeleton: Any
    """One of `robbench_builders.networks.families.FAMILIES`."""
    training: Training
    environment: dict[str, Any]
    """Of the training: library versions, device, and how many networks were trained at once."""
    tensors: dict[str, Tensor]

    def network(self, where: str) -> Any:
        """The network, in eval mode, on the CPU; one whose training diverged may have weights that are not finite.

        Raises:
            WeightsError: the tensors do not fit the architecture or the skeleton.
        """
        arch = space_named(self.about.space).parse(self.about.arch)
        return network_of(arch, self.tensors, where, skeleton=self.skeleton, finite=self.training.diverged is None)


def path_of(folder: Path, about: About) -> Path:
    """The file of these weights in a folder."""
    return folder / f"{about.key}.npz"


def write(folder: Path, about: About, network: Any, training: Training, environment: Mapping[str, Any]) -> None:
    """Keep a trained network's weights, whole or not at all.

    Raises:
        WeightsError: the folder cannot be written, or the disk is full.
    """
    path = path_of(folder, about)
    arrays = {name: tensor.numpy(force=True) for name, tensor in network.state_dict().items() if not name.endswith(COUNTER)}
    record = json.dumps(
        {**asdict(about), "skeleton": asdict(network.skeleton), "training": asdict(training), "environment": dict(environment)},
        sort_keys=True,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            np.savez(file, **{RECORD: np.array(record), SUM: np.array(_sum(record, arrays)), **arrays})
    except OSError as error:
        raise WeightsError(f"{path} could not be written: {error}. Make room, or name another folder for the weights.") from error


def find(folder: Path, about: About) -> Kept | None:
    """The weights that a folder has of this, None where it has none.

    Raises:
        DamagedWeights: its file is cut short or damaged.
        WeightsError: its file is of something else than its name says.
    """
    path = path_of(folder, about)
    if not path.exists():
        return None
    found = read(path)
    if found.about.key != about.key:
        differing = [name for name, value in asdict(about).items() if asdict(found.about)[name] != value]
        raise WeightsError(
            f"{path} holds weights of another {' and '.join(differing)} than its name says"
            f" ({', '.join(str(asdict(found.about)[name]) for name in differing):.300}); take it out of the folder."
        )
    return found


def read(path: Path) -> Kept:
    """The weights in a file.

    Raises:
        DamagedWeights: it is cut short or damaged.
    """
    try:
        with path.open("rb") as raw, zipfile.ZipFile(raw) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("it is compressed, and kept weights are not")
            arrays = {member.removesuffix(".npy"): _array(archive, member) for member in archive.namelist()}
        record, digest = str(arrays.pop(RECORD)), str(arrays.pop(SUM))
        if digest != _sum(record, arrays):
            raise ValueError("its sum is another than its content's")
        fields = json.loads(record)
        skeleton, training, environment = (
            skeleton_from(fields.pop("skeleton")),
            Training(**fields.pop("training")),
            fields.pop("environment"),
        )
        return Kept(About(**fields), skeleton, training, environment, {name: torch.from_numpy(array) for name, array in arrays.items()})
    except (*UNREADABLE, BuildError) as error:
        raise DamagedWeights(
            f"{path} is cut short or damaged ({error}); delete it, and a run that keeps weights makes it again."
        ) from error


def is_kept(path: Path) -> bool:
    """Whether a zip file is one of kept weights, by the names in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {f"{RECORD}.npy", f"{SUM}.npy"} <= set(archive.namelist())
    except UNREADABLE:
        return False


def _array(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    with archive.open(member) as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _sum(record: str, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(record.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
