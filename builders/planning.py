"""From what someone asks for to a plan that stands on its own: names and TOML files are read, paths made absolute, the data set's checksum taken."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import torch

from builders.datasets import load
from builders.definitions import read_evaluation, read_images, read_recipe
from builders.devices import stack_for
from builders.errors import BuildError
from builders.evaluations import Evaluation, find_evaluation
from builders.plan import FIRST_SPACE, Plan, class_count
from builders.recipes import Recipe, find_recipe
from robbench.errors import UnknownArchitecture
from robbench.spaces import parse, space_named

LARGEST = 1 << 28
"""Bytes of a file of architectures."""
COLUMN = "arch"


def plan_of(
    dataset: str,
    recipe: str | Recipe,
    evaluation: str | Evaluation,
    *,
    data: Path | None = None,
    space: str = FIRST_SPACE,
    classes: int | None = None,
    archs: Sequence[Any] = (),
    sample_seed: int = 0,
    seeds: Sequence[int] = (0,),
    stack: int | None = None,
    device: torch.device | str = "cpu",
) -> Plan:
    """A plan that stands on its own: the same wherever and whenever it is made.

    Arguments:
        dataset: as for `builders.datasets.load`, or the path of a TOML file with a table [dataset].
        recipe: a recipe, its name, or the path of a TOML file with a table [recipe].
        evaluation: the same, of [evaluation].
        data: as for `builders.datasets.load`.
        space: of the architectures.
        classes: how many to draw; all, if this and archs are left out.
        archs: the architectures, in place of classes.
        sample_seed, seeds: as of `Plan`.
        stack: networks a unit; chosen by the kind of device and the size of images, if left out.
        device: that of the build, for that choice.

    Raises:
        BuildError: as `Plan` and `builders.definitions.read_recipe`.
        DatasetError: the data set is not there.
    """
    if _is_file(dataset):
        if data is not None:
            raise BuildError(f"{dataset} says where its data set is; leave data={str(data)!r} out.")
        dataset, data = read_images(Path(dataset))
    elif dataset.startswith("npz:"):
        dataset = f"npz:{Path(dataset.removeprefix('npz:')).absolute()}"
    trained_by = read_recipe(Path(recipe)) if _is_file(recipe) else find_recipe(recipe)
    evaluated_by = evaluation_named(evaluation)
    loaded = load(dataset, data)
    trained_by.normalisation(loaded)  # where it does not fit, the plan's maker should know
    return Plan(
        dataset,
        trained_by,
        evaluated_by,
        class_count(space) if classes is None and not archs else classes,
        sample_seed,
        tuple(seeds),
        stack_for(torch.device(device), loaded, trained_by) if stack is None else stack,
        space,
        tuple(archs),
        loaded.checksum,
        None if data is None else str(data.absolute()),
    )


def evaluation_named(given: str | Evaluation) -> Evaluation:
    """An evaluation, by its name, or of a TOML file with a table [evaluation].

    Raises:
        BuildError: there is none, or as `builders.definitions.read_evaluation`.
    """
    return read_evaluation(Path(given)) if _is_file(given) else find_evaluation(given)


def _is_file(given: Any) -> TypeGuard[str]:
    return isinstance(given, str) and given.endswith(".toml")


def read_archs(path: Path, space: str) -> tuple[str, ...]:
    """The architectures in a file: one a line, or in the column ``arch`` of a CSV file, such as those that `robbench table` and `search` write.

    Raises:
        BuildError: there is no such file, it has no such column, no architectures, or one twice.
        UnknownArchitecture: a line is none of the space's; says which.
    """
    found: dict[str, int] = {}
    for line, text in _lines(path):
        try:
            arch = str(parse(space_named(space), text))
        except UnknownArchitecture as error:
            raise UnknownArchitecture(f"{path}, line {line}: {error}") from error
        if arch in found:
            raise BuildError(f"{path} has {arch} twice, in lines {found[arch]} and {line}; leave one out.")
        found[arch] = line
    if not found:
        raise BuildError(f"{path} has no architectures; expected one a line.")
    return tuple(found)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each architecture."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise BuildError(f"{path} is not a file of at most {LARGEST} bytes; expected architectures, one a line, or CSV.")
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix != ".csv":
                yield from ((line, text.strip()) for line, text in enumerate(file, 1) if text.strip() and not text.startswith("#"))
                return
            reader = csv.DictReader(file)
            if COLUMN not in (reader.fieldnames or ()):
                raise BuildError(f"{path} has no column {COLUMN!r}; it has {', '.join(reader.fieldnames or ('none',))}.")
            yield from ((reader.line_num, row[COLUMN] or "") for row in reader)
    except (OSError, ValueError, csv.Error) as error:
        raise BuildError(f"{path} cannot be read as text: {error}.") from error
