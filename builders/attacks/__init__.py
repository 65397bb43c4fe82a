"""Attacks, by the names that a store has for them.

Their defaults are the settings of the published dataset (Jung et al., 2023, section 3.2) or, for attacks that it does not have, of their authors.
Other settings are other fields of the same class, as in ``PGD(steps=10)``; `settings` names them all, for provenance.
`LGV` has no default: it is made with its surrogates.
"""

from builders.attacks.apgd import APGD, APGDDLR, APGDT
from builders.attacks.autoattack import AutoAttack
from builders.attacks.base import Attack, Classifier
from builders.attacks.deepfool import DeepFool
from builders.attacks.fab import FABT
from builders.attacks.fgsm import FGSM
from builders.attacks.lgv import LGV, Surrogates
from builders.attacks.pgd import CW, PGD
from builders.attacks.precise import InPrecision
from builders.attacks.spsa import SPSA
from builders.attacks.square import Square, SquareRescaled
from builders.errors import AttackError

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
