from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from robbench import Contradiction, DamagedStore, NewerFormat, NotAStore, RobBench, StoreError
from robbench.spaces.nb201 import NB201, SIZE, Cell, cells
from robbench.spaces.nb201.identity import class_key, class_partition
from robbench.store import FORMAT_VERSION, Store, verify
from robbench.store.arrays import MISSING, Array, Header, Name, as_floats
from robbench.store.writing import extend
from tests import synthetic
from tests.synthetic import CLASSES, PROVENANCE, ROWS, array
from tests.tampering import flip, tampered

CLEAN = "toy standard clean accuracy"
EPS = [1 / 255, 2 / 255]


@pytest.fixture
def store(small_store: Path, tmp_path: Path) -> Path:
    """A copy of the small store, alone in its folder, to be ill-treated."""
    return Path(shutil.copy(small_store, tmp_path / "store.h5"))


def values_of(path: Path, name: Name) -> np.ndarray:
    with Store(path) as store:
        return store.read(name)


def only(folder: Path) -> Path:
    """The one file in a folder: whoever calls this says that there is no litter."""
    [file] = folder.iterdir()
    return file


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Round trips


def test_everything_put_in_comes_back(small_store: Path, synthetic_arrays: list[Array]) -> None:
    with Store(small_store) as store:
        assert store.names() == sorted(array.name for array in synthetic_arrays)
        for array_ in synthetic_arrays:
            assert array_.name in store
            assert store.header(array_.name) == array_.header
            assert store.shape(array_.name) == array_.values.shape
            np.testing.assert_array_equal(store.read(array_.name), as_floats(array_.values[:]))
            np.testing.assert_array_equal(store.read(array_.name, 17), as_floats(array_.values[:])[17])
        assert Name("toy10", "standard", "pgd", "confidence_label") not in store
    assert verify(small_store) == len(synthetic_arrays) + 5  # two tables of classes, three of cells


floats = st.floats(0, 1) | st.integers(0, 1000).map(lambda code: code / 1000) | st.just(np.nan) | st.floats(width=32, allow_infinity=False)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1).filter(
    lambda name: name not in (".", "..")
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pattern=hnp.arrays(np.float64, st.tuples(st.integers(1, 8), st.just(2)), elements=floats)
    | hnp.arrays(np.uint16, st.tuples(st.integers(1, 8), st.just(2)))
    | hnp.arrays(np.uint8, st.tuples(st.integers(1, 8), st.just(2))),  # outcomes of 16 images
    parts=st.tuples(*[names] * 4),
    rows=st.sampled_from(["class", "exact"]),
    axis=st.sampled_from([("eps", EPS), ("severity", [1, 5]), ("seed", [777, 888]), ("count", [])]),
    about=st.dictionaries(st.text(), st.text() | st.integers() | st.booleans() | st.none(), max_size=3),
)
def test_any_array_under_any_name_comes_back_bit_by_bit(
    tmp_path: Path, pattern: np.ndarray, parts: tuple[str, ...], rows: str, axis: Any, about: dict[str, Any]
) -> None:
    path = tmp_path / "store.h5"
    path.unlink(missing_ok=True)
    values = np.resize(pattern, (CLASSES if rows == "class" else SIZE, 2))
    if values.dtype == np.uint8:
        axis, about = ("image", []), {**about, "images": 16}
    given_ = Array(Name(*parts), Header(rows, dict([axis]), "1", about), values)
    assert extend(path, ROWS, [given_]).added == [given_.name]
    with Store(path) as store:
        assert store.names() == [given_.name]
        assert store.datasets() == [parts[0]]
        assert store.trainings(parts[0]) == [parts[1]]
        assert store.default_dataset == parts[0]
        assert store.header(given_.name) == given_.header
        np.testing.assert_array_equal(store.read(given_.name), as_floats(values))
    assert verify(path) == 5
    assert extend(path, ROWS, [given_]).unchanged == [given_.name]


