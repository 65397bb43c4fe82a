"""A question: one metric, and where to look for it."""

from __future__ import annotations

from typing import NamedTuple, TypedDict, Unpack

from robbench.arguments import checked_count, refuse_unknown_options
from robbench.errors import InvalidArgument
from robbench.measurements.metrics import CURVE_OF, CURVES, Metric, parse
from robbench.store.arrays import Name

STANDARD = "standard"
"""The training protocol that a threat means when none is named."""
UNTRAINED = "untrained"
"""Where metrics of networks that were not trained stand: proxies, latencies."""


class Where(TypedDict, total=False):
    """Where several metrics are looked for.  `RobBench.query` says what each means."""

    dataset: str | None
    training: str | None
    seed: int | None
    interpolate: bool


class Options(Where, total=False):
    """The options of a question about one metric."""

    eps: float | str | None
    severity: int | None
    measure: str | None
    epoch: int | None


OPTIONS = ("eps", "severity", "measure", "dataset", "training", "seed", "interpolate", "epoch")


class Question(NamedTuple):
    """A metric, and where to look for it; None means the store's default, or the only one there is."""

    metric: Metric
    dataset: str | None = None
    training: str | None = None
    seed: int | None = None
    interpolate: bool = False
    epoch: int | None = None
    """Of the training: which point of a learning curve."""

    @classmethod
    def of(cls, metric: str | Metric, **options: Unpack[Options]) -> Question:
        """The question that the options of `RobBench.query` ask; raises as `metrics.parse`, and InvalidArgument for a misspelt option."""
        refuse_unknown_options("a question", options, OPTIONS)
        parsed = parse(metric, eps=options.get("eps"), severity=options.get("severity"), measure=options.get("measure"))
        if (epoch := options.get("epoch")) is not None:
            parsed = parsed._replace(measure=_curve_at(parsed, checked_count(epoch, "epoch", least=0, of="epochs")))
        return cls(parsed, options.get("dataset"), options.get("training"), options.get("seed"), options.get("interpolate", False), epoch)

    def name(self, metric: str | None = None, measure: str | None = None) -> Name:
        """The array that this resolved question is about, or the one of another metric beside it."""
        assert self.dataset is not None, "resolve the question first"
        assert self.training is not None, "resolve the question first"
        return Name(self.dataset, self.training, metric or self.metric.name, measure or self.metric.measure)


def _curve_at(metric: Metric, epoch: int) -> str:
    """The measure that has a value for each epoch: the learning curve, of an accuracy."""
    measure = metric.measure if metric.entry.kind == "derived" else CURVE_OF.get(metric.measure, metric.measure)
    if measure not in CURVES:
        raise InvalidArgument(f"{metric} has no learning curve, so epoch={epoch} has no meaning; leave it out.")
    return measure
