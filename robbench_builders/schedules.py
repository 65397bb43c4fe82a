"""Schedules: the learning rate and the momentum of every step of a training, as data.

half-cosine   from the recipe's rate down to 0, step by step             Dong and Yang (2020)
steps         times a factor after so many epochs                        Ha et al. (2023), Yang et al. (2025)
triangle      linearly up from 0 and down again                          Wong et al. (2020)
constant      the recipe's                                               Gubri et al. (2022)
one-cycle     up and down on half cosines, the momentum the other way    Wu et al. (2024)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from robbench_builders.errors import BuildError


@dataclass(frozen=True)
class HalfCosine:
    """The learning rate is annealed to 0 on a half cosine, step by step; the momentum stays."""

    kind: ClassVar[str] = "half-cosine"

    def at(self, step: int, steps: int, epochs: int, rate: float, momentum: float) -> tuple[float, float]:
        """Learning rate and momentum of one step.

        Arguments:
            step: counted from 0, of all.
            steps: of an epoch.
            epochs: in all.
            rate, momentum: the recipe's; the highest learning rate.
        """
        return rate * (1 + math.cos(math.pi * (step / (epochs * steps)))) / 2, momentum


@dataclass(frozen=True)
class Constant:
    """The learning rate and the momentum stay what they are."""

    kind: ClassVar[str] = "constant"

    def at(self, step: int, steps: int, epochs: int, rate: float, momentum: float) -> tuple[float, float]:
        """As `HalfCosine.at`."""
        return rate, momentum


@dataclass(frozen=True)
class Steps:
    """The learning rate is multiplied by a factor after so many epochs, and again after so many; the momentum stays.

    Arguments:
        after: epochs done when the rate falls: 99 is the 100th epoch's beginning.
        factor: in (0, 1].

    Raises:
        BuildError: epochs that do not ascend, or a factor outside (0, 1].
    """

    after: tuple[int, ...]
    factor: float = 0.1

    kind: ClassVar[str] = "steps"

    def __post_init__(self) -> None:
        if not self.after or list(self.after) != sorted(set(self.after)) or self.after[0] < 1:
            raise BuildError(f"after={list(self.after)}; expected numbers of epochs, ascending from 1 on, such as [100, 150].")
        if not 0 < self.factor <= 1:
            raise BuildError(f"factor={self.factor}; expected one in (0, 1], such as 0.1.")

    def at(self, step: int, steps: int, epochs: int, rate: float, momentum: float) -> tuple[float, float]:
        """As `HalfCosine.at`."""
        return rate * self.factor ** sum(step // steps >= after for after in self.after), momentum


@dataclass(frozen=True)
class Triangle:
    """The learning rate rises linearly from 0 to the recipe's in the first half, and falls to 0 in the second; the momentum stays.

    Source: the cyclic schedule of Wong, Rice and Kolter (2020).
    """

    kind: ClassVar[str] = "triangle"

    def at(self, step: int, steps: int, epochs: int, rate: float, momentum: float) -> tuple[float, float]:
        """As `HalfCosine.at`."""
        return rate * (1 - abs(2 * step / (epochs * steps) - 1)), momentum


@dataclass(frozen=True)
class OneCycle:
    """The learning rate rises to the recipe's and falls again, each on a half cosine, while the momentum falls and rises.

    Arguments:
        warmup: share of the steps in which the rate rises.
        start: what the recipe's rate is divided by at first.
        end: what that is divided by at the end.
        low_momentum, high_momentum: of the step with the highest rate, and at both ends; they take the place of the recipe's.

    Raises:
        BuildError: a share outside (0, 1), a divisor below 1, or a momentum outside [0, 1).

    Source: Smith and Topin (2019), with the defaults of ``torch.optim.lr_scheduler.OneCycleLR``.
    """

    warmup: float = 0.3
    start: float = 25.0
    end: float = 1e4
    low_momentum: float = 0.85
    high_momentum: float = 0.95

    kind: ClassVar[str] = "one-cycle"

    def __post_init__(self) -> None:
        if not 0 < self.warmup < 1 or min(self.start, self.end) < 1 or not 0 <= self.low_momentum <= self.high_momentum < 1:
            raise BuildError(f"{self} makes no sense; expected warmup in (0, 1), start and end of at least 1, and momenta in [0, 1).")

    def at(self, step: int, steps: int, epochs: int, rate: float, momentum: float) -> tuple[float, float]:
        """As `HalfCosine.at`."""
        top, last = self.warmup * epochs * steps - 1, epochs * steps - 1
        first = rate / self.start
        if step <= top:
            done = step / top if top > 0 else 1.0
            return _cosine(first, rate, done), _cosine(self.high_momentum, self.low_momentum, done)
        done = (step - top) / (last - top)
        return _cosine(rate, first / self.end, done), _cosine(self.low_momentum, self.high_momentum, done)


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


Schedule = HalfCosine | Constant | Steps | Triangle | OneCycle
SCHEDULES: dict[str, type[Schedule]] = {each.kind: each for each in (HalfCosine, Constant, Steps, Triangle, OneCycle)}
"""By the names that TOML has for them."""