@pytest.mark.parametrize("part", ["", ".", ".."])
def test_a_name_with_a_part_that_hdf5_cannot_hold_is_refused_or_kept(tmp_path: Path, part: str) -> None:
    path, name = tmp_path / "store.h5", Name("toy", part, "clean", "accuracy")
    try:
        extend(path, ROWS, [Array(name, Header("class", {}, "fraction", {}), np.zeros(CLASSES))])
    except StoreError:
        assert not list(tmp_path.iterdir())
    else:
        with Store(path) as store:
            assert store.names() == [name]


def test_rounded_accuracies_take_two_bytes_and_others_what_they_need(small_store: Path, tmp_path: Path) -> None:
    with h5py.File(small_store) as file:
        assert file["metrics/toy10/standard/clean/accuracy"].dtype == np.uint16
        assert file["metrics/toy10/standard/clean/accuracy"].attrs["denominator"] == 1000
        assert file["metrics/toy10/standard/clean/confusion"].dtype == np.uint16
        assert file["metrics/toy10/standard/clean/confusion"].attrs["denominator"] == 1
        assert file["metrics/toy10/standard/pgd/outcomes"].dtype == np.uint8
        assert file["metrics/toy10/untrained/synflow/value"].dtype == np.float64
    counted = array(CLEAN, np.arange(CLASSES) % 1018 / 1017)
    counted.header.provenance["images"] = 1017
    extend(tmp_path / "store.h5", ROWS, [counted])
    with h5py.File(tmp_path / "store.h5") as file:
        assert file["metrics/toy/standard/clean/accuracy"].attrs["denominator"] == 1017


@pytest.mark.parametrize("shape", [(3, 2, 3), (CLASSES, 7, 3), (CLASSES, 2)])
def test_outcomes_that_are_not_what_their_header_says_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    wrong = array("toy standard pgd outcomes", np.zeros(shape, np.uint8), {"eps": EPS, "image": []}, unit="bit")
    with pytest.raises(StoreError, match=r"toy/standard/pgd/outcomes has values of shape .*; expected \(6466, 2, None\)"):
        extend(tmp_path / "store.h5", ROWS, [wrong])
    assert not list(tmp_path.iterdir())


def test_a_read_only_store_is_not_extended(store: Path) -> None:
    store.chmod(0o444)
    before = store.read_bytes()
    with pytest.raises(StoreError, match=r"store\.h5 is read-only, so nothing can be put into it; copy it, or make it writable"):
        extend(store, ROWS, [array("toy standard snow accuracy", np.zeros((CLASSES, 5)), {"severity": [1, 2, 3, 4, 5]})])
    assert only(store.parent) == store
    assert store.read_bytes() == before
    extend(store, ROWS, synthetic.arrays()[:1])  # which is there already


def test_every_chunk_is_compressed_shuffled_and_carries_a_checksum(small_store: Path) -> None:
    with h5py.File(small_store) as file:
        datasets: list[h5py.Dataset] = []
        file.visititems(lambda _, item: datasets.append(item) if isinstance(item, h5py.Dataset) and item.shape else None)
        assert len(datasets) > 20
        assert all(dataset.fletcher32 and dataset.shuffle and dataset.compression == "gzip" for dataset in datasets)


def test_the_layout_is_the_one_drawn(small_store: Path) -> None:
    """Readable by any HDF5 tool: what a stranger would look for, by its path."""
    with h5py.File(small_store) as file:
        assert dict(file.attrs) == {"format": "robbench", "format_version": 2, "space": "nb201", "default_dataset": "toy10"}
        assert set(file) == {"classes", "exact", "metrics", "manifest"}
        assert {name: item.shape for name, item in file["classes"].items()} == {"key": (6466,), "spec": (6466,)}
        assert {name: item.shape for name, item in file["exact"].items()} == {
            "spec": (15625,),
            "class": (15625,),
            "published_index": (15625,),
        }
        attributes = dict(file["metrics/toy10/pgd-8%2F255/pgd/accuracy"].attrs)
        assert attributes["rows"] == "class"
        assert list(attributes["axes"]) == ["eps", "seed"]
        assert list(attributes["eps"]) == synthetic.FGSM_EPS
        assert list(attributes["seed"]) == synthetic.SEEDS
        assert attributes["unit"] == "fraction"
        assert json.loads(attributes["provenance"])["source"] == "synthetic"
        assert "toy%2Fodd%25" in file["metrics"]


