"""NASLib: what its graphs of NAS-Bench-201 are queried with, so that its searches and predictors look for robust architectures.

api = dataset_api(bench, "pgd@1/255")
graph.query(Metric.VAL_ACCURACY, "cifar10", dataset_api=api)        39.4: in percent, as NASLib has it

It stands in for NASLib's ``get_dataset_api("nasbench201", dataset)``, and has the form that ``NasBench201SearchSpace.query`` reads:

    {"nb201_data": {arch string: {"cifar10-valid" │ "cifar100" │ "ImageNet16-120": results}}}

    results         read by NASLib's metrics     what it is here
    eval_acc1es     VAL_ACCURACY, TEST_ACCURACY  the metric that was asked for
    train_acc1es    TRAIN_ACCURACY               accuracy on the training images, where the store holds it
    train_losses    TRAIN_LOSS                   loss on the training images, where the store holds it
    cost_info       HP, TRAIN_TIME               params and flops, both in 10^6; train_time, in seconds, where the store holds it

The first three are learning curves there; a store knows their ends, so an epoch is -1 or 199.  What it lacks raises where it is looked for: NASLib asks
for the training accuracy and time of the best that it found, so its searches need ``missing="nan"`` of most stores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from robbench.adapters.natsbench import EPOCHS, Info
from robbench.arguments import checked_choice
from robbench.errors import InvalidArgument, NotMeasured
from robbench.measurements.metrics import Metric
from robbench.measurements.question import Options, Question
from robbench.spaces.nb201 import NB201, Cell

if TYPE_CHECKING:
    from robbench.bench import RobBench

DATASETS = {"cifar10": "cifar10-valid", "cifar100": "cifar100", "ImageNet16-120": "ImageNet16-120"}
"""A data set, and where NASLib looks when it is asked for it."""
_CURVES = {"train_acc1es": ("training_accuracy", 100), "train_losses": ("training_loss", 1)}
_COSTS = {"params": "params", "flops": "flops", "train_time": "training_seconds"}
_NAN = float("nan")


class Trained:
    """A learning curve of which only the end is known: any other epoch raises NotMeasured."""

    def __init__(self, value: float) -> None:
        self._value = value

    def __len__(self) -> int:
        return EPOCHS

    def __getitem__(self, epoch: int | slice) -> float:
        if epoch in (-1, EPOCHS - 1):
            return self._value
        raise NotMeasured(f"{epoch} of a learning curve is not in the store, which knows its end: epoch=-1, full_lc=False.")

    def __repr__(self) -> str:
        return f"[…, {self._value}]"


class Networks(Mapping[str, Info[Any]]):
    """What a store holds of every cell, by arch string; `dataset_api` makes it."""

    def __init__(self, bench: RobBench, metric: str | Metric, missing: str, options: Options) -> None:
        self._bench, self._metric, self._absent, self._options = bench, metric, _NAN if missing == "nan" else None, options
        self._datasets: list[str] = []
        refusal = NotMeasured(f"{bench.path.name} holds {', '.join(bench.datasets)}; NASLib knows {', '.join(DATASETS)}.")
        for dataset in filter(DATASETS.__contains__, bench.datasets):
            try:
                column = bench.measurements.column(Question.of(metric, **options)._replace(dataset=dataset))
            except NotMeasured as error:
                refusal = error
                continue
            if column.question.metric.entry.unit != "fraction":
                raise InvalidArgument(f"{column.question.metric} is no accuracy; NASLib takes one, which it reads in percent.")
            self._datasets.append(dataset)
        if not self._datasets:
            raise refusal

    def __getitem__(self, arch: str) -> Info[Any]:
        cell = self._bench.parse(arch)
        return Info({DATASETS[dataset]: held for dataset in self._datasets if (held := self._held(cell, dataset)) is not None})

    def __iter__(self) -> Iterator[str]:
        return map(str, self._bench.architectures)

    def __len__(self) -> int:
        return len(self._bench.architectures)

    def _held(self, cell: Cell, dataset: str) -> Info[Any] | None:
        """What a cell's network has reached and cost; None where the metric was not measured."""
        value = self._asked(cell, self._metric, dataset, self._options, None)
        if value is None:
            return None
        where = Options(training=self._options.get("training"), seed=self._options.get("seed"))
        curves = {key: (scale, self._asked(cell, metric, dataset, where, self._absent)) for key, (metric, scale) in _CURVES.items()}
        costs = {key: self._asked(cell, metric, dataset, where, self._absent) for key, metric in _COSTS.items()}
        return Info(
            {
                "eval_acc1es": Trained(100 * value),
                **{key: Trained(scale * end) for key, (scale, end) in curves.items() if end is not None},
                "cost_info": Info({key: cost for key, cost in costs.items() if cost is not None}),
            }
        )

    def _asked(self, cell: Cell, metric: str | Metric, dataset: str, options: Options, absent: float | None) -> float | None:
        """The answer to a query, or what stands for none."""
        question = self._bench.measurements.without_training(Question.of(metric, **options)._replace(dataset=dataset))
        try:
            return float(self._bench.measurements.value(question, cell))
        except NotMeasured:
            return absent


def dataset_api(
    bench: RobBench, metric: str | Metric = "clean", *, missing: str = "raise", **options: Unpack[Options]
) -> dict[str, Networks]:
    """What NASLib's ``graph.query(…, dataset_api=…)`` and optimizers take, with a metric of a store for NASLib's accuracy.

    Arguments:
        bench: of a store of NAS-Bench-201 with cifar10, cifar100 or ImageNet16-120.
        metric: an accuracy, which NASLib gets in percent, for all of these data sets that have it.
        missing: what to do where NASLib asks for a training accuracy, loss, time or a size that the store lacks: ``"raise"``, or ``"nan"``.
        options: of the metric, as for `RobBench.query`, but for the data set, which NASLib names.

    Raises:
        InvalidArgument: a store of another search space, or a metric that is no accuracy; otherwise as for a query.
        UnknownMetric, NotMeasured: as for a query, where no data set has the metric.
    """
    checked_choice(missing, "missing", ("raise", "nan"))
    if bench.space is not NB201:
        raise InvalidArgument(f"{bench.path.name} is of {bench.space.title}; NASLib's tables of accuracies are of {NB201.title}.")
    if "dataset" in options:
        raise InvalidArgument(f"dataset={options['dataset']!r} is not asked here: NASLib names the data set with each query.")
    return {"nb201_data": Networks(bench, metric, missing, options)}
