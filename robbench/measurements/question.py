"""A question: one metric, and where to look for it."""

from __future__ import annotations

from typing import NamedTuple, TypedDict, Unpack

from robbench.arguments import refuse_unknown_options
from robbench.measurements.metrics import Metric, parse
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


OPTIONS = ("eps", "severity", "measure", "dataset", "training", "seed", "interpolate")


class Question(NamedTuple):
    """A metric, and where to look for it; None means the store's default, or the only one there is."""

    metric: Metric
    dataset: str | None = None
    training: str | None = None
    seed: int | None = None
    interpolate: bool = False

    @classmethod
    def of(cls, metric: str | Metric, **options: Unpack[Options]) -> Question:
        """The question that the options of `RobBench.query` ask; raises as `metrics.parse`, and InvalidArgument for a misspelt option."""
        refuse_unknown_options("a question", options, OPTIONS)
        parsed = parse(metric, eps=options.get("eps"), severity=options.get("severity"), measure=options.get("measure"))
        return cls(parsed, options.get("dataset"), options.get("training"), options.get("seed"), options.get("interpolate", False))

    def name(self, metric: str | None = None, measure: str | None = None) -> Name:
        """The array that this resolved question is about, or the one of another metric beside it."""
        assert self.dataset is not None, "resolve the question first"
        assert self.training is not None, "resolve the question first"
        return Name(self.dataset, self.training, metric or self.metric.name, measure or self.metric.measure)