# Rows


def test_rows_are_the_classes_and_cells_in_the_order_of_the_space(small_store: Path) -> None:
    with Store(small_store) as store:
        assert store.space is NB201
        assert store.rows.exact == tuple(map(str, cells()))
        assert store.rows.keys == class_partition().keys
        assert tuple(store.rows.class_of) == class_partition().group
        assert tuple(class_key(Cell.parse(spec)) for spec in store.rows.classes) == store.rows.keys


def test_the_representative_of_a_class_has_its_lowest_published_index(small_store: Path) -> None:
    index = synthetic.published_index()
    lowest: dict[int, int] = {}
    for cell in np.argsort(index):
        lowest.setdefault(class_partition().group[cell], int(cell))
    with Store(small_store) as store:
        assert store.has_published_index
        np.testing.assert_array_equal(store.published_index(), index)
        assert store.rows.classes == tuple(store.rows.exact[lowest[row]] for row in range(CLASSES))


def test_an_index_can_come_later_and_only_once(tmp_path: Path) -> None:
    path, index = tmp_path / "store.h5", synthetic.published_index()
    extend(path, ROWS, [array(CLEAN, np.zeros(CLASSES))])
    with Store(path) as store:
        assert not store.has_published_index
        before = store.rows.classes
    extend(path, ROWS, [], published_index=index)
    with Store(path) as store:
        np.testing.assert_array_equal(store.published_index(), index)
        assert store.rows.classes != before
    verify(path)
    held = path.read_bytes()
    extend(path, ROWS, [], published_index=index)
    assert path.read_bytes() == held
    with pytest.raises(Contradiction, match="numbers the architectures in another way than the store does"):
        extend(path, ROWS, [array("toy standard fog accuracy", np.zeros(CLASSES))], published_index=index[::-1])
    assert path.read_bytes() == held


# Extending


