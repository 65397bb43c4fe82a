from __future__ import annotations

import hashlib
import pickle
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench_builders import batches
from robbench_builders.datasets import Dataset, load
from robbench_builders.errors import DatasetError
from robbench.sources.published import PUBLISHED
from tests.sources.serving import Answer, serving


def arrays(**changes: Any) -> dict[str, Any]:
    """What an npz file holds: 12 training and 6 test images of 8×9 pixels, 2 channels, 3 classes."""
    rng = np.random.default_rng(0)
    return {
        "train_images": rng.integers(256, size=(12, 8, 9, 2), dtype=np.uint8),
        "train_labels": np.arange(12) % 3,
        "test_images": rng.integers(256, size=(6, 8, 9, 2), dtype=np.uint8),
        "test_labels": np.arange(6) % 3,
    } | changes


def npz(folder: Path, **changes: Any) -> str:
    path = folder / "images.npz"
    np.savez(path, **{key: value for key, value in arrays(**changes).items() if value is not None})
    return f"npz:{path}"


def test_digits_are_all_there_in_a_fixed_stratified_split() -> None:
    pytest.importorskip("sklearn")
    digits = load("digits")
    assert digits.train_images.shape == (1437, 1, 8, 8)
    assert digits.test_images.shape == (360, 1, 8, 8)
    assert digits.train_images.dtype == np.float32
    assert digits.train_images.max() == digits.test_images.max() == 1
    every = np.concatenate([digits.train_labels, digits.test_labels])
    share = np.bincount(digits.test_labels) / np.bincount(every)
    np.testing.assert_allclose(share, 360 / 1797, atol=0.01)
    # The split is part of what a published number means.
    assert hashlib.sha256(digits.test_labels.tobytes() + digits.test_images.tobytes()).hexdigest()[:16] == "d59f1a41100e50e6"
    assert np.array_equal(load("digits").test_images, digits.test_images)


def test_digits_take_no_path() -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(DatasetError, match=r"path 'here'; it ships with scikit-learn: leave the path out"):
        load("digits", "here")


def test_mean_and_std_are_of_the_training_pixels_of_each_channel(tmp_path: Path) -> None:
    data = load(npz(tmp_path))
    pixels = arrays()["train_images"] / 255
    np.testing.assert_allclose(data.mean, pixels.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(data.std, pixels.std((0, 1, 2)), rtol=1e-6)


def test_npz_in_both_forms_is_the_same(tmp_path: Path) -> None:
    as_bytes = load(npz(tmp_path))
    floats = {key: arrays()[key].transpose(0, 3, 1, 2) / np.float32(255) for key in ("train_images", "test_images")}
    as_floats = load(npz(tmp_path, **floats))
    assert as_bytes.num_classes == 3
    assert as_bytes.image_shape == (2, 8, 9)
    np.testing.assert_array_equal(as_bytes.train_images, as_floats.train_images)
    np.testing.assert_array_equal(as_bytes.test_images, as_floats.test_images)


def test_a_constant_channel_is_not_divided_by_zero(tmp_path: Path) -> None:
    assert load(npz(tmp_path, train_images=np.full((12, 8, 9, 2), 7, np.uint8))).std == (1.0, 1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_labels": None}, r"lacks test_labels; expected the arrays train_images"),
        ({"train_labels": np.arange(12) / 3}, r"train_labels of .* is float64 \(12,\); expected integers"),
        ({"train_labels": np.arange(11)}, r"train labels of .*int64 \(11,\); expected int64 \(12,\), one for each image"),
        ({"train_labels": np.arange(12) - 1}, r"train labels of .* range from -1 to 10; expected 0 to 10"),
        ({"test_labels": np.arange(6)}, r"test labels of .* range from 0 to 5; expected 0 to 2"),
        ({"test_images": np.zeros((6, 8, 9), np.uint8)}, r"test_images of .* is uint8 \(6, 8, 9\); expected uint8 \(n, h, w, c\)"),
        ({"test_images": np.zeros((6, 8, 9, 2), np.int32)}, r"is int32 \(6, 8, 9, 2\); expected uint8"),
        ({"test_images": np.full((6, 2, 8, 9), 255.0)}, r"test images of .* range from 255.0 to 255.0; expected \[0, 1\]: divide"),
        ({"test_images": np.full((6, 2, 8, 9), np.nan)}, r"test images of .* range from nan to nan"),
        ({"test_images": np.zeros((6, 8, 7, 2), np.uint8)}, r"test images of .* are 8×7 pixels; expected at least 8×8: enlarge or pad"),
        ({"test_images": np.zeros((6, 8, 10, 2), np.uint8)}, r"\(2, 8, 9\) and test images \(2, 8, 10\); expected the same"),
        ({"test_images": np.zeros((0, 8, 9, 2), np.uint8)}, r"float32 \(0, 2, 8, 9\); expected .* none of them 0"),
        ({"train_images": np.array([{}], object)}, r"cannot be read as an npz file of plain arrays"),
    ],
)
def test_unfit_arrays(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load(npz(tmp_path, **changes))


def test_a_file_that_is_missing_or_no_npz(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"is not a file; expected an npz file with the arrays train_images, train_labels"):
        load(f"npz:{tmp_path / 'nowhere.npz'}")
    (tmp_path / "text.npz").write_text("PK but not really")
    with pytest.raises(DatasetError, match=r"cannot be read as an npz file"):
        load(f"npz:{tmp_path / 'text.npz'}")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DatasetError, match=r"cannot be read as an npz file"):
        load(f"npz:{tmp_path / 'one.npy'}")
    whole = Path(npz(tmp_path).removeprefix("npz:"))
    np.savez_compressed(whole, **np.load(whole))
    raw = bytearray(whole.read_bytes())
    raw[60:80] = b"\xff" * 20
    whole.write_bytes(raw)
    with pytest.raises(DatasetError, match=r"cannot be read as an npz file of plain arrays \(Error -3 while decompressing"):
        load(f"npz:{whole}")


