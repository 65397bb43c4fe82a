"""Every byte of a store, compared with what was written."""

from __future__ import annotations

import json
import os

from robbench.errors import DamagedStore, UnknownArchitecture
from robbench.store.layout import ROOT, damage_named, digest_of, digest_of_root, paths_of_datasets
from robbench.store.opening import check_everything
from robbench.store.reading import Store
from robbench.store.seal import check_seal


def verify(path: str | os.PathLike[str]) -> int:
    """Read every byte of a store, compare it with the manifest, and the rows with the search space.

    Returns:
        How many datasets were checked.

    Raises:
        DamagedStore: a dataset is missing, was added by another hand, or has changed; or the rows are not architectures of the store's space;
            the message names it.
    """
    with Store(path) as store:
        check_seal(store.path, store._file.content, whole=True)
        check_everything(store.path, store._file)
        with damage_named(store.path, "/manifest"):
            manifest: dict[str, str] = json.loads(store._file["manifest"][()])
        root = manifest.pop(ROOT, None)
        if root != (None if store.version == 1 else digest_of_root(store._file)):
            raise DamagedStore(
                f"{path}: the root attributes have changed since they were written; restore the file from a copy, or build it again."
            )
        present = paths_of_datasets(store._file)
        for item in sorted(present | manifest.keys()):
            if item not in present:
                raise DamagedStore(
                    f"{path}: {item} is in the manifest and not in the file; restore the file from a copy, or build it again."
                )
            if item not in manifest:
                raise DamagedStore(f"{path}: {item} is in the file and not in the manifest; it was not put there by RobBench.")
            with damage_named(store.path, item):
                digest = digest_of(store._file[item])
            if digest != manifest[item]:
                raise DamagedStore(f"{path}: {item} has changed since it was written; restore the file from a copy, or build it again.")
        for name in store.names():
            store.header(name)
        with damage_named(store.path, "the rows"):
            _check_rows(store)
    return len(manifest)


def _check_rows(store: Store) -> None:
    rows, where = store.rows, f"{store.path}: the rows are damaged:"
    if (
        len(rows.class_of) != len(rows.exact)
        or len(rows.keys) != len(rows.classes)
        or rows.class_of.max(initial=0) >= max(len(rows.keys), 1)
    ):
        raise DamagedStore(f"{where} architectures and classes do not go together.")
    for spec, group in zip(rows.exact, rows.class_of, strict=True):
        try:
            key = store.space.key(store.space.parse(spec))
        except UnknownArchitecture as error:
            raise DamagedStore(f"{where} {error}") from error
        if key != rows.keys[group]:
            raise DamagedStore(f"{where} {spec} is of the class {key}, and the store has it in {rows.keys[group]}.")
