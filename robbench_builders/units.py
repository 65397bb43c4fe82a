"""A unit, end to end: train a stack of networks or load their weights, evaluate them, score their proxies; and what its result depends on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch

from robbench_builders.attacks import InPrecision
from robbench_builders.code import code_of
from robbench_builders.datasets import Dataset
from robbench_builders.environment import environment_of
from robbench_builders.errors import BuildError, DamagedWeights, WeightsError
from robbench_builders.evaluations import Evaluation, find_evaluation
from robbench_builders.measure import Progress, measure, timed
from robbench_builders.memory import tried
from robbench_builders.networks.families import stacked
from robbench_builders.networks.frozen import FrozenStack
from robbench_builders.own import OwnAttack
from robbench_builders.plan import Unit
from robbench_builders.precision import exact_convolutions
from robbench_builders.proxies import Scores, score_untrained
from robbench_builders.recipes import Recipe
from robbench_builders.results.shards import Shard
from robbench_builders.train import Training, train
from robbench_builders.weights import kept
from robbench_builders.weights.folder import load_planned
from robbench_builders.weights.planned import Source, Weights, put_through, source_of
from robbench.spaces import space_named

Result = TypeVar("Result")

Notice = Callable[[str], None]
"""Called with a sentence for the user, such as that a stack was halved."""

SCORING: dict[str, Any] = {"init": "random", "batch_size": 64}
"""How proxies are measured in a build: on the weights that training starts from, and on training images drawn by the unit's seed."""


NOT_TRAINED = {"seconds": 0.0, "diverged": None}
"""What a shard says of the training of a network whose weights are from a file."""


def run_unit(
    unit: Unit,
    dataset: Dataset,
    device: torch.device,
    *,
    weights: Path | None = None,
    notice: Notice = lambda text: None,
    progress: Progress = lambda part, done, total: None,
) -> Shard:
    """Train and evaluate a unit's networks: two steps, of which the first is not done again where its weights were kept.

    Where the device's memory does not hold the training of the stack, its halves are trained one after the other; where it does not hold
    an evaluation, batches are halved.

    Arguments:
        unit: which networks, how they are trained, and on what they are evaluated.
        dataset: the unit's data set, loaded.
        device: where to train and evaluate.
        weights: a folder that keeps trained weights; networks that it has are not trained.  Of a unit of weights, the folder of their files.
        notice: called when something is halved, and where kept weights are damaged, so that their networks are trained again.
        progress: called when a part begins, after each epoch, and when a part ends.

    Raises:
        BuildError: one network alone does not fit into memory.
        WeightsError: the folder holds weights of something else under the name of one of the unit's networks, or cannot be written; or a file
            of a unit of weights is not there, or another than planned.
    """
    archs = [space_named(unit.space).parse(arch) for arch in unit.archs]
    recipe, evaluation = unit.trained_by, unit.evaluated_by
    seconds = dict[str, float]()
    with exact_convolutions():
        scores = Scores({}, {}, {})
        if evaluation.proxies:
            with timed("proxies", seconds, progress):
                scores = _scored(archs, unit, dataset, recipe, evaluation, device, notice)
        networks = _networks(archs, unit, dataset, recipe, device, weights, notice, progress)
        stack = stacked([one.network for one in networks]).to(device).eval()
        measured = measure(FrozenStack(stack), dataset, evaluation, seed=unit.seed, device=device, notice=notice, progress=progress)
    settings = settings_of(recipe, evaluation, dataset)
    environment = {**environment_of(device), "stack": max(one.environment["stack"] for one in networks)}
    if elsewhere := [one.environment for one in networks if {**one.environment, "stack": environment["stack"]} != environment]:
        environment["trained"] = {name: value for name, value in elsewhere[0].items() if name != "stack"}
    trained = [NOT_TRAINED if one.training is None else asdict(one.training) for one in networks]
    return Shard(
        unit,
        settings,
        environment,
        trained,
        seconds | measured.seconds,
        measured.outcomes,
        scores.values,
        scores.failures,
        measured.summaries,
    )


class Trained(NamedTuple):
    """A trained network, on the CPU or where it was trained."""

    network: Any
    training: Training | None
    """None where it was trained elsewhere."""
    environment: dict[str, Any]
    """Of its training here, with how many networks were trained at once as "stack"."""


def _networks(
    archs: list[Any],
    unit: Unit,
    dataset: Dataset,
    recipe: Source,
    device: torch.device,
    weights: Path | None,
    notice: Notice,
    progress: Progress,
) -> list[Trained]:
    """The unit's networks: of files; or those that were kept, and the others trained, and kept from now on."""
    if isinstance(recipe, Weights):
        if weights is None:
            raise WeightsError(f"unit {unit.key} is of weights from files; say in which folder they are.")
        environment = {**environment_of(device), "stack": len(archs)}
        found = load_planned(recipe, weights, unit.space, unit.archs, unit.seed, dataset)
        return [Trained(network, None, environment) for network in found]
    return _kept_or_trained(archs, unit, dataset, recipe, device, weights, notice, progress)


