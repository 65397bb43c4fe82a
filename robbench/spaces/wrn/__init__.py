"""WideResNets as in NARes (Zheng et al., 2025): three stages, five depths and five widths of each, 15,625 architectures.

wideresnet.py  WideResNet, its text, and how others write it
costs.py       parameters, multiply-accumulates and FLOPs
features.py    what surrogates see of an architecture
drawing.py     an architecture in text, and as a graph
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

from robbench.errors import UnknownArchitecture
from robbench.spaces.space import Features, Graph, SearchSpace, Variable
from robbench.spaces.wrn.wideresnet import DEPTHS, EXAMPLE, STAGES, WIDTHS, WideResNet

__all__ = ["DEPTHS", "STAGES", "WIDTHS", "WRN", "WideResNet", "WideResNets"]

_KEY_LENGTH = 16
_DEPTH = {depth: place for place, depth in enumerate(DEPTHS)}
_WIDTH = {width: place for place, width in enumerate(WIDTHS)}


class WideResNets(SearchSpace[WideResNet]):
    """Six variables, depth and width of each stage, each with five choices; `WRN` is the one instance.  No two architectures are the same."""

    name = "wrn"
    title = "NARes"
    architecture = WideResNet
    variables = tuple(
        Variable(f"{what}_{stage}", tuple(map(str, choices)))
        for stage in STAGES
        for what, choices in (("depth", DEPTHS), ("width", WIDTHS))
    )

    def parse(self, arch: Any) -> WideResNet:
        """The architecture that a text, a mapping with D1, W1, … or six integers in this order mean; raises UnknownArchitecture."""
        if isinstance(arch, WideResNet):
            return arch
        if isinstance(arch, str):
            return WideResNet.parse(arch)
        if isinstance(arch, Mapping):
            return WideResNet.from_mapping(arch)
        if isinstance(arch, Sequence):
            return WideResNet.of_choices(arch)
        raise UnknownArchitecture(f"{arch!r:.200} is a {type(arch).__name__}; expected a text such as {EXAMPLE!r}, or six integers.")

    def encode(self, arch: WideResNet) -> tuple[int, ...]:
        """For each stage, the position of its depth in `DEPTHS` and of its width in `WIDTHS`."""
        return tuple(place for depth, width in zip(arch.depths, arch.widths, strict=True) for place in (_DEPTH[depth], _WIDTH[width]))

    def decode(self, code: Sequence[int]) -> WideResNet:
        """The architecture with these depths and widths."""
        return _decoded(tuple(code))

    def canonical_form(self, arch: WideResNet) -> str:
        """Its text: each architecture is alone of its kind."""
        return str(arch)

    def key(self, arch: WideResNet) -> str:
        """Equal for no two architectures."""
        return hashlib.sha256(f"wrn/v1:{arch}".encode()).hexdigest()[:_KEY_LENGTH]

    @cached_property
    def members(self) -> tuple[WideResNet, ...]:
        """All 15,625 architectures, in lexicographic order of their choices."""
        return tuple(map(self.decode, itertools.product(*(range(len(variable.choices)) for variable in self.variables))))

    @property
    def features(self) -> Mapping[str, tuple[Callable[[Sequence[WideResNet]], Features], ...]]:
        """See `robbench.spaces.wrn.features`."""
        from robbench.spaces.wrn.features import STRUCTURE

        return STRUCTURE

    @property
    def attributes(self) -> Mapping[str, Callable[[WideResNet], float]]:
        """Layers of the network, as in its name; depth and width of each stage."""
        return {
            "network_depth": lambda arch: 2 * sum(arch.depths) + 4,
            **{f"depth_{stage}": lambda arch, at=stage - 1: arch.depths[at] for stage in STAGES},  # type: ignore[misc]
            **{f"width_{stage}": lambda arch, at=stage - 1: arch.widths[at] for stage in STAGES},  # type: ignore[misc]
        }

    def costs(self, dataset: str) -> Mapping[str, Callable[[WideResNet], float]]:
        """Parameters, multiply-accumulates and FLOPs of the networks for cifar10, those that were trained, and for cifar100."""
        from robbench.spaces.wrn.costs import CLASSES, MILLION, cost

        classes = CLASSES.get(dataset)
        if classes is None:
            return {}
        return {
            "params": lambda arch: cost(arch, classes).parameters / MILLION,
            "macs": lambda arch: cost(arch, classes).macs / MILLION,
            "flops": lambda arch: cost(arch, classes).flops / MILLION,
        }

    def label(self, variable: Variable) -> str:
        """As the authors write it: ``"D1"``."""
        what, _, stage = variable.name.partition("_")
        return f"{what[0].upper()}{stage}"

    def spellings(self, arch: WideResNet) -> dict[str, str]:
        """As the authors' code prints it; where the stages are alike, also as papers do."""
        d1, w1, d2, w2, d3, w3 = arch.choices
        found = {"nares": f"Arch(D1={d1}, W1={w1}, D2={d2}, W2={w2}, D3={d3}, W3={w3})"}
        if len(set(arch.depths)) == len(set(arch.widths)) == 1:
            found["paper"] = f"WRN-{6 * d1 + 4}-{w1}"
        return found

    def drawing(self, arch: WideResNet) -> str:
        """The stages, one a line."""
        from robbench.spaces.wrn.drawing import drawing

        return drawing(arch)

    def graph(self, arch: WideResNet) -> Graph:
        """Stem and stages, one after the other."""
        from robbench.spaces.wrn.drawing import graph

        return graph(arch)


@cache
def _decoded(code: tuple[int, ...]) -> WideResNet:
    """Each architecture once, whoever asks for it."""
    return WideResNet(tuple(DEPTHS[place] for place in code[::2]), tuple(WIDTHS[place] for place in code[1::2]))  # type: ignore[arg-type]


WRN = WideResNets()
