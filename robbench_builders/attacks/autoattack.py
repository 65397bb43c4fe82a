"""AutoAttack: four attacks in turn, each on what the others left.  Croce and Hein (2020), "Reliable evaluation …", section 6."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass

from torch import Tensor

from robbench_builders.attacks.apgd import APGD, APGDT
from robbench_builders.attacks.base import Classifier
from robbench_builders.attacks.cascade import InTurn
from robbench_builders.attacks.fab import FABT
from robbench_builders.attacks.square import Square
from robbench_builders.errors import AttackWarning

DLR_CLASSES = 4
"""The fewest classes that the targeted DLR loss serves."""
WITHOUT_DLR = (
    f"AutoAttack goes without APGD-T on this network, whose DLR loss takes {DLR_CLASSES} classes; APGD-CE, FAB-T and Square are run."
)


@dataclass(frozen=True)
class AutoAttack:
    """The standard version: APGD-CE, APGD-T, FAB-T, Square (the published one), with the authors' settings.

    Networks of fewer than 4 classes are attacked without APGD-T, whose loss they have not, and an `AttackWarning` says so.
    `robbench_builders.reliability` says whether what it finds can be trusted.

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
        return self.white_box_for(DLR_CLASSES)

    def white_box_for(self, classes: int) -> InTurn:
        """Those that use gradients and serve a network of so many classes, in turn."""
        targeted_dlr = (APGDT(self.targets, self.steps),) if classes >= DLR_CLASSES else ()
        return InTurn((APGD(steps=self.steps), *targeted_dlr, FABT(self.targets, self.steps)))

    @property
    def black_box(self) -> Square:
        """The last, which does not."""
        return Square(queries=self.queries)

    def settings(self) -> dict[str, str | int | float | bool]:
        """The name and the parameters of the attack, for the provenance of what is measured with it."""
        attacks = "apgd-ce, apgd-t, fab-t, square"
        square = {f"square/{field}": value for field, value in self.black_box.settings().items() if field in ("schedule", "everywhere")}
        return {"attack": "autoattack", "version": "standard", "attacks": attacks, "norm": "Linf", **asdict(self), **square}

    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `robbench_builders.attacks.base` for shapes.  All draw from the same streams."""
        classes = network(images[..., :1, :, :, :]).shape[-1]
        if classes < DLR_CLASSES:
            warnings.warn(WITHOUT_DLR, AttackWarning, stacklevel=2)
        return InTurn((self.white_box_for(classes), self.black_box))(network, images, labels, eps, streams=streams)