def test_the_default_dataset_is_the_first_that_was_put_in(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    extend(
        path, ROWS, [array("zeta standard clean accuracy", np.zeros(CLASSES)), array("alpha standard clean accuracy", np.zeros(CLASSES))]
    )
    extend(path, ROWS, [array("aleph standard clean accuracy", np.zeros(CLASSES))])
    with Store(path) as store:
        assert store.default_dataset == "zeta"
        assert store.datasets() == ["aleph", "alpha", "zeta"]


def test_extending_with_the_same_again_does_not_touch_the_file(store: Path, synthetic_arrays: list[Array]) -> None:
    before = sha(store), store.stat()
    changes = extend(store, ROWS, synthetic_arrays, published_index=synthetic.published_index())
    assert changes.unchanged == [array.name for array in synthetic_arrays]
    assert not changes.added
    assert not changes.filled
    assert (sha(store), store.stat()[:9]) == (before[0], before[1][:9])
    assert store.stat().st_mtime_ns == before[1].st_mtime_ns
    assert store.stat().st_ino == before[1].st_ino


def test_extending_with_nothing_makes_no_file(tmp_path: Path) -> None:
    assert extend(tmp_path / "store.h5", ROWS, []) == ([], [], [], 0)
    assert not list(tmp_path.iterdir())


def test_extending_keeps_what_was_there(store: Path, synthetic_arrays: list[Array]) -> None:
    new = array("toy10 standard frost accuracy", np.full((CLASSES, 5), 0.25), {"severity": [1, 2, 3, 4, 5]})
    changes = extend(store, ROWS, [new, synthetic_arrays[0]])
    assert (changes.added, changes.unchanged) == ([new.name], [synthetic_arrays[0].name])
    for array_ in [*synthetic_arrays, new]:
        np.testing.assert_array_equal(values_of(store, array_.name), as_floats(array_.values[:]))
    assert verify(store) == len(synthetic_arrays) + 6
    assert only(store.parent) == store


def test_the_same_arrays_make_the_same_file_content_in_any_order(tmp_path: Path) -> None:
    some = [array(f"toy standard {name} accuracy", np.full(CLASSES, 0.5)) for name in ("clean", "fgsm", "fog")]
    extend(tmp_path / "one.h5", ROWS, some)
    for item in reversed(some):
        extend(tmp_path / "other.h5", ROWS, [item])
    manifests = []
    for name in ("one.h5", "other.h5"):
        with h5py.File(tmp_path / name) as file:
            manifests.append(json.loads(file["manifest"][()]))
    assert manifests[0] == manifests[1]


def test_gaps_are_filled_and_what_was_measured_stays(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    first, second = np.full((CLASSES, 2), 0.5), np.full((CLASSES, 2), 0.5)
    first[:100], second[50:] = np.nan, np.nan
    second[0, 0] = 1 / 3  # no longer a multiple of 1/1000
    name = extend(path, ROWS, [array(CLEAN, first, {"eps": EPS})]).added[0]
    assert extend(path, ROWS, [array(CLEAN, second, {"eps": EPS})]).filled == [name]
    np.testing.assert_array_equal(values_of(path, name), np.where(np.isnan(first), second, first))
    verify(path)
    assert extend(path, ROWS, [array(CLEAN, second, {"eps": EPS})]).unchanged == [name]
    assert extend(path, ROWS, [array(CLEAN, first, {"eps": EPS})]).unchanged == [name]


def test_gaps_in_counts_are_filled_with_counts(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    first, second = np.full((CLASSES, 2), 7001, np.uint16), np.full((CLASSES, 2), 7001, np.uint16)
    first[:100] = MISSING
    extend(path, ROWS, [array("toy standard clean confusion", first, {"label": []}, unit="count")])
    extend(path, ROWS, [array("toy standard clean confusion", second, {"label": []}, unit="count")])
    np.testing.assert_array_equal(values_of(path, Name("toy", "standard", "clean", "confusion")), 7001)
    with h5py.File(path) as file:
        assert file["metrics/toy/standard/clean/confusion"].dtype == np.uint16


# Contradictions


def contradicting(**changed: Any) -> Array:
    given_ = {"values": np.full((CLASSES, 2), 0.5), "axes": {"eps": EPS}, "rows": "class", **changed}
    header = Header(given_["rows"], given_["axes"], "fraction", {"source": "someone else", "file": "theirs.json"})
    return Array(Name(*CLEAN.split()), header, given_["values"])


ONE_OTHER = np.full((CLASSES, 2), 0.5)
ONE_OTHER[4321, 1] = 0.375


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"values": ONE_OTHER},
            f"for {np.array(list(map(str, cells())))[list(class_partition().representative)][4321]}".replace("|", r"\|"),
        ),
        ({"values": ONE_OTHER}, "the store has 0.5, the new one 0.375"),
        (
            {"axes": {"eps": [1 / 255, 4 / 255]}},
            r"the store's runs over class rows, eps \[0.0039.*, 0.0078.*\], the new one over class rows, eps",
        ),
        ({"axes": {"severity": [1, 2]}}, r"the new one over class rows, severity \[1, 2\]"),
        ({"rows": "exact", "values": np.full((SIZE, 2), 0.5)}, "the new one over exact rows"),
        ({"axes": {"eps": [*EPS, 1.0]}, "values": np.full((CLASSES, 3), 0.5)}, "the store's runs over class rows, eps"),
    ],
)
def test_a_contradiction_is_refused_naming_both(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    path = tmp_path / "store.h5"
    extend(path, ROWS, [array(CLEAN, np.full((CLASSES, 2), 0.5), {"eps": EPS})])
    before = sha(path)
    other = array("toy standard fog accuracy", np.zeros(CLASSES))
    both = r"toy/standard/clean/accuracy in the store is from synthetic none and differs from the one of someone else theirs\.json: .*"
    with pytest.raises(Contradiction, match=f"{both.replace('+', '[+]')}{message.replace('+', '[+]')}.*--training"):
        extend(path, ROWS, [other, contradicting(**changed)])
    assert sha(path) == before
    assert only(tmp_path) == path


def test_axes_in_another_order_are_another_array(tmp_path: Path) -> None:
    path, values = tmp_path / "store.h5", np.full((CLASSES, 2, 2), 0.5)
    extend(path, ROWS, [array(CLEAN, values, {"eps": EPS, "seed": [1, 2]})])
    with pytest.raises(Contradiction, match=r"the store's runs over class rows, eps .* seed"):
        extend(path, ROWS, [array(CLEAN, values, {"seed": [1, 2], "eps": EPS})])


@pytest.mark.parametrize(
    ("rows", "shape", "axes"),
    [
        ("class", (10,), {}),
        ("exact", (CLASSES,), {}),
        ("class", (CLASSES, 3), {"eps": EPS}),
        ("class", (CLASSES, 2), {}),
        ("klass", (CLASSES,), {}),
    ],
)
def test_an_array_that_is_not_what_its_header_says_is_refused(tmp_path: Path, rows: str, shape: Any, axes: dict[str, list[float]]) -> None:
    with pytest.raises(StoreError, match="toy/standard/clean/accuracy"):
        extend(tmp_path / "store.h5", ROWS, [array(CLEAN, np.zeros(shape), axes, rows=rows)])
    assert not list(tmp_path.iterdir())


# All or nothing


def failing(error: BaseException) -> Iterator[Array]:
    yield array("toy10 standard frost accuracy", np.zeros(CLASSES))
    raise error


@pytest.mark.parametrize("error", [ZeroDivisionError("midway"), KeyboardInterrupt(), MemoryError()])
def test_a_source_that_fails_midway_leaves_the_old_store_and_no_litter(store: Path, error: BaseException) -> None:
    before = sha(store)
    with pytest.raises(type(error)):
        extend(store, ROWS, failing(error))
    assert sha(store) == before
    assert only(store.parent) == store


def test_a_source_that_fails_midway_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        extend(tmp_path / "store.h5", ROWS, failing(ZeroDivisionError()))
    assert not list(tmp_path.iterdir())


def test_what_a_source_cannot_read_is_said_and_the_store_is_as_it_was(store: Path) -> None:
    with pytest.raises(StoreError, match=r"raw file vanished\. What was there before is unchanged"):
        extend(store, ROWS, failing(OSError("raw file vanished")))


def in_a_process(code: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60, cwd=root)


WRITER = """
import os, signal, numpy as np
from robbench import StoreError
from robbench.store.arrays import Array, Header, Name
from robbench.store.writing import extend
from tests.synthetic import ROWS

def arrays(stop=lambda: None):
    for seed in range(3):
        yield Array(Name("toy", f"run-{seed}", "clean", "accuracy"), Header("class", {"eps": [0.1] * 50}, "1", {}),
                    np.random.default_rng(seed).random((6466, 50)))
        stop()
"""


def test_a_killed_writer_leaves_the_old_store_and_a_lock_that_stops_nobody(store: Path) -> None:
    before = sha(store)
    done = in_a_process(WRITER + f"extend({str(store)!r}, ROWS, arrays(lambda: os.kill(os.getpid(), signal.SIGKILL)))")
    assert done.returncode == -signal.SIGKILL
    assert sha(store) == before
    assert {path.name for path in store.parent.iterdir()} <= {"store.h5", ".store.h5.lock"}
    extend(store, ROWS, [array(CLEAN, np.zeros(CLASSES))])  # what a dead process has locked stops nobody
    assert only(store.parent) == store


@pytest.mark.parametrize("kilobytes", [1, 300, 3000])
def test_a_full_disk_is_a_store_error_and_leaves_the_old_store_and_no_litter(store: Path, kilobytes: int) -> None:
    before = sha(store)
    done = in_a_process(
        WRITER
        + f"""
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({kilobytes} * 1024, {kilobytes} * 1024))
try:
    extend({str(store)!r}, ROWS, arrays())
except StoreError as error:
    print(error)
"""
    )
    assert done.returncode == 0, done.stderr
    assert "could not be written: " in done.stdout
    assert "What was there before is unchanged." in done.stdout
    assert str(store) in done.stdout
    assert sha(store) == before
    assert only(store.parent) == store


def test_a_store_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"absent is not a folder; make it first, or name another path for the store\."):
        extend(tmp_path / "absent" / "store.h5", ROWS, [array(CLEAN, np.zeros(CLASSES))])


