"""RobBench: the robustness of neural architectures, in one place.

from robbench import RobBench

bench = RobBench("jung2023.h5")
bench.query(arch, "pgd", eps=1 / 255)

    bench.py        RobBench, the face: query, predict, explain, table, top, oracle
    spaces/         search spaces: what an architecture is, and which are the same
    measurements/   what can be asked, and how a question becomes a column of numbers
    store/          the file
    sources/        published data, read into a store
    surrogates/     what was not measured, predicted
    search/         the oracle, and the algorithms that spend its budget
    analysis/       correlations, fronts, noise ceilings, neighbours, anomalies
    papers/         the papers' tables beside ours
    plots/          figures
    adapters/       other libraries' searches and data formats
    cli/            the command `robbench`
    arguments.py    checks of arguments that many functions share
    errors.py       what can go wrong
    workers.py      worker processes that end with their parent
"""

from typing import TYPE_CHECKING, Any

from robbench.bench import RobBench
from robbench.errors import (
    BudgetExhausted,
    CannotFetch,
    CannotFit,
    CannotPlot,
    CannotSearch,
    Contradiction,
    DamagedStore,
    InvalidArgument,
    LevelNotMeasured,
    MissingLibrary,
    NewerFormat,
    NotAStore,
    NotMeasured,
    ObjectiveFailed,
    RobBenchError,
    SourceError,
    StoreError,
    UnknownArchitecture,
    UnknownMetric,
    UnknownSpace,
)
from robbench.version import __version__

if TYPE_CHECKING:
    from robbench.measurements.explanation import Explanation

__all__ = [
    "BudgetExhausted",
    "CannotFetch",
    "CannotFit",
    "CannotPlot",
    "CannotSearch",
    "Contradiction",
    "DamagedStore",
    "Explanation",
    "InvalidArgument",
    "LevelNotMeasured",
    "MissingLibrary",
    "NewerFormat",
    "NotAStore",
    "NotMeasured",
    "ObjectiveFailed",
    "RobBench",
    "RobBenchError",
    "SourceError",
    "StoreError",
    "UnknownArchitecture",
    "UnknownMetric",
    "UnknownSpace",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """What a first answer does not need is imported when it is asked for."""
    if name == "Explanation":
        from robbench.measurements.explanation import Explanation

        return Explanation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
