"""The 15 common corruptions of Hendrycks and Dietterich (2019) at 5 severities, with their parameters for CIFAR.

Parameters and formulas are those of the authors' program that made CIFAR-10-C, for images of 32×32 pixels.  On other sizes, down to 8×8 and
with any number of channels, lengths that the program gives in pixels stay in pixels (noise, kernels), and those that it gives as shares of
the image stay shares (zoom, elastic, pixelate).  Two were adapted to small images: the line of a motion blur is no longer than the image's
side, and below 32 pixels a zoom blur is not rounded to whole pixels.  Frost is drawn instead of photographed (weather.py).  As in the
published files, results are whole grey levels, rounded down.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from robbench_builders.corruptions import files
from robbench_builders.corruptions.base import Corruption, truncated_levels
from robbench_builders.corruptions.blur import BLUR
from robbench_builders.corruptions.digital import DIGITAL
from robbench_builders.corruptions.noise import NOISE
from robbench_builders.corruptions.weather import WEATHER
from robbench_builders.errors import CorruptionError
from robbench.arguments import checked_count, checked_seed, nearest
from robbench.measurements.metrics import SEVERITIES

if TYPE_CHECKING:
    from torch import Tensor

CORRUPTIONS: dict[str, Corruption] = {**NOISE, **BLUR, **WEATHER, **DIGITAL}

SMALLEST = 8
"""The smallest side of an image, in pixels: smaller ones have too few pixels for pixelation's five severities, and for a block of JPEG."""

KEPT = 2**28
"""Bytes of corrupted images that a process keeps in memory: all of a small test set's; those of CIFAR take nine times as many."""

_BATCH = 512  # images at a time, to bound memory


def corrupt(images: npt.NDArray[Any] | Tensor, name: str, severity: float, seed: int = 0, *, first: int = 0) -> npt.NDArray[np.float32]:
    """Corrupted images, in [0, 1], in whole grey levels.

    A corrupted image depends on the image, its place in its data set, the corruption, the severity and the seed, and not on the other images.

    Arguments:
        images: ``(images, channels, height, width)``, float, in [0, 1]; an array, or a tensor of any device.
        name: one of `CORRUPTIONS`.
        severity: 1 to 5; 3.0 is 3.
        seed: of the random numbers, at least 0.
        first: the place in its data set of the first of the images.

    Returns:
        ``(images, channels, height, width)``, float32, an array.

    Raises:
        CorruptionError: an unknown name, a severity that is none, images that do not fit or are smaller than 8×8 pixels.
        InvalidArgument: a seed or a place that is no integer of at least 0.
    """
    return as_floats(_grey_levels(images, name, severity, seed, first))


def as_floats(levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Grey levels, 0 to 255, as float32 in [0, 1]."""
    return levels.astype(np.float32) / np.float32(255)


def generator(name: str, severity: int, seed: int, place: int) -> np.random.Generator:
    """The random number generator of one image, from its place in its data set."""
    return np.random.default_rng((seed, zlib.crc32(name.encode()), severity, place))


class CorruptedImages(Protocol):
    """A set of images under every corruption and severity."""

    def __call__(self, name: str, severity: float) -> npt.NDArray[np.uint8]:
        """Grey levels, ``(images, channels, height, width)``."""

    def settings(self, name: str) -> dict[str, Any]:
        """The corruption's name and parameters, for the provenance of what is measured on the images."""


@dataclass(eq=False)
class Corrupted:
    """A set of images under every corruption and severity, each computed when first needed.

    What was computed is kept in memory if all together fits into `KEPT` bytes; or else in a folder, where processes share it
    (`robbench_builders.corruptions.files`); or else not at all.

    Arguments:
        images: as for `corrupt`.
        seed: of the random numbers.
        folder: where to keep them; it is made when first needed.
    """

    images: npt.NDArray[Any] | Tensor
    seed: int = 0
    folder: Path | None = None
    _made: dict[tuple[str, int], npt.NDArray[np.uint8]] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, name: str, severity: float) -> npt.NDArray[np.uint8]:
        """Grey levels, ``(images, channels, height, width)``; raises as `corrupt` does."""
        severity = checked_severity(severity)
        if math.prod(self.images.shape) * len(CORRUPTIONS) * len(SEVERITIES) <= KEPT:
            if (name, severity) not in self._made:
                self._made[name, severity] = self._make(name, severity)
            return self._made[name, severity]
        if self.folder is None:
            return self._make(name, severity)
        path = self.folder / f"{name}-{severity}-{self._digest}.bin"
        return files.kept(path, tuple(self.images.shape), lambda: self._make(name, severity))

    @cached_property
    def _digest(self) -> str:
        return files.digest(_as_array(self.images), self.seed)

    def _make(self, name: str, severity: int) -> npt.NDArray[np.uint8]:
        return _grey_levels(self.images, name, severity, self.seed, 0)

    def settings(self, name: str) -> dict[str, Any]:
        """The corruption's name and parameters, for the provenance of what is measured on the images; raises as `corrupt` does."""
        return {**find(name).settings(), "seed": self.seed}


def find(name: str) -> Corruption:
    """The corruption of that name.

    Raises:
        CorruptionError: there is none.
    """
    if name not in CORRUPTIONS:
        raise CorruptionError(f"{name!r} is not a corruption.{nearest(name, CORRUPTIONS)} Known: {', '.join(CORRUPTIONS)}.")
    return CORRUPTIONS[name]


def checked_severity(severity: float) -> int:
    """The severity as an integer from 1 to 5; raises CorruptionError if it is none.  3.0 is 3, as in a query."""
    if not isinstance(severity, Real) or isinstance(severity, bool) or severity not in SEVERITIES:
        raise CorruptionError(f"severity={severity!r}; expected an integer from 1 to 5.")
    return SEVERITIES[SEVERITIES.index(int(severity))]


def _grey_levels(given: npt.NDArray[Any] | Tensor, name: str, severity: float, seed: int, first: int) -> npt.NDArray[np.uint8]:
    corruption, severity = find(name), checked_severity(severity)
    images = _as_array(given)
    checked_seed(seed)
    checked_count(first, "first", least=0, of="images before")
    _check(images, name)
    found = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), _BATCH):
        part = images[start : start + _BATCH].astype(np.float64)
        generators = [generator(name, severity, seed, first + start + k) for k in range(len(part))]
        found[start : start + _BATCH] = truncated_levels(corruption.apply(part, generators, *corruption.parameters[severity - 1]))
    return found


def _as_array(images: npt.NDArray[Any] | Tensor) -> npt.NDArray[Any]:
    if isinstance(images, np.ndarray):
        return images
    if not hasattr(images, "is_floating_point"):  # corruptions need no torch
        raise CorruptionError(f"images are a {type(images).__name__}; expected an array or a tensor, (images, channels, height, width).")
    return np.asarray((images.double() if images.is_floating_point() else images).numpy(force=True))


def _check(images: npt.NDArray[Any], name: str) -> None:
    if images.ndim != 4 or not np.issubdtype(images.dtype, np.floating) or 0 in images.shape:
        raise CorruptionError(
            f"images of shape {images.shape} and {images.dtype}; expected floats, (images, channels, height, width), none of them 0."
        )
    if min(images.shape[2:]) < SMALLEST:
        raise CorruptionError(
            f"{name} cannot serve images of {images.shape[2]}×{images.shape[3]} pixels; expected at least {SMALLEST}×{SMALLEST}:"
            " enlarge or pad them."
        )
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):
        raise CorruptionError(f"images run from {low:g} to {high:g}; expected [0, 1]: divide by the highest grey level.")
