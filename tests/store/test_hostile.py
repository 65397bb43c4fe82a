"""Files made to harm: nothing in them is followed, nothing of the user's is read or overwritten, and each is refused by name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from robbench import DamagedStore, NotAStore, RobBench, StoreError
from robbench.store import Store, content, verify
from robbench.store.arrays import Name
from robbench.store.seal import SIZE
from robbench.store.writing import extend
from tests.synthetic import CLASSES, ROWS, array, published_index
from tests.tampering import reseal, tampered, unsealed

CLEAN = "metrics/toy10/standard/clean/accuracy"
SECRET = b"user:secret:1000\n" * 4000
MORE = array("toy10 standard frost accuracy", np.full((CLASSES, 5), 0.25), {"severity": [1, 2, 3, 4, 5]})
ATTRIBUTES = {"rows": "class", "axes": [], "unit": "fraction", "provenance": "{}"}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the user's that a hostile store is after."""
    path = tmp_path / "home" / "shadow"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def store(small_store: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return Path(shutil.copy(small_store, folder / "store.h5"))


def external_storage(file: h5py.File, path: str, secret: Path, shape: tuple[int, ...] = (CLASSES,), dtype: str = "u1") -> None:
    file.pop(path, None)
    file.create_dataset(path, shape, dtype, external=[(os.fspath(secret), 0, h5py.h5f.UNLIMITED)])


def external_link(file: h5py.File, path: str, secret: Path) -> None:
    other = secret.with_name("other.h5")
    with h5py.File(other, "w") as target:
        target["data"] = np.full(CLASSES, 0.5)
        target["data"].attrs.update(ATTRIBUTES)
    file.pop(path, None)
    file[path] = h5py.ExternalLink(os.fspath(other), "/data")


def soft_link(file: h5py.File, path: str, secret: Path) -> None:
    del file[path]
    file[path] = h5py.SoftLink("/metrics/toy100/standard/clean/accuracy")


def virtual(file: h5py.File, path: str, secret: Path) -> None:
    layout = h5py.VirtualLayout((CLASSES,), "f8")
    layout[:] = h5py.VirtualSource(os.fspath(secret.with_name("other.h5")), "data", (CLASSES,))
    del file[path]
    file.create_virtual_dataset(path, layout).attrs.update(ATTRIBUTES)


def of_itself(file: h5py.File, path: str, secret: Path) -> None:
    layout = h5py.VirtualLayout((CLASSES,), "f8")
    layout[:] = h5py.VirtualSource(".", "/" + path, (CLASSES,))
    del file[path]
    file.create_virtual_dataset(path, layout).attrs.update(ATTRIBUTES)


def huge(file: h5py.File, path: str, secret: Path) -> None:
    del file[path]
    file.create_dataset(path, (CLASSES, 1 << 31), "f8", chunks=(1, 1024), compression="gzip").attrs.update(ATTRIBUTES, axes=["count"])


def foreign_filter(file: h5py.File, path: str, secret: Path) -> None:
    del file[path]
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((CLASSES,))
    plist.set_filter(h5py.h5z.FILTER_SCALEOFFSET, h5py.h5z.FLAG_OPTIONAL, (2, 0))
    space = h5py.h5s.create_simple((CLASSES,))
    h5py.h5d.create(file.id, path.encode(), h5py.h5t.NATIVE_DOUBLE, space, plist)
    file[path].attrs.update(ATTRIBUTES)


def references(file: h5py.File, path: str, secret: Path) -> None:
    del file[path]
    file.create_dataset(path, (CLASSES,), h5py.ref_dtype).attrs.update(ATTRIBUTES)


HARM: dict[str, tuple[Callable[[h5py.File, str, Path], None], str]] = {
    "external storage": (external_storage, "keeps its data in another file"),
    "external link": (external_link, "is a link that leads elsewhere"),
    "soft link": (soft_link, "is a link that leads elsewhere"),
    "virtual": (virtual, "is assembled from other data sets"),
    "virtual, of itself": (of_itself, "is assembled from other data sets"),
    "huge": (huge, "claims .* bytes, of which 0 are in the file"),
    "foreign filter": (foreign_filter, "is packed by a filter other than gzip, shuffle, fletcher32"),
    "references": (references, "expected numbers or text"),
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("harm", HARM)
def test_what_leads_out_of_a_store_is_never_read(harm: str, version: int, store: Path, secret: Path) -> None:
    make, message = HARM[harm]
    with tampered(store) as file:
        make(file, CLEAN, secret)
        file.attrs["format_version"] = version
        if version == 1:
            file.move("exact", "cells")
    if version == 1 and harm not in ("virtual, of itself", "external link", "soft link"):
        unsealed(store)
    if store.read_bytes()[:8] == b"robbench" and version == 1:
        message = "is of format version 1, and has a seal"
    with pytest.raises(DamagedStore, match=message):
        RobBench(store).query_many(RobBench(store).classes, "clean", missing="nan")
    with pytest.raises(DamagedStore):
        verify(store)
    before = store.read_bytes()
    with pytest.raises(DamagedStore):
        extend(store, ROWS, [MORE])
    assert store.read_bytes() == before
    assert secret.read_bytes() == SECRET


@pytest.mark.parametrize("item", ["classes/spec", "classes/key", "exact/spec", "exact/class", "manifest"])
def test_an_import_never_writes_through_a_store_into_another_file(item: str, small_store: Path, tmp_path: Path, secret: Path) -> None:
    """The import of an index wrote the representatives of classes in place: into whatever file the store named."""
    store = Path(shutil.copy(small_store, tmp_path / "store.h5"))
    with tampered(store) as file:
        shape, dtype = file[item].shape, file[item].dtype
        if item == "manifest":
            shape, dtype = (100,), np.dtype("S80")
        file.pop("exact/published_index", None)
        external_storage(file, item, secret, shape, dtype.str)
    with pytest.raises(DamagedStore, match="keeps its data in another file"):
        extend(store, ROWS, [MORE], published_index=published_index())
    assert secret.read_bytes() == SECRET


@pytest.mark.parametrize("item", ["attachments/more", "metrics/toy10/standard/clean/more/deeper"])
def test_what_this_version_does_not_know_is_not_copied_unchecked(item: str, store: Path, secret: Path) -> None:
    with tampered(store) as file:
        file.require_group(item.rpartition("/")[0]) if item.startswith("attachments") else None
        if item.startswith("attachments"):
            external_storage(file, item, secret)
    if item.startswith("attachments"):
        with pytest.raises(DamagedStore, match="keeps its data in another file"):
            extend(store, ROWS, [MORE])
        with pytest.raises(DamagedStore, match="keeps its data in another file"):
            verify(store)
    assert secret.read_bytes() == SECRET


def header(**changed: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        attributes = file["metrics/toy10/standard/pgd/accuracy"].attrs
        for name, value in changed.items():
            if value is None:
                del attributes[name]
            else:
                attributes[name] = value

    return change


FAULTS: dict[str, Callable[[h5py.File], None]] = {
    "levels": header(eps=np.arange(1, 9) / 255),
    "levels that are no numbers": header(eps=["a", "b", "c", "d"]),
    "levels that are infinite": header(eps=[1.0, 2.0, 3.0, np.inf]),
    "denominator gone": header(denominator=None),
    "denominator 0": header(denominator=0),
    "denominator of text": header(denominator="1000"),
    "denominator that makes 4": header(denominator=10),
    "denominator that makes fractions, and other ones": header(denominator=5263),
    "rows": header(rows="klass"),
    "rows of the other kind": header(rows="exact"),
    "provenance of a list": header(provenance="[]"),
    "provenance that is none": header(provenance="{"),
    "images": header(provenance='{"images": -1}'),
    "axes": header(axes=["eps", "seed"]),
    "axes gone": header(axes=None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_header_that_does_not_fit_is_damage_and_never_a_wrong_number(fault: str, store: Path) -> None:
    with tampered(store) as file:
        FAULTS[fault](file)
    with pytest.raises(DamagedStore, match="/metrics/toy10/standard/pgd/accuracy cannot be read"):
        RobBench(store).query_many(RobBench(store).classes, "pgd@1/255", missing="nan")


@pytest.mark.parametrize("version", [-5, 0, 1.5, np.inf, "2", [2, 2]])
def test_a_version_that_is_none_is_damage(version: object, store: Path) -> None:
    with tampered(store) as file:
        file.attrs["format_version"] = version
    with pytest.raises(DamagedStore):
        RobBench(store)


@pytest.mark.parametrize("default", ["cifar10", 7, ["toy10"]])
def test_a_default_dataset_that_is_not_there_is_damage(default: object, store: Path) -> None:
    with tampered(store) as file:
        file.attrs["default_dataset"] = default
    with pytest.raises(DamagedStore, match="its default dataset is"):
        RobBench(store)


def test_one_changed_byte_anywhere_is_found_before_it_is_parsed(store: Path) -> None:
    whole, rng = store.read_bytes(), np.random.default_rng(0)
    for position in [0, 20, 60, 511, 512, 513, len(whole) - 1, *rng.integers(len(whole), size=40)]:
        changed = bytearray(whole)
        changed[position] ^= 1 << int(rng.integers(8))
        store.write_bytes(bytes(changed))
        with pytest.raises(StoreError):
            Store(store)
    store.write_bytes(whole + b"\0")
    with pytest.raises(DamagedStore, match="is too long"):
        Store(store)


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_store_that_grows_or_shrinks_while_it_is_read_gives_what_it_held_or_an_error(
    in_memory: bool, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean, size = Name("toy10", "standard", "clean", "accuracy"), store.stat().st_size
    with Store(store) as opened:
        expected = opened.read(clean)
    if not in_memory:
        monkeypatch.setattr(content, "IN_MEMORY_UP_TO", 0)
    with Store(store) as opened:
        with store.open("ab") as file:
            file.write(b"more" * 1000)
        assert np.array_equal(opened.read(clean), expected, equal_nan=True)
    with pytest.raises(DamagedStore, match=rf"is too long: it has {size + 4000} bytes, and had {size}"):
        Store(store)
    os.truncate(store, size)
    with Store(store) as opened:
        os.truncate(store, 600)
        if in_memory:
            assert np.array_equal(opened.read(clean), expected, equal_nan=True)
        else:
            with pytest.raises(DamagedStore, match=rf"the file has become shorter: it had {size} bytes when it was opened"):
                opened.read(clean)


def test_a_group_in_the_place_of_an_array_is_damage(store: Path) -> None:
    with tampered(store) as file:
        del file[CLEAN]
        file.create_group(CLEAN)
    with pytest.raises(DamagedStore, match="expected an array"):
        RobBench(store).query_many(RobBench(store).classes, "clean", missing="nan")
    with pytest.raises(DamagedStore, match="is in the manifest and not in the file"):
        verify(store)


def test_a_store_whose_seal_is_gone_is_damaged(store: Path) -> None:
    unsealed(store)
    with pytest.raises(DamagedStore, match="is of format version 2, and has no seal"):
        Store(store)


def test_a_seal_without_a_crc32_is_compared_by_its_sha256(store: Path) -> None:
    head = re.sub(rb"crc32 [0-9a-f]{8}\n", b"", store.read_bytes()[:SIZE]).ljust(SIZE)
    whole = bytearray(head + store.read_bytes()[SIZE:])
    store.write_bytes(bytes(whole))
    assert RobBench(store).datasets == ["toy/odd%", "toy10", "toy100"]
    whole[-1] ^= 1
    store.write_bytes(bytes(whole))
    with pytest.raises(DamagedStore, match="its bytes have changed"):
        RobBench(store)


def test_a_large_file_is_opened_without_reading_all_of_it_and_verified_whole(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robbench.store.content.IN_MEMORY_UP_TO", 1000)
    whole = bytearray(store.read_bytes())
    with h5py.File(store) as file:
        array = file["metrics/toy100/standard/pgd/accuracy"]
        chunk = array.id.read_direct_chunk((0,) * array.ndim)[1]
    whole[whole.index(chunk) + 7] ^= 1
    store.write_bytes(bytes(whole))
    with Store(store) as opened:
        assert opened.read(Name("toy100", "standard", "clean", "accuracy")).shape == (CLASSES,)
    with pytest.raises(DamagedStore, match="its bytes have changed"):
        verify(store)
    reseal(store)
    with pytest.raises(DamagedStore, match="/metrics/toy100/standard/pgd/accuracy cannot be read"):
        verify(store)


def test_a_pipe_and_a_device_are_no_stores(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.h5"
    os.mkfifo(pipe)
    link = tmp_path / "link.h5"
    link.symlink_to(tmp_path / "absent")
    for path in (pipe, Path("/dev/zero"), link):
        with pytest.raises(NotAStore, match="is not a file that can be read"):
            RobBench(path)


def test_a_store_that_another_process_has_locked_is_read(store: Path) -> None:
    code = f"import fcntl, sys; file = open({str(store)!r}, 'r+b'); fcntl.flock(file, fcntl.LOCK_EX); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        assert RobBench(store).datasets == ["toy/odd%", "toy10", "toy100"]
        process.communicate("")


def test_a_store_that_may_not_be_read_says_so(store: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    store.chmod(0)
    with pytest.raises(NotAStore, match="cannot be read: Permission denied"):
        RobBench(store)
