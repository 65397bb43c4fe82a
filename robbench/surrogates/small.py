"""Models for few rows: ridge regression and a Gaussian process, in numpy, and the choice of a kind on the training side.

With a hundred rows and nearly as many features, what a feature says alone is most of what is known of it: features are standardised and then weighted by
their correlation with the target, so that a penalty or a kernel leaves those that matter.

Source: Golub, Heath and Wahba (1979) for the penalty by leave-one-out errors; Rasmussen and Williams (2006), algorithm 2.1 and section 5.4, for the process.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from robbench.surrogates.forest import Forest
from robbench.surrogates.models import Arrays, Model, filled, medians

PENALTIES = 10.0 ** np.arange(-2, 4.5, 0.5)
LENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Squared lengths of the kernel, in medians of the squared distances between rows."""
LINEAR = (0.0, 0.3, 1.0)
"""Weights of the linear kernel beside the other."""
NOISE = (0.03, 0.1, 0.3, 0.6, 1.0, 2.0)
"""Variances of the noise, in those of the process."""
CHOICE_FOLDS = 5
"""Of the training side, in which a kind is chosen; other than those by which `splits` judges."""


class _Scaled(NamedTuple):
    """Features as the models take them: missing ones filled, standardised, weighted for each target."""

    fill: np.ndarray
    """``(features,)``, as are centre and scale."""
    centre: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    """``(outputs, features)``: of a target, the largest is 1; all of them where nothing varies."""

    @classmethod
    def of(cls, features: np.ndarray, targets: np.ndarray) -> _Scaled:
        fill = medians(features)
        found = filled(features, fill)
        centre, spread = found.mean(axis=0), found.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        standard, wanted = (found - centre) / scale, targets - targets.mean(axis=0)
        correlation = np.abs(wanted.T @ standard) / len(standard) / np.maximum(targets.std(axis=0), 1e-12)[:, np.newaxis]
        most = correlation.max(axis=1, initial=0.0, keepdims=True)
        return cls(fill, centre, scale, np.divide(correlation, most, out=np.ones_like(correlation), where=most > 0))

    def standard(self, features: np.ndarray) -> np.ndarray:
        """``(rows, features)``, not yet weighted."""
        return np.asarray((filled(features, self.fill) - self.centre) / self.scale)


class Ridge:
    """Ridge regression of weighted features; the penalty of each output is that of the least leave-one-out error.

    Arrays: ``fill`` (features,), ``coefficient`` (outputs, features), ``intercept`` (outputs,).
    """

    version = oldest = 1
    fewest_rows = 10

    def __init__(self, arrays: Arrays) -> None:
        found = self._arrays = {name: np.asarray(arrays[name]) for name in ("fill", "coefficient", "intercept")}
        if found["coefficient"].shape != (len(found["intercept"]), len(found["fill"])):
            raise ValueError("the coefficients do not fit to the features and outputs")
        _check_finite(found)

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int, names: Sequence[str] = ()) -> Self:
        """Solve it; nothing is drawn, and auxiliary targets are not used."""
        wanted = targets[:, :outputs]
        scaled = _Scaled.of(features, wanted)
        standard, mean = scaled.standard(features), wanted.mean(axis=0)
        coefficient = np.stack(
            [_ridge(standard * weight, wanted[:, k] - mean[k]) * weight / scaled.scale for k, weight in enumerate(scaled.weight)]
        )
        return cls({"fill": scaled.fill, "coefficient": coefficient, "intercept": mean - coefficient @ scaled.centre})

    def of(self, outputs: int) -> Ridge:
        """The regression of the first outputs alone."""
        return Ridge(self._arrays | {name: self._arrays[name][:outputs] for name in ("coefficient", "intercept")})

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The linear function."""
        found = self._arrays
        return np.asarray(filled(features, found["fill"]) @ found["coefficient"].T + found["intercept"])

    @property
    def shape(self) -> tuple[int, int]:
        """Features and outputs."""
        return len(self._arrays["fill"]), len(self._arrays["intercept"])

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class lists them."""
        return dict(self._arrays)

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The regression of these arrays."""
        return cls(arrays)


class GaussianProcess:
    """The mean of a Gaussian process: a squared exponential kernel and a linear one over weighted features, chosen for each output by marginal likelihood.

    Arrays: ``fill``, ``centre``, ``scale`` (features,); ``weight`` (outputs, features); ``inputs`` (rows, features), standardised; ``dual`` (outputs, rows);
    ``length``, ``linear``, ``mean`` (outputs,).
    """

    version = oldest = 1
    fewest_rows = 10

    def __init__(self, arrays: Arrays) -> None:
        names = ("fill", "centre", "scale", "weight", "inputs", "dual", "length", "linear", "mean")
        found = self._arrays = {name: np.asarray(arrays[name]) for name in names}
        (outputs,), (features,) = found["mean"].shape, found["fill"].shape
        shapes = {"centre": (features,), "scale": (features,), "weight": (outputs, features), "length": (outputs,), "linear": (outputs,)}
        shapes |= {"inputs": (found["dual"].shape[-1], features), "dual": (outputs, len(found["inputs"]))}
        if wrong := [name for name, shape in shapes.items() if found[name].shape != shape]:
            raise ValueError(f"{wrong[0]} is of shape {found[wrong[0]].shape}; expected {shapes[wrong[0]]}")
        if (found["scale"] <= 0).any() or (found["length"] <= 0).any():
            raise ValueError("a scale or a length is not positive")
        _check_finite(found)

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int, names: Sequence[str] = ()) -> Self:
        """Solve it for each output; nothing is drawn, and auxiliary targets are not used."""
        wanted = targets[:, :outputs]
        scaled = _Scaled.of(features, wanted)
        inputs, mean = scaled.standard(features), wanted.mean(axis=0)
        found = [_process(inputs * weight, wanted[:, k] - mean[k]) for k, weight in enumerate(scaled.weight)]
        dual, length, linear = (np.array(part) for part in zip(*found, strict=True))
        return cls({**scaled._asdict(), "inputs": inputs, "dual": dual, "length": length, "linear": linear, "mean": mean})

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The posterior mean."""
        found = self._arrays
        rows = (filled(features, found["fill"]) - found["centre"]) / found["scale"]
        out = np.empty((len(rows), len(found["mean"])))
        for k, weight in enumerate(found["weight"]):
            kernel = _kernel(rows * weight, found["inputs"] * weight, found["length"][k], found["linear"][k])
            out[:, k] = kernel @ found["dual"][k] + found["mean"][k]
        return out

    @property
    def shape(self) -> tuple[int, int]:
        """Features and outputs."""
        return len(self._arrays["fill"]), len(self._arrays["mean"])

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class lists them."""
        return dict(self._arrays)

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The process of these arrays."""
        return cls(arrays)


