"""A WideResNet of NARes: for each of three stages its depth D, in residual blocks, and its width factor W.

As text, ``d5w10-d5w10-d5w10``: stages in the order in which an image passes them.  D counts blocks of two 3×3 convolutions, so this is WRN-34-10, and a network
whose stages are alike, of D blocks and W times the channels, is WRN-(6D + 4)-W: the authors' examples name it so.

Source: Zheng, Cheng, Huang, Lu and Boddeti (2025), "A neural architecture dataset for adversarial robustness", as released; Zagoruyko and Komodakis (2016).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from robbench.delegates import Delegate
from robbench.errors import UnknownArchitecture

DEPTHS = (4, 5, 7, 9, 11)
WIDTHS = (8, 10, 12, 14, 16)
STAGES = (1, 2, 3)
FIELDS = ("D1", "W1", "D2", "W2", "D3", "W3")
"""As the authors call the six choices, in their order."""
EXAMPLE = "d5w10-d5w10-d5w10"

_STAGE = r"d(0|[1-9][0-9]?)w(0|[1-9][0-9]?)"
_TEXT = re.compile(rf"{_STAGE}-{_STAGE}-{_STAGE}")
_AUTHORS = re.compile(r"Arch\(D1=(\d+), W1=(\d+), D2=(\d+), W2=(\d+), D3=(\d+), W3=(\d+)\)", re.ASCII)
_UNIFORM = re.compile(r"WRN-([1-9][0-9]?)-([1-9][0-9]?)")


@dataclass(frozen=True)
class WideResNet:
    """One architecture: immutable, hashable, equal to another when all six choices are.

    Arguments:
        depths: residual blocks of the three stages, each one of `DEPTHS`.
        widths: factors of their 16, 32 and 64 channels, each one of `WIDTHS`.

    Raises:
        UnknownArchitecture: a depth or width that is no choice of the space; says of which stage.
    """

    depths: tuple[int, int, int]
    widths: tuple[int, int, int]

    _repr_html_ = Delegate[str]("robbench.spaces.wrn.drawing", "html")

    def __post_init__(self) -> None:
        for what, given, choices in (("depth", self.depths, DEPTHS), ("width", self.widths, WIDTHS)):
            if not isinstance(given, tuple) or len(given) != len(STAGES):
                raise UnknownArchitecture(f"{what}s={given!r}; expected a tuple of three, one for each stage.")
            for stage, one in zip(STAGES, given, strict=True):
                if one not in choices or not isinstance(one, int):
                    raise UnknownArchitecture(
                        f"{one!r} is no {what} of stage {stage} of a WideResNet of NARes; expected one of {', '.join(map(str, choices))}."
                    )

    @classmethod
    def of_choices(cls, choices: Sequence[int]) -> WideResNet:
        """The architecture of D1, W1, D2, W2, D3, W3; raises UnknownArchitecture."""
        if len(choices) != len(FIELDS) or not all(isinstance(one, Integral) and not isinstance(one, bool) for one in choices):
            raise UnknownArchitecture(f"{choices!r:.200} are not six integers; expected {', '.join(FIELDS)}, such as 5, 10, 5, 10, 5, 10.")
        d1, w1, d2, w2, d3, w3 = map(int, choices)
        return cls((d1, d2, d3), (w1, w2, w3))

    @classmethod
    def parse(cls, text: str) -> WideResNet:
        """The architecture that `str` wrote, that the authors' code prints, or whose stages are alike and that papers call WRN-34-10.

        Raises:
            UnknownArchitecture: the text is none of these; says what would be right.
        """
        if match := _TEXT.fullmatch(text) or _AUTHORS.fullmatch(text):
            return cls.of_choices([int(one) for one in match.groups()])
        if match := _UNIFORM.fullmatch(text):
            depth, beyond = divmod(int(match[1]) - 4, 2 * len(STAGES))
            if beyond:
                raise UnknownArchitecture(f"{text!r} has no depth of a WideResNet; expected 6 layers for each block of a stage, and 4.")
            return cls((depth,) * 3, (int(match[2]),) * 3)
        raise UnknownArchitecture(
            f"{text!r:.200} is not a WideResNet; expected depth and width of each of three stages, such as {EXAMPLE!r}, or 'WRN-34-10'."
        )

    @classmethod
    def from_mapping(cls, given: Mapping[Any, Any]) -> WideResNet:
        """The architecture of a mapping with D1, W1, D2, W2, D3 and W3, as NARes's records have it; raises UnknownArchitecture."""
        if set(given) != set(FIELDS):
            raise UnknownArchitecture(f"{dict(given)!r:.200} has not the six choices of a WideResNet; expected {', '.join(FIELDS)}.")
        return cls.of_choices([given[field] for field in FIELDS])

    @property
    def choices(self) -> tuple[int, ...]:
        """D1, W1, D2, W2, D3, W3."""
        return tuple(one for stage in zip(self.depths, self.widths, strict=True) for one in stage)

    @property
    def channels(self) -> tuple[int, int, int]:
        """Of the three stages, at the published size."""
        first, second, third = self.widths
        return 16 * first, 32 * second, 64 * third

    def __str__(self) -> str:
        return "-".join(f"d{depth}w{width}" for depth, width in zip(self.depths, self.widths, strict=True))
