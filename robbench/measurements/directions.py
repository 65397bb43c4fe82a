"""Which way each metric is better.

A direction is ``"max"`` or ``"min"``.  By default it is what `robbench.measurements.metrics.TABLE` calls better: accuracies up, latencies down.
Parameters, FLOPs and kernel parameters are proxies for accuracy (more is better) as well as costs (less is better), so beside other
objectives their direction is never guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from robbench.arguments import checked_choice, nearest
from robbench.errors import InvalidArgument
from robbench.measurements.metrics import Metric, parse

SIGNS = {"max": 1, "min": -1}
EITHER_WAY = ("params", "flops", "kernel_parameters")


def spelled(metric: str | Metric) -> str:
    """The one spelling of a metric, by which tables name it; raises as `metrics.parse` where it is none."""
    return str(parse(metric))


def higher_is_better(metric: str) -> bool:
    """Whether more of it is taken for better."""
    return parse(metric).entry.higher_is_better


def direction_as_cost(metric: str) -> str:
    """The direction of a metric alone, where sizes are costs: of parameters and FLOPs less is better."""
    return "max" if higher_is_better(metric) and metric not in EITHER_WAY else "min"


def listed(metrics: str | Metric | Sequence[str | Metric], what: str, functions: Collection[str] = ()) -> list[str]:
    """The spellings of one metric or several, each named once and at least one of them; names among `functions` stay as they are."""
    given = [metrics] if isinstance(metrics, str | Metric) else metrics
    names = [str(metric) if metric in functions else spelled(metric) for metric in given]
    again = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if again:
        raise InvalidArgument(f"{', '.join(again)} is among the {what} more than once; name each once.")
    if not names:
        raise InvalidArgument(f"no {what} were given; expected at least one metric, such as 'pgd@1/255'.")
    return names


def directions_of(
    metrics: str | Metric | Sequence[str | Metric], given: Mapping[str, str] | None = None, *, functions: Collection[str] = ()
) -> dict[str, str]:
    """The direction of each objective: as given, or by default.

    Arguments:
        metrics: the objectives.
        given: a direction for some of them.
        functions: names among them that are not metrics, but functions of the user's: of these, more is better unless it is said otherwise.

    Raises:
        InvalidArgument: a direction that is none, that is of no objective, or that is needed and missing.
    """
    names = listed(metrics, "objectives", functions)
    if given is not None and not isinstance(given, Mapping):
        raise InvalidArgument(
            f"directions={given!r} is a {type(given).__name__}; expected one for each objective's name: {{{names[0]!r}: 'max'}}."
        )
    chosen = {metric if metric in functions else spelled(metric): direction for metric, direction in (given or {}).items()}
    for name, direction in chosen.items():
        if name not in names:
            raise InvalidArgument(
                f"directions names {name}, which is not an objective.{nearest(name, names)} Objectives: {', '.join(names)}."
            )
        checked_choice(direction, f"direction of {name}", tuple(SIGNS))
    for name in names:
        if name in EITHER_WAY and name not in chosen:
            raise InvalidArgument(
                f"{name} is a proxy for accuracy (more is better) and a cost (less is better); say which: directions={{{name!r}: 'min'}}, for example."
            )
    return {name: chosen.get(name) or ("max" if name in functions or higher_is_better(name) else "min") for name in names}
