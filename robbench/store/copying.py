"""A store copied, to put more into than what it came with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from robbench.errors import StoreError
from robbench.store.atomic import replacing
from robbench.store.locking import only_writer
from robbench.store.reading import Store


def copy(path: str | os.PathLike[str], into: str | os.PathLike[str]) -> None:
    """Copy a store, byte for byte; the file appears when it is whole.

    Arguments:
        path: the store.
        into: the copy, which must not be there yet.

    Raises:
        StoreError: `path` is no store; there is a file at `into`, or its folder cannot be written.
    """
    into = Path(into)
    if not into.parent.is_dir():
        raise StoreError(f"{into.parent} is not a folder; make it first, or name another path for the copy.")
    try:
        with Store(path) as store, only_writer(into), Path(store.path).open("rb") as source:
            if os.path.lexists(into):
                raise StoreError(f"{into} is there already, and stays as it is; name another file for the copy, or remove it first.")
            with replacing(into) as file:
                shutil.copyfileobj(source, file)
    except OSError as error:
        raise StoreError(f"{into} could not be written: {error}.") from error
