"""Live scores in a file, for a search that is stopped to go on as if it had not been: JSON, one document a line, only ever appended to.

    {"format": "robbench live scores 1", "settings": {"dataset": "digits", "checksum": …, "seed": 0, "channels": 16, "torch": "2.13.0", …}}
    {"of": "4f1a52c7d8e90b36", "scores": {"4d64989f780749ef": {"values": {"zcprob": -0.0961}, "reasons": {}, "seconds": 0.41}, …}}

settings   what all scores of the file depend on; it is refused for others
of         a checksum of the proxies that one pass computed, and their parameters: passes of several kinds share a file
scores     of one stack, by the key of an architecture; null for a value that is missing, of which `reasons` says why

A stack is one line, so that what follows a break is stacked as it would have been.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from robbench_builders.differences import Settings, differences, listed
from robbench_builders.errors import ProxyError
from robbench.store.locking import only_writer

FORMAT = "robbench live scores 1"


class Score(NamedTuple):
    """What is kept of an architecture."""

    values: dict[str, float]
    """By proxy; NaN where there is none."""
    reasons: dict[str, str]
    """By proxy without a value, why."""
    seconds: float
    """It took so long: its share of its stack's time."""


class ScoresFile:
    """The scores of one kind of pass in a file, which is made if it is not there.

    Arguments:
        path: of the file.
        settings: flat, what all scores in the file depend on.
        of: a checksum of the proxies of the pass.
        names: of these proxies.

    Raises:
        ProxyError: the file has scores under other settings, is damaged or none of ours, or cannot be read or written; it is left as it is.
    """

    def __init__(self, path: Path, settings: Settings, of: str, names: list[str]) -> None:
        self.path, self._of = path, of
        self.scores: dict[str, Score] = {}
        """Those that were in the file when it was opened, by the key of an architecture."""
        try:
            with only_writer(path):
                content = path.read_bytes() if path.exists() else b""
                whole = content[: content.rfind(b"\n") + 1]  # a line without an end was being written when its process was stopped
                if whole:
                    self._read(whole, settings, set(names))
                if len(whole) < len(content):
                    os.truncate(path, len(whole))
                if not whole:
                    self._write({"format": FORMAT, "settings": settings})
        except OSError as error:
            raise self._error(f"cannot be read or written: {error}") from error

    def append(self, scores: Mapping[str, Score]) -> None:
        """Keep the scores of a stack, by the key of an architecture.

        Raises:
            ProxyError: the file cannot be written, or the disk is full; what was kept before is still there.
        """
        found = {
            key: {"values": {name: None if value != value else value for name, value in one.values.items()}, **_rest(one)}
            for key, one in scores.items()
        }
        try:
            with only_writer(self.path):
                self._write({"of": self._of, "scores": found})
        except OSError as error:
            raise self._error(f"cannot be written: {error}. What was kept before is there; make room and search again") from error

    def _write(self, document: dict[str, Any]) -> None:
        line = (json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n").encode()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            if os.write(descriptor, line) < len(line):
                os.ftruncate(descriptor, size)
                raise OSError("the disk is full")
        finally:
            os.close(descriptor)

    def _read(self, content: bytes, settings: Settings, names: set[str]) -> None:
        lines = content.split(b"\n")[:-1]
        if differing := differences(self._header(lines[0]), json.loads(json.dumps(settings))):
            raise self._error(f"has scores of other settings: {listed(differing)}. Give a file of its own to each")
        for number, line in enumerate(lines[1:], start=2):
            try:
                for key, score in self._scores(_document(line), names):
                    self.scores.setdefault(key, score)
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
                raise self._error(
                    f"is damaged: line {number} is not the scores of a stack ({error}). Take the line out, and they are computed again"
                ) from error

    def _header(self, line: bytes) -> Settings:
        try:
            header = _document(line)
            if header.keys() == {"format", "settings"} and header["format"] == FORMAT and isinstance(header["settings"], dict):
                return dict(header["settings"])
        except (ValueError, RecursionError):
            pass
        raise self._error(f"is no file of live scores: its first line does not say {FORMAT!r}. Name another; it is made if it is not there")

    def _scores(self, document: dict[str, Any], names: set[str]) -> Iterator[tuple[str, Score]]:
        if not isinstance(document["of"], str):
            raise ValueError("'of' is no text")
        for key, fields in document["scores"].items():
            score = _score(fields)
            if document["of"] == self._of:
                if score.values.keys() != names:
                    raise ValueError(f"it has values of {', '.join(score.values) or 'nothing'}; expected {', '.join(sorted(names))}")
                yield key, score

    def _error(self, what: str) -> ProxyError:
        return ProxyError(f"{self.path} {what}.")


def _document(line: bytes) -> dict[str, Any]:
    found = json.loads(line.decode())
    if not isinstance(found, dict):
        raise ValueError("it is no table of names")
    return found


def _rest(score: Score) -> dict[str, Any]:
    return {"reasons": score.reasons, "seconds": score.seconds}


def _score(fields: dict[str, Any]) -> Score:
    """A score as it was kept; raises ValueError, LookupError, TypeError or AttributeError where it is none."""
    values, reasons, seconds = fields["values"], fields["reasons"], fields["seconds"]
    if not all(value is None or (type(value) is float and math.isfinite(value)) for value in values.values()):
        raise ValueError("a value is no finite number")
    if {name for name, value in values.items() if value is None} != reasons.keys() or not all(type(why) is str for why in reasons.values()):
        raise ValueError("what is missing has no reason, or has one and is not missing")
    if type(seconds) is not float or not 0 <= seconds < math.inf:
        raise ValueError(f"{seconds!r} seconds")
    return Score({name: math.nan if value is None else value for name, value in values.items()}, dict(reasons), seconds)
