"""A plan as a file, FOLDER/plan.json, or as a store says it.

It says built-in recipes and evaluations by name, and those of one's own in full.  In the file, ``stands_for`` says what all of them meant when it
was written, with a checksum.  Where that is not what they mean now, the plan is of another version, and refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from robbench_builders.architectures import unpacked
from robbench_builders.definitions import evaluation_of, recipe_of
from robbench_builders.errors import BuildError
from robbench_builders.plan import Plan
from robbench_builders.recipes import digest
from robbench_builders.tables import Place, Table
from robbench_builders.weights.planned import weights_from
from robbench.commands import command
from robbench.errors import RobBenchError
from robbench.store.atomic import replacing

PLAN_FILE = "plan.json"


def write_plan(folder: Path, plan: Plan) -> None:
    """Write a plan into the folder where its shards will be.

    Raises:
        BuildError: the folder is of another plan, or cannot be written.
    """
    if (folder / PLAN_FILE).exists():
        present = read_plan(folder)
        # Plans that are older than checksums are of whatever data set is there.
        wanted = plan if present.checksum else replace(plan, checksum=None)
        if present != wanted:
            before, now = present.record(), wanted.record()
            differing = [name for name in before | now if before.get(name) != now.get(name)]
            raise BuildError(f"{folder} is of another plan (it differs in {', '.join(differing)}); give each plan its own folder.")
        return
    stands_for = plan.stands_for()
    placed = {} if plan.weights is None else {"weights": plan.weights}
    whole = {**plan.record(), "data": plan.data, **placed, "stands_for": stands_for, "hash": digest(stands_for)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / PLAN_FILE) as file:
            file.write((json.dumps(whole, indent=2) + "\n").encode())
    except OSError as error:
        raise BuildError(f"{folder} cannot be written ({error}); expected a folder, or a place to make one.") from error


def read_plan(folder: Path) -> Plan:
    """The plan of a folder.

    Raises:
        BuildError: there is none, it is not one of ours, or it is of another version.
    """
    path = folder / PLAN_FILE
    if not path.is_file():
        raise BuildError(f"{folder} has no {PLAN_FILE}; make one with `{command('build', 'plan', folder)} …`.")
    try:
        fields = json.loads(path.read_text("utf-8"))
        stood_for, checksum, data, weights = (fields.pop(name, None) for name in ("stands_for", "hash", "data", "weights"))
        if stood_for is not None and digest(stood_for) != checksum:
            raise ValueError("what it stands for was changed")
        if not (isinstance(data, str | None) and isinstance(weights, str | None)):
            raise ValueError(f"its data is {data!r}, and its weights are {weights!r}")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BuildError(f"{path} is not a plan: {error}.") from error
    plan = replace(plan_from(fields, str(path)), data=data, weights=weights)
    if stood_for is not None:
        _refuse_other_version(path, stood_for, plan.stands_for())
    return plan


def plan_from(fields: dict[str, Any], where: str = "what a store says of its build") -> Plan:
    """The plan of a `Plan.record`; without a space, it is of NAS-Bench-201.

    Raises:
        BuildError: other fields than a plan has, a recipe or an evaluation that makes no sense, or code of one's own that is not here or is
            another; says where the plan is.
        RobBenchError: as `Plan`.
    """
    try:
        recipe, evaluation = fields["recipe"], fields["evaluation"]
        if isinstance(recipe, dict) and "files" in recipe:
            recipe = weights_from(recipe)
        elif isinstance(recipe, dict):
            recipe = recipe_of(Table(recipe, Place(where, "", ("recipe",))))
        if isinstance(evaluation, dict):
            evaluation = evaluation_of(Table(evaluation, Place(where, "", ("evaluation",))))
        archs = fields.get("archs", ())
        archs = unpacked(archs) if isinstance(archs, str) else tuple(archs)
        return Plan(**{**fields, "recipe": recipe, "evaluation": evaluation, "seeds": tuple(fields["seeds"]), "archs": archs})
    except (TypeError, KeyError, ValueError) as error:
        if isinstance(error, RobBenchError):
            raise
        raise BuildError(f"{where} is not a plan: {error}.") from error


def _refuse_other_version(path: Path, then: dict[str, Any], now: dict[str, Any]) -> None:
    if differing := list(_differences(then, now)):
        raise BuildError(
            f"{path} is of another version of RobBench, in which its recipe or evaluation stood for something else: {'; '.join(differing[:3])}."
            " Go on with that version, or make a new plan in another folder."
        )


def _differences(then: Any, now: Any, where: str = "") -> Iterable[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        for name in then | now:
            yield from _differences(then.get(name), now.get(name), f"{where}.{name}" if where else name)
    elif then != now:
        yield f"{where} was {then}, and is {now}"
