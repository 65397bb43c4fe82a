"""Adapters to other libraries' searches and data formats, one library a file.

    optuna.py       objective, directions: an oracle as the objective of a study
    pymoo.py        OracleProblem, WithinBudget: an oracle as a problem, and a termination
    configspace.py  config_space, configuration_of: the search space as a ConfigSpace; `RobBench.config_space`
    dataset.py      to_xy: features and measurements as a table for scikit-learn; `RobBench.to_xy`
    natsbench.py    NATSBench: the methods of NATS-Bench's own API

All but the last take any search space.  Where a library names its variables and choices, the names are those of `SearchSpace.variables`, and
`SearchSpace.from_assignment` makes an architecture of what it chose: ``oracle.space.from_assignment(study.best_trial.params)``.
"""

from __future__ import annotations

from robbench.errors import MissingLibrary


def needs(library: str, extra: str, error: ImportError) -> MissingLibrary:
    """The error to raise where an adapter's library is not installed; names the extra that installs it."""
    return MissingLibrary(f"this adapter needs {library}: pip install 'robbench[{extra}]' ({error}).")
