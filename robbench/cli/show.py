"""One architecture, and which others are the same."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from robbench.bench import RobBench
from robbench.cli.options import ARCH, arch_argument, examples, json_option, store_option
from robbench.errors import NotMeasured

WIDTH = 20


@click.command(epilog=examples(f"show {ARCH}"))
@arch_argument
@store_option
@json_option
def show(arch: str, store: Path | None, as_json: bool) -> None:
    """An architecture drawn in text, with its keys, and which architectures of the store are the same.

    ARCH is its text, in quotes, or its published index in a store that carries it.
    """
    bench = RobBench(store)
    found = bench.parse(arch)
    facts = _facts(bench, found)
    if as_json:
        click.echo(json.dumps(facts))
        return
    click.echo(bench.space.drawing(found) + "\n")
    for name, value in facts.items():
        click.echo(f"{name:<{WIDTH}}{_shown(value)}")


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


def _shown(value: Any) -> str:
    if value is None:
        return "not in this store"
    return "\n".join(value).replace("\n", "\n" + " " * WIDTH) or "none" if isinstance(value, list) else str(value)


COMMANDS = (show,)
