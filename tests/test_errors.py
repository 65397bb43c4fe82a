"""Which errors there are, and which of Python's own each is: `except LookupError` catches what could not be looked up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import robbench
from robbench import errors
from robbench.errors import InvalidArgument, LevelNotMeasured, NotMeasured, RobBenchError, UnknownArchitecture, UnknownMetric, UnknownSpace

SOURCE = Path(robbench.__file__).parent
ALL = [one for one in vars(errors).values() if isinstance(one, type)]


def raised(path: Path) -> Iterator[str]:
    """Of every error of ours that a module makes, the name of its class."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
            if name in vars(errors):
                yield name


def test_every_error_is_ours() -> None:
    assert all(issubclass(one, RobBenchError) for one in ALL)
    assert all(one.__doc__ for one in ALL)


def test_what_cannot_be_looked_up_is_a_look_up_error_and_a_wrong_argument_a_value_error() -> None:
    look_ups = {UnknownArchitecture, UnknownMetric, UnknownSpace, NotMeasured, LevelNotMeasured}
    assert all(issubclass(one, LookupError) is (one in look_ups) for one in ALL)
    assert [one for one in ALL if issubclass(one, ValueError)] == [InvalidArgument]


def test_only_a_name_that_is_no_metric_is_an_unknown_metric() -> None:
    """Every other wrong argument, such as a level or a dataset, is something else."""
    raising = {str(path.relative_to(SOURCE)): list(raised(path)) for path in SOURCE.rglob("*.py")}
    assert {path for path, names in raising.items() if "UnknownMetric" in names} == {"measurements/metrics.py"}
    assert raising["measurements/metrics.py"].count("UnknownMetric") == 1
