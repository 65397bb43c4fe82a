"""What all corruptions share: their interface, their random numbers, and rounding to whole grey levels.

    images        (n, channels, height, width)   float64, in [0, 1]
    generators    n of numpy's, each image's own

Each image has its own generator, so its corrupted form does not depend on its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.float64]
Generators = Sequence[np.random.Generator]


@dataclass(frozen=True)
class Corruption:
    """A common corruption.

    Arguments:
        apply: from images, generators and the parameters of one severity to images; may leave [0, 1].  Bears the corruption's name.
        parameters: one tuple a severity, from 1 to 5.
    """

    apply: Callable[..., Images]
    parameters: tuple[tuple[float, ...], ...]

    def settings(self) -> dict[str, Any]:
        """The corruption's name and parameters, for the provenance of what is measured with it."""
        return {"corruption": self.apply.__name__, "parameters": [list(severity) for severity in self.parameters]}


def draws(generators: Generators, draw: Callable[[np.random.Generator], Any]) -> npt.NDArray[Any]:
    """One draw from each generator, stacked along a leading axis."""
    return np.stack([draw(generator) for generator in generators])


def levels(images: Images) -> Images:
    """Images rounded to the nearest of 256 grey levels, still in [0, 1]: for steps that the authors' code takes on bytes."""
    # Means of a few bytes often are half a level, which must round up whatever their last bit.
    return np.floor(np.clip(images, 0, 1) * 255 + 0.5 + 1e-6) / 255


def truncated_levels(images: Images) -> npt.NDArray[np.uint8]:
    """The grey level at or below each pixel, as the authors' code writes its results."""
    # An untouched pixel is a whole level but for rounding, which must not cost it a level.
    return np.floor(np.clip(images, 0, 1) * 255 + 1e-6).astype(np.uint8)
