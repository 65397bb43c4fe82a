"""Trains networks along the graph of cells: the only module of the package that imports torch, and only `Graph.fit` imports it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from robbench.surrogates.adam import Adam
from robbench.surrogates.perceptrons import read_out
from robbench.surrogates.program import Program, Settings, vectors

GROUPS = 2
"""Of members, which are trained side by side: always so many, so that the result does not depend on how many cores there are."""
_CHECK = 25
"""Steps between two looks at the rows that are held out, at least."""


class _Rows(NamedTuple):
    """What is learned from."""

    inputs: Tensor
    """``(rows, inputs)``, float32, as all of these."""
    output: Tensor
    """``(rows, 1 + terms)``."""
    targets: Tensor
    """``(rows, targets)``."""
    importance: Tensor
    """``(rows, 1)``."""
    levels: tuple[Tensor, ...]
    """As those of a program."""


def trained(
    inputs: np.ndarray, program: Program, targets: np.ndarray, importance: np.ndarray, operations: int, seed: int, settings: Settings
) -> dict[str, np.ndarray]:
    """The parameters of all members, float32: those of `vectors` and of `read_out`.

    Arguments:
        inputs: ``(rows, inputs)``: standardised features beside the terms.
        program: of the rows.
        targets: ``(rows, targets)``, standardised.
        importance: ``(rows,)``: weights in the loss, about 1.
        operations: how many there are.
        seed: of everything that is drawn.
    """
    rng = np.random.default_rng(seed)
    levels = tuple(map(_tensor, program.levels))
    rows = _Rows(_tensor(inputs), _tensor(program.output), _tensor(targets), _tensor(importance[:, np.newaxis]), levels)
    start = _start(inputs.shape[1], operations, targets.shape[1], rng, settings)
    held_out = len(inputs) // settings.held_out if settings.held_out else 0
    # Which rows members hold out is drawn once for all, so together they learn from every row.
    drawn = rng.permutation(len(inputs))
    kept = np.stack([np.roll(drawn, -member * held_out) for member in range(settings.members)])
    batch = min(settings.batch, len(inputs) - held_out)
    batches = (len(inputs) - held_out) // batch
    steps = max(settings.epochs * batches, settings.fewest_steps)
    order = np.stack(
        [np.stack([rng.permutation(one[held_out:])[: batches * batch] for one in kept]) for _ in range(math.ceil(steps / batches))]
    )
    shuffled = (
        order.reshape(len(order), settings.members, batches, batch).transpose(0, 2, 1, 3).reshape(-1, settings.members, batch)[:steps]
    )

    def group(members: np.ndarray) -> dict[str, np.ndarray]:
        mine = {name: values[members] for name, values in start.items()}
        return _group(mine, rows, shuffled[:, members], kept[members, :held_out], batches, settings)

    with _one_thread(), ThreadPoolExecutor(os.cpu_count()) as threads:
        groups = list(threads.map(group, np.array_split(np.arange(settings.members), min(GROUPS, settings.members))))
    return {name: np.concatenate([one[name] for one in groups]) for name in start}


def _tensor(values: np.ndarray) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Products are small: more threads would wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _start(inputs: int, operations: int, targets: int, rng: np.random.Generator, settings: Settings) -> dict[str, np.ndarray]:
    """Random weights, and biases of zero."""
    members, width = settings.members, settings.width

    def drawn(given: int, taken: int, gain: float) -> np.ndarray:
        return rng.standard_normal((members, given, taken)) * math.sqrt(gain / max(given, 1))

    found = {"start": drawn(1, width, 1.0)}
    of_operations = [(drawn(width, width, 2.0), drawn(width, width, 1.0)) for _ in range(operations)]
    found |= {part: np.stack(each, axis=1) for part, each in zip(("inner", "outer"), zip(*of_operations, strict=True), strict=True)}
    found |= {part: np.zeros((members, operations, 1, width)) for part in ("inner_bias", "outer_bias")}
    widths = list(pairwise([inputs + width, *settings.hidden, targets]))
    for layer, (given, taken) in enumerate(widths):
        found[f"weight{layer}"] = drawn(given, taken, 2.0 if layer < len(widths) - 1 else 1.0)
        found[f"bias{layer}"] = np.zeros((members, 1, taken))
    return found


def _group(
    start: dict[str, np.ndarray], rows: _Rows, batches: np.ndarray, held_out: np.ndarray, every: int, settings: Settings
) -> dict[str, np.ndarray]:
    """Some members after a step for each batch of rows, ``(steps, members, batch)``: the rate warmed up, then a half cosine.

    Where rows are held out, ``(members, rows)``, each member is as it was when it erred least on them.
    """
    optimiser = Adam([values.shape for values in start.values()], settings.decay)
    parts = {name: torch.from_numpy(values).requires_grad_() for name, values in zip(start, optimiser.parameters, strict=True)}
    for part, slope, values in zip(parts.values(), optimiser.gradients, start.values(), strict=True):
        part.data[:] = torch.as_tensor(values)
        part.grad = torch.from_numpy(slope)  # torch adds to it, and the optimiser reads the same memory
    looked_at, least = torch.as_tensor(held_out), np.full(len(held_out), np.inf)
    best = {name: values.copy() for name, values in zip(start, optimiser.parameters, strict=True)}
    for step, batch in enumerate(torch.as_tensor(batches)):
        optimiser.clear()
        # The sum over targets, as the networks without a graph have it; that of the members' losses is each one's own.
        (_errors(parts, rows, batch).sum() / batch.shape[1]).backward()
        optimiser.step(settings.rate * 0.5 * (1 + math.cos(math.pi * step / len(batches))) * min(1, (step + 1) / 100))
        last = step + 1 == len(batches)
        if last or (held_out.size and (step + 1) % max(every, _CHECK) == 0):
            with torch.no_grad():
                found = _errors(parts, rows, looked_at).sum((1, 2)).numpy()
            better = (found < least) if held_out.size else np.ones(len(held_out), bool)
            least = np.where(better, found, least)
            for name, values in zip(start, optimiser.parameters, strict=True):
                best[name][better] = values[better]
    return best


def _errors(parts: dict[str, Tensor], rows: _Rows, chosen: Tensor) -> Tensor:
    """Weighted squared errors of rows, ``(members, rows)`` of their numbers: ``(members, rows, targets)``."""
    output = rows.output[chosen] @ vectors(parts, rows.levels, torch.cat)
    found: Tensor = read_out(parts, torch.cat([rows.inputs[chosen], output], -1))
    return (found - rows.targets[chosen]) ** 2 * rows.importance[chosen]
