"""Tables of a TOML file, or of a plan's JSON, that know where they stand: what is wrong in them is named by file, line, table and field."""

from __future__ import annotations

import re
import tomllib
import types
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from robbench_builders.errors import BuildError
from robbench.arguments import nearest
from robbench.errors import RobBenchError

LARGEST = 1 << 20
"""Bytes of a file of tables."""

_FRACTION = re.compile(r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*/\s*([0-9]+\.?[0-9]*)\s*")
_KINDS = {bool: "true or false", int: "an integer", float: "a number", str: "a string", list: "a list", dict: "a table"}


class Place(NamedTuple):
    """Where a table stands."""

    file: str
    text: str
    """Of the file, where lines of it can be named; else empty."""
    path: tuple[str, ...] = ()
    """The names of the tables that lead to it."""


@dataclass(frozen=True)
class Table:
    """One table, with its place."""

    values: dict[str, Any]
    place: Place

    def error(self, field: str | None, message: str) -> BuildError:
        """What is wrong with the table, or with one of its fields."""
        line = _line(self.place, field)
        where = f"{self.place.file}, line {line}" if line else self.place.file
        what = " ".join([*([f"[{'.'.join(self.place.path)}]"] if self.place.path else []), *([field] if field else [])])
        return BuildError(": ".join([where, *([what] if what else []), message]))

    def refuse_others(self, known: Collection[str]) -> None:
        """Raise BuildError if a field is not among the known."""
        for field in self.values:
            if field not in known:
                raise self.error(field, f"there is no such field.{nearest(field, known)} Its fields: {', '.join(known)}.")

    def table(self, field: str) -> Table:
        """The table of a field; an empty one where it is left out.

        Raises:
            BuildError: the field is no table.
        """
        value = self.values.get(field, {})
        if not isinstance(value, dict):
            raise self.error(field, f"{_shown(value)}; expected a table.")
        return Table(value, self.place._replace(path=(*self.place.path, field)))

    def field(self, name: str, kind: Any) -> Any:
        """A field's value, as an annotation of a dataclass wants it: a list becomes a tuple, ``"8/255"`` a number.

        Raises:
            BuildError: it is of another type.
        """
        return self._as(name, self.values[name], kind)

    def arguments(self, of: type, leaving: Collection[str] = ()) -> dict[str, Any]:
        """The fields as arguments of a dataclass, without those that are left to the caller.

        Raises:
            BuildError: a field that it has not, or of another type.
        """
        hints = get_type_hints(of)
        known = [name for name in of.__dataclass_fields__ if name not in leaving]  # type: ignore[attr-defined]
        self.refuse_others([*known, *leaving])
        return {name: self.field(name, hints[name]) for name in self.values if name in known}

    @contextmanager
    def naming(self, field: str | None = None) -> Iterator[None]:
        """Errors of ours that are raised within say where the table stands."""
        try:
            yield
        except RobBenchError as error:
            raise self.error(field, str(error)) from error

    def _as(self, field: str, value: Any, kind: Any) -> Any:
        if get_origin(kind) in (Union, types.UnionType):
            if value is None and type(None) in get_args(kind):
                return None
            (kind,) = (each for each in get_args(kind) if each is not type(None))
        if get_origin(kind) is tuple:
            if not isinstance(value, list):
                raise self.error(field, f"{_shown(value)}; expected a list.")
            return tuple(self._as(field, each, get_args(kind)[0]) for each in value)
        if kind is float and isinstance(value, str) and (fraction := _FRACTION.fullmatch(value)) and float(fraction[2]):
            return float(fraction[1]) / float(fraction[2])
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            also = ", or a string such as '8/255'" if kind is float else ""
            raise self.error(field, f"{_shown(value)}; expected {_KINDS.get(kind, 'what only Python can say')}{also}.")
        return value


def read_toml(path: Path) -> Table:
    """The whole of a TOML file.

    Raises:
        BuildError: there is no such file, or it is not TOML; says on which line.
    """
    try:
        raw = path.read_bytes()[: LARGEST + 1] if path.is_file() else None
    except OSError as error:
        raise BuildError(f"{path} cannot be read: {error}.") from error
    if raw is None:
        raise BuildError(f"{path} is not a file; expected one of TOML, with a table [recipe], [evaluation] or [dataset].")
    if len(raw) > LARGEST:
        raise BuildError(f"{path} has more than {LARGEST} bytes; expected a recipe or an evaluation.")
    try:
        text = raw.decode("utf-8")
        return Table(tomllib.loads(text), Place(str(path), text))
    except (ValueError, RecursionError) as error:
        raise BuildError(f"{path} is not TOML: {error or 'it is nested too deeply'}.") from error


def _shown(value: Any) -> str:
    kind = _KINDS.get(type(value), type(value).__name__)
    text = repr(value)
    return f"{text if len(text) < 60 else text[:57] + '…'} is {kind}"


def _line(place: Place, field: str | None) -> int | None:
    """The line of a field, or of its table's head, where the file writes it in the plain way; else None."""
    path: tuple[str, ...] = ()
    head = None
    for number, line in enumerate(place.text.splitlines(), start=1):
        if found := re.match(r"\s*\[([^\[\]]+)\]\s*(#.*)?$", line):
            path = tuple(part.strip().strip("\"'") for part in found[1].split("."))
            if path == place.path:
                head = number
            if field is not None and path == (*place.path, field):
                return number
        elif field is not None and path == place.path and re.match(rf"\s*[\"']?{re.escape(field)}[\"']?\s*=", line):
            return number
    return head
