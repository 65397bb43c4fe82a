"""JSON read member by member, in memory that does not grow with the file, and strictly.

    {"cifar10": {"clean": {"0": 0.9, …}}}     members(file, depth=3) gives (("cifar10", "clean", "0"), 0.9), …

Published files take gigabytes, and damaged or hostile ones come in every form.  Python's own reader reads a file whole; ijson reads it in parts, but takes a
key that is there twice without a word, does not know the NaN and Infinity that some sources write, and has no bound on what one part takes.  So a file of at
most `WHOLE` bytes is read whole, by Python's reader, which is several times as fast, and a longer one in parts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

MEMBER_BYTES = 8 << 20
"""The longest text of one member: confidences of 120 classes, two matrices at each of 11 levels, take 7 MB."""
WHOLE = 4 << 20
"""Bytes up to which a file is read whole."""
KEY_BYTES = 256
KEYS = 100_000
"""The most members of one object above the members: NAS-Bench-201 has 15,625 cells."""
NESTED = 32

_BLOCK = 1 << 20
_SPACE = re.compile(rb"[ \t\r\n]*")
_KEY = re.compile(rb'[ \t\r\n]*"([^"\\\x00-\x1f]{0,%d})"[ \t\r\n]*:' % KEY_BYTES)
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_MARK = re.compile(rb'["\[\]{}]')
_SCALAR = re.compile(rb"[^ \t\r\n,:\[\]{}\"]*")


class DoubledKey(ValueError):
    """A key is there twice in one object, so that one of its values would be lost."""


def members(file: BinaryIO, depth: int) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The members of the objects that are `depth` objects deep, each with its keys from the top, in the order of the file.

    What stands in the place of one of the objects above them, and is none, comes with the keys so far: of ``{"a": 3}``, ``("a",), 3`` whatever the depth.

    Raises:
        DoubledKey: a key is there twice in one object.
        ValueError: it is not JSON in UTF-8; text holds half of a surrogate pair; or something is longer, or nested deeper,
            than any published file has it.  The message says where: at which byte after those that were read before.
    """
    start = file.read(WHOLE + 1)
    if len(start) <= WHOLE:
        yield from _members_of(_decoded(start), (), depth)
        return
    scanner = _Scanner(file, start)
    yield from _members(scanner, (), depth)
    if scanner.peek():
        raise ValueError(f"something follows its end, at byte {scanner.position}")


def documents(file: BinaryIO) -> Iterator[tuple[int, Any]]:
    """The values of a file that has one a line, as JSON Lines, each with the number of its line; empty lines are left out.

    Raises:
        ValueError: a line is no JSON in UTF-8, has a key twice in one object, or is longer than `MEMBER_BYTES`; the message says which line.
    """
    number = 0
    while line := file.readline(MEMBER_BYTES + 1):
        number += 1
        if len(line) > MEMBER_BYTES:
            raise ValueError(f"line {number} is longer than {MEMBER_BYTES} bytes")
        if not line.strip():
            continue
        try:
            yield number, _decoded(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error


def _members_of(value: Any, above: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], Any]]:
    """As `members`, of what was read whole."""
    if depth == 0 or not isinstance(value, dict):
        yield above, value
        return
    if len(value) > KEYS:
        raise ValueError(f"an object has more than {KEYS} keys: {len(value)}")
    for key, item in value.items():
        if len(key) > KEY_BYTES:
            raise ValueError(f"the key {key:.80}… is longer than {KEY_BYTES}")
        if depth > 1:
            yield from _members_of(item, (*above, key), depth - 1)
        else:
            yield (*above, key), item


