"""Published corrupted images: the files of CIFAR-10-C and CIFAR-100-C, read from a folder.

    <corruption>.npy    (50000, 32, 32, 3)   uint8    severities 1 to 5, each all 10,000 test images in their order
    labels.npy          (50000,)             uint8    the test labels, five times

Source: Hendrycks and Dietterich (2019), section 4.1.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from robbench_builders.corruptions import checked_severity, find
from robbench_builders.errors import UNREADABLE, CorruptionError
from robbench.measurements.metrics import SEVERITIES


class PublishedCorruptions:
    """The corrupted images of a folder; one severity at a time is read into memory.

    Arguments:
        folder: with the published files, or files of the same form for any number of images of any size.

    Raises:
        CorruptionError: no such folder.  When called: a file that is missing, is no array, or has another shape or type; labels that differ
            between severities.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise CorruptionError(
                f"{str(folder)!r} is not a folder; expected one with labels.npy and a file for each corruption, such as fog.npy."
            )

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """``(images,)``, of the images at any one severity."""
        labels = self._array("labels")
        if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or not len(labels) or len(labels) % len(SEVERITIES):
            raise CorruptionError(
                f"{self._path('labels')} holds {labels.dtype} {labels.shape}; expected integers (5 · images,), such as (50000,)."
            )
        blocks = labels.reshape(len(SEVERITIES), -1).astype(np.int64)
        if (blocks != blocks[0]).any():
            raise CorruptionError(
                f"{self._path('labels')} has other labels at another severity; expected the same five times: fetch it again."
            )
        return np.asarray(blocks[0])

    def __call__(self, name: str, severity: float) -> npt.NDArray[np.uint8]:
        """Grey levels, ``(images, channels, height, width)``."""
        find(name)
        severity = checked_severity(severity)
        stored, n = self._array(name), len(self.labels)
        if stored.dtype != np.uint8 or stored.ndim != 4 or len(stored) != n * len(SEVERITIES):
            raise CorruptionError(
                f"{self._path(name)} holds {stored.dtype} {stored.shape}; expected uint8 ({n * len(SEVERITIES)}, height, width, channels):"
                f" five severities of the {n} images that labels.npy labels."
            )
        return np.ascontiguousarray(stored[(severity - 1) * n : severity * n].transpose(0, 3, 1, 2))

    def settings(self, name: str) -> dict[str, Any]:
        """The corruption's name, for the provenance of what is measured on the images."""
        return {"corruption": name, "published": True}

    def _array(self, name: str) -> npt.NDArray[Any]:
        path = self._path(name)
        if not path.is_file():
            raise CorruptionError(f"{path} is not a file; expected the published corrupted images and labels.npy in one folder.")
        try:
            stored: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except UNREADABLE as error:
            raise CorruptionError(f"{path} cannot be read as a numpy array ({error}); fetch it again.") from error
        return stored

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npy"
