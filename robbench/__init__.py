"""RobBench: the robustness of neural architectures, in one place.

    from robbench import RobBench

    bench = RobBench()                                  # the embedded store; RobBench("jung2023.h5") opens another
    bench.metrics()                                     # what it holds, and what each metric is
    arch = bench.classes[100]                           # an architecture; its text, or its published index, will do as well

Ask:

    bench.query(arch, "pgd", eps=16 / 255)              # what was measured: a fraction in [0, 1]
    bench.explain(arch, "worst_case@16/255")            # where it comes from
    bench.show(arch)                                    # drawn, with its keys and its twins
    bench.predict(arch, "pgd@16/255")                   # what a surrogate expects, with an interval
    bench.table(["clean", "pgd@16/255"])                # many at once

Compare:

    bench.top("pgd@16/255", 3)
    bench.pareto(["clean", "pgd@16/255"])
    bench.best("pgd@16/255", {"kernel_parameters": (None, 20)})
    bench.neighbors(arch, "clean")
    bench.correlate("pgd@16/255", ["nwot", "synflow"], resamples=0)

Search:

    bench.search("evolution", "pgd@16/255", budget=50).best

    oracle = bench.oracle("pgd@16/255", budget=50)      # for a search of your own: ask it until its budget is spent
    oracle(arch)

For a paper:

    bench.plot.scatter("clean", "pgd@16/255")
    bench.cite(["clean", "pgd@16/255"])

``bench.explore("explore.html")`` writes all of it into one file for any browser.  On a command line,
``robbench -h`` lists the same under the same names.  What is where:

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
    explore/        all of a store in one HTML file
    judge/          what a method is worth
    cli/            the command `robbench`
    showing.py      one architecture, and which others are the same
    notebook.py     how objects show themselves in a notebook
    citing.py       BibTeX of what was used
    references.py   whom to cite
    arguments.py    checks of arguments that many functions share
    commands.py     commands that messages advise
    delegates.py    methods that are functions of other modules
    clock.py        that something is still being computed
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