CANDIDATES: dict[str, type[Model]] = {"ridge": Ridge, "process": GaussianProcess, "forest": Forest}
"""Networks are not among them: they take a hundred times as long, and of few rows they learn less."""


class Small:
    """The kind among ridge, Gaussian process and forest that errs least in five folds of the training side; of equals the first.

    Arrays: those of the kind that was chosen, their names after its own and a dot.
    """

    version = oldest = 1
    fewest_rows = 20

    def __init__(self, chosen: str, model: Model) -> None:
        self.chosen = chosen
        self.model = model

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int, names: Sequence[str] = ()) -> Self:
        """Choose, and fit the chosen kind on all rows; where the rows of a fold are too few for a kind, it is not tried."""
        fold = np.random.default_rng(seed).permutation(len(targets)) % CHOICE_FOLDS
        most = len(targets) - int(np.bincount(fold).max())
        spread = np.maximum(targets[:, :outputs].var(axis=0), 1e-12)
        errors = {
            name: sum(
                (((kind.fit(features[fold != one], targets[fold != one], outputs, seed).predict(features[fold == one]))
                  - targets[fold == one][:, :outputs]) ** 2 / spread).sum()
                for one in range(CHOICE_FOLDS)
            )
            for name, kind in CANDIDATES.items()
            if kind.fewest_rows <= most
        }  # fmt: skip
        chosen = min(errors, key=lambda name: errors[name])
        return cls(chosen, CANDIDATES[chosen].fit(features, targets, outputs, seed))

    def predict(self, features: np.ndarray) -> np.ndarray:
        """What the chosen kind predicts."""
        return self.model.predict(features)

    @property
    def shape(self) -> tuple[int, int]:
        """Features and outputs."""
        return self.model.shape

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class says."""
        return {f"{self.chosen}.{name}": values for name, values in self.model.arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The chosen kind, of these arrays."""
        chosen = {name.partition(".")[0] for name in arrays}
        if len(chosen) != 1 or not chosen <= CANDIDATES.keys():
            raise ValueError(
                f"its arrays are of {', '.join(sorted(chosen)) or 'nothing'}; expected those of one of {', '.join(CANDIDATES)}"
            )
        (name,) = chosen
        return cls(name, CANDIDATES[name].from_arrays({key.removeprefix(f"{name}."): values for key, values in arrays.items()}))


def _ridge(features: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Coefficients ``(features,)`` of centred features for a centred target, by the penalty of the least leave-one-out error."""
    left, singular, right = np.linalg.svd(features, full_matrices=False)
    along, squares = left.T @ target, singular**2

    def error(penalty: float) -> float:
        share = squares / (squares + penalty)
        leverage = (left**2 * share).sum(axis=1) + 1 / len(target)
        return float((((target - left @ (share * along)) / np.maximum(1 - leverage, 1e-9)) ** 2).mean())

    penalty = min(PENALTIES, key=error)
    return np.asarray(right.T @ (singular / (squares + penalty) * along))


def _process(inputs: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float, float]:
    """The dual coefficients ``(rows,)`` and the kernel, squared length and linear weight, of the largest marginal likelihood."""
    distances = _distances(inputs, inputs)
    some = distances[distances > 0]
    unit = float(np.median(some)) if some.size else 1.0
    best: tuple[float, np.ndarray, float, float] | None = None
    for length, linear in itertools.product(LENGTHS, LINEAR):
        kernel = _kernel(inputs, inputs, length * unit, linear)
        size = float(np.trace(kernel)) / len(target)
        values, vectors = np.linalg.eigh(kernel)
        along = vectors.T @ target
        for noise in NOISE:
            variances = np.maximum(values, 0) + noise * size
            scale = (along**2 / variances).mean()
            cost = 0.5 * len(target) * np.log(max(scale, 1e-300)) + 0.5 * np.log(variances).sum()
            if best is None or cost < best[0]:
                best = cost, vectors @ (along / variances), length * unit, linear
    assert best is not None
    _, dual, length, linear = best
    return dual, length, linear


def _kernel(one: np.ndarray, other: np.ndarray, length: float, linear: float) -> np.ndarray:
    return np.asarray(np.exp(-_distances(one, other) / (2 * length)) + linear * (one @ other.T) / max(one.shape[1], 1))


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Squared, ``(rows, rows)``."""
    squares: np.ndarray = (one**2).sum(axis=1)[:, np.newaxis] + (other**2).sum(axis=1) - 2 * one @ other.T
    return np.asarray(np.maximum(squares, 0))


def _check_finite(arrays: Arrays) -> None:
    if not all(values.dtype.kind == "f" and np.isfinite(values).all() for values in arrays.values()):
        raise ValueError("a number is not finite")
