"""Code told apart by what it computes: a comment, a docstring or a line break changes nothing, anything else does."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import sys
from functools import cache
from typing import Any

FORMER = "builders."
"""What modules are called in checksums: the package's name when the first stores were built, which say these checksums."""


def code_of(instance: object) -> str:
    """16 hexadecimal digits of a SHA-256 of the code of an object's class: its module, and the modules of the same package that this imports.

    The same in every version of Python that parses the code to the same tree.
    """
    return _code_of(type(instance).__module__)


@cache
def _code_of(module: str) -> str:
    found: dict[str, Any] = {}
    _collect(module, found)
    return hashlib.sha256(json.dumps(found, sort_keys=True).replace("robbench_builders.", FORMER).encode()).hexdigest()[:16]


def _collect(module: str, found: dict[str, Any]) -> None:
    if module in found:
        return
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    found[module] = _meaning(tree)
    package = module.rpartition(".")[0]
    for node in ast.walk(tree):
        if package and isinstance(node, ast.ImportFrom) and str(node.module).startswith(f"{package}.") and node.module in sys.modules:
            _collect(str(node.module), found)


def _meaning(node: Any) -> Any:
    """A syntax tree as JSON can say it, without the strings that stand alone as statements, and without fields that are empty."""
    if isinstance(node, list):
        return [_meaning(item) for item in node if not (isinstance(item, ast.Expr) and _is_text(item.value))]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {field: _meaning(value) for field, value in ast.iter_fields(node) if value is not None and value != []}
    return [type(node).__name__, fields]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
