"""From what someone asks for to a plan that stands on its own: names and TOML files are read, paths made absolute, the data set's checksum taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

import torch

from builders.architectures import class_count
from builders.datasets import load
from builders.definitions import read_evaluation, read_images, read_recipe
from builders.devices import stack_for
from builders.errors import BuildError
from builders.evaluations import Evaluation, find_evaluation
from builders.plan import FIRST_SPACE, Plan
from builders.recipes import Recipe, find_recipe


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
