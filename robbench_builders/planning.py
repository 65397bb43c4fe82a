"""From what someone asks for to a plan that stands on its own: names and TOML files are read, paths made absolute, the data set's checksum taken."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

import torch

from robbench_builders.architectures import checked_archs, class_count
from robbench_builders.datasets import load
from robbench_builders.definitions import read_evaluation, read_images, read_recipe
from robbench_builders.devices import stack_for
from robbench_builders.errors import BuildError
from robbench_builders.evaluations import Evaluation, find_evaluation
from robbench_builders.plan import FIRST_SPACE, Plan, architectures_drawn
from robbench_builders.weights.checkpoints import at_index, normalisation_from
from robbench_builders.weights.folder import found_in, weights_of
from robbench_builders.weights.planned import Source, source_of
from robbench.spaces import space_named


def plan_of(
    dataset: str,
    recipe: str | Source,
    evaluation: str | Evaluation,
    *,
    data: Path | None = None,
    weights: Path | None = None,
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
        dataset: as for `robbench_builders.datasets.load`, or the path of a TOML file with a table [dataset].
        recipe: a recipe, its name, or the path of a TOML file with a table [recipe]; or weights, which are in a folder.
        evaluation: the same, of [evaluation].
        data: as for `robbench_builders.datasets.load`.
        weights: that folder.
        space: of the architectures.
        classes: how many to draw; all, if this and archs are left out.
        archs: the architectures, in place of classes.
        sample_seed, seeds: as of `Plan`.
        stack: networks a unit; chosen by the kind of device and the size of images, if left out.
        device: that of the build, for that choice.

    Raises:
        BuildError: as `Plan` and `robbench_builders.definitions.read_recipe`.
        DatasetError: the data set is not there.
    """
    dataset, data = _placed(dataset, data)
    trained_by = read_recipe(Path(recipe)) if _is_file(recipe) else source_of(recipe)
    evaluated_by = evaluation_named(evaluation)
    loaded = load(dataset, data)
    trained_by.normalisation(loaded), trained_by.skeleton(loaded)  # where one does not fit, the plan's maker should know
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
        None if weights is None else str(weights.absolute()),
    )


def plan_of_weights(
    dataset: str,
    weights: Path,
    evaluation: str | Evaluation,
    *,
    data: Path | None = None,
    space: str = FIRST_SPACE,
    classes: int | None = None,
    archs: Sequence[Any] = (),
    sample_seed: int = 0,
    seeds: Sequence[int] = (),
    training: str = "published",
    normalise: str | None = None,
    indexed_by: Path | None = None,
    **options: Any,
) -> Plan:
    """A plan of networks whose weights are in files, all of which are read and compared with their architectures and the data set.

    Arguments:
        weights: the folder of the files; see `robbench_builders.weights.folder.found_in`.
        classes, archs: as for `plan_of`; where both are left out, those that the folder has.
        seeds: of the trainings; where they are left out, those that the folder has.
        training: what a store calls them.
        normalise: as for `robbench_builders.weights.checkpoints.normalisation_from`; as the files say, or as published, if left out.
        indexed_by: a store that carries the published index, where that is all that files say of their architectures.
        others: as for `plan_of`.

    Raises:
        WeightsError: there is no file of a network, or one that cannot be read or does not fit.
        BuildError, DatasetError: as `plan_of`.
    """
    dataset, data = _placed(dataset, data)
    loaded = load(dataset, data)
    found = found_in(weights, loaded.name, space=space, at_index=None if indexed_by is None else partial(at_index, indexed_by))
    if classes is not None:
        archs = architectures_drawn(space, classes, sample_seed)
    else:
        archs = checked_archs(space_named(space), archs or dict.fromkeys(str(one.arch) for one in found.values()))
    seeds = tuple(seeds) or tuple(sorted({one.seed for one in found.values()}))
    normalisation = None if normalise is None else normalisation_from(normalise, loaded)
    recipe = weights_of(found, archs, seeds, loaded, training=training, normalisation=normalisation)
    given = {"classes": classes, "archs": archs if classes is None else (), "sample_seed": sample_seed, "seeds": seeds, **options}
    return plan_of(dataset, recipe, evaluation, data=data, weights=weights, space=space, **given)


def _placed(dataset: str, data: Path | None) -> tuple[str, Path | None]:
    """A data set's name, and where it is, whatever the current folder is."""
    if _is_file(dataset):
        if data is not None:
            raise BuildError(f"{dataset} says where its data set is; leave data={str(data)!r} out.")
        dataset, data = read_images(Path(dataset))
    elif dataset.startswith("npz:"):
        dataset = f"npz:{Path(dataset.removeprefix('npz:')).absolute()}"
    return dataset, data


def evaluation_named(given: str | Evaluation) -> Evaluation:
    """An evaluation, by its name, or of a TOML file with a table [evaluation].

    Raises:
        BuildError: there is none, or as `robbench_builders.definitions.read_evaluation`.
    """
    return read_evaluation(Path(given)) if _is_file(given) else find_evaluation(given)


def _is_file(given: Any) -> TypeGuard[str]:
    return isinstance(given, str) and given.endswith(".toml")
