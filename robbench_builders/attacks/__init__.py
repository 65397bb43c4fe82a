"""Attacks, by the names that a store has for them.

Their defaults are the settings of the published dataset (Jung et al., 2023, section 3.2) or, for attacks that it does not have, of their authors.
Other settings are other fields of the same class, as in ``PGD(steps=10)``; `settings` names them all, for provenance.
`LGV` has no default: it is made with its surrogates.
"""

from robbench_builders.attacks.apgd import APGD, APGDDLR, APGDT
from robbench_builders.attacks.autoattack import AutoAttack
from robbench_builders.attacks.base import Attack, Classifier
from robbench_builders.attacks.deepfool import DeepFool
from robbench_builders.attacks.fab import FABT
from robbench_builders.attacks.fgsm import FGSM
from robbench_builders.attacks.lgv import LGV, Surrogates
from robbench_builders.attacks.pgd import CW, PGD
from robbench_builders.attacks.precise import InPrecision
from robbench_builders.attacks.spsa import SPSA
from robbench_builders.attacks.square import Square, SquareRescaled
from robbench_builders.errors import AttackError

ATTACKS: dict[str, Attack] = {
    "fgsm": FGSM(),
    "pgd": PGD(),
    "apgd-ce": APGD(),
    "square": Square(),
    "square-rescaled": SquareRescaled(),
    "autoattack": AutoAttack(),
    "apgd-dlr": APGDDLR(),
    "apgd-t": APGDT(),
    "fab-t": FABT(),
    "cw": CW(),
    "deepfool": DeepFool(),
    "spsa": SPSA(),
}

__all__ = [
    "APGD",
    "APGDDLR",
    "APGDT",
    "ATTACKS",
    "CW",
    "FABT",
    "FGSM",
    "LGV",
    "PGD",
    "SPSA",
    "Attack",
    "AttackError",
    "AutoAttack",
    "Classifier",
    "DeepFool",
    "InPrecision",
    "Square",
    "SquareRescaled",
    "Surrogates",
]
