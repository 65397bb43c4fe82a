"""Measurements taken out of a store: nothing else changes, and the file is whole and sealed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import NotAStore, NotMeasured, StoreError
from robbench.store import Store, verify
from robbench.store.arrays import Fitted, Name
from robbench.store.removal import remove
from robbench.store.writing import extend, put_surrogate
from tests.synthetic import CLASSES, ROWS, array, arrays, published_index


@pytest.fixture
def store(small_store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(small_store, tmp_path / "store.h5"))


def fitted(target: str, *outputs: str, training: str = "standard", features: Sequence[str] = ("path:3",)) -> Fitted:
    rows, about = np.arange(3, dtype=np.uint32), {"outputs": list(outputs), "feature_names": list(features)}
    return Fitted("toy10", training, target, rows, np.zeros((2, 2), np.float32), {"model.weights": np.ones(2)}, about)


@pytest.mark.parametrize(
    ("what", "count"),
    [
        ("toy10/standard/pgd", 3),
        ("toy10/standard/pgd/outcomes", 1),
        ("toy10/pgd-8/255", 4),
        ("toy10/pgd-8/255/clean", 2),
        ("toy100", 2),
        ("toy/odd%/pgd-8/255/clean/accuracy", 1),
    ],
)
def test_what_is_named_is_gone_and_the_rest_is_as_it_was(what: str, count: int, store: Path) -> None:
    with Store(store) as before:
        names, values = before.names(), {name: before.read(name) for name in before.names()}
    removed = remove(store, what)
    assert len(removed.arrays) == count
    assert all(f"{name}/".startswith(f"{what}/") for name in removed.arrays)
    with Store(store) as after:
        assert after.names() == [name for name in names if name not in removed.arrays]
        for name in after.names():
            np.testing.assert_array_equal(after.read(name), values[name])
        assert after.has_published_index
    verify(store)
    assert [path.name for path in store.parent.iterdir()] == [store.name]


def test_a_store_without_it_is_the_store_that_never_had_it(store: Path, tmp_path: Path) -> None:
    """Down to the digests in the manifest, and to empty groups, of which there are none."""
    remove(store, "toy10/pgd-8/255")
    never = tmp_path / "never.h5"
    extend(never, ROWS, [one for one in arrays() if one.name[:2] != ("toy10", "pgd-8/255")], published_index=published_index())
    found = []
    for path in (store, never):
        with h5py.File(path) as file:
            groups: list[str] = []
            file.visit(groups.append)
            found.append((file["manifest"][()], sorted(groups)))
    assert found[0] == found[1]


def test_what_was_taken_out_can_be_put_in_again(store: Path) -> None:
    """What an import refused as a contradiction is no longer one."""
    remove(store, "toy10/standard/clean/accuracy")
    changed = arrays()[0]._replace(values=np.full(len(ROWS.keys), 0.25))
    assert extend(store, ROWS, [changed]).added == [changed.name]
    assert RobBench(store).query(0, "clean", dataset="toy10") == 0.25


def test_the_default_dataset_is_one_that_is_there(store: Path) -> None:
    remove(store, "toy10")
    assert RobBench(store).default_dataset == "toy/odd%"
    remove(store, "toy/odd%")
    remove(store, "toy100")
    verify(store)
    with Store(store) as empty, pytest.raises(StoreError, match="holds no measurements"):
        assert empty.default_dataset
    extend(store, ROWS, arrays()[-2:-1])
    assert RobBench(store).default_dataset == "toy100"


def test_surrogates_that_predict_it_go_with_it(store: Path) -> None:
    for one in (
        fitted("clean+pgd@1/255", "clean", "pgd@1/255"),
        fitted("fgsm", "fgsm@1/255"),
        fitted("clean", "clean", training="pgd-8/255"),
    ):
        put_surrogate(store, one)
    assert remove(store, "toy10/standard/pgd").surrogates == [("toy10", "standard", "clean+pgd@1/255")]
    with Store(store) as left:
        assert left.surrogates() == [("toy10", "pgd-8/255", "clean"), ("toy10", "standard", "fgsm")]
    verify(store)


@pytest.mark.parametrize(
    ("what", "gone"),
    [
        ("toy10/standard/fgsm", ["pgd"]),
        ("toy10/standard/clean", ["pgd"]),
        ("toy10/untrained/synflow", ["square"]),
        ("toy10/pgd-8/255/clean", ["square"]),
        ("toy100", []),
    ],
)
def test_surrogates_that_have_it_among_their_features_go_with_it(what: str, gone: list[str], store: Path) -> None:
    put_surrogate(store, fitted("pgd", "pgd@1/255", features=("path:3", "clean", "fgsm@1/255")))
    put_surrogate(store, fitted("square", "square@1/255", training="pgd-8/255", features=("clean", "synflow")))
    assert [target for *_, target in remove(store, what).surrogates] == gone


def test_what_is_not_there_is_refused_and_the_store_stays(store: Path) -> None:
    before = store.read_bytes(), store.stat().st_ino
    with pytest.raises(NotMeasured, match=r"'toy10/standard/pdg' is not in store.h5. Did you mean 'toy10/standard/pgd'.*robbench info"):
        remove(store, "toy10/standard/pdg")
    for what in ("", "toy10/", "toy1", "/", "toy10/standard/pgd/accuracy/", "pgd"):
        with pytest.raises(NotMeasured, match=r"is not in store\.h5"):
            remove(store, what)
    store.chmod(0o444)
    with pytest.raises(StoreError, match="is read-only"):
        remove(store, "toy10/standard/pgd")
    assert (store.read_bytes(), store.stat().st_ino) == before
    with pytest.raises(NotAStore):
        remove(store.with_name("absent.h5"), "toy10")
    assert [path.name for path in store.parent.iterdir()] == [store.name]


def test_names_with_slashes_are_told_apart_by_the_whole_path(store: Path) -> None:
    assert remove(store, "toy/odd%").arrays == [Name("toy/odd%", "pgd-8/255", "clean", "accuracy")]


def test_a_name_that_begins_like_another_is_another(store: Path) -> None:
    extend(store, ROWS, [array(f"toy100 standard clean {measure}", np.full(CLASSES, 0.5)) for measure in ("accuracy_of_half", "accurac")])
    assert len(remove(store, "toy100/standard/clean/accuracy").arrays) == 1
    verify(store)
    with Store(store) as left:
        assert [name.measure for name in left.names() if name[:3] == ("toy100", "standard", "clean")] == ["accurac", "accuracy_of_half"]
