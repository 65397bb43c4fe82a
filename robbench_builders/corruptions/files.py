"""Corrupted images kept in a folder, so that all processes of a build, and the next run, compute each set once.

    <corruption>-<severity>-<digest>.bin      32 bytes: the SHA-256 of what follows
                                              grey levels, uint8 (images, channels, height, width)

The digest, 16 hexadecimal digits, is of the images, the seed and this package's source: a file is never taken for that of anything else.  One
that is damaged is made again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from robbench_builders.errors import CorruptionError
from robbench.store.atomic import replacing


def digest(images: npt.NDArray[Any], seed: int) -> str:
    """16 hexadecimal digits that name images, a seed and the program that corrupts them."""
    found = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))
    found.update(f"{seed} {images.dtype} {images.shape}".encode())
    found.update(np.ascontiguousarray(images).data)
    return found.hexdigest()[:16]


def kept(path: Path, shape: tuple[int, ...], make: Callable[[], npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    """The images of a file, or those made, which are in the file from then on.  Processes that make the same at once write the same.

    Raises:
        CorruptionError: the folder cannot be written.
    """
    content = path.read_bytes() if path.is_file() else b""
    levels = memoryview(content)[32:]
    if len(levels) == math.prod(shape) and hashlib.sha256(levels).digest() == content[:32]:
        return np.frombuffer(levels, np.uint8).reshape(shape)
    made = np.ascontiguousarray(make())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(hashlib.sha256(made.data).digest())
            file.write(made.data)
    except OSError as error:
        raise CorruptionError(
            f"{path} cannot be written ({error}); each corruption and severity takes {made.nbytes:,} bytes there."
        ) from error
    return made
