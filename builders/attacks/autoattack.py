"""AutoAttack: four attacks in turn, each on what the others left.  Croce and Hein (2020), "Reliable evaluation …", section 6."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import Tensor

from builders.attacks.apgd import APGD, APGDT
from builders.attacks.base import Classifier
from builders.attacks.cascade import InTurn
from builders.attacks.fab import FABT
from builders.attacks.square import Square


@dataclass(frozen=True)
class AutoAttack:
    """The standard version: APGD-CE, APGD-T, FAB-T, Square, with the authors' settings.  Needs 4 classes.

    `builders.reliability` says whether what it finds can be trusted.

    Arguments:
        steps: of APGD, and for each target of APGD-T and FAB-T.
        targets: classes that APGD-T and FAB-T try.
        queries: of Square.
    """

    steps: int = 100
    targets: int = 9
    queries: int = 5000

    @property
    def white_box(self) -> InTurn:
        """Those that use gradients, in turn."""
        return InTurn((APGD(steps=self.steps), APGDT(self.targets, self.steps), FABT(self.targets, self.steps)))

    @property
    def black_box(self) -> Square:
        """The last, which does not."""
        return Square(queries=self.queries)

    def settings(self) -> dict[str, str | int | float | bool]:
        """The name and the parameters of the attack, for the provenance of what is measured with it."""
        attacks = "apgd-ce, apgd-t, fab-t, square"
        return {"attack": "autoattack", "version": "standard", "attacks": attacks, "norm": "Linf", **asdict(self)}

    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `builders.attacks.base` for shapes.  All draw from the same streams."""
        return InTurn((self.white_box, self.black_box))(network, images, labels, eps, streams=streams)
