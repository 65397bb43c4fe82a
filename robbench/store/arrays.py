"""Measurements under one name, and the smallest form that gives every one of them back exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from robbench.store.blockwise import Blocks

MISSING = 65535
"""The packed code of a value that was not measured."""

LEVEL_AXES = ("eps", "severity")
"""The axes that a threat's strength runs over; an array has one of them at the most."""

DENOMINATORS = (1000, 10000)
"""Of fractions that were rounded to a tenth of a percent, or to a hundredth; those of images have the number of images."""


class Name(NamedTuple):
    """Where an array stands: the four parts of its path."""

    dataset: str
    training: str
    metric: str
    measure: str

    def __str__(self) -> str:
        return "/".join(self)


class Header(NamedTuple):
    """What is said of an array."""

    rows: str
    """"class" or "exact": what the first axis runs over."""
    axes: dict[str, list[float | int | str]]
    """Name and values of each axis after the first; no values where it only counts (label, prediction, image)."""
    unit: str
    provenance: dict[str, Any]

    @property
    def level_axis(self) -> str | None:
        """The name of the axis of levels, eps or severity; None where there is none."""
        return next((axis for axis in LEVEL_AXES if axis in self.axes), None)

    @property
    def levels(self) -> list[float]:
        """The values along the axis of levels; empty where there is none."""
        axis = self.level_axis
        return [] if axis is None else [float(level) for level in self.axes[axis]]

    @property
    def is_number(self) -> bool:
        """Whether the array holds one number for each row, level and seed."""
        return self.axes.keys() <= {*LEVEL_AXES, "seed"}

    def without(self, axis: str) -> Header:
        """The header of the array at one point of an axis."""
        return self._replace(axes={name: points for name, points in self.axes.items() if name != axis})


class Array(NamedTuple):
    """Measurements under one name: what a source or a build hands to `extend`."""

    name: Name
    header: Header
    values: np.ndarray | Blocks
    """``(rows, axes…)``: float with NaN where nothing was measured; or uint16 counts with `MISSING` there; or, for outcomes, uint8, eight images a
    byte, the first in its highest bit, as a masked array where something is missing: in a store, outcomes are missing where the accuracy is.
    What is too large for memory is given as `Blocks`."""


class Fitted(NamedTuple):
    """A fitted surrogate as a store keeps it; what its parts mean is known to `robbench.surrogates`."""

    dataset: str
    training: str
    target: str
    training_rows: np.ndarray
    """``(n,)``, uint32: the class or exact rows it was fitted on."""
    calibration: np.ndarray
    """``(m, 2·outputs)``, float32: predicted, and measured minus predicted, of architectures it has not seen."""
    arrays: dict[str, np.ndarray]
    """The model."""
    about: dict[str, Any]
    """All that is said of it, as JSON can say it."""


Form = int | np.dtype[Any]
"""How floats are stored: as uint16 codes with this denominator, or as floats of this type."""


def forms(images: int | None) -> tuple[Form, ...]:
    """The forms in which floats may be stored, the smallest first; the last one takes every value."""
    return *DENOMINATORS, *([images] if images else []), np.dtype(np.float32), np.dtype(np.float64)


@np.errstate(over="ignore")
def in_form(values: np.ndarray, form: Form) -> np.ndarray | None:
    """Floats in a form; None where it does not give every one of them back exactly."""
    values = values.astype(np.float64)  # a multiple in single precision only would not come back
    if not isinstance(form, int):
        found = values.astype(form)
        return found if np.array_equal(found.astype(np.float64), values, equal_nan=True) else None
    missing = np.isnan(values)
    filled = np.where(missing, 0, values)
    codes = np.rint(filled * form)
    if codes.min(initial=0) >= 0 and codes.max(initial=0) < MISSING and np.array_equal(codes / form, filled):
        return np.where(missing, MISSING, codes).astype(np.uint16)
    return None


def pack(values: np.ndarray, images: int | None) -> tuple[np.ndarray, int | None]:
    """The smallest form that gives every value back exactly: uint16 codes with their denominator, or the floats themselves."""
    if values.dtype == np.uint16:
        return values, 1
    if values.dtype == np.uint8:
        return values, None
    return next((found, form if isinstance(form, int) else None) for form in forms(images) if (found := in_form(values, form)) is not None)


def pack_blocks(values: Blocks, images: int | None) -> tuple[Blocks, int | None]:
    """As `pack`; of floats, a form is given up at the first block that it does not give back."""
    if values.dtype.kind != "f":
        return values, 1 if values.dtype == np.uint16 else None
    form = next(form for form in forms(images) if all(in_form(values[rows], form) is not None for rows in values.slices()))
    dtype, denominator = (np.dtype(np.uint16), form) if isinstance(form, int) else (form, None)
    return values.mapped(lambda block: in_form(block, form), dtype), denominator


def unpack(stored: np.ndarray, denominator: int | None) -> np.ndarray:
    """What `pack` was given: float64 with NaN where nothing was measured, or the bytes of outcomes."""
    values = np.asarray(stored)
    if denominator is not None:
        return np.where(values == MISSING, np.nan, values / denominator)
    return values if values.dtype == np.uint8 else values.astype(np.float64)


def as_floats(values: np.ndarray) -> np.ndarray:
    """The values of an `Array`, with NaN in place of `MISSING`."""
    return unpack(values, 1 if values.dtype == np.uint16 else None)