def _kept_or_trained(
    archs: list[Any],
    unit: Unit,
    dataset: Dataset,
    recipe: Recipe,
    device: torch.device,
    weights: Path | None,
    notice: Notice,
    progress: Progress,
) -> list[Trained]:
    if weights is None:
        return _trained(archs, unit.seed, dataset, recipe, device, notice, progress)
    about = [kept.About(unit.space, str(arch), dataset.checksum, recipe.settings(), unit.seed) for arch in archs]
    found = [_kept(weights, one, notice) for one in about]
    missing = [k for k, one in enumerate(found) if one is None]
    trained = _trained([archs[k] for k in missing], unit.seed, dataset, recipe, device, notice, progress)
    for k, one in zip(missing, trained, strict=True):
        assert one.training is not None, "it was trained here"
        kept.write(weights, about[k], one.network, one.training, one.environment)
        found[k] = one
    return [one for one in found if one is not None]


def _kept(folder: Path, about: kept.About, notice: Notice) -> Trained | None:
    try:
        found = kept.find(folder, about)
        return None if found is None else Trained(found.network(str(kept.path_of(folder, about))), found.training, found.environment)
    except DamagedWeights as error:
        notice(f"{error} Training {about.arch} again.")
        return None


def _trained(
    archs: list[Any], seed: int, dataset: Dataset, recipe: Recipe, device: torch.device, notice: Notice, progress: Progress
) -> list[Trained]:
    """The networks of architectures, trained at once, or in halves where memory does not hold as many."""
    if not archs:
        return []
    environment = {**environment_of(device), "stack": len(archs)}

    def compute() -> list[Trained]:
        progress("training", 0, recipe.epochs)
        stack, trainings = train(archs, dataset, recipe, seed, device, progress=partial(progress, "training"))
        return [Trained(stack.extract(k), training, environment) for k, training in enumerate(trainings)]

    return _in_halves(compute, lambda half: _trained(half, seed, dataset, recipe, device, notice, progress), archs, device, notice)


def _scored(
    archs: list[Any], unit: Unit, dataset: Dataset, recipe: Source, evaluation: Evaluation, device: torch.device, notice: Notice
) -> Scores:
    """Proxies of the untrained networks, all at once, or in halves where memory does not hold as many."""

    def compute(some: list[Any]) -> list[Scores]:
        found = score_untrained(
            some, dataset, proxies=evaluation.proxies, seed=unit.seed, skeleton=recipe.skeleton(dataset),
            normalisation=recipe.normalisation(dataset), device=device, **SCORING,
        )  # fmt: skip
        return [found]

    def scored(some: list[Any]) -> list[Scores]:
        return _in_halves(lambda: compute(some), scored, some, device, notice)

    parts = scored(archs)
    return Scores(
        {proxy: np.concatenate([part.values[proxy] for part in parts]) for proxy in parts[0].values},
        {proxy: dict(sum((Counter(part.failures.get(proxy)) for part in parts), Counter())) for part in parts for proxy in part.failures},
        parts[0].settings,
    )


def _in_halves(
    compute: Callable[[], list[Result]],
    of_half: Callable[[list[Any]], list[Result]],
    archs: list[Any],
    device: torch.device,
    notice: Notice,
) -> list[Result]:
    """What is computed of all architectures; where memory does not hold that, of each half, one after the other."""
    found = tried(compute)
    if not isinstance(found, str):
        return found
    if len(archs) == 1:
        raise BuildError(f"{archs[0]} alone does not fit into the memory of {device}: {found}.")
    half = len(archs) // 2
    notice(f"{len(archs)} networks do not fit into the memory of {device}; going on with {half} at a time.")
    return [*of_half(archs[:half]), *of_half(archs[half:])]


def settings_of(recipe: str | Source, evaluation: str | Evaluation, dataset: Dataset) -> dict[str, Any]:
    """All settings that a recipe (or weights), an evaluation and a data set, or their names in this version, stand for, as JSON has them."""
    trained_by = source_of(recipe)
    settings: dict[str, Any] = {
        "dataset": dataset.checksum,
        "recipe": trained_by.settings(),
        **settings_of_evaluation(put_through(find_evaluation(evaluation), trained_by), dataset),
        "skeleton": asdict(trained_by.skeleton(dataset)),
        "image_size": dataset.image_shape[1:],
    }
    plain: dict[str, Any] = json.loads(json.dumps(settings))
    return plain


def settings_of_evaluation(evaluation: Evaluation, dataset: Dataset) -> dict[str, Any]:
    """All that an evaluation stands for on a data set, with the code of its attacks, as JSON has it."""
    stands_for = evaluation.settings()
    exact = {name: attack.attack if isinstance(attack, InPrecision) else attack for name, attack in evaluation.attacks.items()}
    settings = {
        **stands_for,
        # An attack of one's own says its source among its settings.
        "code": {name: code_of(attack) for name, attack in exact.items() if not isinstance(attack, OwnAttack)},
        "corruptions": {name: dataset.corrupted.settings(name) for name in evaluation.corruptions},
        "proxies": {name: {**SCORING, **proxy} for name, proxy in stands_for["proxies"].items()},
    }
    plain: dict[str, Any] = json.loads(json.dumps(settings))
    return plain