# Damage


def test_a_file_cut_anywhere_is_refused_and_kept(store: Path) -> None:
    whole = store.read_bytes()
    for size in (40, 100, 2000, len(whole) // 2, len(whole) - 1):
        store.write_bytes(whole[:size])
        with pytest.raises(DamagedStore, match=r"store\.h5 (is cut short|cannot be opened)"):
            Store(store)
        with pytest.raises(DamagedStore):
            extend(store, ROWS, [array(CLEAN, np.zeros(CLASSES))])
        assert store.read_bytes() == whole[:size]
        assert only(store.parent) == store


@pytest.mark.parametrize("path", ["/metrics/toy10/standard/pgd/accuracy", "/metrics/toy10/pgd-8%2F255/clean/confusion"])
def test_a_flipped_bit_in_an_array_is_found_when_it_is_read_and_by_verify(store: Path, path: str) -> None:
    flip(store, path)
    name = Name(*path.replace("%2F", "~").split("/")[2:])
    name = name._replace(training=name.training.replace("~", "/"))
    with Store(store) as opened:
        with pytest.raises(DamagedStore, match=f"{path} cannot be read: .*Restore the file from a copy, or build it again"):
            opened.read(name)
        with pytest.raises(DamagedStore, match=f"{path} cannot be read"):
            opened.read(name, 3)
        assert opened.read(Name("toy100", "standard", "clean", "accuracy")).shape == (CLASSES,)
    with pytest.raises(DamagedStore, match=f"{path} cannot be read"):
        verify(store)


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/classes/key", lambda store: store.rows.keys),
        ("/classes/spec", lambda store: store.rows.classes),
        ("/exact/spec", lambda store: store.rows.exact),
        ("/exact/class", lambda store: store.rows.class_of),
        ("/exact/published_index", Store.published_index),
    ],
)
def test_a_flipped_bit_in_a_table_is_found_when_it_is_read_and_by_verify(store: Path, path: str, read: Callable[[Store], Any]) -> None:
    flip(store, path)
    with Store(store) as opened, pytest.raises(DamagedStore, match=f"{path} cannot be read"):
        read(opened)
    with pytest.raises(DamagedStore, match=f"{path} cannot be read"):
        verify(store)


