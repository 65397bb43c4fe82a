"""Data sets: images in [0, 1], labels, and a fixed split into training and test images.

    digits           1,797 handwritten digits, 8×8, 1 channel, 10 classes; ship with scikit-learn
    cifar10          the published python batches (a folder with data_batch_1 … test_batch), 32×32, 3 channels, 10 classes
    cifar100         the published python batches (a folder with train, test), 32×32, 3 channels, 100 fine classes
    ImageNet16-120   the published batches (a folder with train_data_batch_1 … val_data), 16×16, 3 channels, 120 classes
    npz:PATH         anyone's own images: arrays train_images, train_labels, test_images, test_labels;
                     images uint8 (n, h, w, c), or floating point in [0, 1] (n, c, h, w); labels integers from 0
    NAME             the same, given with the path of its npz file

Source: Alpaydin and Kaynak (1998); Krizhevsky (2009); Chrabaszcz et al. (2017) as cut by Dong and Yang (2020).
"""

from __future__ import annotations

import hashlib
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from builders.corruptions import Corrupted, as_floats
from builders.errors import DatasetError
from robbench.arguments import nearest

SMALLEST = 8
"""The smallest side of an image, in pixels: two reductions leave 2×2."""

_TEST_DIGITS = 360
_CLASSES_OF_IMAGENET16 = 120


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test images with their labels, checked when made.

    Raises:
        DatasetError: shapes, sizes, values or labels that do not fit; says which array and what was expected.
    """

    name: str
    train_images: npt.NDArray[np.float32]
    """(n, channels, height, width), in [0, 1]."""
    train_labels: npt.NDArray[np.int64]
    """(n,), from 0 to num_classes − 1."""
    test_images: npt.NDArray[np.float32]
    test_labels: npt.NDArray[np.int64]
    num_classes: int
    mean: tuple[float, ...] = field(init=False)
    """One number a channel, over all training pixels."""
    std: tuple[float, ...] = field(init=False)

    def __post_init__(self) -> None:
        for part, images, labels in (("train", self.train_images, self.train_labels), ("test", self.test_images, self.test_labels)):
            _check(f"{part} images of {self.name}", images, f"{part} labels of {self.name}", labels, self.num_classes)
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise DatasetError(
                f"train images of {self.name} have (channels, height, width) {self.train_images.shape[1:]} and test images"
                f" {self.test_images.shape[1:]}; expected the same."
            )
        pixels = self.train_images.astype(np.float64)
        object.__setattr__(self, "mean", tuple(pixels.mean((0, 2, 3)).tolist()))
        # A channel that never changes is only shifted: dividing by zero would make its images NaN.
        object.__setattr__(self, "std", tuple(std or 1.0 for std in pixels.std((0, 2, 3)).tolist()))

    @cached_property
    def corrupted(self) -> Corrupted:
        """The test images under every corruption and severity; a build says where they are kept."""
        return Corrupted(self.test_images)

    @cached_property
    def checksum(self) -> str:
        """16 hexadecimal digits of a SHA-256 of images and labels, which tells data sets apart that have the same name or path."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        _, channels, height, width = self.train_images.shape
        return channels, height, width


def load(name: str, path: Path | str | None = None) -> Dataset:
    """A data set by name.

    Arguments:
        name: one of `DATASETS`, ``npz:PATH``, or any name for images of one's own.
        path: the folder of the published files; cifar10 and cifar100 are fetched where it is left out and pooch is installed.  Of images of one's
            own, the npz file; the PATH of ``npz:PATH``, if left out.

    Raises:
        DatasetError: an unknown name; a path that is missing or holds other files than the published ones; unfit arrays.
    """
    if name.startswith("npz:"):
        return _npz(name, Path(name.removeprefix("npz:") if path is None else path))
    if name not in DATASETS:
        if path is not None and Path(path).suffix == ".npz":
            return _npz(name, Path(path))
        raise DatasetError(
            f"{name!r} is not a data set.{nearest(name, DATASETS)} Expected one of {', '.join(DATASETS)}; or, for your own images, npz:PATH, or any"
            " name with the path of an npz file (--data)."
        )
    return DATASETS[name](None if path is None else Path(path))


