"""Plugs for the search loops of others, one library a file.

    optuna.py       objective, directions
    pymoo.py        OracleProblem, WithinBudget
    configspace.py  config_space, configuration_of; `RobBench.config_space`
    dataset.py      to_xy: arrays for scikit-learn; `RobBench.to_xy`
    natsbench.py    NATSBench: what users of NATS-Bench's own API call

Where a library names its variables, an edge is one of `EDGE_NAMES`, and its choices are the operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robbench.errors import MissingLibrary, UnknownArchitecture
from robbench.spaces.nb201 import EDGES, Cell

EDGE_NAMES = tuple(f"edge_{source}_{target}" for source, target in EDGES)
"""The six variables of a cell, in the order of its operations."""


def cell_of(choices: Mapping[str, Any]) -> Cell:
    """The cell of an operation for each edge: a ConfigSpace configuration, or the ``params`` of an Optuna trial.

    Raises:
        UnknownArchitecture: an edge has no operation, or not one of NAS-Bench-201.
    """
    if not isinstance(choices, Mapping):
        raise UnknownArchitecture(f"{choices!r} is a {type(choices).__name__}; expected an operation for each of {', '.join(EDGE_NAMES)}.")
    lacking = [name for name in EDGE_NAMES if name not in choices]
    if lacking:
        raise UnknownArchitecture(f"{dict(choices)} has no operation for {', '.join(lacking)}; expected one for each of the six edges.")
    return Cell([choices[name] for name in EDGE_NAMES])


def needs(library: str, extra: str, error: ImportError) -> MissingLibrary:
    """What to raise where an adapter's library is absent."""
    return MissingLibrary(f"this adapter needs {library}: pip install 'robbench[{extra}]' ({error}).")
