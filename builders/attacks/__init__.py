"""The attacks, by the names they have in a store; their defaults are the published dataset's settings (Jung et al., 2023, section 3.2).

Any other recipe is the same class with other fields, ``PGD(steps=10)``; `settings` says which, for provenance.
"""

from builders.attacks.apgd import APGD
from builders.attacks.base import Attack, Network
from builders.attacks.fgsm import FGSM
from builders.attacks.pgd import PGD
from builders.attacks.square import Square
from builders.errors import AttackError

ATTACKS: dict[str, Attack] = {"fgsm": FGSM(), "pgd": PGD(), "apgd-ce": APGD(), "square": Square()}

__all__ = ["APGD", "ATTACKS", "FGSM", "PGD", "Attack", "AttackError", "Network", "Square"]
