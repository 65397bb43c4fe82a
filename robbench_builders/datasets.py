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
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from robbench_builders.batches import read_batches
from robbench_builders.corruptions import Corrupted, as_floats
from robbench_builders.errors import UNREADABLE, DatasetError
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
        path: the folder of the published files; cifar10 and cifar100 are fetched (`robbench fetch`) where it is left out.  Of images of one's
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


def _batches(name: str, classes: int, *how: Any) -> Callable[[Path | None], Dataset]:
    """What loads a data set of published batches, read as `read_batches` says."""

    def load_from(path: Path | None) -> Dataset:
        found = read_batches(name, path, classes, *how)
        return Dataset(name, as_floats(found.train_images), found.train_labels, as_floats(found.test_images), found.test_labels, classes)

    return load_from


DATASETS: dict[str, Callable[[Path | None], Dataset]] = {
    "digits": _digits,
    "cifar10": _batches("cifar10", 10, 32, b"labels"),
    "cifar100": _batches("cifar100", 100, 32, b"fine_labels"),
    "ImageNet16-120": _batches("ImageNet16-120", _CLASSES_OF_IMAGENET16, 16, b"labels", 1),
}


def _npz(name: str, path: Path) -> Dataset:
    keys = ("train_images", "train_labels", "test_images", "test_labels")
    if not path.is_file():
        raise DatasetError(f"{str(path)!r} is not a file; expected an npz file with the arrays {', '.join(keys)}.")
    try:
        with path.open("rb") as raw, np.lib.npyio.NpzFile(raw, allow_pickle=False) as file:
            arrays = {key: file[key] for key in keys if key in file}
    except UNREADABLE as error:
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
