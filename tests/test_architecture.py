"""The order of the modules: who may know whom.  Every import counts: at the top, inside a function, and for type checkers only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (
    ("robbench.version", "robbench.errors"),
    (
        "robbench.arguments",
        "robbench.commands",
        "robbench.delegates",
        "robbench.imported",
        "robbench.references",
        "robbench.text",
        "robbench.workers",
    ),
    ("robbench.spaces",),
    ("robbench.store",),
    ("robbench.measurements",),
    (
        "robbench.surrogates",
        "robbench.search",
        "robbench.sources",
        "robbench.analysis",
        "robbench.adapters",
        "robbench.citing",
        "robbench.notebook",
        "robbench.bench",
        "robbench",
    ),
    ("robbench.papers", "robbench.plots", "robbench.judge"),
    ("robbench.explore",),
    ("robbench.cli", "robbench.__main__"),
)
"""From the bottom up: a module imports from its own layer and those below it."""
KNOW = {
    "nb201": (
        "robbench.spaces.nb201",
        "robbench.spaces",  # the registry
        "robbench.sources",
        "robbench.adapters.natsbench",
        "robbench.adapters.naslib",
        "robbench.papers",
        "robbench_builders.networks.nb201",
        "robbench_builders.networks",  # the registry
    ),
    "darts": (
        "robbench.spaces.darts",
        "robbench.spaces",
        "robbench.sources",
        "robbench.papers",
        "robbench_builders.networks.darts",
        "robbench_builders.networks",
        "robbench_builders.weights.released_darts",
    ),
}


def modules(package: str) -> dict[str, Path]:
    """Every module of a package, by its dotted name."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules("robbench") | modules("robbench_builders")


def imported(name: str) -> Iterator[str]:
    """The modules that a module names in any import statement."""
    for node in ast.walk(ast.parse(MODULES[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relative to itself"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in MODULES:
                    yield inner
                elif node.module in MODULES:
                    yield str(node.module)


GRAPH = {name: set(imported(name)) - {name} for name in MODULES}


def layer(name: str) -> int:
    """The layer of the longest prefix that is listed."""
    return max(
        (len(prefix), number)
        for number, prefixes in enumerate(LAYERS)
        for prefix in prefixes
        if name == prefix or name.startswith(f"{prefix}.")
    )[1]


def cycle() -> list[str] | None:
    """A circle of imports, or None: depth first."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        for other in sorted(GRAPH[name]):
            if found := walk(other, [*path, name]):
                return found
        done.add(name)
        return None

    return next((found for name in sorted(GRAPH) if (found := walk(name, []))), None)


def test_the_walk_sees_what_there_is() -> None:
    assert len(GRAPH) > 100
    assert "robbench.store.reading" in GRAPH["robbench.bench"]
    assert "robbench.search.oracle" in GRAPH["robbench.bench"], "inside a function"


def test_no_imports_go_in_circles() -> None:
    assert cycle() is None


def test_the_library_does_not_know_the_builders() -> None:
    assert not {
        (name, other)
        for name, others in GRAPH.items()
        if name.partition(".")[0] == "robbench"
        for other in others
        if other.startswith("robbench_builders")
    }


@pytest.mark.parametrize("name", [name for name in MODULES if name.partition(".")[0] == "robbench"])
def test_a_module_imports_from_its_own_layer_and_below(name: str) -> None:
    assert not {other for other in GRAPH[name] if layer(other) > layer(name)}


@pytest.mark.parametrize("space", KNOW)
def test_only_its_own_folder_sources_papers_and_networks_know_a_space(space: str) -> None:
    knowing = {name for name, others in GRAPH.items() if any(other.startswith(f"robbench.spaces.{space}") for other in others)}
    allowed = {
        name
        for name in MODULES
        if any(
            name == known or (name.startswith(f"{known}.") and known not in ("robbench.spaces", "robbench_builders.networks"))
            for known in KNOW[space]
        )
    }
    assert not knowing - allowed
