"""The published batches of CIFAR-10, CIFAR-100 and ImageNet16-120: which files they are, and how they are read without running what they say."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from robbench_builders.errors import DatasetError
from robbench.errors import CannotFetch, MissingLibrary
from robbench.sources.fetching import fetch

# The published files, as (part, md5).
FILES: dict[str, dict[str, tuple[str, str]]] = {
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

_FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
"""Inside the published archives, those that can be fetched."""


class Batches(NamedTuple):
    """Published images and labels, of training and test."""

    train_images: npt.NDArray[np.uint8]
    """``(n, 3, side, side)``."""
    train_labels: npt.NDArray[np.int64]
    """``(n,)``, from 0."""
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.int64]


def read_batches(name: str, path: Path | None, classes: int, side: int, labels_key: bytes, first_label: int = 0) -> Batches:
    """The published batches of a data set.

    Arguments:
        name: one of `FILES`.
        path: the folder of the files; fetched, if left out.
        classes: those kept, the first ones.
        side: of an image, in pixels.
        labels_key: what a batch calls its labels.
        first_label: what the first class is called there.

    Raises:
        DatasetError: a file is not there, or is not the published one; or nothing can be fetched.
    """
    folder = _fetch(name) if path is None else path
    parts: dict[str, list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]]] = {"train": [], "test": []}
    for file, (part, md5) in FILES[name].items():
        batch = _read_batch(folder / file, md5, name)
        images = np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, side, side)
        labels = np.asarray(batch[labels_key], np.int64) - first_label
        # ImageNet16-120 is the first 120 of the published batches' 1,000 classes.
        keep = labels < classes
        parts[part].append((images[keep], labels[keep]))
    return Batches(*(np.concatenate(arrays) for batches in parts.values() for arrays in zip(*batches, strict=True)))


def _read_batch(path: Path, md5: str, name: str) -> dict[bytes, Any]:
    """One published batch, read only if its md5 is the published one.

    These files are pickles: no other form of them is published.  The checksum is verified first, and the restricted reader can build
    nothing but numpy arrays, so no code that a file names is ever run.
    """
    if not path.is_file():
        raise DatasetError(
            f"{str(path)!r} is not a file; expected the published files of {name} ({', '.join(FILES[name])}) in one folder: give that folder."
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
    """The folder of the published files, fetched once into the cache of `robbench fetch`."""
    if name not in _FOLDERS:
        raise DatasetError(
            f"{name} was given no path; give the folder with its published files (they are not at an address to fetch them from)."
        )
    try:
        [archive] = fetch([name], progress=True)
    except (MissingLibrary, CannotFetch) as error:
        raise DatasetError(f"{name} was given no path; give the folder with its published files. To have them fetched: {error}") from error
    folder = archive.path.with_name(_FOLDERS[name])
    if not folder.is_dir():
        _unpack(archive.path, folder)
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    """A folder of an archive, beside it, whole or not at all; each file's own checksum is verified when it is read."""
    try:
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".") as room, tarfile.open(archive) as tar:
            tar.extractall(room, filter="data")
            (Path(room) / folder.name).replace(folder)
    except (OSError, tarfile.TarError) as error:
        raise DatasetError(f"{archive} cannot be unpacked beside itself ({error}); unpack it elsewhere, and give its folder.") from error
