"""One architecture, and which others of a store are the same."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from robbench.errors import NotMeasured
from robbench.measurements.lookup import Architecture
from robbench.spaces import SearchSpace

if TYPE_CHECKING:
    from robbench.bench import RobBench

WIDTH = 20


@dataclass(frozen=True)
class Shown:
    """An architecture as it is shown: as text, its drawing and a line for each fact; in a notebook, drawn."""

    space: SearchSpace[Any]
    arch: Any
    facts: dict[str, Any]
    """Keys, form, spellings and attributes; the representative of its class, how many of the class the store has, and its functional twins there."""

    def __repr__(self) -> str:
        lines = [f"{name:<{WIDTH}}{_text(value)}" for name, value in self.facts.items()]
        return "\n".join([self.space.drawing(self.arch), "", *lines])

    def _repr_html_(self) -> str:
        return str(import_module("robbench.notebook").shown_html(self))


def show(bench: RobBench, arch: Architecture) -> Shown:
    """An architecture drawn, with its keys, and which architectures of the store are the same.

    Arguments:
        bench: on the store.
        arch: as for a query; it need not be in the store.

    Raises:
        UnknownArchitecture: it is none of the store's space.
    """
    found = bench.parse(arch)
    return Shown(bench.space, found, _facts(bench, found))


def _facts(bench: RobBench, arch: Any) -> dict[str, Any]:
    """What the space says of an architecture, and what the store holds of its class and of its functional twins."""
    space, key, twin_key = bench.space, bench.space.key(arch), bench.space.twin_key(arch)
    members = 0
    representative: str | None = None
    with suppress(NotMeasured):  # the store has none of its class
        row = bench.measurements.lookup.row("class", arch)
        members, representative = int((bench.measurements.lookup.class_of == row).sum()), str(bench.classes[row])
    return {
        "arch": str(arch),
        "published index": _published_index(bench, arch),
        "class key": key,
        "twin key": twin_key,
        "form": space.canonical_form(arch),
        "members in store": members,
        "representative": representative,
        "twins": [str(other) for other in bench.classes if space.twin_key(other) == twin_key and space.key(other) != key],
        **{name: attribute(arch) for name, attribute in space.attributes.items()},
        "depends on input": not space.is_constant(arch),
        **space.spellings(arch),
    }


def _published_index(bench: RobBench, arch: Any) -> int | None:
    with suppress(NotMeasured):  # the store holds no such architecture
        return bench.published_index(arch)
    return None


def _text(value: Any) -> str:
    if value is None:
        return "not in this store"
    return "\n".join(value).replace("\n", "\n" + " " * WIDTH) or "none" if isinstance(value, list) else str(value)
