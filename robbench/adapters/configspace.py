"""ConfigSpace: a search space as categorical hyper-parameters, one for each variable.

config = bench.config_space(seed=0)
oracle(bench.space.from_assignment(config.sample_configuration()))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from robbench.adapters import needs
from robbench.arguments import checked_seed
from robbench.spaces import SearchSpace

if TYPE_CHECKING:
    from ConfigSpace import Configuration, ConfigurationSpace

A = TypeVar("A")


def config_space(space: SearchSpace[Any], *, seed: int | None = None) -> ConfigurationSpace:
    """All architectures of a search space, as a ConfigSpace.

    Arguments:
        space: its variables become the hyper-parameters, under the same names and with the same choices.
        seed: of its sampling; None for another one each time.

    Raises:
        InvalidArgument: a seed that is none.
        MissingLibrary: ConfigSpace is not installed.
    """
    if seed is not None:
        seed = checked_seed(seed, bits=32)
    try:
        from ConfigSpace import Categorical, ConfigurationSpace
    except ImportError as error:
        raise needs("ConfigSpace", "'robbench[configspace]'", error) from error
    config = ConfigurationSpace(name=space.title, seed=seed)
    config.add(Categorical(variable.name, variable.choices) for variable in space.variables)
    return config


def configuration_of(arch: A, space: SearchSpace[A], config: ConfigurationSpace) -> Configuration:
    """An architecture as a configuration; `SearchSpace.from_assignment` is the way back.

    Arguments:
        arch: an architecture of the search space.
        space: the search space.
        config: what `config_space` made of it.
    """
    from ConfigSpace import Configuration

    return Configuration(config, values=space.assignment(arch))
