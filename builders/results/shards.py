"""Shards: the result of one unit, in one file that appears whole or not at all.

<unit key>.npz holds plain arrays (no pickle; the zip's CRC guards every byte):

unit            JSON: the unit
settings        JSON: what the unit's recipe, evaluation and data set stood for: all their fields, and a checksum
environment     JSON: library versions, device, networks in a stack
trainings       JSON: for each network, loss, accuracy, seconds, and why it diverged (or null)
seconds         JSON: for each threat, seconds of evaluation; for proxies, of all together
images          JSON: for each threat, how many test images
failures        JSON: for each proxy, why values are missing, and how often
proxies/<name>  (stack,)                     float64 NaN where there is no value
<threat>        (stack, levels, ⌈images/8⌉)  uint8   outcomes: eight images a byte, the first in its highest bit; levels are the eps of an
                                             attack or the severities of a corruption; clean has no such axis
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from builders.errors import ShardError
from builders.plan import Unit
from robbench.store.atomic import replacing

_RECORDS = ("unit", "settings", "environment", "trainings", "seconds", "images", "failures")
_PROXIES = "proxies/"


@dataclass(frozen=True, eq=False)
class Shard:
    """The result of one unit."""

    unit: Unit
    settings: dict[str, Any]
    """What the names of recipe, evaluation and data set stood for: see `builders.units.settings_of`."""
    environment: dict[str, Any]
    """Library versions, device, and how many networks were stacked."""
    trainings: list[dict[str, Any]]
    """For each network, the fields of `builders.train.Training`."""
    seconds: dict[str, float]
    """Seconds of evaluation of the whole stack, for each threat; of all proxies together under "proxies"."""
    outcomes: dict[str, np.ndarray]
    """For each threat, whether each image is classified correctly: bool ``(stack, levels, images)``; ``(stack, images)`` for clean."""
    proxies: dict[str, np.ndarray]
    """For each proxy, float64 ``(stack,)``, NaN where there is no value."""
    failures: dict[str, dict[str, int]]
    """For each proxy, why values are missing, and how often."""


def path_of(folder: Path, unit: Unit) -> Path:
    """The file of the unit's shard."""
    return folder / f"{unit.key}.npz"


def write(folder: Path, shard: Shard) -> None:
    """Put a shard into its folder, whole or not at all.

    Raises:
        ShardError: the folder cannot be written, or the disk is full.
    """
    records = {
        "unit": np.array(json.dumps(shard.unit.record())),
        "settings": np.array(json.dumps(shard.settings)),
        "environment": np.array(json.dumps(shard.environment)),
        "trainings": np.array(json.dumps(shard.trainings)),
        "seconds": np.array(json.dumps(shard.seconds)),
        "images": np.array(json.dumps({threat: bits.shape[-1] for threat, bits in shard.outcomes.items()})),
        "failures": np.array(json.dumps(shard.failures)),
    }
    arrays = records | {threat: np.packbits(bits, axis=-1) for threat, bits in shard.outcomes.items()}
    arrays |= {_PROXIES + name: values for name, values in shard.proxies.items()}
    try:
        with replacing(path_of(folder, shard.unit)) as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    except OSError as error:
        raise ShardError(
            f"{path_of(folder, shard.unit)} could not be written: {error}. What was done is kept; make room and run again."
        ) from error


def read(path: Path) -> Shard:
    """The shard in a file.

    Raises:
        ShardError: the file is cut short, damaged, or not a shard.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        unit, settings, environment, trainings, seconds, images, failures = (json.loads(str(arrays[name])) for name in _RECORDS)
        outcomes = {threat: np.unpackbits(arrays[threat], axis=-1, count=count).astype(bool) for threat, count in images.items()}
        proxies = {name.removeprefix(_PROXIES): values for name, values in arrays.items() if name.startswith(_PROXIES)}
        unit = Unit(**{**unit, "archs": tuple(unit["archs"])})
        return Shard(unit, settings, environment, trainings, seconds, outcomes, proxies, failures)
    except (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ShardError(f"{path} is cut short or damaged ({error}); delete it, and `robbench build run` makes it again.") from error


def is_done(folder: Path, unit: Unit) -> bool:
    """Whether a whole shard of this unit is in the folder."""
    path = path_of(folder, unit)
    if not path.exists():
        return False
    try:
        return read(path).unit == unit
    except ShardError:
        return False


def outside_plan(folder: Path, units: Iterable[Unit]) -> list[Path]:
    """Shards in the folder that belong to none of these units."""
    planned = {path_of(folder, unit) for unit in units}
    return sorted(path for path in folder.glob("*.npz") if path not in planned)
