"""The seal of a store: the first 512 bytes of the file, before the HDF5 content, say how long that is and what its checksums are.

    robbench store
    format_version 2
    length 8152896
    crc32 0c5f14a2
    sha256 696589b4…

HDF5 leaves this room to applications (its user block).  A file whose bytes are not those that were written is refused before any of them is parsed: by the
CRC-32 when it is opened, which takes less than half as long, and by the SHA-256 when it is verified.  Some stores of format version 2 have no CRC-32; they
are opened by their SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from collections.abc import Iterable
from typing import BinaryIO

from robbench.errors import DamagedStore, NewerFormat
from robbench.store.content import BLOCK, Content
from robbench.store.layout import FORMAT_VERSION

SIZE = 512
_TEXT = re.compile(
    rb"robbench store\nformat_version ([0-9]{1,9})\nlength ([0-9]{1,15})\n(?:crc32 ([0-9a-f]{8})\n)?sha256 ([0-9a-f]{64})\n +"
)


def seal(file: BinaryIO) -> None:
    """Write the seal of a file, open for reading and writing, whose HDF5 content begins after it."""
    length = file.seek(0, os.SEEK_END) - SIZE
    checksums = []
    for checksum in (_crc32, _sha256):
        file.seek(SIZE)
        checksums.append(checksum(iter(lambda: file.read(BLOCK), b"")))
    text = "robbench store\nformat_version {}\nlength {}\ncrc32 {}\nsha256 {}\n".format(FORMAT_VERSION, length, *checksums).encode()
    file.seek(0)
    file.write(text.ljust(SIZE))
    file.flush()


def check_seal(path: str, content: Content, *, whole: bool = False) -> bool:
    """Compare a file with its seal; whether it has one, as every store of format version 2 has.

    Arguments:
        path: the file, for messages.
        content: its bytes.
        whole: compare the SHA-256, also of a file that is not in memory, of which else only the length is compared.

    Raises:
        DamagedStore: the file has another length or checksum than its seal says.
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
    if whole or content.is_in_memory:
        blocks, by_crc = content.blocks(SIZE), match[3] is not None and not whole
        if (_crc32(blocks).encode() != match[3]) if by_crc else (_sha256(blocks).encode() != match[4]):
            raise DamagedStore(f"{path} is damaged: its bytes have changed since they were written. {remedy}")
    return True


def _crc32(blocks: Iterable[bytes]) -> str:
    checksum = 0
    for block in blocks:
        checksum = zlib.crc32(block, checksum)
    return f"{checksum:08x}"


def _sha256(blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
