"""What a file is by its first bytes, where it is not the text that an importer reads.

Official releases of benchmarks are often pickles: programs that run when they are opened.  RobBench never opens one; it says what it reads in its place.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from robbench.errors import SourceError

_TORCH_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
_PICKLE = re.compile(rb"\x80[\x02-\x05]|\((?:dp|lp)[0-9]+\r?\n|[}\]]q\x00|c[A-Za-z_.]+\r?\n[A-Za-z_.]+\r?\n")
_CONTAINERS = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\x28\xb5\x2f\xfd": "a zstandard archive",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"robbench store\n": "a store of RobBench, an HDF5 file",
    b"PAR1": "a Parquet file",
}
_HEAD = 512

_KINDS = (
    (stat.S_ISDIR, "it is a directory (a folder)"),
    (stat.S_ISFIFO, "it is a pipe (a FIFO)"),
    (stat.S_ISSOCK, "it is a socket"),
    (stat.S_ISCHR, "it is a device"),
    (stat.S_ISBLK, "it is a device"),
)


def opened(path: Path, instead: str) -> BinaryIO:
    """A regular file, open at its start, that is neither a pickle nor an archive.

    Arguments:
        path: the file.
        instead: what is read of this source, for the message.

    Raises:
        SourceError: it is a folder, a pipe or a device, none of which is waited for or read; or a pickle or an archive.
        OSError: it is not there, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))  # a pipe would be waited for
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        what = next((what for is_one, what in _KINDS if is_one(mode)), "it is not a file")
        raise SourceError(f"{path} cannot be read: {what}; expected {instead}.")
    file = os.fdopen(descriptor, "rb")
    try:
        kind = _kind(path, file.read(_HEAD))
        if kind is not None:
            raise SourceError(f"{path} is {kind} Give what is read instead: {instead}.")
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _kind(path: Path, head: bytes) -> str | None:
    """What a file is by its first bytes, as a sentence's end; None where it may be text."""
    if head.startswith(_TORCH_LEGACY) or (head.startswith(b"PK\x03\x04") and (b"/data.pkl" in head or path.suffix in (".pth", ".pt"))):
        return "a PyTorch checkpoint, which holds a pickle: opening one can run code, so it is never opened."
    if _PICKLE.match(head):
        return "a Python pickle, by its first bytes: opening one can run code, so it is never opened."
    if ".pickle" in path.suffixes and head.startswith(b"BZh"):
        return "a compressed Python pickle, by its name and first bytes: opening one can run code, so it is never opened."
    container = next((kind for magic, kind in _CONTAINERS.items() if head.startswith(magic)), None)
    if container is None and head[257:262] == b"ustar":
        container = "a tar archive"
    if container is not None and container.endswith("archive"):
        return f"{container}, by its first bytes, which is not unpacked here; unpack it first."
    return None if container is None else f"{container}, by its first bytes."
