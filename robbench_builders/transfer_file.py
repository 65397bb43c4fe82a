"""Transfer attacks between networks whose weights are in files: the matrix as a JSON file, which a run that was stopped goes on with.

    {"dataset": …, "networks": [{"name", "arch", "seed", "file", "sha256", …}, …], "clean": [target, …],
     "attacks": [{"attack", "settings", "eps", "accuracy": [[target, …] of each source, or null], …}, …], "seed": 0, "environment": …}

It is no store: a row of a store is of one architecture, and a number of the matrix of two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robbench_builders.datasets import Dataset
from robbench_builders.environment import environment_of
from robbench_builders.errors import BuildError, WeightsError
from robbench_builders.evaluations import Evaluation
from robbench_builders.transfer import TRANSFER, Notice, Shown
from robbench_builders.units import settings_of_evaluation
from robbench_builders.weights.checkpoints import Checkpoint, Normalisation, loaded
from robbench_builders.weights.planned import key_of
from robbench.store.atomic import replacing


def transfer(
    checkpoints: Sequence[Checkpoint],
    dataset: Dataset,
    evaluation: Evaluation = TRANSFER,
    *,
    normalisation: Normalisation | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    out: Path | None = None,
    notice: Notice = lambda text: None,
    progress: Callable[[str], object] = lambda source: None,
) -> dict[str, Any]:
    """`transfer_matrix` of networks whose weights are in files, with where all of it is from, as JSON has it.

    Networks may be of several widths and normalisations, each its own; all are of the data set's classes and images.

    Arguments:
        normalisation: of networks that were published without theirs; by default as published for the data set.
        out: a file that is written whenever a source is done, in which the rows of other sources are null; those that it has of the same matrix are
            not attacked again.
        others: as for `transfer_matrix`.

    Raises:
        WeightsError: tensors that do not fit the architecture or the data set, or a network twice.
        BuildError, AttackError: as `transfer_matrix`; or `out` holds something else, or cannot be written.
    """
    device = torch.device(device)
    networks, said = _loaded(checkpoints, dataset, normalisation, device)
    shown = Shown(networks, dataset, evaluation, seed, device, notice)
    plain = {
        "dataset": {"name": dataset.name, "checksum": dataset.checksum, "images": len(dataset.test_images[: evaluation.images])},
        "networks": said,
        "attacks": _of_each_level(len(networks), dataset, evaluation),
        "rows": "sources, on which every image is attacked",
        "columns": "targets",
        "seed": seed,
        "environment": environment_of(device),
    }
    found: dict[str, Any] = json.loads(json.dumps(plain))
    if out is not None:
        _take_up(found, out)
    found["clean"] = shown.clean().tolist()
    for number, source in enumerate(networks):
        if any(one["accuracy"][number] is None for one in found["attacks"]):
            row = shown.row(source)
            levels = ((attack, level) for attack in evaluation.attacks for level in range(len(evaluation.levels(attack))))
            for one, (attack, level) in zip(found["attacks"], levels, strict=True):
                one["accuracy"][number] = row[attack][level].tolist()
            if out is not None:
                _write(out, found)
        progress(source)
    return found


def _take_up(found: dict[str, Any], out: Path) -> None:
    """Put into a matrix the rows that a file has of it; where there is no file, make one, so that nothing is done in vain."""
    if not out.exists():
        _write(out, {**found, "clean": None})
        return
    try:
        before = json.loads(out.read_bytes())
        rows = [one.pop("accuracy") for one in before["attacks"]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BuildError(f"{out} is there, and is no matrix of transfer attacks ({error}); name another file (--out).") from error
    wanted = {**found, "attacks": [{field: value for field, value in one.items() if field != "accuracy"} for one in found["attacks"]]}
    if differing := [field for field in wanted if before.get(field) != wanted[field]]:
        raise BuildError(
            f"{out} holds another matrix (it differs in {', '.join(differing)}); name another file (--out), or take this one away."
        )
    count = len(found["networks"])
    for one, given in zip(found["attacks"], rows, strict=True):
        if not _are_rows(given, count):
            raise BuildError(f"{out} is damaged: its rows of {one['attack']} are not {count} of as many fractions each; take it away.")
        one["accuracy"] = given


def _are_rows(given: Any, count: int) -> bool:
    """Whether these are rows of a matrix of so many networks, some of which may be null."""

    def is_row(row: Any) -> bool:
        return isinstance(row, list) and len(row) == count and all(isinstance(value, float | int) and 0 <= value <= 1 for value in row)

    return isinstance(given, list) and len(given) == count and all(row is None or is_row(row) for row in given)


def _loaded(
    checkpoints: Sequence[Checkpoint], dataset: Dataset, normalisation: Normalisation | None, device: torch.device
) -> tuple[dict[str, nn.Module], list[dict[str, Any]]]:
    """The networks by name, and what is said of each."""
    networks, said = dict[str, nn.Module](), list[dict[str, Any]]()
    for one in checkpoints:
        if str(one.entry) in (str(other.entry) for other in checkpoints[: len(networks)]):
            raise WeightsError(f"{one.entry} is given twice; a network is a source and a target once.")
        found = loaded(one, dataset, None if one.entry.says_normalisation else normalisation)
        name = key_of(str(one.arch), one.seed)
        if name in networks:  # trained in another way
            name = f"{name}, {one.entry}"
        networks[name] = found.to(device)
        normalises = {"mean": found.mean.flatten().tolist(), "std": found.std.flatten().tolist()}
        said.append(
            {
                "name": name,
                "arch": str(one.arch),
                "seed": one.seed,
                **one.record,
                "skeleton": asdict(found.skeleton),
                "normalisation": normalises,
            }
        )
    return networks, said


def _of_each_level(count: int, dataset: Dataset, evaluation: Evaluation) -> list[dict[str, Any]]:
    """What is said of each attack at each eps, with a matrix whose rows are not there yet."""
    settings = settings_of_evaluation(evaluation, dataset)
    code = {name: {"code": settings["code"][name]} for name in settings["code"]}  # an attack of one's own has a source among its settings
    return [
        {
            "attack": name,
            "settings": settings["attacks"][name],
            **code.get(name, {}),
            "eps": eps,
            "accuracy": [None] * count,
        }
        for name in evaluation.attacks
        for eps in evaluation.levels(name)
    ]


def _write(path: Path, found: Mapping[str, Any]) -> None:
    """Write a matrix, whole or not at all; raises BuildError where the file cannot be written."""
    try:
        with replacing(path) as file:
            file.write((json.dumps(found, indent=1) + "\n").encode())
    except OSError as error:
        raise BuildError(f"{path} cannot be written ({error}); name another file (--out).") from error


def as_text(found: Mapping[str, Any]) -> str:
    """The matrices as text, in percent, networks by number."""
    lines = [f"{number}: {one['name']} ({one['file']})" for number, one in enumerate(found["networks"], 1)]
    header = "source \\ target " + "".join(f"{number:>8}" for number in range(1, len(lines) + 1))
    for one in found["attacks"]:
        lines += ["", f"{one['attack']}, eps {one['eps'] * 255:g}/255", header]
        lines += [f"{number:>15} " + "".join(f"{100 * value:8.2f}" for value in row) for number, row in enumerate(one["accuracy"], 1)]
    lines += ["", f"{'clean':>15} " + "".join(f"{100 * value:8.2f}" for value in found["clean"])]
    return "\n".join(lines)
