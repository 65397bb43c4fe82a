"""The names that tensors of a network have in the released code of DARTS, which most papers of the space build on.

    ours                                         released
    stem.0.weight, stem.1.weight                 the same: convolution and batch norm
    body.3.brought_1.conv.weight                 cells.3.preprocess1.op.1.weight        .bn. is .op.2.
    body.3.brought_0.conv_1.weight               cells.3.preprocess0.conv_1.weight      after a reduction, as everything of a factorised reduction
    body.3.edges.sep_conv_3x3_12.0.depthwise …   cells.3._ops.2.op.1 …                  depthwise, pointwise, bn: 1, 2, 3, and of a second one 5, 6, 7
    body.2.edges.skip_connect_12.conv_1.weight   cells.2._ops.0.conv_1.weight           at stride 2
    auxiliary.conv_1.weight                      auxiliary_head.features.2.weight       bn_1, conv_2, bn_2: 3, 5, 6
    classifier.weight                            the same

`_ops` are numbered as the genotype is written, two for each inner node.  Which of a node's two edges is written first, a `Genotype` does not know: its text as its
authors wrote it says it, or else the tensors do, where only one of both orders fits.

Source: Liu, Simonyan and Yang (2019), as released: NetworkCIFAR.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product

from torch import Tensor

from robbench_builders.errors import WeightsError
from robbench_builders.networks.darts import DartsNetwork
from robbench_builders.networks.operations import edge_name
from robbench.spaces.darts import INNER
from robbench.spaces.darts.genotype import CELLS, SHORT, Cell, Edge
from robbench.spaces.darts.spellings import as_written

NORMALISATION = {"cifar10": ((0.49139968, 0.48215827, 0.44653124), (0.24703233, 0.24348505, 0.26158768))}
"""Mean and std of each channel, in units of images in [0, 1], that the released code trains with."""

_DEPTHWISE = (("depthwise.", "op.1."), ("pointwise.", "op.2."), ("bn.", "op.3."))
_AGAIN = (("depthwise.", "op.5."), ("pointwise.", "op.6."), ("bn.", "op.7."))
_CONVOLUTION = (("conv.", "op.1."), ("bn.", "op.2."))
_AUXILIARY = {
    "conv_1.": "features.2.",
    "bn_1.": "features.3.",
    "conv_2.": "features.5.",
    "bn_2.": "features.6.",
    "classifier.": "classifier.",
}
_OPERATIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "sep": tuple((f"{number}.{ours}", theirs) for number, half in enumerate((_DEPTHWISE, _AGAIN)) for ours, theirs in half),
    "dil": _DEPTHWISE,
    "skip": tuple((name, name) for name in ("conv_1.", "conv_2.", "bn.")),
}
"""By the beginning of an operation's name, its tensors' names; pooling has none, nor a skip connection of stride 1."""

Order = dict[str, list[tuple[Edge, Edge]]]
"""For each cell, the two edges of each inner node, the one that is numbered first before the other."""


def is_released(tensors: Mapping[str, Tensor] | tuple[str, ...]) -> bool:
    """Whether tensors have these names."""
    return any(re.match(r"cells\.\d{1,4}\.preprocess[01]\.", name) for name in tensors)


def names(network: DartsNetwork, tensors: Mapping[str, Tensor], where: str, written: str | None) -> dict[str, str]:
    """The released name of every tensor of a network, by ours.

    Arguments:
        tensors: those of the file, by their released names.
        where: what they are of, for errors.
        written: the genotype's text, as it was given.

    Raises:
        WeightsError: nothing says which of a node's two edges is numbered first.
    """
    order = _order(network, tensors, where, written)
    prefixes = {"stem.": "stem.", "classifier.": "classifier."}
    prefixes |= {f"auxiliary.{ours}": f"auxiliary_head.{theirs}" for ours, theirs in _AUXILIARY.items()}
    for number, reduction in _cells(network):
        body, cell = f"body.{number}.", f"cells.{number}."
        for which in "01":
            convolution = f"{body}brought_{which}.conv.weight" in network.state_dict()
            prefixes |= {
                f"{body}brought_{which}.{ours}": f"{cell}preprocess{which}.{theirs}"
                for ours, theirs in (_CONVOLUTION if convolution else _OPERATIONS["skip"])
            }
        for place, (target, (source, op)) in enumerate(
            (node, edge) for node, edges in zip(INNER, order[CELLS[reduction]], strict=True) for edge in edges
        ):
            edge = f"{body}edges.{edge_name(source, target, op)}."
            prefixes |= {f"{edge}{ours}": f"{cell}_ops.{place}.{theirs}" for ours, theirs in _OPERATIONS.get(op.split("_")[0], ())}
    return {
        name: theirs + name.removeprefix(ours)
        for ours, theirs in prefixes.items()
        for name in network.state_dict()
        if name.startswith(ours)
    }


def _cells(network: DartsNetwork) -> Iterator[tuple[int, bool]]:
    return ((number, number in network.skeleton.reductions) for number in range(network.skeleton.layers))


def _order(network: DartsNetwork, tensors: Mapping[str, Tensor], where: str, written: str | None) -> Order:
    said = None if written is None else as_written(written)
    found: Order = {}
    for reduction, (name, cell) in enumerate(network.arch.cells.items()):
        if said is not None:
            edges = [(source, op) for op, source in said[name]]
            found[name] = list(zip(edges[::2], edges[1::2], strict=True))
            continue
        numbers = [number for number, reduced in _cells(network) if reduced == bool(reduction)]
        found[name] = [_of_tensors(tensors, numbers, name, cell, place, where) for place in range(len(INNER))]
    return found


def _of_tensors(tensors: Mapping[str, Tensor], numbers: list[int], name: str, cell: Cell, place: int, where: str) -> tuple[Edge, Edge]:
    """The two edges of a node in the one order that tensors of these cells fit; in ours where none of both does, for which the tensors are then named."""
    one, other = cell.nodes[place]
    fitting = [
        edges
        for edges in ((one, other), (other, one))
        if all(
            _form(tensors, f"cells.{number}._ops.{2 * place + k}.") == _expected(edge, name)
            for number, (k, edge) in product(numbers, enumerate(edges))
        )
    ]
    if len(fitting) == 2 and _expected(one, name)[0] and one != other:
        edges = " and ".join(f"{SHORT[op]}~{source}" for source, op in (one, other))
        raise WeightsError(
            f"{where} does not say which of {edges}, into node {INNER[place]} of the {name} cell, is numbered first; give the genotype as its authors"
            f" wrote it, --arch \"Genotype({name}=[('{one[1]}', …), …], …)\": in the order of its pairs."
        )
    return fitting[0] if fitting else (one, other)


def _expected(edge: Edge, cell: str) -> tuple[frozenset[str], int | None]:
    """Of an edge's operation: what its weights are called, and the kernel of the first."""
    source, op = edge
    kind = op.split("_")[0]
    if kind == "skip" and not (cell == "reduce" and source < INNER[0]):
        return frozenset(), None
    weights = frozenset(f"{theirs}weight" for _, theirs in _OPERATIONS.get(kind, ()))
    return weights, int(op[-1]) if kind in ("sep", "dil") else 1 if weights else None


def _form(tensors: Mapping[str, Tensor], prefix: str) -> tuple[frozenset[str], int | None]:
    """The same of tensors with a prefix."""
    weights = {
        name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix) and name.endswith(".weight")
    }
    first = weights.get("op.1.weight", weights.get("conv_1.weight"))
    return frozenset(weights), None if first is None or not first.ndim else first.shape[-1]