def _digits(path: Path | None) -> Dataset:
    """360 test images, stratified by class, drawn by numpy's PCG64 with seed 0; the other 1,437 train. Grey levels are 0 to 16."""
    from sklearn.datasets import load_digits

    if path is not None:
        raise DatasetError(f"digits was given the path {str(path)!r}; it ships with scikit-learn: leave the path out.")
    bunch = load_digits()
    images, labels = (bunch.images[:, None] / 16).astype(np.float32), bunch.target.astype(np.int64)
    test = np.zeros(len(labels), bool)
    # In a shuffled order grouped by class, taking evenly spaced images takes from every class its share.
    order = np.random.default_rng(0).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    test[order[np.arange(_TEST_DIGITS) * len(labels) // _TEST_DIGITS]] = True
    return Dataset("digits", images[~test], labels[~test], images[test], labels[test], 10)


def _cifar10(path: Path | None) -> Dataset:
    return _batches("cifar10", path, 10, 32, b"labels")


def _cifar100(path: Path | None) -> Dataset:
    return _batches("cifar100", path, 100, 32, b"fine_labels")


def _imagenet16_120(path: Path | None) -> Dataset:
    return _batches("ImageNet16-120", path, _CLASSES_OF_IMAGENET16, 16, b"labels", first_label=1)


DATASETS: dict[str, Callable[[Path | None], Dataset]] = {
    "digits": _digits,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "ImageNet16-120": _imagenet16_120,
}


def _npz(name: str, path: Path) -> Dataset:
    keys = ("train_images", "train_labels", "test_images", "test_labels")
    if not path.is_file():
        raise DatasetError(f"{str(path)!r} is not a file; expected an npz file with the arrays {', '.join(keys)}.")
    try:
        with path.open("rb") as raw, np.lib.npyio.NpzFile(raw, allow_pickle=False) as file:
            arrays = {key: file[key] for key in keys if key in file}
    except (ValueError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"{str(path)!r} cannot be read as an npz file of plain arrays ({error}); write it with numpy.savez.") from error
    if missing := [key for key in keys if key not in arrays]:
        raise DatasetError(f"{str(path)!r} lacks {', '.join(missing)}; expected the arrays {', '.join(keys)}.")
    for key in ("train_labels", "test_labels"):
        if arrays[key].ndim != 1 or not np.issubdtype(arrays[key].dtype, np.integer):
            raise DatasetError(f"{key} of {str(path)!r} is {arrays[key].dtype} {arrays[key].shape}; expected integers (n,).")
    train, test = (_as_float(arrays[key], f"{key} of {str(path)!r}") for key in ("train_images", "test_images"))
    labels = arrays["train_labels"].astype(np.int64)
    # The training labels say how many classes there are; test labels beyond them are an error, found by Dataset.
    return Dataset(name, train, labels, test, arrays["test_labels"].astype(np.int64), int(labels.max(initial=0)) + 1)


def _as_float(images: npt.NDArray[Any], what: str) -> npt.NDArray[np.float32]:
    if images.ndim == 4 and images.dtype == np.uint8:
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32) / np.float32(255)
    if images.ndim == 4 and np.issubdtype(images.dtype, np.floating):
        return images.astype(np.float32)
    raise DatasetError(f"{what} is {images.dtype} {images.shape}; expected uint8 (n, h, w, c), or floating point in [0, 1] (n, c, h, w).")


def _check(images_name: str, images: npt.NDArray[Any], labels_name: str, labels: npt.NDArray[Any], classes: int) -> None:
    if images.dtype != np.float32 or images.ndim != 4 or 0 in images.shape:
        raise DatasetError(f"{images_name}: {images.dtype} {images.shape}; expected float32 (n, channels, height, width), none of them 0.")
    if min(images.shape[2:]) < SMALLEST:
        raise DatasetError(
            f"{images_name} are {images.shape[2]}×{images.shape[3]} pixels; expected at least {SMALLEST}×{SMALLEST}: enlarge or pad them."
        )
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):
        raise DatasetError(f"{images_name} range from {low} to {high}; expected [0, 1]: divide by the highest grey level.")
    if labels.dtype != np.int64 or labels.shape != (len(images),):
        raise DatasetError(f"{labels_name}: {labels.dtype} {labels.shape}; expected int64 ({len(images)},), one for each image.")
    if labels.min() < 0 or labels.max() >= classes:
        raise DatasetError(f"{labels_name} range from {labels.min()} to {labels.max()}; expected 0 to {classes - 1}.")