def test_extending_with_what_contradicts_a_damaged_array_names_the_damage(store: Path, synthetic_arrays: list[Array]) -> None:
    flip(store, "/metrics/toy10/standard/pgd/accuracy")
    before = sha(store)
    with pytest.raises(DamagedStore, match="/metrics/toy10/standard/pgd/accuracy cannot be read"):
        extend(store, ROWS, [*synthetic_arrays, array(CLEAN, np.zeros(CLASSES))])
    assert sha(store) == before


def test_bytes_changed_together_with_their_checksum_are_found_by_verify(store: Path) -> None:
    with tampered(store) as file:
        file["metrics/toy10/standard/clean/accuracy"][3] = 7
    assert values_of(store, Name("toy10", "standard", "clean", "accuracy"))[3] == 0.007
    with pytest.raises(DamagedStore, match="/metrics/toy10/standard/clean/accuracy has changed since it was written; restore"):
        verify(store)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("denominator", 999),
        ("unit", "percent"),
        ("rows", "exact"),
        ("eps", np.array([1.0, 2.0, 3.0, 4.0]) / 255),
        ("axes", ["severity"]),
        ("provenance", "{}"),
        ("comment", "by another hand"),
        ("comment", b"by another hand"),
    ],
)
def test_a_changed_attribute_is_found_by_verify(store: Path, attribute: str, value: Any) -> None:
    with tampered(store) as file:
        file["metrics/toy10/standard/pgd/accuracy"].attrs[attribute] = value
    with pytest.raises(DamagedStore, match="/metrics/toy10/standard/pgd/accuracy has changed since it was written"):
        verify(store)


