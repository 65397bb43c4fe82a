"""Builders know search spaces by the registry alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import robbench_builders

FOLDER = Path(robbench_builders.__file__).parent


def imported(path: Path) -> Iterator[str]:
    """Every name that a module imports, lazily or not, with the module that it is from."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(*prefixes: str) -> set[str]:
    return {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.py") if any(name.startswith(prefixes) for name in imported(path))}


def test_one_module_knows_nas_bench_201_and_the_registry_knows_the_module() -> None:
    assert importers("robbench.spaces.nb201", "robbench.spaces.NB201") == {"networks/nb201.py"}
    assert importers("robbench_builders.networks.nb201") == {"networks/__init__.py"}
