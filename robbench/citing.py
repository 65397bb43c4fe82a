"""Citations of what was used: by the provenance of the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from robbench import references
from robbench.arguments import options_checked
from robbench.measurements.directions import listed
from robbench.measurements.measurements import Bench, Measurements
from robbench.measurements.metrics import Metric, parse
from robbench.measurements.question import Question
from robbench.references import entry, escaped
from robbench.store.arrays import Name
from robbench.version import __version__

ROBBENCH = {
    "author": "{The RobBench developers}",
    "title": "{RobBench: a benchmark of the robustness of neural architectures}",
    "version": __version__,
}


@options_checked
def cite(
    bench: Bench,
    metrics: str | Metric | Sequence[str | Metric] | None = None,
    *,
    dataset: str | None = None,
    training: str | None = None,
    seed: int | None = None,
    interpolate: bool = False,
) -> str:
    """BibTeX of what was used: RobBench, the search space, and the sources that the metrics come from.

    Arguments:
        bench: where the measurements are.
        metrics: one or several, as for a query; everything in the store, of any dataset and training, if left out.
        dataset, training, seed, interpolate: as for a query.

    Returns:
        Entries, each once, with an empty line between them.  A source without a paper that RobBench knows, such as a table of one's own, is a
        ``@misc`` with the citation that it was imported with.

    Raises:
        UnknownMetric, InvalidArgument, NotMeasured: as for a query.
    """
    measurements = bench.measurements
    if metrics is None:
        names = list(measurements.store.names())
    else:
        asked = [Question(parse(name), dataset, training, seed, interpolate) for name in listed(metrics, "metrics")]
        names = [name for question in asked for name in _parts(measurements, measurements.without_training(question))]
    space = references.SPACES.get(measurements.space.name)
    entries = [entry("software", "robbench", ROBBENCH), *([space.bibtex] if space else []), *_of(measurements, names)]
    return "\n\n".join(dict.fromkeys(entries)) + "\n"


def _parts(measurements: Measurements, question: Question) -> tuple[Name, ...]:
    """The arrays that the answers to a question come from; none, of what follows from the structure."""
    resolved = measurements.resolve(question)
    return measurements.column(resolved).parts if measurements.is_number(resolved) else (resolved.name(),)


def _of(measurements: Measurements, names: Sequence[Name]) -> Iterator[str]:
    """The entries of what these arrays came from; of what was built with RobBench there is none but its own."""
    own: dict[str, str] = {}
    for name in names:
        provenance = measurements.store.header(name).provenance
        known, citation = references.SOURCES.get(str(provenance.get("source"))), provenance.get("citation")
        if known is not None:
            yield known.bibtex
        elif citation:
            key = own.setdefault(str(citation), f"source{len(own) + 1}")
            yield entry("misc", key, {"note": escaped(str(citation))})