def test_a_removed_attribute_is_found_by_verify(store: Path) -> None:
    with tampered(store) as file:
        del file["metrics/toy10/standard/pgd/accuracy"].attrs["denominator"]
    with pytest.raises(DamagedStore, match="/metrics/toy10/standard/pgd/accuracy has changed"):
        verify(store)


@pytest.mark.parametrize(
    "path", ["metrics/toy10/standard/frost/accuracy", "classes/comment", "metrics/stray", "metrics/a/b/c/d/e", "exact/a/b"]
)
def test_an_array_added_by_another_hand_is_found_by_verify(store: Path, path: str) -> None:
    with tampered(store) as file:
        file[path] = np.zeros(CLASSES, np.uint16)
    with pytest.raises(DamagedStore, match="is in the file and not in the manifest; it was not put there by RobBench"):
        verify(store)


@pytest.mark.parametrize("path", ["metrics/toy10/standard/pgd/accuracy", "classes/spec", "exact/published_index", "metrics"])
def test_a_removed_array_is_found_by_verify(store: Path, path: str) -> None:
    with tampered(store) as file:
        del file[path]
    with pytest.raises(DamagedStore, match=f"/{path}.* is in the manifest and not in the file; restore the file from a copy"):
        verify(store)


@pytest.mark.parametrize("content", [None, "not json"])
def test_a_manifest_that_is_gone_or_no_manifest_is_found_by_verify(store: Path, content: str | None) -> None:
    with tampered(store) as file:
        del file["manifest"]
        if content is not None:
            file["manifest"] = content
    with pytest.raises(DamagedStore, match="/manifest cannot be read"):
        verify(store)


def test_verify_changes_nothing_and_counts_what_it_read(store: Path, synthetic_arrays: list[Array]) -> None:
    before = sha(store)
    assert verify(store) == len(synthetic_arrays) + 5
    assert sha(store) == before


# What is not a store


def test_what_is_not_there_is_not_a_store(tmp_path: Path) -> None:
    with pytest.raises(NotAStore, match=r"absent\.h5 does not exist; expected a store\. `robbench import` makes one from published data"):
        Store(tmp_path / "absent.h5")


