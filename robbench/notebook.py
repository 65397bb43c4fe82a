"""How objects show themselves in a notebook: as tables, with whole arch strings and drawn architectures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from robbench.errors import CannotPlot
from robbench.measurements.metrics import TABLE, level_text
from robbench.spaces import SearchSpace
from robbench.spaces.svg import svg
from robbench.store.arrays import Name

if TYPE_CHECKING:
    from robbench.bench import RobBench
    from robbench.measurements.explanation import Explanation
    from robbench.search.oracle import Oracle
    from robbench.search.result import Result
    from robbench.showing import Shown

LAST = 5
"""Queries of a history that are shown."""
DRAWN = 1
"""Architectures of a result that are drawn."""


def bench_html(bench: RobBench) -> str:
    """The store: what of, how large, and what is measured in it, one row for each data set, training and kind of metric with the same levels."""
    store = bench.measurements.store
    measures: dict[tuple[str, str, str], list[str]] = {}
    for name in store.names():
        measures.setdefault((name.dataset, name.training, name.metric), []).append(name.measure)
    held: dict[tuple[str, ...], list[str]] = {}
    for (dataset, training, metric), those in measures.items():
        entry = TABLE[metric] if metric in TABLE else None  # noqa: SIM401  # a name of one's own is known, and not listed
        levels = store.header(Name(dataset, training, metric, those[0])).levels if entry else []
        place = (
            dataset,
            training,
            entry.kind if entry else "other",
            ", ".join(level_text(metric, level) for level in levels),
            ", ".join(those),
        )
        held.setdefault(place, []).append(metric)
    title = (
        f"{bench.path.name}: {len(bench.architectures)} architectures of {bench.space.title} in {len(bench.classes)} classes;"
        f" default data set {bench.default_dataset}"
    )
    rows = [(*place[:3], ", ".join(metrics), *place[3:]) for place, metrics in held.items()]
    return _titled(title, _table(("data set", "training", "kind", "metrics", "levels", "measures"), rows))


def oracle_html(oracle: Oracle) -> str:
    """What is asked, what was spent, and the last queries."""
    budget = "no end" if oracle.budget is None else f"{oracle.budget:g}"
    title = f"oracle of {_objectives(oracle)}: {oracle.spent:g} spent of {budget}, {oracle.asked} architectures asked"
    rows = [(str(query.arch), *_numbers(query.value), f"{query.cost:g}") for query in oracle.queries[-LAST:]]
    return _titled(title, _table(("arch", *oracle.objectives, "spent so far"), rows) if rows else "")


def result_html(result: Result) -> str:
    """What a search found, the best drawn."""
    oracle = result.oracle
    drawings = [_drawing(oracle.space, found.arch) for found in result.front[:DRAWN]]
    rows = [(str(found.arch), *_numbers(found.value)) for found in result.front]
    title = f"found for {_objectives(oracle)}, with {oracle.spent:g} spent"
    return _titled(title, "".join(drawings) + _table(("arch", *oracle.objectives), rows))


def explanation_html(explanation: Explanation) -> str:
    """Every field that says something, and the provenance of each array that the number comes from."""
    fields = [
        (name, _shown(value))
        for name, value in explanation._asdict().items()
        if name not in ("sources", "weights") and value is not None and _shown(value)
    ]
    sources = [(name, field, str(value)) for name, said in explanation.sources.items() for field, value in said.items()]
    return _table((), fields) + (_table(("from", "", ""), sources) if sources else "")


def shown_html(shown: Shown) -> str:
    """An architecture, drawn, and all that is known of it."""
    facts = [
        (name, ", ".join(value) if isinstance(value, list) else _shown(value))
        for name, value in shown.facts.items()
        if value not in (None, [])
    ]
    return f"<div>{_drawing(shown.space, shown.arch)}{_table((), facts)}</div>"


def _objectives(oracle: Oracle) -> str:
    return ", ".join(f"{name} ({direction})" for name, direction in zip(oracle.objectives, oracle.directions, strict=True))


def _drawing(space: SearchSpace[Any], arch: Any) -> str:
    try:
        return svg(space.graph(arch))
    except CannotPlot:  # the space says only how it is drawn in text
        return f"<pre>{escape(space.drawing(arch))}</pre>"


def _numbers(value: float | Sequence[float]) -> list[str]:
    return [f"{number:.6g}" for number in (value if isinstance(value, tuple) else (value,))]


def _shown(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {' × '.join(map(str, value.shape))}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _titled(title: str, body: str) -> str:
    return f"<div><p>{escape(title)}</p>{body}</div>"


def _table(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells stay on one line as far as the page is wide."""
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f'<td style="text-align: left">{escape(text)}</td>' for text in row) + "</tr>" for row in rows)
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"
