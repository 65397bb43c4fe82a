"""Gradient-boosted trees: xgboost grows them, numpy evaluates them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from robbench.arguments import checked_seed
from robbench.surrogates import ubjson
from robbench.surrogates.models import Arrays, needs
from robbench.surrogates.trees import Trees, joined


class Boosting:
    """400 rounds of trees of depth 8, one tree an output in each (Chen and Guestrin, 2016); missing features stay missing.

    Arrays: those of `trees`, round by round; a value equal to its ``threshold``, float32, goes right, and a missing one where ``missing_left``
    (nodes,), uint8, says; ``value`` (nodes,), float32: of the leaves, learning rate included; ``shape`` (2,): features and outputs; ``centre``,
    ``scale`` (outputs,), base score included.

    Version 1 had xgboost's own UBJSON in place of the trees: ``ubjson`` (bytes,), uint8, and ``sha256`` (32,), uint8, of it.  It is read without
    xgboost, to which it may be another model where another version wrote it.
    """

    version = 2
    oldest = 1
    fewest_rows = 10
    # Chosen by benchmarks/selection.py, on groups that are on no test side.
    rounds = 400
    parameters: ClassVar[Mapping[str, Any]] = {
        "eta": 0.05,
        "max_depth": 8,
        "min_child_weight": 10,
        "subsample": 0.7,
        "colsample_bytree": 0.4,
    }

    def __init__(self, arrays: Arrays) -> None:
        names = ("roots", "feature", "threshold", "left", "right", "missing_left", "value", "shape", "centre", "scale")
        found = self._arrays = {name: np.asarray(arrays[name]) for name in names}
        self.shape = _shape(found["shape"])
        """Features and outputs."""
        self._trees = Trees(found, self.shape[0], np.greater_equal, found["missing_left"])
        per_output, rest = (self.shape[1],), len(found["roots"]) % self.shape[1]
        if rest or not found["centre"].shape == found["scale"].shape == per_output or found["value"].shape != found["left"].shape:
            raise ValueError("the trees, their values and the outputs' scale do not fit together")
        if not all(np.isfinite(found[name]).all() for name in ("value", "centre", "scale")):
            raise ValueError("a number is not finite")

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int, names: Sequence[str] = ()) -> Self:
        """Boost; auxiliary targets are not used."""
        xgboost = library()
        wanted = targets[:, :outputs]
        centre, scale = wanted.mean(axis=0), np.maximum(wanted.std(axis=0), 1e-6)
        data = xgboost.DMatrix(features, (wanted - centre) / scale)
        # One thread: sums are then the same on every machine, and a blend has networks to fit beside it.
        fixed = {"tree_method": "hist", "nthread": 1, "verbosity": 0, "base_score": 0.0}
        booster = xgboost.train({**cls.parameters, **fixed, "seed": checked_seed(seed, bits=63)}, data, cls.rounds)
        return cls(_arrays(bytes(booster.save_raw("ubj")), np.array([features.shape[1], outputs]), centre, scale))

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The sum over the trees, in double precision."""
        value, rounds = self._arrays["value"], len(self._arrays["roots"]) // self.shape[1]

        def added(leaves: np.ndarray) -> np.ndarray:
            return np.asarray(value.take(leaves).reshape(rounds, self.shape[1], -1).sum(axis=0, dtype=np.float64).T)

        found = self._trees.evaluate(features, added)
        return np.asarray(found * self._arrays["scale"] + self._arrays["centre"])

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class lists them."""
        return dict(self._arrays)

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The trees of these arrays, of this version or of version 1."""
        if "ubjson" not in arrays:
            return cls(arrays)
        model = arrays["ubjson"].tobytes()
        if hashlib.sha256(model).digest() != arrays["sha256"].tobytes():
            raise ValueError("the bytes of xgboost's model are not those that were written")
        return cls(_arrays(model, *(arrays[name] for name in ("shape", "centre", "scale"))))


def _arrays(model: bytes, shape: np.ndarray, centre: np.ndarray, scale: np.ndarray) -> dict[str, np.ndarray]:
    """Our arrays of a model that xgboost has saved as UBJSON; raises as `Model.from_arrays`, where it is not of trees for a squared error."""
    learner = ubjson.read(model)["learner"]
    booster, objective = learner["gradient_booster"], learner["objective"]["name"]
    if booster["name"] != "gbtree" or objective != "reg:squarederror":
        raise ValueError(f"xgboost's model is a {booster['name']!r} for {objective!r}, and not of trees for a squared error")
    trees = booster["model"]["trees"]
    if any(np.any(tree["split_type"]) for tree in trees):
        raise ValueError("xgboost's trees split by categories")
    found = joined(
        [
            {
                "feature": tree["split_indices"],
                "threshold": tree["split_conditions"],
                "left": tree["left_children"],
                "right": tree["right_children"],
                "missing_left": np.asarray(tree["default_left"]).astype(np.uint8),
                "value": np.where(np.asarray(tree["left_children"]) < 0, tree["split_conditions"], 0),  # a leaf has its value there
            }
            for tree in trees
        ]
    )
    dtypes = {"feature": np.int32, "threshold": np.float32, "value": np.float32}
    found |= {name: found[name].astype(dtype) for name, dtype in dtypes.items()}
    outputs = _shape(shape)[1]
    if booster["model"]["tree_info"] != [number % outputs for number in range(len(trees))]:
        raise ValueError("xgboost's trees are not one for each output in every round")
    # One number up to xgboost 3.0, and a list of one for each output since 3.1.
    base = np.array([float(number) for number in learner["learner_model_param"]["base_score"].strip("[]").split(",")])
    return {**found, "shape": shape, "centre": centre + base * scale, "scale": scale}


def _shape(shape: np.ndarray) -> tuple[int, int]:
    if shape.shape != (2,) or shape.dtype.kind not in "iu" or shape.min() < 1:
        raise ValueError("the numbers of features and outputs are not there")
    return int(shape[0]), int(shape[1])


def library() -> Any:
    """The module xgboost.

    Raises:
        MissingLibrary: it is not installed.
    """
    try:
        import xgboost
    except ImportError as error:
        raise needs("xgboost", "boosting", error) from error
    return xgboost