def test_a_folder_is_not_a_store(tmp_path: Path) -> None:
    with pytest.raises(NotAStore, match="is a folder; expected a store"):
        Store(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x89PNG\r\n\x1a\n" + bytes(1000), b"arch,clean\n" * 1000])
def test_what_is_not_hdf5_is_not_a_store_and_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    for attempt in (Store, verify, RobBench, lambda path: extend(path, ROWS, [array(CLEAN, np.zeros(CLASSES))])):
        with pytest.raises(NotAStore, match="file is not an HDF5 file; expected a store written by RobBench"):
            attempt(path)
    assert path.read_bytes() == content
    assert only(tmp_path) == path


@pytest.mark.parametrize("attributes", [{}, {"format": "nasbench"}, {"format": 7}, {"format": [1, 2]}, {"format_version": 1}])
def test_hdf5_of_others_is_not_a_store_and_is_not_overwritten(tmp_path: Path, attributes: dict[str, Any]) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
    before = sha(path)
    for attempt in (Store, verify, lambda path: extend(path, ROWS, [array(CLEAN, np.zeros(CLASSES))])):
        with pytest.raises(NotAStore, match=r"is an HDF5 file, but not a RobBench store \(no attribute format='robbench'\)"):
            attempt(path)
    assert sha(path) == before


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 99])
def test_a_newer_format_is_refused_with_its_version(store: Path, version: int) -> None:
    with tampered(store) as file:
        file.attrs["format_version"] = version
    before = sha(store)
    for attempt in (Store, verify, lambda path: extend(path, ROWS, [array(CLEAN, np.zeros(CLASSES))])):
        with pytest.raises(NewerFormat, match=f"is of format version {version}; this RobBench reads up to 2. Install a newer RobBench"):
            attempt(store)
    assert sha(store) == before


@pytest.mark.parametrize("version", [None, "one"])
def test_a_store_without_its_version_is_damaged(store: Path, version: str | None) -> None:
    with tampered(store) as file:
        del file.attrs["format_version"]
        if version is not None:
            file.attrs["format_version"] = version
    with pytest.raises(DamagedStore, match=r"store\.h5: / cannot be read"):
        Store(store)


def test_groups_and_attributes_of_others_are_ignored_and_kept(store: Path, synthetic_arrays: list[Array]) -> None:
    with tampered(store) as file:
        file["attachments/xgboost/weights"] = np.arange(5)
        file["attachments"].attrs["by"] = "a later version"
        file.attrs["comment"] = "kept"
    assert verify(store) == len(synthetic_arrays) + 5
    with Store(store) as opened:
        assert len(opened.names()) == len(synthetic_arrays)
    extend(store, ROWS, [array("toy10 standard frost accuracy", np.zeros(CLASSES))])
    with h5py.File(store) as file:
        assert file["attachments/xgboost/weights"][()].tolist() == [0, 1, 2, 3, 4]
        assert file["attachments"].attrs["by"] == "a later version"
        assert file.attrs["comment"] == "kept"
    assert verify(store) == len(synthetic_arrays) + 6


def test_a_store_of_an_index_alone_says_that_it_holds_no_measurements(tmp_path: Path) -> None:
    extend(tmp_path / "store.h5", ROWS, [], published_index=synthetic.published_index())
    with pytest.raises(StoreError, match="holds no measurements"):
        RobBench(tmp_path / "store.h5")


def test_a_closed_store_lets_go_of_its_file(small_store: Path) -> None:
    with Store(small_store) as store:
        pass
    with pytest.raises((DamagedStore, ValueError), match=r"[Ii]nvalid|closed|cannot be read"):
        _ = store.rows.keys


def test_opening_reads_no_array(store: Path, synthetic_arrays: list[Array]) -> None:
    """Opening and asking for one array works however damaged the others are: they are not read."""
    for array_ in synthetic_arrays[1:]:
        flip(store, "/metrics/" + "/".join(part.replace("%", "%25").replace("/", "%2F") for part in array_.name))
    with Store(store) as opened:
        np.testing.assert_array_equal(opened.read(synthetic_arrays[0].name), synthetic_arrays[0].values)


def test_every_row_of_an_array_can_be_read_alone(small_store: Path, synthetic_arrays: list[Array]) -> None:
    with Store(small_store) as store:
        for array_, row in product(synthetic_arrays[:3], (0, CLASSES // 2, CLASSES - 1)):
            np.testing.assert_array_equal(store.read(array_.name, row), array_.values[row])
        assert PROVENANCE.items() <= store.header(synthetic_arrays[0].name).provenance.items()