def _members(scanner: _Scanner, above: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], Any]]:
    if depth == 0 or scanner.peek() != b"{":
        yield above, scanner.value()
        return
    scanner.take(b"{")
    seen: set[str] = set()
    if scanner.peek() == b"}":
        scanner.take(b"}")
        return
    more = True
    while more:
        key = scanner.key()
        if key in seen:
            raise DoubledKey(f"{key:.80} is there twice, the second time before byte {scanner.position}")
        if len(seen) == KEYS:
            raise ValueError(f"an object has more than {KEYS} keys, at byte {scanner.position}")
        seen.add(key)
        if depth > 1:
            yield from _members(scanner, (*above, key), depth - 1)
        else:
            yield (*above, key), scanner.value()
        more = scanner.goes_on()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, each of whose keys is there once; raises ValueError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DoubledKey(f"{key:.80} is there twice")
            seen.add(key)
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def _decoded(text: bytes, start: int = 0) -> Any:
    """The value that a text is, which begins at that byte of its file."""
    try:
        found = _DECODER.decode(text.decode("utf-8"))
        if b"\\u" in text:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg.lower()} at byte {start + error.pos}") from error
    except RecursionError as error:
        raise ValueError(f"it is nested deeper than {NESTED}") from error
    except UnicodeEncodeError as error:
        raise ValueError(f"half of a surrogate pair in the text at byte {start}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"no UTF-8 at byte {start + error.start}") from error
    return found


class _Scanner:
    """The text of a file, of which some blocks are in memory."""

    def __init__(self, file: BinaryIO, start: bytes) -> None:
        self._file = file
        self._text, self._at, self._before = start, 0, 0

    @property
    def position(self) -> int:
        """Bytes of the file before what is looked at."""
        return self._before + self._at

    def peek(self) -> bytes:
        """The next byte that is not white space; none at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at : self._at + 1]
            if not self._more():
                return b""

    def take(self, expected: bytes) -> None:
        """Go past this byte."""
        found = self.peek()
        if found != expected:
            raise ValueError(f"{found!r} at byte {self.position} where {expected!r} was expected" if found else "it ends too early")
        self._at += 1

    def key(self) -> str:
        """The next string, and go past the colon that follows."""
        match = _KEY.match(self._text, self._at)
        if match and match.end() < len(self._text):  # most keys are plain, and all of them here
            self._at = match.end()
            return match[1].decode("utf-8")
        if self.peek() not in (b'"', b""):
            raise ValueError(f"{self.peek()!r} at byte {self.position} where a key was expected")
        key = str(self._value(KEY_BYTES))
        self.take(b":")
        return key

    def goes_on(self) -> bool:
        """Whether another member follows; go past the comma, or the end of the object."""
        goes_on = self.peek() == b","
        self.take(b"," if goes_on else b"}")
        return goes_on

    def value(self) -> Any:
        """The next value, whatever it is."""
        return self._value(MEMBER_BYTES)

    def _value(self, most: int) -> Any:
        text = self._slice(most)
        return _decoded(text, self.position - len(text))

    def _slice(self, most: int) -> bytes:
        """The bytes of the next value."""
        self.peek()
        length, depth = 0, 0  # of what was looked at already
        while True:
            end, length, depth = self._end(length, depth)
            if (len(self._text) - self._at if end is None else end) > most:  # where its end is not here yet, all of the rest is its own
                raise ValueError(f"what begins at byte {self.position} is longer than {most} bytes")
            if end is not None:
                self._at += end
                return self._text[self._at - end : self._at]
            if not self._more():
                if depth == 0 and length:  # a scalar at the end of the file
                    self._at += length
                    return self._text[self._at - length :]
                raise ValueError("it ends too early")

    def _end(self, length: int, depth: int) -> tuple[int | None, int, int]:
        """How long the next value is, or None where its end is not in memory yet; how much was looked at; how deep one is in it there."""
        if self._text[self._at : self._at + 1] not in (b"{", b"[", b'"'):
            match = _SCALAR.match(self._text, self._at)
            length = match.end() - self._at if match else 0
            return (length if self._at + length < len(self._text) else None), length, 0
        at = self._at + length
        while match := _MARK.search(self._text, at):
            at, mark = match.end(), match[0]
            if mark == b'"':
                string = _STRING.match(self._text, match.start())
                if string is None:  # its end is not here yet
                    return None, match.start() - self._at, depth
                at = string.end()
            depth += (mark in b"[{") - (mark in b"]}")
            if depth == 0:
                return at - self._at, at - self._at, 0
            if depth > NESTED:
                raise ValueError(f"it is nested deeper than {NESTED}, at byte {self._before + match.start()}")
        return None, len(self._text) - self._at, depth

    def _more(self) -> bool:
        block = self._file.read(_BLOCK)
        self._before += self._at
        self._text, self._at = self._text[self._at :] + block, 0
        return bool(block)
