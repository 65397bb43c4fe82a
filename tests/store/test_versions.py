"""Stores of format version 1: they open, answer and verify as they did, and become version 2 when they are extended."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from robbench import DamagedStore, RobBench, StoreError, UnknownSpace
from robbench.store import Store, verify
from robbench.store.arrays import Array, Fitted, Name
from robbench.store.layout import digest_of, paths_of_datasets
from robbench.store.writing import extend, put_surrogate
from tests.synthetic import CLASSES, ROWS, array
from tests.tampering import tampered, unsealed

MORE = array("toy10 standard frost accuracy", np.full((CLASSES, 5), 0.25), {"severity": [1, 2, 3, 4, 5]})
FITTED = Fitted("toy10", "standard", "clean", np.arange(3, dtype=np.uint32), np.zeros((2, 2), np.float32), {"model.a": np.arange(4.0)}, {})


def as_version_1(path: Path) -> Path:
    """Turn a store into what version 1 wrote: /cells, "cell", row numbers of 16 bits, and no root attributes in the manifest."""
    unsealed(path)
    with h5py.File(path, "r+") as file:
        file.move("exact", "cells")
        for item in ("cells/class", "cells/published_index", *(f"surrogates/{s}/training_rows" for s in _surrogates(file))):
            if item in file:
                values, attributes = file[item][()], dict(file[item].attrs.items())
                del file[item]
                file[item] = values.astype(np.uint16)
                file[item].attrs.update(attributes)
        for item in paths_of_datasets(file):
            if item.startswith("/metrics/") and file[item].attrs["rows"] == "exact":
                file[item].attrs["rows"] = "cell"
        file.attrs["format_version"] = 1
        del file["manifest"]
        file["manifest"] = json.dumps({item: digest_of(file[item]) for item in paths_of_datasets(file)})
    return path


def _surrogates(file: h5py.File) -> list[str]:
    found: list[str] = []
    if "surrogates" in file:
        file["surrogates"].visititems(
            lambda path, item: found.append(path) if isinstance(item, h5py.Group) and "training_rows" in item else None
        )
    return found


@pytest.fixture
def old(small_store: Path, tmp_path: Path) -> Path:
    """The small store as version 1 would have written it, with a surrogate."""
    path = Path(shutil.copy(small_store, tmp_path / "old.h5"))
    put_surrogate(path, FITTED)
    return as_version_1(path)


def test_version_1_answers_as_it_did(old: Path, bench: RobBench, synthetic_arrays: list[Array]) -> None:
    with Store(old) as store:
        assert (store.version, store.space.name) == (1, "nb201")
        for one in synthetic_arrays:
            assert store.header(one.name) == one.header
            np.testing.assert_array_equal(store.read(one.name), bench.measurements.store.read(one.name))
    assert RobBench(old).table().equals(bench.table())
    assert RobBench(old).published_index(bench.classes[9]) == bench.published_index(bench.classes[9])
    assert verify(old) == len(synthetic_arrays) + 5 + 3


@pytest.mark.parametrize("how", ["extended", "given a surrogate"])
def test_what_is_put_into_version_1_makes_it_version_2(old: Path, bench: RobBench, how: str) -> None:
    if how == "extended":
        extend(old, ROWS, [MORE])
    else:
        put_surrogate(old, FITTED._replace(target="pgd"))
    with Store(old) as store, h5py.File(old) as file:
        assert store.version == 2
        assert "cells" not in file
        assert file["exact/class"].dtype == np.uint32
        assert store.surrogate("toy10", "standard", "clean").training_rows.dtype == np.uint32
        assert {file[path].attrs["rows"] for path in paths_of_datasets(file) if path.startswith("/metrics/")} == {"class", "exact"}
        for name in bench.measurements.store.names():
            np.testing.assert_array_equal(store.read(name), bench.measurements.store.read(name))
    verify(old)
    assert RobBench(old).published_index(bench.classes[9]) == bench.published_index(bench.classes[9])


def test_damage_of_version_1_is_found(old: Path) -> None:
    with h5py.File(old, "r+") as file:
        file["metrics/toy10/standard/clean/accuracy"][3] = 7
    with pytest.raises(DamagedStore, match="/metrics/toy10/standard/clean/accuracy has changed since it was written"):
        verify(old)
    with h5py.File(old, "r+") as file:
        del file["cells/spec"]
    with pytest.raises(DamagedStore, match="/cells/spec cannot be read"):
        len(RobBench(old).architectures)


def test_a_store_of_version_1_that_claims_another_space_is_damaged(old: Path) -> None:
    with h5py.File(old, "r+") as file:
        file.attrs["space"] = "darts"
    with pytest.raises(DamagedStore, match=r"says that it is of the space 'darts'; every store of format version 1 is of nb201"):
        RobBench(old)


@pytest.mark.parametrize("attempt", [RobBench, verify, lambda path: extend(path, ROWS, [MORE])])
def test_a_store_of_an_unknown_space_is_refused_by_name(small_store: Path, tmp_path: Path, attempt: object) -> None:
    path = Path(shutil.copy(small_store, tmp_path / "other.h5"))
    with tampered(path) as file:
        file.attrs["space"] = "hyperspace"
    with pytest.raises(
        UnknownSpace, match=r"other\.h5 cannot be used: 'hyperspace' is not a search space that this RobBench knows; it knows nb201"
    ):
        attempt(path)  # type: ignore[operator]


@pytest.mark.parametrize(("attribute", "value"), [("default_dataset", "toy100"), ("space", "toy"), ("format_version", 1)])
def test_a_changed_root_attribute_is_found_by_verify(
    small_store: Path, tmp_path: Path, attribute: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests import toy_space

    toy_space.register(monkeypatch)
    path = Path(shutil.copy(small_store, tmp_path / "changed.h5"))
    with tampered(path) as file:
        file.attrs[attribute] = value
    with pytest.raises(DamagedStore):
        verify(path)


def test_rows_that_are_not_of_the_space_are_found_by_verify(small_store: Path, tmp_path: Path) -> None:
    """A manifest made to fit does not help: each architecture must be of the space, and of the class that it stands in."""
    path = Path(shutil.copy(small_store, tmp_path / "changed.h5"))
    with tampered(path) as file:
        rows = file["exact/class"][()]
        file["exact/class"][...] = np.roll(rows, 1)
        manifest = json.loads(file["manifest"][()])
        manifest["/exact/class"] = digest_of(file["exact/class"])
        del file["manifest"]
        file["manifest"] = json.dumps(manifest)
    with pytest.raises(DamagedStore, match=r"the rows are damaged: \|none~0\|.* is of the class [0-9a-f]{16}, and the store has it in"):
        verify(path)


def test_names_are_read_once_and_headers_when_they_are_asked_for(small_store: Path) -> None:
    with Store(small_store) as store:
        assert store._headers == {}
        name = Name("toy10", "standard", "clean", "accuracy")
        assert store.header(name) is store.header(name)
        assert store._headers.keys() == {name}


def test_a_store_that_is_not_of_its_rows_space_is_not_extended(small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from robbench.store.rows import Rows
    from tests import toy_space

    toy = toy_space.register(monkeypatch)
    path = Path(shutil.copy(small_store, tmp_path / "small.h5"))
    before = path.read_bytes()
    rows = Rows.of(toy, toy.members)
    with pytest.raises(
        StoreError, match=r"small\.h5 is of the search space nb201, and what is to be put into it is of toy; name another file"
    ):
        extend(path, rows, [array("toy10 standard clean accuracy", np.zeros(len(rows.keys)))])
    assert path.read_bytes() == before
