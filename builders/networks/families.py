"""Which networks belong to a skeleton: the plain one, and how many of them are stacked.

skeleton = DartsSkeleton(channels=16, layers=8)
stack = stacked([plain(arch, skeleton, generator=generator) for arch in archs])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Generator

from builders.errors import BuildError
from builders.networks import CELLS, OTHERS, darts, space_of
from builders.networks import plain as cells
from builders.networks.darts import DartsNetwork, DartsSkeleton, StackedDarts
from builders.networks.plain import Network, Skeleton
from builders.networks.stacked import Stack, StackedNetwork
from robbench.spaces import SPACES, SearchSpace


class Family(NamedTuple):
    """Networks that share a kind of skeleton."""

    network: Callable[..., Any]
    stack: Callable[[Sequence[Any]], Stack[Any]]
    parameters: Callable[[Any, Any], int]
    flops: Callable[[Any, Any, int | tuple[int, int]], int]
    of: Callable[[str], bool]
    """Whether a search space, by its name, has its networks in such a skeleton."""


FAMILIES: dict[type, Family] = {
    Skeleton: Family(Network, StackedNetwork, cells.parameters, cells.flops, lambda space: space != "darts"),
    DartsSkeleton: Family(DartsNetwork, StackedDarts, darts.parameters, darts.flops, lambda space: space == "darts"),
}


def plain(
    arch: Any,
    skeleton: Any,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    *,
    generator: Generator | None = None,
) -> Any:
    """The network of an architecture in a skeleton; arguments as of `Network`.

    Raises:
        BuildError: the architecture has no network in such a skeleton; otherwise as `Network`.
    """
    return _family(arch, skeleton).network(arch, skeleton, mean, std, generator=generator)


def stacked(networks: Sequence[Any]) -> Stack[Any]:
    """Networks of one skeleton as one module; raises BuildError as `Stack`."""
    if not networks:
        raise BuildError("there are no networks to stack; expected at least one.")
    return FAMILIES[type(networks[0].skeleton)].stack(networks)


def parameters(arch: Any, skeleton: Any) -> int:
    """Trainable parameters of the architecture's network; raises BuildError as `plain`."""
    return _family(arch, skeleton).parameters(arch, skeleton)


def flops(arch: Any, skeleton: Any, image_size: int | tuple[int, int]) -> int:
    """FLOPs of the architecture's network for one image, counted as in `builders.networks.cost`; raises BuildError as `plain`."""
    return _family(arch, skeleton).flops(arch, skeleton, image_size)


def spaces_of(skeleton: Any) -> list[SearchSpace[Any]]:
    """The search spaces whose networks are in such a skeleton; raises BuildError where it is none."""
    if type(skeleton) not in FAMILIES:
        raise BuildError(f"{skeleton!r} is no skeleton; expected a {' or a '.join(kind.__name__ for kind in FAMILIES)}.")
    return [SPACES[name] for name in (*CELLS, *OTHERS) if FAMILIES[type(skeleton)].of(name)]


def kind_of(space: str) -> type:
    """The kind of skeleton that networks of a search space, by its name, are in."""
    return next(kind for kind, family in FAMILIES.items() if family.of(space))


def _family(arch: Any, skeleton: Any) -> Family:
    space = space_of(arch)
    if type(skeleton) not in FAMILIES or not FAMILIES[type(skeleton)].of(space.name):
        fitting = " or ".join(kind.__name__ for kind, family in FAMILIES.items() if family.of(space.name))
        raise BuildError(f"{skeleton!r} is no skeleton of networks of {space.title}; expected a {fitting}.")
    return FAMILIES[type(skeleton)]
