"""Which networks belong to a skeleton: the plain one, how many of them are stacked, and what they cost.

skeleton = skeleton_from({"channels": 16, "layers": 8})           a DartsSkeleton, because its fields say so
stack = stacked([plain(arch, skeleton, generator=generator) for arch in archs])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields as fields_of
from typing import Any, NamedTuple

from torch import Generator

from robbench_builders.errors import BuildError
from robbench_builders.networks import CELLS, OTHERS, cell_of, darts, space_of, wrn
from robbench_builders.networks import plain as cells
from robbench_builders.networks.darts import DartsNetwork, DartsSkeleton, StackedDarts
from robbench_builders.networks.plain import Network, Skeleton
from robbench_builders.networks.stacked import Stack, StackedNetwork
from robbench_builders.networks.wrn import StackedWide, WideNetwork, WideSkeleton
from robbench.spaces import SPACES, SearchSpace
from robbench.spaces.wrn import DEPTHS, WIDTHS


class Family(NamedTuple):
    """Networks that share a kind of skeleton."""

    network: Callable[..., Any]
    stack: Callable[[Sequence[Any]], Stack[Any]]
    parameters: Callable[[Any, Any], int]
    flops: Callable[[Any, Any, int | tuple[int, int]], int]
    of: Callable[[str], bool]
    """Whether a search space, by its name, has its networks in such a skeleton."""
    shared: Callable[[Any], str]
    """What of an architecture all networks of a stack share, in words; raises BuildError where it makes no network."""
    activations: Callable[[Any], int]
    """How many activations, each as large as the first stage's, a step of training keeps there in a skeleton; of the others as many, of half the size each."""


FAMILIES: dict[type, Family] = {
    Skeleton: Family(
        Network,
        StackedNetwork,
        cells.parameters,
        cells.flops,
        of=lambda space: space in CELLS,
        shared=lambda arch: f"{cell_of(arch).nodes} nodes",
        activations=lambda skeleton: 3 * 6 * int(skeleton.cells),  # all six edges of every cell keep three
    ),
    DartsSkeleton: Family(
        DartsNetwork,
        StackedDarts,
        darts.parameters,
        darts.flops,
        of=lambda space: space == "darts",
        shared=lambda arch: "outputs of {} and {} nodes".format(*map(darts.concatenated, (arch.normal, arch.reduce))),
        activations=lambda skeleton: 8 * 8 * -(-int(skeleton.layers) // 3),  # all eight edges of every cell are separable convolutions
    ),
    WideSkeleton: Family(
        WideNetwork,
        StackedWide,
        wrn.parameters,
        wrn.flops,
        of=lambda space: space == "wrn",
        shared=lambda arch: "depths of {}, {} and {}".format(*arch.depths),
        activations=lambda skeleton: 5 * DEPTHS[-1] * WIDTHS[-1],  # of the deepest and widest; every block keeps five
    ),
}


def skeleton_from(fields: Mapping[str, Any]) -> Any:
    """The skeleton that has such fields, with these; those that are left out have their defaults.

    Raises:
        BuildError: no skeleton has all of them, or one makes no sense.
    """
    for kind in FAMILIES:
        if fields.keys() <= {each.name for each in fields_of(kind)}:
            return kind(**fields)
    known = " or ".join(", ".join(each.name for each in fields_of(kind)) for kind in FAMILIES)
    raise BuildError(f"no skeleton has the fields {', '.join(fields)}; expected {known}.")


def alike(archs: Iterable[Any], skeleton: Any) -> list[list[int]]:
    """Which architectures have networks that go into one stack: their positions, group by group as they first appear, each in its order.

    Raises:
        BuildError: one makes no network, or none in such a skeleton.
    """
    groups: dict[str, list[int]] = {}
    for position, arch in enumerate(archs):
        groups.setdefault(_family(arch, skeleton).shared(arch), []).append(position)
    return list(groups.values())


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
    """FLOPs of the architecture's network for one image, counted as in `robbench_builders.networks.cost`; raises BuildError as `plain`."""
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
