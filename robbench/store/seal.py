"""The seal of a store: the first 512 bytes of the file, before the HDF5 content, say how long that is and what its checksums are.

    robbench store
    format_version 2
    length 8152896
    crc32 0c5f14a2
    sha256 696589b4…

HDF5 leaves this room to applications (its user block).  A file whose bytes are not those that were written is refused before the HDF5 library, which trusts
what it parses, sees any of them: by the CRC-32 when it is opened, which takes less than half as long, and by the SHA-256 when it is verified.  Some stores of
format version 2 have no CRC-32; they are opened by their SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from robbench.errors import DamagedStore, NewerFormat
from robbench.store.layout import FORMAT_VERSION

SIZE = 512
WHOLE_UP_TO = 32 << 20
"""Bytes up to which a file's checksum is compared when it is opened; of a larger file only the length is, and `verify` compares the rest."""
_TEXT = re.compile(
    rb"robbench store\nformat_version ([0-9]{1,9})\nlength ([0-9]{1,15})\n(?:crc32 ([0-9a-f]{8})\n)?sha256 ([0-9a-f]{64})\n +"
)
_BLOCK = 1 << 16
"""Small enough that the memory of one block is used for the next."""


def seal(file: BinaryIO) -> None:
    """Write the seal of a file, open for reading and writing, whose HDF5 content begins after it."""
    length = file.seek(0, os.SEEK_END) - SIZE
    text = f"robbench store\nformat_version {FORMAT_VERSION}\nlength {length}\ncrc32 {_crc32(file)}\nsha256 {_sha256(file)}\n".encode()
    file.seek(0)
    file.write(text.ljust(SIZE))
    file.flush()


def check_seal(path: str, *, whole: bool = False) -> bool:
    """Compare a file with its seal; whether it has one, as every store of format version 2 has.

    Arguments:
        path: the file.
        whole: compare the SHA-256, whatever the file's size.

    Raises:
        DamagedStore: the file has another length or checksum than its seal says.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(SIZE)
        if not head.startswith(b"robbench store\n"):
            return False
        match = _TEXT.fullmatch(head)
        size = os.fstat(file.fileno()).st_size
        remedy = "Restore it from a copy, or build it again."
        if size < SIZE:
            raise DamagedStore(f"{path} is cut short: it has {size} bytes. {remedy}")
        if match is not None and int(match[1]) > FORMAT_VERSION:
            raise NewerFormat(
                f"{path} is of format version {int(match[1])}; this RobBench reads up to {FORMAT_VERSION}. Install a newer RobBench."
            )
        if match is None:
            raise DamagedStore(f"{path} is damaged: its first {SIZE} bytes are not a seal as RobBench writes it. {remedy}")
        if size - SIZE != int(match[2]):
            raise DamagedStore(
                f"{path} is {'cut short' if size - SIZE < int(match[2]) else 'too long'}: it has {size} bytes, and had {SIZE + int(match[2])}. {remedy}"
            )
        if whole or size <= WHOLE_UP_TO:
            by_crc = match[3] is not None and not whole
            if (_crc32(file).encode() != match[3]) if by_crc else (_sha256(file).encode() != match[4]):
                raise DamagedStore(f"{path} is damaged: its bytes have changed since they were written. {remedy}")
    return True


def _crc32(file: BinaryIO) -> str:
    checksum = 0
    for block in _content(file):
        checksum = zlib.crc32(block, checksum)
    return f"{checksum:08x}"


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    for block in _content(file):
        digest.update(block)
    return digest.hexdigest()


def _content(file: BinaryIO) -> Iterator[bytes]:
    """What follows the seal, in blocks."""
    file.seek(SIZE)
    while block := file.read(_BLOCK):
        yield block
