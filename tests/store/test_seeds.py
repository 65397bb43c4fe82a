"""A second seed gets its place on the seed axis, and what was measured with neither is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench import Contradiction
from robbench.store import Store, verify
from robbench.store.arrays import MISSING, Array, Header, Name
from robbench.store.writing import Changes, extend
from tests.toy_space import register
from tests.toy_store import CLASSES, ROWS

NAME = Name("toy10", "standard", "pgd", "accuracy")
EPS: list[float | int | str] = [0.1, 0.2]


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


def arrays(*seeds: int, without: int = 0, plain: bool = False, source: str = "test") -> list[Array]:
    """Accuracies, outcomes and counts by seed; nothing of the first rows."""
    outcomes = np.stack([np.random.default_rng(seed).random((CLASSES, 2, 12)) < 0.5 for seed in seeds], axis=2)
    accuracy = outcomes.mean(axis=-1)
    accuracy[:without] = np.nan
    bits = np.packbits(outcomes, axis=-1)
    bits[:without] = 0
    counts = np.stack([np.random.default_rng(seed).integers(0, 9, (CLASSES, 2, 2)) for seed in seeds], axis=1).astype(np.uint16)
    counts[:without] = MISSING
    provenance: dict[str, Any] = {"source": source, "images": 12, "of": list(seeds)}
    axes: dict[str, list[float | int | str]] = {"eps": EPS, "seed": list(seeds)}
    given = bits if plain else np.ma.masked_array(bits, np.broadcast_to(np.isnan(accuracy)[..., np.newaxis], bits.shape))
    confusion = Header("class", {"seed": list(seeds), "label": [], "prediction": []}, "count", provenance)
    return [
        Array(NAME, Header("class", axes, "fraction", provenance), accuracy),
        Array(NAME._replace(measure="outcomes"), Header("class", {**axes, "image": []}, "bit", provenance), given),
        Array(Name("toy10", "standard", "clean", "confusion"), confusion, counts),
    ]


def put(path: Path, given: list[Array], **options: Any) -> Changes:
    changes = extend(path, ROWS, given, **options)
    verify(path)
    return changes


def contents(path: Path) -> dict[Name, np.ndarray]:
    with Store(path) as store:
        return {name: store.read(name) for name in store.names()}


@pytest.mark.parametrize("plain", [False, True])
def test_seeds_one_after_the_other_are_seeds_at_once(tmp_path: Path, plain: bool) -> None:
    put(tmp_path / "once.h5", arrays(5, 3, 8, without=2, plain=plain))
    put(tmp_path / "one.h5", arrays(5, without=2, plain=plain))
    assert len(put(tmp_path / "one.h5", arrays(3, 8, without=2, plain=plain)).filled) == 3
    once, one = contents(tmp_path / "once.h5"), contents(tmp_path / "one.h5")
    assert all(np.array_equal(values, one[name], equal_nan=True) for name, values in once.items())
    before = (tmp_path / "one.h5").read_bytes()
    assert put(tmp_path / "one.h5", arrays(8, 5, without=2, plain=plain)).filled == []
    assert (tmp_path / "one.h5").read_bytes() == before


def test_gaps_of_one_seed_are_filled_beside_another(tmp_path: Path) -> None:
    put(tmp_path / "store.h5", arrays(5, without=4))
    put(tmp_path / "store.h5", arrays(3, without=1))
    assert len(put(tmp_path / "store.h5", arrays(5)).filled) == 3
    put(tmp_path / "whole.h5", arrays(5, 3))
    found, whole = contents(tmp_path / "store.h5"), contents(tmp_path / "whole.h5")
    with Store(tmp_path / "store.h5") as store:
        assert store.header(NAME).axes["seed"] == [5, 3]
    assert np.isnan(found[NAME][0, :, 1]).all()
    assert np.array_equal(found[NAME][1:], whole[NAME][1:])
    outcomes = NAME._replace(measure="outcomes")
    assert np.array_equal(found[outcomes][1:], whole[outcomes][1:])
    assert not found[outcomes][0, :, 1].any()


def test_another_number_of_a_seed_that_is_there_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    put(tmp_path / "store.h5", arrays(5))
    before = (tmp_path / "store.h5").read_bytes()
    other = arrays(3, 5)
    accuracy = np.asarray(other[0].values)
    accuracy[2, 0, 1] = 0.25 if accuracy[2, 0, 1] != 0.25 else 0.5
    with pytest.raises(Contradiction, match=r"the store has .*, the new one 0\.\d+"):
        put(tmp_path / "store.h5", other)
    assert (tmp_path / "store.h5").read_bytes() == before


def test_what_is_joined_decides_and_says_what_is_said_of_both(tmp_path: Path) -> None:
    put(tmp_path / "store.h5", arrays(5))
    with pytest.raises(Contradiction, match="numbers of another source"):
        put(tmp_path / "store.h5", arrays(3, source="other"))
    put(tmp_path / "store.h5", arrays(3), joined=lambda name, present, new: {**new, "of": present["of"] + new["of"]})
    with Store(tmp_path / "store.h5") as store:
        assert {tuple(store.header(name).provenance["of"]) for name in store.names()} == {(5, 3)}