def test_an_unknown_name() -> None:
    with pytest.raises(
        DatasetError, match=r"'mnist' is not a data set\. Expected one of digits, cifar10, cifar100, ImageNet16-120; or, .* npz:PATH"
    ):
        load("mnist")


def write_batches(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, *, protocol: int = 2) -> dict[str, Any]:
    """Small batches in the published form, whose checksums are taken for the published ones."""
    side = 16 if name == "ImageNet16-120" else 32
    key = "fine_labels" if name == "cifar100" else "labels"
    rng, written, files = np.random.default_rng(0), {}, {}
    for file, (part, _) in batches.FILES[name].items():
        # ImageNet's labels begin at 1, and go on beyond the 120 classes of ImageNet16-120.
        written[file] = {"data": rng.integers(256, size=(4, 3 * side * side), dtype=np.uint8), key: [1, 5, 3, 121 if side == 16 else 2]}
        raw = pickle.dumps(written[file], protocol=protocol)
        (folder / file).write_bytes(raw)
        files[file] = (part, hashlib.md5(raw).hexdigest())
    monkeypatch.setitem(batches.FILES, name, files)
    return written


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", ["cifar10", "cifar100", "ImageNet16-120"])
def test_published_batches(name: str, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = write_batches(tmp_path, name, monkeypatch, protocol=protocol)
    data = load(name, tmp_path)
    first, imagenet = next(iter(written.values())), name == "ImageNet16-120"
    kept, side = (3, 16) if imagenet else (4, 32)
    assert data.image_shape == (3, side, side)
    assert data.num_classes == {"cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}[name]
    assert data.train_labels[:kept].tolist() == ([0, 4, 2] if imagenet else [1, 5, 3, 2])
    assert len(data.test_labels) == kept
    assert len(data.train_labels) == kept * (len(written) - 1)
    np.testing.assert_array_equal(data.train_images[0], first["data"][0].reshape(3, side, side).astype(np.float32) / np.float32(255))


def test_batches_as_python_2_wrote_them() -> None:
    """Strings and the bytes of arrays are opcode 'U' there, which nothing writes any more: this is such a pickle, by hand."""
    raw = (
        b"\x80\x02}(U\x06labels](K\x06K\x09eU\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02K\x01\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x02\x07\xfetbu."
    )
    batch = batches.unpickle_arrays(raw)
    assert batch[b"labels"] == [6, 9]
    np.testing.assert_array_equal(batch[b"data"], np.array([[7], [254]], np.uint8))


def test_nothing_but_arrays_is_built_from_a_pickle() -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return print, ("harm",)

    with pytest.raises(DatasetError, match=r"names builtins.print, which is no part of a numpy array"):
        batches.unpickle_arrays(pickle.dumps({"data": Harm()}, protocol=4))


def test_batches_that_are_missing_or_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DatasetError, match=r"data_batch_1' is not a file; expected the published files of cifar10 \(data_batch_1, "):
        load("cifar10", tmp_path)
    write_batches(tmp_path, "cifar10", monkeypatch)
    (tmp_path / "data_batch_2").write_bytes(b"other")
    with pytest.raises(
        DatasetError, match=r"data_batch_2' has the md5 795f3202b17cb6bc3d4b771d8c6c9eaf; expected [0-9a-f]{32}.*fetch the file"
    ):
        load("cifar10", tmp_path)


def test_without_a_path_and_without_pooch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROBBENCH_CACHE", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DatasetError, match=r"cifar10 was given no path; .* fetching needs pooch: pip install 'robbench\[fetch\]'"):
        load("cifar10")
    with pytest.raises(DatasetError, match=r"ImageNet16-120 was given no path; .* not at an address to fetch them from"):
        load("ImageNet16-120")


def test_without_a_path_they_are_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("requests", reason="comes with pooch: pip install 'robbench[fetch]'")
    source = tmp_path / "source"
    source.mkdir()
    write_batches(source, "cifar10", monkeypatch)
    with tarfile.open(tmp_path / "archive.tar.gz", "w:gz") as tar:
        tar.add(source, arcname="cifar-10-batches-py")
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("ROBBENCH_CACHE", str(tmp_path / "cache"))
    with serving() as server:
        server.answers["/a"] = Answer((tmp_path / "archive.tar.gz").read_bytes())
        file = PUBLISHED["cifar10"].files[0]._replace(address=f"{server.url}/a", checksum="")
        monkeypatch.setitem(PUBLISHED, "cifar10", PUBLISHED["cifar10"]._replace(files=(file,)))
        for _ in range(2):
            assert load("cifar10").train_images.shape == (20, 3, 32, 32)
        assert len(server.asked) == 1
        server.answers["/a"] = Answer(b"<html><title>Sign in</title>")
        (tmp_path / "cache" / "cifar10" / file.name).unlink()
        with pytest.raises(DatasetError, match=r"cifar10 was given no path; .*a web page came in its place \('Sign in'.*By hand: open"):
            load("cifar10")
    assert sorted(path.name for path in (tmp_path / "cache" / "cifar10").iterdir()) == ["cifar-10-batches-py", "seen.json"]


def test_a_data_set_checks_its_arrays() -> None:
    labels = np.zeros(2, np.int64)
    with pytest.raises(DatasetError, match=r"train images of mine: float64 \(2, 1, 8, 8\); expected float32"):
        Dataset("mine", np.zeros((2, 1, 8, 8)), labels, np.zeros((2, 1, 8, 8), np.float32), labels, 1)  # type: ignore[arg-type]
