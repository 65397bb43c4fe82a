"""Trees as plain arrays: evaluated as the libraries do that grow them, whatever library reads them, and never beyond what the arrays hold."""

from __future__ import annotations

import hashlib
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from robbench import DamagedStore
from robbench.store.arrays import Fitted
from robbench.surrogates import Surrogate, ubjson
from robbench.surrogates.blend import Blend
from robbench.surrogates.boosting import Boosting
from robbench.surrogates.forest import Forest
from robbench.surrogates.models import Arrays, Model
from robbench.surrogates.networks import Networks
from robbench.surrogates.surrogate import About
from robbench.surrogates.trees import DEEPEST, Trees, joined

RNG = np.random.default_rng(0)
COUNTS = RNG.integers(0, 5, (300, 6)).astype(float)
HALVES = RNG.integers(0, 9, (1500, 6)) / 2
"""Some of them are on thresholds, of which scikit-learn's are halves and xgboost's are counts."""
TARGETS = COUNTS[:, :2] * 0.1 + RNG.normal(scale=0.1, size=(300, 2))


def with_gaps(features: np.ndarray) -> np.ndarray:
    return np.where(np.random.default_rng(1).random(features.shape) < 0.2, np.nan, features)


# As the libraries evaluate them


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_forest_is_evaluated_as_scikit_learn_does(outputs: int) -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    wanted = TARGETS[:, 0] if outputs == 1 else TARGETS
    theirs = ensemble.RandomForestRegressor(100, random_state=3).fit(COUNTS, wanted).predict(HALVES)
    ours = Forest.fit(COUNTS, TARGETS, outputs, 3).predict(HALVES)
    np.testing.assert_allclose(ours, theirs.reshape(len(HALVES), -1), rtol=1e-12)


def grown(outputs: int, base: float = 0.0) -> Any:
    """xgboost's own model."""
    xgboost = pytest.importorskip("xgboost")
    parameters = {**Boosting.parameters, "min_child_weight": 1, "nthread": 1, "base_score": base, "tree_method": "hist"}
    return xgboost.train(parameters, xgboost.DMatrix(with_gaps(COUNTS), TARGETS[:, :outputs]), 30)


def version_1(ubjson: bytes, outputs: int) -> dict[str, np.ndarray]:
    """As a store of version 1 of boosting has it."""
    parts = {"ubjson": np.frombuffer(ubjson, np.uint8), "sha256": np.frombuffer(hashlib.sha256(ubjson).digest(), np.uint8)}
    return parts | {"shape": np.array([6, outputs]), "centre": np.full(outputs, 0.5), "scale": np.full(outputs, 2.0)}


@pytest.mark.parametrize("base", [0.0, 0.7])
@pytest.mark.parametrize("outputs", [1, 2])
def test_boosted_trees_are_evaluated_as_xgboost_does(outputs: int, base: float) -> None:
    booster = grown(outputs, base)
    ours = Boosting.from_arrays(version_1(bytes(booster.save_raw("ubj")), outputs))
    for rows in (HALVES, with_gaps(HALVES)):
        theirs = booster.inplace_predict(rows).reshape(len(rows), -1) * 2 + 0.5
        np.testing.assert_allclose(ours.predict(rows), theirs, rtol=0, atol=1e-6)


def test_a_fit_of_boosting_is_what_xgboost_predicts(monkeypatch: pytest.MonkeyPatch) -> None:
    xgboost = pytest.importorskip("xgboost")
    monkeypatch.setattr(Boosting, "rounds", 30)
    boosters: list[Any] = []
    train = xgboost.train

    def kept(*arguments: Any) -> Any:
        boosters.append(train(*arguments))
        return boosters[0]

    monkeypatch.setattr(xgboost, "train", kept)
    ours = Boosting.fit(with_gaps(COUNTS), TARGETS, 2, 0)
    theirs = boosters[0].inplace_predict(with_gaps(HALVES)) * TARGETS.std(axis=0) + TARGETS.mean(axis=0)
    np.testing.assert_allclose(ours.predict(with_gaps(HALVES)), theirs, rtol=0, atol=1e-6)


def test_boosting_of_either_version_is_read_where_xgboost_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    first = version_1(model([stump(), stump(value=(4.0, 8.0))], "0E0"), 1)
    monkeypatch.setitem(sys.modules, "xgboost", None)
    read = Boosting.from_arrays(first)
    again = Boosting.from_arrays(read.arrays())
    rows = np.array([[0.0] * 6, [1.0] * 6, [2.0] * 6, [np.nan] * 6])
    assert read.predict(rows).ravel().tolist() == again.predict(rows).ravel().tolist() == [10.5, 20.5, 20.5, 20.5]


