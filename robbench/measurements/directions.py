"""Metrics as objectives: how they are spelled, and which way each is better.

A direction is ``"max"`` or ``"min"``.  By default it is what `robbench.measurements.metrics.TABLE` calls better: accuracies up, latencies down.
Parameters, FLOPs and kernel parameters are proxies for accuracy (more is better) as well as costs (less is better), so beside other
objectives their direction is never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robbench.errors import UnknownMetric
from robbench.measurements.metrics import Metric, nearest, parse

KERNEL_PARAMETERS = "kernel_parameters"
"""`Cell.kernel_parameters`, which no store needs to hold; of a class, those of its representative."""

SIGNS = {"max": 1, "min": -1}
EITHER_WAY = ("params", "flops", KERNEL_PARAMETERS)


def spelled(metric: str | Metric) -> str:
    """The one spelling of a metric, by which tables name it; raises UnknownMetric where it is none."""
    return KERNEL_PARAMETERS if metric == KERNEL_PARAMETERS else str(parse(metric))


def higher_is_better(metric: str) -> bool:
    """Whether more of it is taken for better: by `robbench.measurements.metrics.TABLE`; of kernel parameters, as of parameters, yes."""
    return metric == KERNEL_PARAMETERS or parse(metric).entry.higher_is_better


def listed(metrics: str | Metric | Sequence[str | Metric], what: str) -> list[str]:
    """The spellings of one metric or several, each named once and at least one of them."""
    names = [spelled(metric) for metric in ([metrics] if isinstance(metrics, str | Metric) else metrics)]
    again = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if again:
        raise UnknownMetric(f"{', '.join(again)} is among the {what} more than once; name each once.")
    if not names:
        raise UnknownMetric(f"no {what} were given; expected at least one metric, such as 'pgd@1/255'.")
    return names


def directions_of(metrics: Sequence[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The direction of each objective: as given, or by default.

    Raises:
        UnknownMetric: a direction that is none, that is of no objective, or that is needed and missing.
    """
    names = listed(metrics, "objectives")
    if given is not None and not isinstance(given, Mapping):
        raise UnknownMetric(
            f"directions={given!r} is a {type(given).__name__}; expected one for each objective's name: {{{names[0]!r}: 'max'}}."
        )
    chosen = {spelled(metric): direction for metric, direction in (given or {}).items()}
    for name, direction in chosen.items():
        if name not in names:
            raise UnknownMetric(
                f"directions names {name}, which is not an objective.{nearest(name, names)} Objectives: {', '.join(names)}."
            )
        if direction not in SIGNS:
            raise UnknownMetric(f"{direction!r} is not a direction of {name}.{nearest(direction, SIGNS)} Expected 'max' or 'min'.")
    for name in names:
        if name in EITHER_WAY and name not in chosen:
            raise UnknownMetric(
                f"{name} is a proxy for accuracy (more is better) and a cost (less is better); say which: directions={{{name!r}: 'min'}}, for example."
            )
    return {name: chosen.get(name, "max" if higher_is_better(name) else "min") for name in names}
