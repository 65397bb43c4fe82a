"""Making and extending a store."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from robbench.commands import command
from robbench.errors import StoreError
from robbench.store.arrays import Array, Fitted
from robbench.store.extension import Changes, Extension, Joined, Unchanged, of_one_source
from robbench.store.files import copied, create_dataset, write_manifest
from robbench.store.layout import path_of_surrogate
from robbench.store.reading import Store
from robbench.store.rows import Rows

__all__ = ["Changes", "extend", "put_surrogate"]


def extend(
    path: str | os.PathLike[str],
    rows: Rows,
    arrays: Iterable[Array],
    *,
    published_index: np.ndarray | None = None,
    joined: Joined = of_one_source,
) -> Changes:
    """Put arrays into a store, which is made if there is none; all of them, or none.

    Rows that the store lacks are added, and "not measured" is what they hold in the arrays that were there.  The new file takes the old one's place when it
    is complete, so a reader or a crash never sees half of it.  Where everything is already there, the file is not touched.  Arrays are taken one at a time,
    so they may be made one at a time.  Seeds that an array in the store lacks are added to it.  While another process writes the same file, this one waits.

    Arguments:
        path: the store.
        rows: what the arrays run over.
        arrays: measurements over all of its classes, or all of its exact architectures.
        published_index: ``(exact,)``: the index of each architecture in the published benchmark; None if the source has none.
        joined: says which numbers may fill gaps between which, and what is then said of both; those of one source, if left out.

    Returns:
        What changed.

    Raises:
        Contradiction: an array differs from what the store holds under its name, or the index does.
        StoreError: the file at `path` is not a store that can be extended, or is of another search space, or is read-only; or the folder cannot be written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise StoreError(f"{path.parent} is not a folder; make it first, or name another path for the store.")
    with replaced(path) as begin:
        try:
            with begin() as new:
                changes = Extension(new, path, rows, joined).put(arrays, published_index)
                refuse_read_only(path)
        except Unchanged as nothing:
            return nothing.changes
        if changes.filled or changes.rows:  # what was replaced would stay in the file as dead space
            with begin() as new:
                copied(path, new)
    return changes


def put_surrogate(path: str | os.PathLike[str], fitted: Fitted) -> None:
    """Put a surrogate into a store, in the place of one of the same dataset, training and target.

    The new file takes the old one's place when it is complete.  While another process writes the same file, this one waits.

    Raises:
        StoreError: the file at `path` is not a store, is read-only, or cannot be written; it stays as it was.
    """
    path = Path(path)
    with Store(path):  # else there would be nothing to copy
        pass
    refuse_read_only(path)
    where = path_of_surrogate(fitted.dataset, fitted.training, fitted.target)
    parts = {"training_rows": fitted.training_rows.astype(np.uint32), "calibration": fitted.calibration, **fitted.arrays}
    with replaced(path) as begin, begin() as new:
        manifest = copied(path, new, but={where})
        for name, values in parts.items():
            # Weights, which are float32, hardly shrink, and to inflate them takes as long as to read them and everything else.
            create_dataset(new, f"{where}/{name}", values, compression=None if values.dtype == np.float32 else "gzip")
        new[where]["training_rows"].attrs["about"] = json.dumps(fitted.about, sort_keys=True)
        manifest = {item: digest for item, digest in manifest.items() if not item.startswith(f"{where}/")}
        write_manifest(new, manifest, changed=[f"{where}/{name}" for name in parts])


@contextmanager
def replaced(path: Path) -> Iterator[Callable[[], Any]]:
    """Begin new files that take the place of a store, as the only process that does; what the system refuses is a StoreError."""
    from robbench.store.atomic import replacing_hdf5
    from robbench.store.locking import only_writer

    try:
        with only_writer(path):
            yield lambda: replacing_hdf5(path)
    except OSError as error:
        raise StoreError(f"{path} could not be written: {error}. What was there before is unchanged.") from error


def refuse_read_only(path: Path) -> None:
    """Raise StoreError where the file at `path` is one that may not be written."""
    if path.exists() and not path.stat().st_mode & stat.S_IWUSR:  # the folder may still let it be replaced
        raise StoreError(
            f"{path} is read-only, so nothing can be put into it; copy it, or make it writable: `{command('copy', 'mine.h5', '--store', path)}`."
        )
