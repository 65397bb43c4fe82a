"""What a report took, kept as files of a folder while it is made, so that a report that was cut goes on, and a larger one takes what is there.

FOLDER/
    setting.json                          {"setting": {"store_sha256": …, "seed": 0, …}, "methods": {"mine:search": checksum of mine.py}}
    random pgd@1-255 3 0f8d6c2151b1d8a4.json      {"of": ["random", "pgd@1/255", 3], "found": {…}}: one run
    scores of mine-score 8a1c….jsonl              the same of one call of a proxy, a line each
    418f55bdc958fbb3/                             instead of all that, where there are several stores: such a folder of each, by its checksum

kept = kept_in(Path("FOLDER"), {"store_sha256": …, "seed": 0}, ["mine:search"])
kept.done(("random", "pgd@1/255", 3), function)     what function() returns, now or in an earlier sitting
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robbench.errors import InvalidArgument
from robbench.judge.methods import source_of
from robbench.store.atomic import replacing

SETTING = "setting.json"


@dataclass(frozen=True)
class Kept:
    """Results in a folder, each a file that appears whole or not at all; without a folder nothing is kept."""

    folder: Path | None

    def done(self, of: Sequence[str | int], function: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What the function returns, as JSON keeps it: from the folder, where it is there.

        Raises:
            InvalidArgument: its file is there and cannot be read, or it cannot be written.
        """
        if self.folder is None:
            return function()
        path = self.folder / _name(of)
        if not path.exists():
            found = function()
            with _writing(self.folder):
                _write(path, {"of": list(of), "found": found})
        return dict(_read(path, "found")["found"])

    def lines(self, of: Sequence[str | int]) -> Lines:
        """Results that are many and small, in one file; raises InvalidArgument if it is there and cannot be read."""
        return Lines(None if self.folder is None else self.folder / f"{_name(of)}l")


class Lines:
    """Results in a file, each a line that is added when it is there.

    A last line that was cut off is of a result that was lost.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._found: dict[str, dict[str, Any]] = {}
        if path is None or not path.exists():
            return
        whole, _, cut = path.read_bytes().rpartition(b"\n")
        for number, line in enumerate(whole.split(b"\n") if whole else [], 1):
            one = _parsed(line, f"line {number} of {path}", "found")
            self._found[json.dumps(one.get("of"))] = one["found"]
        if cut:
            with path.open("r+b") as file:
                file.truncate(len(whole) + bool(whole))

    def has(self, of: Sequence[str | int]) -> bool:
        """Whether it is there already."""
        return json.dumps(list(of)) in self._found

    def done(self, of: Sequence[str | int], function: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What the function returns, from the file where it is there; raises InvalidArgument where the file cannot be written."""
        if self._path is None:
            return function()
        key = json.dumps(list(of))
        if key not in self._found:
            line = json.dumps({"of": list(of), "found": function()}, ensure_ascii=False)
            with _writing(self._path.parent), self._path.open("ab") as file:
                file.write(f"{line}\n".encode())
            self._found[key] = json.loads(line)["found"]
        return self._found[key]


NOTHING_KEPT = Kept(None)


def kept_in(folder: Path | None, setting: Mapping[str, Any], methods: Sequence[str]) -> Kept:
    """The results of one setting.

    Arguments:
        folder: made if it is not there; None keeps nothing.
        setting: all that every result depends on, as a report says what made it; what is None is left out, and what the store is called, since its checksum is there.
        methods: those that results are of; of each that is ``module:name``, the module's file is remembered as it is.

    Raises:
        InvalidArgument: the folder is of another setting, or of another version of a method's file; the message says what differs.  Or it is not a folder of such
            results, or cannot be written.
    """
    if folder is None:
        return NOTHING_KEPT
    here = {name: value for name, value in setting.items() if value is not None and name != "store"}
    files = {name: source_of(name) for name in methods if ":" in name}
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / SETTING).exists():
            before = _read(folder / SETTING, "methods")
            _refuse_another(
                folder, before["setting"] | before["methods"], here | {name: files[name] for name in before["methods"] if name in files}
            )
            files = before["methods"] | files
        elif any(folder.iterdir()):
            raise InvalidArgument(f"{folder} holds other files; name a new folder to keep results in, or one that has some.")
        _write(folder / SETTING, {"setting": here, "methods": files})
    return Kept(folder)


def kept_in_each(folder: Path | None, settings: Sequence[tuple[Mapping[str, Any], Sequence[str]]]) -> list[Kept]:
    """The results of several stores: a folder in the folder each, which is called as the store's checksum; those of one are in the folder itself.

    Arguments:
        folder: as for `kept_in`.
        settings: of each store its setting, which has a ``store_sha256``, and the methods, as for `kept_in`.

    Raises:
        InvalidArgument: as `kept_in`; or the folder has files of its own, such as results of one store.
    """
    if folder is None or len(settings) == 1:
        return [kept_in(folder, *one) for one in settings]
    with _writing(folder):
        if folder.exists() and not all(path.is_dir() for path in folder.iterdir()):
            raise InvalidArgument(
                f"{folder} holds results of one store, or other files; name a new folder to keep those of several stores in."
            )
    return [kept_in(folder / setting["store_sha256"], setting, methods) for setting, methods in settings]


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Raise InvalidArgument where the folder is full, or may not be written to."""
    try:
        yield
    except OSError as error:
        raise InvalidArgument(
            f"{folder} cannot keep results: {error}; what is finished stays there, and the same command goes on."
        ) from error


def _refuse_another(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise InvalidArgument if the setting, or the file of a method that is there again, is not what it was."""
    methods = [name for name in before if ":" in name and name not in now]
    differing = [name for name in dict.fromkeys([*before, *now]) if name not in methods and before.get(name) != now.get(name)]
    if differing:
        said = ", ".join(f"{'the file of ' * (':' in name)}{name} (was {before.get(name)}, is {now.get(name)})" for name in differing)
        raise InvalidArgument(
            f"{folder} keeps results of another setting, which differs in {said}; name another folder, or remove this one."
        )


def _name(of: Sequence[str | int]) -> str:
    """A file's name that people can read, and that no other result has."""
    digest = hashlib.sha256(json.dumps(list(of)).encode()).hexdigest()[:16]
    readable = re.sub(r"[^\w @+.-]", "-", " ".join(map(str, of)))
    return f"{readable[:80]} {digest}.json"


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with replacing(path) as file:
        file.write(json.dumps(content, ensure_ascii=False).encode())


def _read(path: Path, holds: str) -> dict[str, Any]:
    return _parsed(path.read_bytes(), str(path), holds)


def _parsed(content: bytes, where: str, holds: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise InvalidArgument(f"{where} is no result that was kept ({error}); remove it, and it is computed again.") from error
    if not isinstance(found, dict) or not isinstance(found.get(holds), dict):
        raise InvalidArgument(f"{where} is no result that was kept: it has no {holds!r}; remove it, and it is computed again.")
    return found
