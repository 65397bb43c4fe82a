"""What an oracle was asked: one record a query that was charged, and the tables made of them.

order | arch | pgd@1/255 | incumbent | cost
1 | |…|  |     0.394 |     0.394 |    1
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Value = float | tuple[float, ...]
"""Of one objective, or of several in their order."""


class Query(NamedTuple):
    """One query that was charged."""

    arch: Any
    value: Value
    cost: float
    """All that was spent so far, this query included."""


def values_of(queries: Sequence[Query], objectives: int) -> np.ndarray:
    """The values of so many objectives: ``(queries, objectives)``, float64."""
    return np.array([query.value for query in queries], np.float64).reshape(-1, objectives)


def incumbents_of(queries: Sequence[Query], direction: str) -> np.ndarray:
    """The best value of one objective so far, after each query: ``(queries,)``, float64; NaN before the first value."""
    values = values_of(queries, 1)[:, 0]
    return np.asarray(np.fmax.accumulate(values) if direction == "max" else np.fmin.accumulate(values))


def table_of(queries: Sequence[Query], objectives: Sequence[str]) -> pd.DataFrame:
    """One row a query, indexed by its order from 1; columns: arch, one for each objective, cost."""
    import pandas as pd

    from robbench.measurements.frames import Architectures

    table = Architectures({"arch": [str(query.arch) for query in queries]}, index=pd.RangeIndex(1, len(queries) + 1, name="order"))
    table[list(objectives)] = values_of(queries, len(objectives))
    table["cost"] = [query.cost for query in queries]
    return table


def on_front(queries: Sequence[Query], directions: Sequence[str]) -> np.ndarray:
    """Which queries no other dominates: ``(queries,)``, bool; one that lacks a value is never on the front, and dominates none."""
    from robbench.search.domination import non_dominated

    signs = [1.0 if direction == "max" else -1.0 for direction in directions]
    values = values_of(queries, len(directions))
    kept = np.asarray(~np.isnan(values).any(axis=1))
    kept[kept] = non_dominated(values[kept] * signs)
    return kept
