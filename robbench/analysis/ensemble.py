"""An ensemble of proxies that vote: of two architectures, the better is the one that more of them call better.

Source: Abdelfattah, Mehrotra, Dudziak and Lane (2021), "Zero-cost proxies for lightweight NAS", whose vote compares two architectures at a time; Ha et al.
(2023), Table 12, correlate it with accuracies.  Votes can go round in a circle, so a rank takes more than pairs: here, the share of the others that an
architecture beats (Copeland's score).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from robbench.arguments import checked_choice, options_checked
from robbench.errors import InvalidArgument, NotMeasured
from robbench.measurements.directions import higher_is_better, listed
from robbench.measurements.joining import join
from robbench.measurements.measurements import Bench
from robbench.measurements.metrics import Metric

if TYPE_CHECKING:
    import pandas as pd

_AT_A_TIME = 256


@options_checked
def ensemble(bench: Bench, proxies: Sequence[str | Metric], *, rows: str | None = None, dataset: str | None = None) -> pd.Series[float]:
    """The share of the other architectures that each one beats by the vote of proxies; a tie counts half.

        ensemble(bench, ["synflow", "snip", "nwot"]).idxmax()         the arch string of the one that beats most

    Arguments:
        bench: where the measurements are.
        proxies: two or more metrics that vote, each with one vote; a metric of which less is better (a latency) votes for less.
        rows: ``"class"`` for each class once, as its representative; if left out, as `robbench.measurements.joining.join` has it.
        dataset: as for a query.

    Returns:
        One number in [0, 1] for each architecture that has all of the proxies, by its text; it depends on which these are.

    Raises:
        UnknownMetric, NotMeasured: as for a query; or fewer than two architectures have all of the proxies.
        InvalidArgument: fewer than two proxies, or one twice.
    """
    import pandas as pd

    checked_choice(rows, "rows", (None, "class"))
    names = listed(proxies, "proxies of an ensemble")
    if len(names) < 2:
        raise InvalidArgument(
            f"an ensemble of {names[0]} alone has nobody to vote with; name two proxies or more, such as ['synflow', 'snip', 'nwot']."
        )
    joined = join(bench.measurements, names, rows=rows, dataset=dataset)
    measured = np.flatnonzero(joined.measured)
    if len(measured) < 2:
        counts = ", ".join(f"{name} of {int((~np.isnan(values)).sum())}" for name, values in joined.values.items())
        raise NotMeasured(
            f"{len(measured)} architectures have all of the proxies, so there is nothing to vote on: the store holds {counts}; leave one out."
        )
    values = np.stack([(1 if higher_is_better(name) else -1) * joined.values[name][measured] for name in names], axis=1)
    return pd.Series(votes(values), index=pd.Index([str(joined.archs[row]) for row in measured], name="arch"), name="vote")


def votes(values: np.ndarray) -> np.ndarray:
    """The share of the others that each architecture beats by the majority of members, a tie counting half: ``(architectures,)``, float64.

    Arguments:
        values: ``(architectures, members)``, without NaN, more being better; at least two architectures.  A member that holds two for equal abstains.
    """
    ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in values.T], axis=1).astype(np.int32)
    found = np.empty(len(ranks))
    for start in range(0, len(ranks), _AT_A_TIME):
        block = ranks[start : start + _AT_A_TIME]
        majority = np.zeros((len(block), len(ranks)), np.int16)
        for mine, all_of_them in zip(block.T, ranks.T, strict=True):
            majority += np.sign(mine[:, np.newaxis] - all_of_them).astype(np.int16)
        found[start : start + _AT_A_TIME] = ((majority > 0) + (majority == 0) / 2).sum(axis=1) - 1 / 2  # less the tie with itself
    return found / (len(ranks) - 1)
