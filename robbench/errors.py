"""What can go wrong, each with a name a caller can catch."""


class RobBenchError(Exception):
    """Any error that RobBench raises on purpose: what was given, what was expected, what to do."""


class InvalidArgument(RobBenchError, ValueError):
    """An argument or option that is misspelt, of another type, or outside what it may be."""


class UnknownArchitecture(RobBenchError, LookupError):
    """The given value does not name an architecture of the search space."""


class UnknownMetric(RobBenchError, LookupError):
    """The given name is not that of a metric."""


class UnknownSpace(RobBenchError, LookupError):
    """The given name is not that of a search space that this RobBench knows."""


class NotMeasured(RobBenchError, LookupError):
    """A well-formed question to which this store holds no answer: no such dataset, training, array, level or row."""


class LevelNotMeasured(NotMeasured):
    """The threat is in the store, but not at this eps or severity."""


class StoreError(RobBenchError):
    """The file cannot be used as a store."""


class NotAStore(StoreError):
    """The file is missing, is not HDF5, or is HDF5 that RobBench did not write."""


class DamagedStore(StoreError):
    """The file was a store, but bytes are missing or have changed."""


class NewerFormat(StoreError):
    """The store was written in a format version that this RobBench cannot read."""


class SourceError(RobBenchError):
    """Published raw files that are absent, malformed, or not what they claim to be."""


class CannotFetch(RobBenchError):
    """Published files that did not come, or are not what was expected; the message says why, where to go by hand, and where to put them."""


class Contradiction(RobBenchError):
    """New data disagrees with what a store already holds under the same name."""


class CannotFit(RobBenchError):
    """A surrogate cannot be fitted: too few rows, or a target that is not a number an architecture."""


class CannotPlot(RobBenchError):
    """A figure cannot be drawn or written: there is nothing to draw, or no such kind or file format."""


class MissingLibrary(RobBenchError):
    """An optional library is needed and not installed; the message says how to get it."""


class CannotSearch(RobBenchError):
    """A search that cannot begin, or has no such result: no budget, no seed, no such algorithm, or too many objectives."""


class BudgetExhausted(RobBenchError):
    """An oracle's budget does not pay for the query."""


class ObjectiveFailed(RobBenchError):
    """A function given as an objective, or as a cost, raised an error or returned something other than a number, or a cost is below 0; nothing was charged."""
