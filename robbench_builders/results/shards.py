"""Shards: the result of one unit, in one file that appears whole or not at all.

<unit key>.npz holds plain arrays (no pickle), and as the zip's comment a SHA-256 of every byte before it:

unit            JSON: the unit
settings        JSON: what the unit's recipe, evaluation and data set stood for: all their fields, and a checksum
environment     JSON: library versions, device, networks in a stack; of kept weights from elsewhere, those of their training, as "trained"
trainings       JSON: for each network, loss, accuracy, seconds, and why it diverged (or null)
seconds         JSON: for each threat, seconds of evaluation; for proxies, of all together
images          JSON: for each threat, how many test images
failures        JSON: for each proxy, why values are missing, and how often
proxies/<name>  (stack,)                     float64 NaN where there is no value
<threat>        (stack, levels, ⌈images/8⌉)  uint8   outcomes: eight images a byte, the first in its highest bit; levels are the eps of an
                                             attack or the severities of a corruption; clean has no such axis
<measure>/<threat>  (stack, levels, *)       uint16 or float32   what an evaluation measures besides: see `robbench_builders.confidences`

Shards of the first versions have no comment; of those, every member is read, and none may be missing.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from robbench_builders.errors import UNREADABLE, ShardError
from robbench_builders.plan import Unit
from robbench.store.atomic import replacing

_RECORDS = ("unit", "settings", "environment", "trainings", "seconds", "images", "failures")
_PROXIES = "proxies/"
_SUM = b"sha256:"
_SUM_BYTES = len(_SUM) + 64
_END = b"PK\x05\x06"
_END_BYTES = 22
"""How a zip file ends that has no comment."""


@dataclass(frozen=True, eq=False)
class Shard:
    """The result of one unit."""

    unit: Unit
    settings: dict[str, Any]
    """What the names of recipe, evaluation and data set stood for: see `robbench_builders.units.settings_of`."""
    environment: dict[str, Any]
    """Library versions, device, and how many networks were stacked."""
    trainings: list[dict[str, Any]]
    """For each network, the fields of `robbench_builders.train.Training`."""
    seconds: dict[str, float]
    """Seconds of evaluation of the whole stack, for each threat; of all proxies together under "proxies"."""
    outcomes: dict[str, np.ndarray]
    """For each threat, whether each image is classified correctly: bool ``(stack, levels, images)``; ``(stack, images)`` for clean."""
    proxies: dict[str, np.ndarray]
    """For each proxy, float64 ``(stack,)``, NaN where there is no value."""
    failures: dict[str, dict[str, int]]
    """For each proxy, why values are missing, and how often."""
    summaries: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    """For each measure and threat, ``(stack, levels, *)``, as in `robbench_builders.confidences`."""


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
    arrays |= {summary_name(measure, threat): found for measure, every in shard.summaries.items() for threat, found in every.items()}
    content = _summed(arrays)
    try:
        with replacing(path_of(folder, shard.unit)) as file:
            file.write(content)
    except OSError as error:
        raise ShardError(
            f"{path_of(folder, shard.unit)} could not be written: {error}. What was done is kept; make room and run again."
        ) from error


def summary_name(measure: str, threat: str) -> str:
    """What a shard calls the array of a measure under a threat."""
    return f"{measure}/{threat}"


def _summed(arrays: dict[str, np.ndarray]) -> bytes:
    """The arrays as a file, whose end is the sum of what is before."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = bytes(_SUM_BYTES)
    content = buffer.getvalue()[:-_SUM_BYTES]
    return content + _SUM + hashlib.sha256(content).hexdigest().encode()


def read(path: Path, *, outcomes: bool = True) -> Shard:
    """The shard in a file, every byte of which is compared with its sum.

    Arguments:
        path: the file.
        outcomes: unpack them, too; they are most of a shard.

    Raises:
        ShardError: the file is cut short, damaged, or not a shard.
    """
    with _damage_named(path):
        content = path.read_bytes()
        summed = _has_sum(content)
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            unit, settings, environment, trainings, seconds, images, failures = (json.loads(str(file[name])) for name in _RECORDS)
            unit = Unit(**{**unit, "archs": tuple(unit["archs"])})
            proxies = {name.removeprefix(_PROXIES): file[name] for name in file.files if name.startswith(_PROXIES)}
            if not summed:
                _check_members(set(file.files), settings, set(images))
            wanted = images if outcomes or not summed else {}
            packed = {threat: _checked(file[threat], threat, len(unit.archs), count) for threat, count in wanted.items()}
            summaries = {
                measure: {threat: file[summary_name(measure, threat)] for threat in wanted} for measure in settings.get("measures", ())
            }
        bools = {threat: np.unpackbits(bits, axis=-1, count=images[threat]).astype(bool) for threat, bits in packed.items() if outcomes}
        return Shard(unit, settings, environment, trainings, seconds, bools, proxies, failures, summaries)


def packed(path: Path, name: str) -> np.ndarray:
    """An array as it stands in a file that was read before: of a threat, uint8 ``(stack, levels, ⌈images/8⌉)``; nothing else is read.

    Raises:
        ShardError: it is damaged, or not there.
    """
    with _damage_named(path), path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        return np.asarray(file[name])


def found(folder: Path, unit: Unit) -> Shard | None:
    """The shard of this unit, without its outcomes; None where the folder has none that is whole."""
    path = path_of(folder, unit)
    if not path.exists():
        return None
    try:
        shard = read(path, outcomes=False)
    except ShardError:
        return None
    return shard if shard.unit == unit else None


def is_done(folder: Path, unit: Unit) -> bool:
    """Whether a whole shard of this unit is in the folder."""
    return found(folder, unit) is not None


def outside_plan(folder: Path, units: Iterable[Unit]) -> list[Path]:
    """Shards in the folder that belong to none of these units."""
    planned = {path_of(folder, unit) for unit in units}
    return sorted(path for path in folder.glob("*.npz") if path not in planned)


def _has_sum(content: bytes) -> bool:
    """Whether a file carries its sum, which is then compared; raises ValueError where it is another."""
    if content[-_END_BYTES:].startswith(_END):
        return False
    if content[-_SUM_BYTES:] != _SUM + hashlib.sha256(content[:-_SUM_BYTES]).hexdigest().encode():
        raise ValueError("its bytes are not those that were written")
    return True


def _check_members(members: set[str], settings: dict[str, Any], images: set[str]) -> None:
    """Raise ValueError where members of a shard without a sum are missing or strange: a bit of the zip's directory can hide one."""
    threats = {"clean", *settings.get("attacks", ()), *settings.get("corruptions", ())}
    expected = {*_RECORDS, *threats, *(_PROXIES + proxy for proxy in settings.get("proxies", ()))}
    if odd := sorted((expected ^ members) | (threats ^ images)):
        raise ValueError(f"it lacks {odd[0]}, or should not have it")


def _checked(bits: np.ndarray, threat: str, stack: int, images: int) -> np.ndarray:
    if (
        bits.dtype != np.uint8
        or bits.ndim != (2 if threat == "clean" else 3)
        or (bits.shape[0], bits.shape[-1]) != (stack, -(-images // 8))
    ):
        raise ValueError(f"its {threat} is of shape {bits.shape} for {stack} networks and {images} images")
    return bits


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise ShardError(f"{path} is cut short or damaged ({error}); delete it, and `robbench build run` makes it again.") from error
