"""Any attack in a named precision: faster, and never a wrong verdict, which the evaluation gives in float32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from robbench_builders.attacks.base import Attack, Classifier, nearest_of
from robbench_builders.precision import checked_precision, computing


@dataclass(frozen=True)
class InPrecision:
    """An attack whose networks compute in a precision of `robbench_builders.precision.PRECISIONS`.

    What it proposes is judged like any attack's, exactly: less precise gradients may miss an image, and never break one wrongly.  How much
    is missed, and how much faster it is, `benchmarks/gpu.py` shows.

    Arguments:
        attack: any.
        precision: tf32 or bfloat16; float32 is the attack itself.

    Raises:
        BuildError: another precision.
    """

    attack: Attack
    precision: str

    def __post_init__(self) -> None:
        checked_precision(self.precision)

    def settings(self) -> dict[str, str | int | float | bool]:
        """The attack's name and parameters, and the precision, for the provenance of what is measured with it."""
        return {**self.attack.settings(), "precision": self.precision}

    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `robbench_builders.attacks.base` for shapes.

        Raises:
            BuildError: tf32 where there is none.
        """
        with computing(self.precision, images.device):
            return self.attack(network, images, labels, eps, streams=streams)

    @property
    def nearest(self) -> Callable[..., Tensor] | None:
        """As `robbench_builders.attacks.base.MinimalAttack`'s, in this precision; None where the attack has none."""
        if (found := nearest_of(self.attack)) is None:
            return None

        def precise(network: Classifier, images: Tensor, labels: Tensor, within: float | Tensor, *, streams: Tensor) -> Tensor:
            with computing(self.precision, images.device):
                return found(network, images, labels, within, streams=streams)

        return precise
