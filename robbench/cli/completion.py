"""What a shell offers when Tab is pressed: names of metrics in the store that is asked, and of search algorithms.

Commands, options, kinds of figures and files complete by themselves.  To switch it on: ``eval "$(_ROBBENCH_COMPLETE=bash_source robbench)"``.
"""

from __future__ import annotations

import os
from contextlib import suppress

import click

from robbench.bench import RobBench
from robbench.errors import RobBenchError
from robbench.measurements.metrics import TABLE
from robbench.measurements.question import Question


def metric_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The metrics that the store holds, with their levels, and what follows from them; all names, where the store cannot be read."""
    return [name for name in _known(ctx) if name.startswith(incomplete)]


def algorithm_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The search algorithms."""
    from robbench.search import ALGORITHMS

    return [name for name in ALGORITHMS if name.startswith(incomplete)]


def _known(ctx: click.Context) -> list[str]:
    store = ctx.params.get("store") or os.environ.get("ROBBENCH_STORE") or None
    with suppress(RobBenchError):  # a shell that completes has nowhere to say what is wrong; the command does, when it runs
        bench = RobBench(store)
        question = Question.of("clean", dataset=ctx.params.get("dataset"), training=ctx.params.get("training"))
        held = [str(metric) for metric in bench.measurements.numbers(question)]
        return [*held, *bench.space.attributes]
    return list(TABLE)
