"""Gradient-boosted trees, by xgboost, kept in its own UBJSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from robbench.surrogates.models import Arrays, needs


class Boosting:
    """400 rounds of trees of depth 8, one ensemble an output (Chen and Guestrin, 2016); missing features stay missing.

    Arrays: ``ubjson`` (bytes,), uint8; ``sha256`` (32,), uint8, of it; ``shape`` (2,): features and outputs; ``centre``, ``scale`` (outputs,).
    """

    version = 1
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
        self._arrays = {name: np.asarray(arrays[name]) for name in ("ubjson", "sha256", "shape", "centre", "scale")}
        self._booster: Any = None

    @classmethod
    def fit(cls, features: np.ndarray, targets: np.ndarray, outputs: int, seed: int) -> Self:
        """Boost; auxiliary targets are not used."""
        xgboost = library()
        wanted = targets[:, :outputs]
        centre, scale = wanted.mean(axis=0), np.maximum(wanted.std(axis=0), 1e-6)
        data = xgboost.DMatrix(features, (wanted - centre) / scale)
        # One thread: sums are then the same on every machine, and a blend has networks to fit beside it.
        fixed = {"tree_method": "hist", "nthread": 1, "verbosity": 0, "base_score": 0.0}
        booster = xgboost.train({**cls.parameters, **fixed, "seed": seed}, data, cls.rounds)
        ubjson = np.frombuffer(booster.save_raw("ubj"), np.uint8)
        return cls(
            {"ubjson": ubjson, "sha256": _digest(ubjson), "shape": np.array([features.shape[1], outputs]), "centre": centre, "scale": scale}
        )

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The sum over the trees."""
        if self._booster is None:
            self._booster = self._load()
        found = self._booster.inplace_predict(features).astype(np.float64).reshape(len(features), -1)
        return np.asarray(found * self._arrays["scale"] + self._arrays["centre"])

    def _load(self) -> Any:
        booster = library().Booster()
        booster.load_model(bytearray(self._arrays["ubjson"].tobytes()))
        return booster

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class lists them."""
        return dict(self._arrays)

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The booster of these arrays; xgboost is loaded, and reads it, when it first predicts."""
        boosting = cls(arrays)
        # Given bytes that were cut short, xgboost 3.2 reads on forever.
        if not np.array_equal(_digest(boosting._arrays["ubjson"]), boosting._arrays["sha256"]):
            raise ValueError("the bytes of xgboost's model are not those that were written")
        return boosting


def _digest(ubjson: np.ndarray) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(ubjson.tobytes()).digest(), np.uint8)


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
