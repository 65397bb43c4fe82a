"""Syne Tune: a store as a blackbox repository, which its simulated backends read.

save(bench, ["clean", "pgd@1/255"], "robbench-nb201")                        # the files of a repository
blackboxes = syne_tune.blackbox_repository.blackbox_tabular.deserialize("robbench-nb201")
blackboxes["cifar10"].objective_function(bench.space.assignment(arch), fidelity=1, seed=0)

    task          a data set
    hyperparameter a variable of the search space, and its choices
    seed          0: the mean over trainings; or 0, 1, … for those that `seeds` names
    fidelity      ``epoch``: epochs of training, where `epochs` asks for learning curves; else ``training``, which is 1
    objectives    the metrics, as RobBench gives them (accuracies are fractions, to be maximized), and `ELAPSED`

Syne Tune keeps objectives in single precision.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Unpack

import numpy as np

from robbench.adapters import needs
from robbench.adapters.tabular import Table, Tabulation, citation, tabulate
from robbench.errors import InvalidArgument
from robbench.measurements.directions import listed, spelled
from robbench.measurements.measurements import Bench
from robbench.measurements.metrics import Metric

try:
    import fastparquet  # noqa: F401  # Syne Tune imports it when it writes
    from syne_tune.blackbox_repository.blackbox_tabular import BlackboxTabular, serialize
    from syne_tune.blackbox_repository.conversion_scripts import scripts
    from syne_tune.config_space import choice, randint
except ImportError as error:
    raise needs("Syne Tune and its blackbox repository", "'robbench[syne-tune]'", error) from error

if TYPE_CHECKING:
    from collections.abc import Sequence

ELAPSED = "elapsed_time"
"""Seconds since training began, which simulated backends need; see `blackboxes`."""


def blackboxes(
    bench: Bench, metrics: str | Metric | Sequence[str | Metric], *, seconds: str | Metric | None = None, **options: Unpack[Tabulation]
) -> dict[str, BlackboxTabular]:
    """Every architecture of a store as an evaluated configuration: for each data set, a blackbox.

    Arguments:
        bench: where the measurements are.
        metrics: the objectives, one or several.
        seconds: a cost that the store holds, such as ``"training_seconds"``, of which each epoch takes an equal share; if left out, an epoch,
            or a whole training where there are no learning curves, takes one simulated second.
        options: as for `robbench.adapters.tabular.tabulate`: ``datasets``, ``training``, ``seeds``, ``epochs``, ``missing``.

    Raises:
        UnknownMetric, InvalidArgument, NotMeasured: as for `tabulate`.
    """
    table = tabulate(bench, _asked(metrics, seconds), **options)
    values = _timed(table, seconds is not None)
    trained = np.array(table.epochs or (1,))
    space = {variable.name: choice(list(variable.choices)) for variable in bench.measurements.space.variables}
    return {
        dataset: BlackboxTabular(
            hyperparameters=table.choices,
            configuration_space=space,
            fidelity_space={"epoch" if table.epochs else "training": randint(1, int(trained[-1]))},
            objectives_evaluations=of_dataset,
            fidelity_values=trained,
            objectives_names=[*listed(metrics, "metrics"), ELAPSED],
        )
        for dataset, of_dataset in zip(table.datasets, values, strict=True)
    }


def save(
    bench: Bench,
    metrics: str | Metric | Sequence[str | Metric],
    folder: str | os.PathLike[str],
    *,
    seconds: str | Metric | None = None,
    **options: Unpack[Tabulation],
) -> None:
    """Write `blackboxes` as Syne Tune does, for its ``blackbox_tabular.deserialize(folder)``.

    Its metadata names the first metric as the default, and cites the sources; the data stays its authors'.

    Arguments:
        bench: where the measurements are.
        metrics: as for `blackboxes`, and so are ``seconds`` and the options.
        folder: a new one, or an empty one.

    Raises:
        InvalidArgument: there is something in the folder; otherwise as `blackboxes`.
    """
    path = Path(folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InvalidArgument(f"{path} is there already; name a new folder, or an empty one, for the repository.")
    found = blackboxes(bench, metrics, seconds=seconds, **options)
    first = next(iter(found.values()))
    about = {
        scripts.metric_elapsed_time: ELAPSED,
        scripts.default_metric: first.objectives_names[0],
        scripts.time_attr: next(iter(first.fidelity_space)),
        "citation": citation(bench, _asked(metrics, seconds), **options),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as scratch:  # so that the folder is there whole or not at all
        serialize(found, str(Path(scratch, path.name)), metadata=about)
        Path(scratch, path.name).rename(path)


def _asked(metrics: str | Metric | Sequence[str | Metric], seconds: str | Metric | None) -> list[str]:
    """The objectives, and, if it is measured, the time."""
    return [*listed(metrics, "metrics"), *([] if seconds is None else [spelled(seconds)])]


def _timed(table: Table, measured: bool) -> np.ndarray:
    """The table's values with the time as the last objective, cumulative over epochs: that of the whole training is the last metric, if measured."""
    share = np.array(table.epochs or (1,), np.float64) / table.length
    objectives = table.values[..., :-1] if measured else table.values
    whole = table.values[..., -1] if measured else np.full(table.values.shape[:-1], float(table.length))
    return np.concatenate([objectives, (whole * share)[..., np.newaxis]], axis=-1)
