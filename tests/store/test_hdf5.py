"""Files are read as h5py, the second witness, reads them; what was made to crash, hang or fill the memory of a reader is refused."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from robbench import DamagedStore, RobBench, RobBenchError
from robbench.store import Store, verify
from robbench.store.chunks import Dataset, fletcher32
from robbench.store.content import Content
from robbench.store.hdf5 import File, Group
from robbench.store.seal import SIZE
from robbench.store.writing import extend
from tests.tampering import reseal, tampered
from tests.toy_space import register
from tests.toy_store import CLEAN, ROWS, arrays, write_toy_store

TYPES = ["u1", "u2", "u4", "i1", "i8", "f2", "f4", "f8", ">f4", ">i2", "S1", "S7"]
NAMES = st.text(st.characters(exclude_characters="/\0.", exclude_categories=["Cs"]), min_size=1, max_size=6)
VALUES = st.sampled_from(TYPES).flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, max_side=9)))
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A store of the toy space: small, so that every fault is tried soon."""
    register(monkeypatch)
    write_toy_store(tmp_path / "store.h5")
    return tmp_path / "store.h5"


def read(path: Path) -> File:
    return File(Content(str(path)), 0)


def same(ours: Any, theirs: Any) -> None:
    """Assert that two values are of one type, and equal."""
    assert type(ours) is type(theirs)
    if isinstance(ours, str):
        assert ours == theirs
    else:
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype
        np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    groups=st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=3), max_size=12),
    attributes=st.dictionaries(
        NAMES, VALUES.filter(lambda value: value.size > 0) | TEXTS | st.lists(TEXTS, min_size=1, max_size=3), max_size=4
    ),
    packed=st.booleans(),
    summed=st.booleans(),
    side=st.integers(1, 9),
)
def test_groups_arrays_and_attributes_are_read_as_h5py_reads_them(
    tmp_path: Path, groups: dict[str, dict[str, np.ndarray]], attributes: dict[str, Any], packed: bool, summed: bool, side: int
) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        for name, members in groups.items():
            group = file.create_group(name.encode())
            for member, values in members.items():
                chunks = tuple(min(side, size) for size in values.shape) if values.size and values.ndim else None
                how = (
                    {"chunks": chunks, "compression": "gzip", "shuffle": packed, "fletcher32": summed}
                    if chunks and (packed or summed)
                    else {}
                )
                group.create_dataset(member.encode(), data=values, **how).attrs.update(attributes)
    ours = read(path)
    with h5py.File(path) as theirs:
        assert list(ours) == list(theirs)
        for name in ours:
            assert isinstance(ours[name], Group)
            assert list(ours[name]) == list(theirs[name])
            for member, dataset in theirs[name].items():
                mine = ours[f"{name}/{member}"]
                assert (mine.shape, mine.chunks, mine.name) == (dataset.shape, dataset.chunks, dataset.name)
                same(mine[()], dataset[()])
                if dataset.shape:
                    same(mine[len(mine) // 2 :], dataset[len(mine) // 2 :])
                for attribute, value in dataset.attrs.items():
                    same(mine.attrs[attribute], value)
        assert ours.attrs.keys() == theirs.attrs.keys()


def test_rows_that_are_read_one_by_one_are_those_of_the_array(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((50, 3))
    with h5py.File(tmp_path / "file.h5", "w") as file:
        file.create_dataset("data", data=values, chunks=(7, 2), compression="gzip")
    dataset = read(tmp_path / "file.h5")["data"]
    np.testing.assert_array_equal([dataset[row] for row in range(50)], values)
    with pytest.raises(IndexError):
        dataset[50]


@pytest.mark.parametrize("length", [0, 1, 2, 719, 720, 721, 100_001])
def test_the_checksum_is_hdf5s(length: int, tmp_path: Path) -> None:
    for content in (np.random.default_rng(length).bytes(length), b"\0" * length, b"\xff" * length):
        with h5py.File(tmp_path / "file.h5", "w") as file:
            if not length:
                assert fletcher32(b"") == 0
                continue
            file.create_dataset("data", data=np.frombuffer(content, np.uint8), chunks=(length,), fletcher32=True)
            stored = file["data"].id.read_direct_chunk((0,))[1]
        assert fletcher32(content).to_bytes(4, "little") == stored[-4:]


def test_names_that_earlier_versions_wrote_as_links_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "file.h5", "w") as file:
        file["größer/data"] = [1, 2, 3]
    assert read(tmp_path / "file.h5")["größer/data"][()].tolist() == [1, 2, 3]
    with h5py.File(tmp_path / "file.h5", "w") as file:
        for number in range(9):
            file[f"größer/{number}ß"] = number
    with pytest.raises(ValueError, match="its links are in a heap"):
        list(read(tmp_path / "file.h5")["größer"])


def loop(file: h5py.File) -> None:
    file["metrics/toy10/again"] = file["metrics"]


def two_names(file: h5py.File) -> None:
    file["metrics/toy10/standard/pgd/more"] = file["metrics/toy10/standard/clean/accuracy"]


def replace(file: h5py.File, **options: Any) -> h5py.Dataset:
    path = "metrics/toy10/standard/clean/accuracy"
    attributes = dict(file[path].attrs)
    del file[path]
    dataset = file.create_dataset(path, **options)
    dataset.attrs.update(attributes)
    return dataset


def bomb(file: h5py.File) -> None:
    dataset = replace(file, shape=CLEAN.shape, dtype="u2", chunks=CLEAN.shape, compression="gzip")
    dataset.id.write_direct_chunk((0,), zlib.compress(bytes(20 << 20)))


def short_chunk(file: h5py.File) -> None:
    dataset = replace(file, shape=CLEAN.shape, dtype="u2", chunks=CLEAN.shape, compression="gzip")
    dataset.id.write_direct_chunk((0,), zlib.compress(b"\0\0"))


def no_chunk(file: h5py.File) -> None:
    replace(file, shape=CLEAN.shape, dtype="u2", chunks=CLEAN.shape, compression="gzip")


def filters_in_another_order(file: h5py.File) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk(CLEAN.shape)
    plist.set_fletcher32()
    plist.set_deflate()
    path = "metrics/toy10/standard/clean/accuracy"
    del file[path]
    h5py.h5d.create(file.id, path.encode(), h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create_simple(CLEAN.shape), plist)


def nothing(file: h5py.File) -> None:
    file["metrics/toy10/standard/clean/accuracy"].attrs["comment"] = h5py.Empty("f")


def many_types(file: h5py.File) -> None:
    file["more"] = np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")])


HARM: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "a group in itself": (loop, "has a second name"),
    "two names of an array": (two_names, "has a second name"),
    "a chunk of 20 MB in 20 KB": (bomb, "a chunk is not whole, or larger than its shape"),
    "a chunk of one value": (short_chunk, "a chunk has 2 bytes; expected 16"),
    "a chunk that is not there": (no_chunk, "is missing"),
    "filters in another order": (filters_in_another_order, "its filters are in another order"),
    "an attribute of nothing": (nothing, "its data space is of a kind that RobBench does not write"),
    "a type that is not ours": (many_types, "expected numbers or text"),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_is_made_to_harm_is_refused(harm: str, store: Path) -> None:
    make, message = HARM[harm]
    with tampered(store) as file:
        make(file)
    if "more" not in harm and harm != "a type that is not ours":
        with pytest.raises(DamagedStore, match=message):
            RobBench(store).query_many(ROWS.exact, "clean", missing="nan")
    before = store.read_bytes()
    with pytest.raises(DamagedStore, match=message if "chunk" not in harm else "changed since|is missing|cannot be read"):
        verify(store)
    if "chunk" not in harm:
        with pytest.raises(DamagedStore, match=message):
            extend(store, ROWS, [array._replace(name=array.name._replace(dataset="more")) for array in arrays(ROWS)])
    assert store.read_bytes() == before


def test_a_later_hdf5_format_is_refused_by_name(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "file.h5", "w", libver="latest") as file:
        file["data"] = [1, 2]
    with pytest.raises(RobBenchError, match="is of a later version of HDF5's format"):
        Store(tmp_path / "file.h5")


@pytest.mark.parametrize("filling", [b"\xff", None])
def test_no_structure_can_be_damaged_so_that_an_answer_is_wrong_or_an_error_not_ours(filling: bytes | None, store: Path) -> None:
    """A seal made to fit, and a few bytes changed where trees, tables, heaps and headers are, of which the HDF5 library hangs or crashes now and then."""
    whole, rng = store.read_bytes(), np.random.default_rng(0)
    right = RobBench(store).query_many(ROWS.exact, "clean", missing="nan").tolist()
    places = [at for sign in (b"\x89HDF", b"TREE", b"SNOD", b"HEAP", b"GCOL", b"\1\0\6\0") for at in positions(whole, sign)]
    assert len(places) > 20
    for place in places:
        for at in (place, place + 8, place + 16, place + int(rng.integers(96))):
            run = int(rng.integers(1, 9))
            changed = bytearray(whole)
            changed[at : at + run] = filling * run if filling is not None else rng.bytes(run)
            store.write_bytes(changed[: len(whole)])
            reseal(store)
            try:
                assert RobBench(store).query_many(ROWS.exact, "clean", missing="nan").tolist() == right
                verify(store)
            except RobBenchError:
                pass


def positions(content: bytes, sign: bytes) -> list[int]:
    """Where a sign stands, after the seal."""
    found, at = [], content.find(sign, SIZE)
    while at >= 0:
        found.append(at)
        at = content.find(sign, at + 1)
    return found


def test_a_large_file_that_becomes_shorter_while_it_is_read_is_damage(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robbench.store.content.IN_MEMORY_UP_TO", 1000)
    bench = RobBench(store)
    with store.open("r+b") as file:
        file.truncate(2000)
    with pytest.raises(DamagedStore, match="has become shorter"):
        bench.query_many(ROWS.exact, "clean", missing="nan")


def test_what_was_read_whole_stays_what_it_was_whatever_becomes_of_the_file(store: Path) -> None:
    bench = RobBench(store)
    expected = RobBench(store).query_many(ROWS.exact, "clean", missing="nan")
    store.write_bytes(b"something else")
    np.testing.assert_array_equal(bench.query_many(ROWS.exact, "clean", missing="nan"), expected)


def test_a_data_set_has_no_rows_where_it_is_one_value(store: Path) -> None:
    with Store(store) as opened:
        manifest = opened._file["manifest"]
        assert isinstance(manifest, Dataset)
        with pytest.raises(TypeError, match="is one value"):
            len(manifest)
