"""Adapters to other libraries' searches and data formats, one library a file; docs/adapters.md has an example of each.

    optuna.py       objective, directions: an oracle as the objective of a study
    optunahub.py    Problem: an oracle as a benchmark of OptunaHub
    pymoo.py        OracleProblem, WithinBudget: an oracle as a problem, and a termination
    carps.py        OracleFunction, task: an oracle as an objective function of CARP-S
    configspace.py  config_space, configuration_of: the search space as a ConfigSpace; `RobBench.config_space`
    synetune.py     blackboxes, save: a store as a blackbox repository of Syne Tune, learning curves too
    hposuite.py     description: a store as a tabular benchmark of hposuite
    dataset.py      to_xy: features and measurements as a table for scikit-learn; `RobBench.to_xy`
    natsbench.py    NATSBench: the methods of NATS-Bench's own API
    naslib.py       dataset_api: what NASLib's graphs of NAS-Bench-201 are queried with
    tabular.py      tabulate: what the tables of synetune and hposuite are made of

All but natsbench and naslib take any search space.  Where a library names its variables and choices, the names are those of
`SearchSpace.variables`, and `SearchSpace.from_assignment` makes an architecture of what it chose:
``oracle.space.from_assignment(study.best_trial.params)``.
"""

from __future__ import annotations

from robbench.errors import MissingLibrary


def needs(library: str, requirement: str, error: ImportError) -> MissingLibrary:
    """The error to raise where an adapter's library is not installed; names what pip installs it by."""
    return MissingLibrary(f"this adapter needs {library}: pip install {requirement} ({error}).")