# The published files, as (part, md5).
_FILES: dict[str, dict[str, tuple[str, str]]] = {
    "cifar10": {
        "data_batch_1": ("train", "c99cafc152244af753f735de768cd75f"),
        "data_batch_2": ("train", "d4bba439e000b95fd0a9bffe97cbabec"),
        "data_batch_3": ("train", "54ebc095f3ab1f0389bbae665268c751"),
        "data_batch_4": ("train", "634d18415352ddfa80567beed471001a"),
        "data_batch_5": ("train", "482c414d41f54cd18b22e5b47cb7c3cb"),
        "test_batch": ("test", "40351d587109b95175f43aff81a1287e"),
    },
    "cifar100": {
        "train": ("train", "16019d7e3df5f24257cddd939b257f8d"),
        "test": ("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),
    },
    "ImageNet16-120": {
        "train_data_batch_1": ("train", "27846dcaa50de8e21a7d1a35f30f0e91"),
        "train_data_batch_2": ("train", "c7254a054e0e795c69120a5727050e3f"),
        "train_data_batch_3": ("train", "4333d3df2e5ffb114b05d2ffc19b1e87"),
        "train_data_batch_4": ("train", "1620cdf193304f4a92677b695d70d10f"),
        "train_data_batch_5": ("train", "348b3c2fdbb3940c4e9e834affd3b18d"),
        "train_data_batch_6": ("train", "6e765307c242a1b3d7d5ef9139b48945"),
        "train_data_batch_7": ("train", "564926d8cbf8fc4818ba23d2faac7564"),
        "train_data_batch_8": ("train", "f4755871f718ccb653440b9dd0ebac66"),
        "train_data_batch_9": ("train", "bb6dd660c38c58552125b1a92f86b5d4"),
        "train_data_batch_10": ("train", "8f03f34ac4b42271a294f91bf480f29b"),
        "val_data": ("test", "3410e3017fdaefba8d5073aaa65e4bd6"),
    },
}

# The published archives: address, md5, and the folder inside.
_ARCHIVES = {
    "cifar10": ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a", "cifar-10-batches-py"),
    "cifar100": ("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85", "cifar-100-python"),
}


def _batches(name: str, path: Path | None, classes: int, side: int, labels_key: bytes, first_label: int = 0) -> Dataset:
    folder = _fetch(name) if path is None else path
    parts: dict[str, list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]]] = {"train": [], "test": []}
    for file, (part, md5) in _FILES[name].items():
        batch = _read_batch(folder / file, md5, name)
        images = np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, side, side)
        labels = np.asarray(batch[labels_key], np.int64) - first_label
        # ImageNet16-120 is the first 120 of the published batches' 1,000 classes.
        keep = labels < classes
        parts[part].append((images[keep], labels[keep]))
    (train_images, train_labels), (test_images, test_labels) = (
        (np.concatenate([images for images, _ in batches]), np.concatenate([labels for _, labels in batches])) for batches in parts.values()
    )
    return Dataset(name, as_floats(train_images), train_labels, as_floats(test_images), test_labels, classes)


def _read_batch(path: Path, md5: str, name: str) -> dict[bytes, Any]:
    """One published batch, read only if its md5 is the published one.

    These files are pickles: no other form of them is published.  The checksum is verified first, and the restricted reader can build
    nothing but numpy arrays, so no code that a file names is ever run.
    """
    if not path.is_file():
        raise DatasetError(
            f"{str(path)!r} is not a file; expected the published files of {name} ({', '.join(_FILES[name])}) in one folder: give that folder."
        )
    raw = path.read_bytes()
    found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if found != md5:
        raise DatasetError(f"{str(path)!r} has the md5 {found}; expected {md5}, the published one of {name}: fetch the file again.")
    return unpickle_arrays(raw)


def unpickle_arrays(raw: bytes) -> dict[bytes, Any]:
    """A pickled dict of numbers, strings and numpy arrays; keys become bytes.

    Raises:
        DatasetError: the pickle names anything that is not part of a numpy array.
    """
    import io

    class Arrays(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            # numpy has moved its modules since these files were written, so the names in them are matched, not imported.
            allowed = {"_reconstruct": np.empty(0).__reduce__()[0], "ndarray": np.ndarray, "dtype": np.dtype, "encode": _encode}
            if module not in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "_codecs") or name not in allowed:
                raise DatasetError(f"the batch names {module}.{name}, which is no part of a numpy array: it is not a published file.")
            return allowed[name]

    batch = Arrays(io.BytesIO(raw), encoding="bytes").load()
    return {key.encode() if isinstance(key, str) else key: value for key, value in batch.items()}


def _encode(text: str, encoding: str) -> bytes:
    return text.encode("latin1" if encoding == "latin1" else "utf-8")


def _fetch(name: str) -> Path:
    """The folder of the published files, fetched once into pooch's cache."""
    try:
        import pooch
    except ImportError:
        pooch = None
    if pooch is None or name not in _ARCHIVES:
        raise DatasetError(
            f"{name} was given no path; give the folder with its published files"
            + (", or install pooch to have them fetched." if name in _ARCHIVES else " (they are not at a public address).")
        )
    address, md5, folder = _ARCHIVES[name]
    archive = Path(pooch.retrieve(address, f"md5:{md5}", path=pooch.os_cache("robbench")))
    target = archive.parent / name
    if not all((target / folder / file).is_file() for file in _FILES[name]):  # none yet, or unpacking was interrupted
        with tarfile.open(archive) as tar:
            tar.extractall(target, filter="data")
    return target / folder
