"""What every kind of surrogate model is: fitted on arrays, stored as arrays, evaluated on arrays.

A model keeps plain numpy arrays and nothing else, and numpy evaluates them: it outlives the library that fitted it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, Self

import numpy as np

from robbench.errors import MissingLibrary

Arrays = Mapping[str, np.ndarray]


class Regressor(Protocol):
    """A fitted regressor of several outputs at once."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """``(rows, features)`` → ``(rows, outputs)``, float64."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Features and outputs."""
        ...

    def arrays(self) -> dict[str, np.ndarray]:
        """All that `Model.from_arrays` needs."""
        ...


class Model(Regressor, Protocol):
    """One kind of regressor."""

    version: int
    """Of the kind's arrays and of how they are evaluated."""
    oldest: int
    """The first version whose arrays can still be read."""
    fewest_rows: int
    """What a fit takes at least."""

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int, names: Sequence[str] = ()) -> Self:
        """The model fitted on rows of measurements.

        Arguments:
            features: ``(rows, features)``, float64; NaN where one is missing.
            targets: ``(rows, outputs + auxiliary)``, float64, no NaN.
            outputs: how many of the targets are to be predicted; the rest may help to learn them.
            seed: the same seed, rows and library versions give the same model.
            names: of the features; a kind that reads none of them needs none.
        """
        ...

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The model that `arrays` came from, of any version since `oldest`; raises KeyError, ValueError, IndexError, TypeError or AttributeError
        where they are not of one.
        """
        ...


def needs(library: str, model: str, error: ImportError, extra: str = "surrogates") -> MissingLibrary:
    """What to raise where a model's own library, which an extra brings, is absent."""
    return MissingLibrary(f"a surrogate of kind {model!r} needs {library}: pip install 'robbench[{extra}]' ({error}).")


def part_of(arrays: Arrays, part: str) -> dict[str, np.ndarray]:
    """The arrays of one of several models that are stored together, their names after its own and a dot."""
    return {name.removeprefix(f"{part}."): values for name, values in arrays.items() if name.startswith(f"{part}.")}


def filled(features: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """Features with the value of `fill` ``(features,)`` where one is missing, for models that know no missing values."""
    return np.where(np.isnan(features), fill, features)


def medians(features: np.ndarray) -> np.ndarray:
    """The median of each feature over the rows that have it; 0 where none has."""
    some = ~np.isnan(features).all(axis=0)
    fill = np.zeros(features.shape[1])
    fill[some] = np.nanmedian(features[:, some], axis=0)
    return fill
