"""RobBench: the robustness of neural architectures, in one place.

from robbench import RobBench

bench = RobBench("jung2023.h5")
bench.query(arch, "pgd", eps=1 / 255)
"""

from robbench.bench import RobBench
from robbench.errors import (
    BudgetExhausted,
    CannotFit,
    CannotPlot,
    CannotSearch,
    Contradiction,
    DamagedStore,
    LevelNotMeasured,
    MissingLibrary,
    NewerFormat,
    NotAStore,
    NotMeasured,
    RobBenchError,
    SourceError,
    StoreError,
    UnknownArchitecture,
    UnknownMetric,
)
from robbench.measurements.explanation import Explanation
from robbench.spaces.nb201 import Cell

__version__ = "0.1.0"

__all__ = [
    "BudgetExhausted",
    "CannotFit",
    "CannotPlot",
    "CannotSearch",
    "Cell",
    "Contradiction",
    "DamagedStore",
    "Explanation",
    "LevelNotMeasured",
    "MissingLibrary",
    "NewerFormat",
    "NotAStore",
    "NotMeasured",
    "RobBench",
    "RobBenchError",
    "SourceError",
    "StoreError",
    "UnknownArchitecture",
    "UnknownMetric",
]
