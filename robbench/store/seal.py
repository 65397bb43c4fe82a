"""The seal of a store: the first 512 bytes of the file, before the HDF5 content, say how long that is and what its SHA-256 is.

    robbench store
    format_version 2
    length 8152896
    sha256 696589b4…

HDF5 leaves this room to applications (its user block).  A file whose bytes are not those that were written is refused before any of them is parsed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import BinaryIO

from robbench.errors import DamagedStore, NewerFormat
from robbench.store.content import Content
from robbench.store.layout import FORMAT_VERSION

SIZE = 512
_TEXT = re.compile(rb"robbench store\nformat_version ([0-9]{1,9})\nlength ([0-9]{1,15})\nsha256 ([0-9a-f]{64})\n +")
_BLOCK = 1 << 18


def seal(file: BinaryIO) -> None:
    """Write the seal of a file, open for reading and writing, whose HDF5 content begins after it."""
    file.seek(SIZE)
    length, digest = _digest(iter(lambda: file.read(_BLOCK), b""))
    text = f"robbench store\nformat_version {FORMAT_VERSION}\nlength {length}\nsha256 {digest}\n".encode()
    file.seek(0)
    file.write(text.ljust(SIZE))
    file.flush()


def check_seal(path: str, content: Content, *, whole: bool = False) -> bool:
    """Compare a file with its seal; whether it has one, as every store of format version 2 has.

    Arguments:
        path: the file, for messages.
        content: its bytes.
        whole: compare the digest also of a file that is not in memory, of which else only the length is compared.

    Raises:
        DamagedStore: the file has another length or digest than its seal says.
        OSError: it cannot be read.
    """
    head = content.take(0, min(SIZE, content.size))
    if not head.startswith(b"robbench store\n"):
        return False
    match, size = _TEXT.fullmatch(head), content.size
    remedy = "Restore it from a copy, or build it again."
    if size < SIZE:
        raise DamagedStore(f"{path} is cut short: it has {size} bytes. {remedy}")
    if match is None:
        raise DamagedStore(f"{path} is damaged: its first {SIZE} bytes are not a seal as RobBench writes it. {remedy}")
    if int(match[1]) > FORMAT_VERSION:
        raise NewerFormat(
            f"{path} is of format version {int(match[1])}; this RobBench reads up to {FORMAT_VERSION}. Install a newer RobBench."
        )
    if size - SIZE != int(match[2]):
        raise DamagedStore(
            f"{path} is {'cut short' if size - SIZE < int(match[2]) else 'too long'}: it has {size} bytes, and had {SIZE + int(match[2])}. {remedy}"
        )
    if (whole or content.is_in_memory) and _digest(content.blocks(SIZE))[1].encode() != match[3]:
        raise DamagedStore(f"{path} is damaged: its bytes have changed since they were written. {remedy}")
    return True


def _digest(blocks: Iterable[bytes]) -> tuple[int, str]:
    """The length and the digest of some blocks."""
    digest, length = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        length += len(block)
    return length, digest.hexdigest()
