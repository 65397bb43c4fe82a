"""Builds without training: outcomes and proxies drawn by architecture and seed, so that whoever builds a network finds the same."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robbench_builders.datasets import load
from robbench_builders.environment import environment_of
from robbench_builders.plan import Plan, Unit
from robbench_builders.plan_file import read_plan, write_plan
from robbench_builders.results import shards
from robbench_builders.results.shards import Shard
from robbench_builders.units import settings_of

IMAGES = 20
"""Not a multiple of eight."""
digits = cache(lambda: load("digits"))


def drawn(arch: str, seed: int, what: str) -> np.random.Generator:
    return np.random.default_rng(int(hashlib.sha256(f"{arch} {seed} {what}".encode()).hexdigest()[:8], 16))


def made_up(unit: Unit, seconds: float = 1.0, images: int = IMAGES) -> Shard:
    """A shard without training; some networks have no value of a proxy."""
    settings, evaluation = settings_of(unit.trained_by, unit.evaluated_by, digits()), unit.evaluated_by
    levels = {
        "clean": (),
        **{name: (len(evaluation.levels(name)),) for name in evaluation.attacks},
        **dict.fromkeys(evaluation.corruptions, (5,)),
    }

    def outcomes(threat: str) -> np.ndarray:
        return np.array([drawn(arch, unit.seed, threat).random((*levels[threat], images)) < 0.6 for arch in unit.archs])

    def training(arch: str) -> dict[str, Any]:
        return {"loss": drawn(arch, unit.seed, "loss").random(), "accuracy": 0.9, "seconds": seconds, "diverged": None}

    proxies = {name: np.array([drawn(arch, unit.seed, name).random() for arch in unit.archs]) for name in settings["proxies"]}
    failures: dict[str, dict[str, int]] = {}
    if "fisher" in proxies:
        without = proxies["fisher"] < 0.3
        proxies["fisher"][without] = np.nan
        failures = {"fisher": {"the value is not finite": int(without.sum())}} if without.any() else {}
    environment = {**environment_of(torch.device("cpu")), "stack": len(unit.archs)}
    return Shard(
        unit,
        settings,
        environment,
        [training(arch) for arch in unit.archs],
        {"proxies": 2.0, **dict.fromkeys(levels, seconds)},
        {threat: outcomes(threat) for threat in levels},
        proxies,
        failures,
    )


def built(folder: Path, plan: Plan, **options: Any) -> Path:
    """A folder with all shards of a plan; options as for `made_up`."""
    write_plan(folder, plan)
    for unit in read_plan(folder).units():
        shards.write(folder, made_up(unit, **options))
    return folder
