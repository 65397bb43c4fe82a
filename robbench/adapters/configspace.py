"""ConfigSpace: NAS-Bench-201 as six categorical hyper-parameters, one for each edge.

space = bench.config_space(seed=0)
oracle(cell_of(space.sample_configuration()))      # robbench.adapters.cell_of
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from robbench.adapters import EDGE_NAMES, needs
from robbench.spaces.nb201 import OPERATIONS, Cell

if TYPE_CHECKING:
    from ConfigSpace import Configuration, ConfigurationSpace


def config_space(*, seed: int | None = None) -> ConfigurationSpace:
    """All 15,625 cells.

    Arguments:
        seed: of its sampling; None for another one each time.

    Raises:
        MissingLibrary: ConfigSpace is not installed.
    """
    try:
        from ConfigSpace import Categorical, ConfigurationSpace
    except ImportError as error:
        raise needs("ConfigSpace", "configspace", error) from error
    space = ConfigurationSpace(name="NAS-Bench-201", seed=seed)
    space.add(Categorical(name, OPERATIONS) for name in EDGE_NAMES)
    return space


def configuration_of(cell: Cell, space: ConfigurationSpace) -> Configuration:
    """The cell as a configuration of a space that `config_space` made."""
    from ConfigSpace import Configuration

    return Configuration(space, values=dict(zip(EDGE_NAMES, cell.ops, strict=True)))
