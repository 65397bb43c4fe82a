"""hposuite: a store as a tabular benchmark, of the form that hposuite and hpoglue, which runs it, read.

bench = RobBench("jung2023.h5")
hpoglue.run(RandomSearch, description(bench, ["clean", "pgd@1/255"]), objectives="pgd@1_over_255", budget=100, seed=0)

hposuite writes the names of metrics and benchmarks into the names of files, so there is no "/" in them: see `objective`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Unpack

import numpy as np

from robbench.adapters import needs
from robbench.adapters.tabular import Tabulation, tabulate
from robbench.errors import InvalidArgument
from robbench.measurements.directions import directions_of, spelled
from robbench.measurements.measurements import Bench
from robbench.measurements.metrics import Metric

try:
    from hpoglue import BenchmarkDescription, Measure, TabularBenchmark
    from hpoglue.fidelity import Fidelity
except ImportError as error:
    raise needs("hpoglue, which hposuite runs on", "'robbench[hposuite]'", error) from error

if TYPE_CHECKING:
    import pandas as pd

ID = "id"


def description(
    bench: Bench,
    metrics: str | Metric | Sequence[str | Metric],
    *,
    directions: Mapping[str, str] | None = None,
    **options: Unpack[Tabulation],
) -> BenchmarkDescription:
    """Every architecture of a store as a row, for ``hpoglue.run``, ``hposuite.create_study``, or ``hposuite.register.register``.

    Arguments:
        bench: where the measurements are.
        metrics: one or several, among which hpoglue's ``objectives`` chooses by the name that `objective` gives them.
        directions: ``"max"`` or ``"min"`` for a metric, as for `RobBench.oracle`.
        options: as for `robbench.adapters.tabular.tabulate`, but one data set and one seed at the most.  With ``epochs`` there is a fidelity
            ``epoch``: epochs of training.

    Raises:
        UnknownMetric, InvalidArgument, NotMeasured: as for `tabulate`; or several data sets or seeds.
    """
    ways = directions_of(metrics, directions)
    table = tabulate(bench, metrics, **options)
    if table.values.shape[0] != 1 or table.values.shape[2] != 1:
        raise InvalidArgument("a tabular benchmark is of one data set, and of one seed or the mean over seeds; make one for each.")
    names, keys = list(map(objective, table.metrics)), [str(name) for name in table.choices]
    # hpoglue numbers configurations in the order of their choices, and looks a configuration up by that number.
    order = table.choices.sort_values(keys).index
    rows = table.choices.loc[order].assign(**{ID: np.arange(len(order)).astype(str)})
    frame = rows.loc[rows.index.repeat(max(len(table.epochs), 1))].reset_index(drop=True)
    frame[names] = table.values[0, order, 0].reshape(-1, len(names))
    if table.epochs:
        frame["epoch"] = table.epochs * len(order)
    return BenchmarkDescription(
        name=re.sub(r"[^\w-]", "_", f"robbench-{bench.measurements.space.name}-{table.datasets[0]}"),
        config_space=TabularBenchmark.get_tabular_config_space(frame, keys),
        load=partial(_load, frame=frame, keys=keys),
        metrics={objective(metric): _measure(metric, ways[str(metric)]) for metric in table.metrics},
        fidelities={"epoch": Fidelity.frm(list(table.epochs), supports_continuation=True)} if table.epochs else None,
        is_tabular=True,
    )


def objective(metric: str | Metric) -> str:
    """What a metric is called in hposuite: ``"pgd@1_over_255"``."""
    return spelled(metric).replace("/", "_over_")


def _load(described: BenchmarkDescription, *, frame: pd.DataFrame, keys: list[str]) -> TabularBenchmark:
    return TabularBenchmark(desc=described, table=frame, id_key=ID, config_keys=keys)


def _measure(metric: Metric, direction: str) -> Measure:
    bounds = (0.0, 1.0) if metric.entry.unit == "fraction" else (-np.inf, np.inf)
    return Measure.metric(bounds, minimize=direction == "min")
