"""What a store may hold, checked before any of it is read or written: nothing that leads out of the file, or that takes more memory than the file explains.

HDF5 follows links to other files, keeps data in files of any name, and assembles data sets from others; in a file of a stranger's, reading them would give out what
is in the user's files, and writing would overwrite them.
"""

from __future__ import annotations

import math

import h5py

from robbench.errors import DamagedStore

_FILTERS = {h5py.h5z.FILTER_DEFLATE: "gzip", h5py.h5z.FILTER_SHUFFLE: "shuffle", h5py.h5z.FILTER_FLETCHER32: "fletcher32"}
_MOST_SHRUNK = 1100
"""By how much gzip shrinks at the most (1,032 times), and some room."""
_ALWAYS_FINE = 1 << 20
"""Bytes that a data set may take, however few the file has of it."""
_FOREIGN = "It was not written by RobBench; don't use it."


def paths_in(file: h5py.File, path: str) -> list[str]:
    """The path of everything in the file, without a slash before it; nothing is opened for it.

    Raises:
        DamagedStore: anything in the file is a soft or an external link.
    """
    found: list[bytes] = []
    foreign: list[bytes] = []

    def look(name: bytes, info: h5py.h5l.LinkInfo) -> None:
        (found if info.type == h5py.h5l.TYPE_HARD else foreign).append(name)

    root = file.id  # its links are read only as long as it is kept
    root.links.visit(look, info=True)
    if foreign:
        raise DamagedStore(f"{path}: /{foreign[0].decode(errors='replace')} is a link that leads elsewhere; a store has none. {_FOREIGN}")
    return [name.decode() for name in found]


def checked(dataset: object, path: str) -> h5py.Dataset:
    """The data set, if it may be read: plain, inside the file, of known filters and types, and not larger than its bytes in the file can be.

    Raises:
        DamagedStore: it is none, or anything else.
    """
    if not isinstance(dataset, h5py.Dataset):
        raise DamagedStore(f"{path}: it is a {type(dataset).__name__.lower()}; expected an array. {_FOREIGN}")
    where = f"{path}: {dataset.name}"
    plist = dataset.id.get_create_plist()
    if plist.get_external_count():
        raise DamagedStore(f"{where} keeps its data in another file. {_FOREIGN}")
    if plist.get_layout() not in (h5py.h5d.CHUNKED, h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT):
        raise DamagedStore(f"{where} is assembled from other data sets. {_FOREIGN}")
    for number in range(plist.get_nfilters()):
        if plist.get_filter(number)[0] not in _FILTERS:
            raise DamagedStore(f"{where} is packed by a filter other than {', '.join(_FILTERS.values())}. {_FOREIGN}")
    if dataset.dtype.kind not in "uifS" and not h5py.check_string_dtype(dataset.dtype):
        raise DamagedStore(f"{where} holds {dataset.dtype}; expected numbers or text. {_FOREIGN}")
    size, stored = math.prod(dataset.shape or ()) * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if dataset.shape is None or size > max(_ALWAYS_FINE, _MOST_SHRUNK * stored):
        raise DamagedStore(f"{where} claims {size:,} bytes, of which {stored:,} are in the file. {_FOREIGN}")
    return dataset


def check_everything(file: h5py.File, path: str) -> None:
    """No links that lead elsewhere, and `checked` of every data set, also of those that this version does not know; raises DamagedStore."""
    paths_in(file, path)
    found: list[h5py.Dataset] = []
    file.visititems(lambda name, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    for dataset in found:
        checked(dataset, path)