@pytest.mark.parametrize(("base", "added"), [("5E-1", [1, 1]), ("[5E-1]", [1, 1]), ("[5E-1,2.5E-1]", [1, 0.5])])
def test_the_base_score_is_read_as_xgboost_wrote_it_before_and_since_3_1(base: str, added: list[float]) -> None:
    read = Boosting.from_arrays(version_1(model([stump(), stump()], base, outputs=2), 2))
    assert read.predict(np.zeros((1, 6))).tolist() == [[0.5 + 2 * 1 + added[0], 0.5 + 2 * 1 + added[1]]]


# Models made by hand


def stump(value: tuple[float, float] = (1.0, 2.0), **changes: Any) -> dict[str, Any]:
    """A tree of xgboost's that asks whether feature 2 is below 1; a missing one goes right."""
    tree: dict[str, Any] = {
        "split_indices": np.array([2, 0, 0], ">i4"),
        "split_conditions": np.array([1.0, *value], ">f4"),
        "left_children": np.array([1, -1, -1], ">i4"),
        "right_children": np.array([2, -1, -1], ">i4"),
        "default_left": np.array([0, 0, 0], ">u1"),
        "split_type": np.array([0, 0, 0], ">u1"),
    }
    return tree | changes


def model(trees: list[dict[str, Any]], base: str, outputs: int = 1, **changes: Any) -> bytes:
    found: dict[str, Any] = {
        "gradient_booster": {"name": "gbtree", "model": {"trees": trees, "tree_info": list(range(outputs)) * (len(trees) // outputs)}},
        "learner_model_param": {"base_score": base},
        "objective": {"name": "reg:squarederror"},
    }
    return written({"learner": found | changes, "version": [3, 2, 0]})


def written(value: Any) -> bytes:
    """UBJSON of it, as xgboost writes it."""
    kinds = {">i4": b"l", ">f4": b"d", ">u1": b"U", "|u1": b"U", ">i8": b"L"}

    def text(value: str) -> bytes:
        return b"L" + struct.pack(">q", len(value)) + value.encode()

    if isinstance(value, dict):
        return b"{" + b"".join(text(name) + written(one) for name, one in value.items()) + b"}"
    if isinstance(value, str):
        return b"S" + text(value)
    if isinstance(value, int):
        return b"i" + struct.pack(">b", value)
    if isinstance(value, np.ndarray):
        return b"[$" + kinds[value.dtype.str] + b"#L" + struct.pack(">q", len(value)) + value.tobytes()
    return b"[#L" + struct.pack(">q", len(value)) + b"".join(map(written, value))


def test_ubjson_is_read_as_it_was_written() -> None:
    value = {"a": [1, "two", {}, [], -4], "b": np.array([1.5, -2.0], ">f4"), "c": np.array([300, -1], ">i4"), "d": {"e": {"f": "ü"[:0]}}}
    read = ubjson.read(written(value))
    assert list(read) == list(value)
    assert read["a"] == value["a"]
    assert read["b"].tolist() == [1.5, -2.0]
    assert read["c"].tolist() == [300, -1]
    assert read["d"] == value["d"]
    assert ubjson.read(b"[#U\x03ZTF") == [None, True, False]


@pytest.mark.parametrize("size", range(0, 500, 7))
def test_ubjson_that_was_cut_is_refused(size: int) -> None:
    whole = model([stump()], "0E0")
    assert len(whole) > 500
    with pytest.raises(ValueError, match="UBJSON"):
        ubjson.read(whole[:size])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[#L" + struct.pack(">q", 10**15) + b"ZZZ", "ends before the 1 bytes"),
        (b"[$d#L" + struct.pack(">q", 2**61) + b"1234", "ends before"),
        (b"[$d#l" + struct.pack(">i", -1), "ends before the -4 bytes"),
        (b"[$Z#L" + struct.pack(">q", 10**15), "a list of b'Z'"),
        (b"[#U\x01" * 1000 + b"Z", "nested deeper than 16"),
        (b"[]", "a list without a length"),
        (b"{d\x00\x00\x00\x00Z}", "b'd' for a length"),
        (b"{U\x01aZU\x01", "ends before"),
        (b"N", "b'N' at byte 0"),
        (b"ZZ", "ends at byte 1 of 2"),
        (b"SU\x01\xff", "invalid start byte"),
    ],
)
def test_ubjson_that_claims_more_than_it_holds_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ubjson.read(data)


def test_trees_joined_count_their_nodes_from_the_first() -> None:
    one = {"feature": [2, -2, -2], "threshold": [1.0, -2, -2], "left": [1, -1, -1], "right": [2, -1, -1]}
    found = joined([{name: np.array(values) for name, values in one.items()}] * 2)
    assert found["roots"].tolist() == [0, 3]
    assert found["left"].tolist() == [1, 1, 2, 4, 4, 5]
    assert found["right"].tolist() == [2, 1, 2, 5, 4, 5]
    assert found["feature"].tolist() == [2, 0, 0, 2, 0, 0]
    assert found["threshold"].tolist() == [1, 0, 0, 1, 0, 0]


def chain(steps: int) -> dict[str, np.ndarray]:
    """One tree, each inner node with a leaf to its left and the rest to its right; row value v ends after ⌊v⌋ + 1 steps."""
    left, right = np.arange(2 * steps + 1), np.arange(2 * steps + 1)
    left[:-1:2], right[:-1:2] = np.arange(1, 2 * steps, 2), np.arange(2, 2 * steps + 1, 2)
    threshold = np.where(left == np.arange(2 * steps + 1), 0, np.arange(2 * steps + 1) / 2 + 1).astype(np.float32)
    return {"roots": np.array([0]), "feature": np.zeros(2 * steps + 1, int), "threshold": threshold, "left": left, "right": right}


def ends(steps: int, rows: np.ndarray) -> np.ndarray:
    """The leaf of a chain in which row values ``(rows,)`` end."""
    return np.where(rows < steps, 2 * np.floor(rows).astype(int) + 1, 2 * steps)


@pytest.mark.parametrize("steps", [0, 1, 8, 9, DEEPEST])
def test_every_row_ends_in_its_leaf_however_many_rows_and_steps(steps: int) -> None:
    trees = Trees(chain(steps), 1, np.greater_equal)
    rows = np.random.default_rng(0).uniform(0, steps + 3, (2500, 1))
    np.testing.assert_array_equal(trees.evaluate(rows, lambda leaves: leaves[0]), ends(steps, rows[:, 0]))
    assert trees.evaluate(np.empty((0, 1)), lambda leaves: leaves[0]).shape == (0,)
    with pytest.raises(ValueError, match=r"the rows are of shape \(3, 2\), and the trees compare 1 features"):
        trees.evaluate(np.zeros((3, 2)), lambda leaves: leaves)


@pytest.mark.parametrize("deepest", [8, 20])
def test_trees_of_unequal_depth_are_evaluated_together(deepest: int) -> None:
    steps = np.random.default_rng(0).integers(0, deepest + 1, 200).tolist()
    chains = [chain(one) for one in steps]
    roots = np.cumsum([0, *(len(one["left"]) for one in chains[:-1])])
    arrays = {name: np.concatenate([one[name] for one in chains]) for name in chains[0]}
    arrays |= {name: np.concatenate([root + one[name] for root, one in zip(roots, chains, strict=True)]) for name in ("left", "right")}
    rows = np.random.default_rng(1).uniform(0, deepest + 3, (1100, 1))
    found = Trees(arrays | {"roots": roots}, 1, np.greater_equal).evaluate(rows, np.transpose)
    np.testing.assert_array_equal(found.T, [root + ends(one, rows[:, 0]) for root, one in zip(roots, steps, strict=True)])


def test_rows_on_a_threshold_and_missing_ones_go_where_they_are_told() -> None:
    rows = np.array([[0.0], [1.0], [np.nan], [np.inf], [-np.inf], [1e300]])

    def ended(right: np.ufunc, missing_left: list[int] | None = None) -> list[int]:
        missing = None if missing_left is None else np.array(missing_left)
        found: list[int] = Trees(chain(1), 1, right, missing).evaluate(rows, lambda leaves: leaves[0]).tolist()
        return found

    assert ended(np.greater_equal) == [1, 2, 2, 2, 1, 2]
    assert ended(np.greater) == [1, 1, 2, 2, 1, 2]
    assert ended(np.greater, [1, 0, 0]) == [1, 1, 1, 2, 1, 2]


# Hostile models


def forest() -> dict[str, np.ndarray]:
    arrays = chain(3)
    return arrays | {
        "threshold": arrays["threshold"].astype(float),
        "value": np.arange(7.0)[:, None],
        "fill": np.zeros(1),
        "gain": np.ones(1),
    }


def boosting() -> dict[str, np.ndarray]:
    numbers = {"shape": np.array([1, 1]), "centre": np.zeros(1), "scale": np.ones(1)}
    return chain(3) | {"missing_left": np.zeros(7, np.uint8), "value": np.arange(7, dtype=np.float32)} | numbers


def put(name: str, index: int, value: Any) -> Any:
    def change(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        values = arrays[name].copy()
        values[index] = value
        return {name: values}

    return change


def stored(kind: type[Model], name: str, arrays: Arrays) -> Surrogate:
    about = About(
        "digits", "standard", "clean", ["clean"], [], name, kind.version, "structure", 1, ["x"], "class",
        {"kind": "twin", "train": 0.8, "seed": 0}, {"clean": {"r2": 0.5}}, {}, 0.0,
    )  # fmt: skip
    calibration = np.zeros((60, 2), np.float32)
    kept = {f"model.{array}": values for array, values in arrays.items()}
    return Surrogate.of(Fitted("digits", "standard", "clean", np.arange(3), calibration, kept, about._asdict()))


MODELS: dict[str, tuple[type[Model], Callable[[], dict[str, np.ndarray]]]] = {"forest": (Forest, forest), "boosting": (Boosting, boosting)}
EVERY = {
    "two nodes are each other's children": (put("left", 2, 0), "in circles"),
    "a child is its own, and its sibling is not": (put("left", 0, 0), "in circles"),
    "a child is beyond the nodes": (put("right", 4, 7), "lead out of them"),
    "a child is negative": (put("left", 4, -1), "lead out of them"),
    "two nodes share a child": (put("left", 2, 5), "share nodes"),
    "a root is inside another tree": (lambda arrays: {"roots": np.array([0, 2])}, "share nodes"),
    "a tree counts a million times": (lambda arrays: {"roots": np.zeros(10**6, np.int32)}, "share nodes"),
    "a root is beyond the nodes": (lambda arrays: {"roots": np.array([7])}, "roots are not among"),
    "a root is negative": (lambda arrays: {"roots": np.array([-1])}, "roots are not among"),
    "no roots": (lambda arrays: {"roots": np.array([], int)}, "roots are not among"),
    "roots that are floats": (lambda arrays: {"roots": np.array([0.0])}, "roots are not among"),
    "a feature that there is not": (put("feature", 1, 1), "features beyond the 1 there are"),
    "a negative feature": (put("feature", 0, -1), "features beyond the 1 there are"),
    "features that are floats": (lambda arrays: {"feature": np.zeros(7)}, "not numbered by integers"),
    "children that are floats": (lambda arrays: {"left": arrays["left"].astype(float)}, "not numbered by integers"),
    "a threshold that is NaN": (put("threshold", 0, np.nan), "threshold of the trees is not finite"),
    "a threshold that is infinite": (put("threshold", 2, -np.inf), "threshold of the trees is not finite"),
    "nodes that differ in length": (lambda arrays: {"feature": np.zeros(6, int)}, "differ in length"),
    "children in two dimensions": (lambda arrays: {name: arrays[name][:, None] for name in ("left", "right")}, "differ in length"),
    "a scalar for an array": (lambda arrays: {"feature": np.int64(3)}, "differ in length"),
    "a value that is not finite": (put("value", 3, np.inf), "a number is not finite"),
    "no values": (lambda arrays: {"value": arrays["value"][:0]}, "differ in length|do not fit together"),
    "a tree that is too deep": (lambda arrays: arrays | too_deep(), f"deeper than {DEEPEST} steps"),
}
BOOSTED = {
    "thresholds that are integers": (lambda arrays: {"threshold": np.zeros(7, int)}, "not numbered by integers"),
    "outputs by the trillion": (lambda arrays: {"shape": np.array([1, 2**60])}, "do not fit together"),
    "a negative number of features": (lambda arrays: {"shape": np.array([-1, 1])}, "numbers of features and outputs"),
    "no shape": (lambda arrays: {"shape": np.array([1])}, "numbers of features and outputs"),
    "missing values by name": (lambda arrays: {"missing_left": np.full(7, "left")}, "not numbered by integers"),
    "too few of them": (lambda arrays: {"missing_left": np.zeros(6, np.uint8)}, "differ in length"),
    "no outputs": (
        lambda arrays: {"shape": np.array([1, 0]), "centre": np.zeros(0), "scale": np.zeros(0)},
        "numbers of features and outputs",
    ),
    "a scale that is not finite": (put("scale", 0, np.nan), "a number is not finite"),
    "another number of features": (lambda arrays: {"shape": np.array([2, 1])}, r"its model is of \(2, 1\) features and outputs"),
}
FORESTS = {
    "medians in two dimensions": (lambda arrays: {"fill": np.zeros((1, 1))}, "medians and gains do not fit together"),
    "another number of outputs": (lambda arrays: {"value": np.zeros((7, 2))}, r"its model is of \(1, 2\) features and outputs"),
    "thresholds that are texts": (lambda arrays: {"threshold": np.full(7, "half")}, "is damaged"),
    "values that are texts": (lambda arrays: {"value": np.full((7, 1), "half")}, "is damaged"),
}


def too_deep() -> dict[str, np.ndarray]:
    deep = chain(100_000)
    nodes = len(deep["left"])
    return deep | {"missing_left": np.zeros(nodes, np.uint8)} | {"value": np.zeros(nodes, np.float32)}


def test_models_that_are_whole_are_read() -> None:
    for name, (kind, arrays) in MODELS.items():
        assert stored(kind, name, arrays()).predict(np.array([[0.5], [2.5]])).tolist() == [[1.0], [1.0]]  # fractions end at 1
        assert kind.from_arrays(arrays()).predict(np.array([[0.5], [2.5]])).tolist() == [[1.0], [5.0]]
        assert kind.from_arrays(arrays()).predict(np.empty((0, 1))).shape == (0, 1)


@pytest.mark.parametrize(
    ("name", "case"),
    [(name, case) for name, more in (("forest", FORESTS), ("boosting", BOOSTED)) for case in EVERY | more],
)
def test_hostile_trees_are_damaged_stores_at_once(name: str, case: str) -> None:
    (kind, arrays), (change, message) = MODELS[name], (EVERY | BOOSTED | FORESTS)[case]
    whole = arrays()
    spoilt = whole | change(whole)
    if name == "forest" and spoilt["value"].ndim == 1:
        spoilt["value"] = spoilt["value"][:, None]
    start = time.process_time()
    with pytest.raises(DamagedStore, match=message):
        stored(kind, name, spoilt)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("trees", "changes", "message"),
    [
        ([stump(left_children=np.array([0, -1, -1], ">i4"))], {}, "in circles"),
        ([stump(right_children=np.array([9, -1, -1], ">i4"))], {}, "lead out of them"),
        ([stump(split_indices=np.array([6, 0, 0], ">i4"))], {}, "features beyond the 6"),
        ([stump(split_conditions=np.array([np.nan, 1, 2], ">f4"))], {}, "not finite"),
        ([stump(split_type=np.array([1, 0, 0], ">u1"))], {}, "split by categories"),
        ([stump(default_left=np.array([0, 0], ">u1"))], {}, "differ in length"),
        ([stump(left_children=["one", "two", "three"])], {}, "is damaged"),
        ([3], {}, "is damaged"),
        ([], {}, "is damaged"),
        ([stump()], {"objective": {"name": "binary:logistic"}}, "for 'binary:logistic', and not of trees for a squared error"),
        ([stump()], {"learner_model_param": {"base_score": "half"}}, "could not convert string to float"),
        ([stump()], {"learner_model_param": {"base_score": "nan"}}, "a number is not finite"),
        ([stump()], {"learner_model_param": {"base_score": "[0E0,0E0]"}}, "do not fit together"),
        ([stump()], {"learner_model_param": {"base_score": 3}}, "is damaged"),
        ([stump()], {"gradient_booster": {"name": "gblinear"}}, "'gblinear'"),
        ([stump(), stump()], {"gradient_booster": {"name": "gbtree", "model": {"trees": [stump()], "tree_info": [1]}}}, "in every round"),
        ([{name: values for name, values in stump().items() if name != "default_left"}], {}, "default_left"),
    ],
)
def test_hostile_models_of_xgboost_are_damaged_stores(trees: list[Any], changes: dict[str, Any], message: str) -> None:
    """Given such bytes, with a sum that matches, xgboost would corrupt memory or abort."""
    with pytest.raises(DamagedStore, match=message):
        stored(Boosting, "boosting", version_1(model(trees, "0E0", **changes), 1))


def test_bytes_of_xgboost_that_are_not_those_that_were_written_are_named() -> None:
    whole = version_1(model([stump()], "0E0"), 1)
    with pytest.raises(DamagedStore, match="the bytes of xgboost's model are not those that were written"):
        stored(Boosting, "boosting", whole | {"ubjson": whole["ubjson"][:100]})


def test_a_blend_is_of_models_of_one_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Networks.settings._replace(members=1, hidden=(2,), epochs=1, fewest_steps=1)
    monkeypatch.setattr(Networks, "settings", settings)
    networks = Networks.fit(COUNTS[:, :2], TARGETS[:, :1], 1, 0)
    arrays = Blend(networks, Boosting(boosting())).arrays()
    with pytest.raises(DamagedStore, match=r"its networks are of \(2, 1\) features and outputs, and its trees of \(1, 1\)"):
        stored(Blend, "blend", arrays)
