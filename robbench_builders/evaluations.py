"""Evaluations as data: what trained networks are put through, and which proxies the untrained ones are scored by.

An evaluation of one's own is written in TOML (`robbench_builders.definitions`), or made here from the same classes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any

from robbench_builders.attacks import APGD, ATTACKS, FGSM, PGD, Attack, InPrecision, Square
from robbench_builders.confidences import SUMMARIES
from robbench_builders.corruptions import CORRUPTIONS, find
from robbench_builders.errors import BuildError
from robbench_builders.own import OwnAttack, OwnProxy
from robbench_builders.proxies import KNOWN, PROXIES, Proxy
from robbench_builders.proxies.jacobians import Hessian
from robbench_builders.proxies.rscore import Psi
from robbench_builders.recipes import digest
from robbench.arguments import checked_count, nearest
from robbench.measurements.metrics import TABLE, parse_eps, same_level


@dataclass(frozen=True)
class Evaluation:
    """What trained networks are measured on besides the clean test images, and which proxies the untrained ones are scored by.

    Raises:
        BuildError, InvalidArgument, CorruptionError: a name that means nothing, an eps outside [0, 1], or an attack without levels; says which.
    """

    name: str
    attacks: Mapping[str, Attack]
    """By the names that a store has for them: a metric's, or ``attack-…`` for an attack of one's own."""
    eps: tuple[float, ...] = ()
    """Radii of the L∞ balls, in units of images in [0, 1], of every attack that has none of its own in `grids`."""
    corruptions: tuple[str, ...] = ()
    """Names in `robbench_builders.corruptions.CORRUPTIONS`; each is applied at every severity."""
    proxies: Mapping[str, Proxy] = field(default_factory=dict)
    """Of the weights that training starts from.  Parameters and FLOPs are not among them: a store has those of every architecture."""
    images: int | None = None
    """How many of the test images attacks and corruptions see, the first ones; all if left out."""
    grids: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Radii of attacks that have their own."""
    measures: tuple[str, ...] = ()
    """What is stored of every threat besides accuracies and outcomes: names in `robbench_builders.confidences.SUMMARIES`.  Matrices are large."""

    def __post_init__(self) -> None:
        if not self.name:
            raise BuildError("an evaluation without a name; give it one.")
        for name in self.attacks:
            _check_kind(self.name, "attack", name)
        for name in self.proxies:
            _check_kind(self.name, "proxy", name)
        for name in self.grids:
            if name not in self.attacks:
                raise BuildError(f"the evaluation {self.name!r} has a grid of eps for {name!r}, which is not one of its attacks.")
        for name in self.attacks:
            _check_levels(self.name, name, self.levels(name))
        for name in self.corruptions:
            find(name)
        if len(set(self.corruptions)) < len(self.corruptions):
            raise BuildError(f"the evaluation {self.name!r} has a corruption twice: {', '.join(self.corruptions)}.")
        for measure in self.measures:
            if measure not in SUMMARIES:
                raise BuildError(
                    f"the evaluation {self.name!r} has the measure {measure!r}.{nearest(measure, SUMMARIES)} Known: {', '.join(SUMMARIES)};"
                    " accuracies and outcomes are always stored."
                )
        if len(set(self.measures)) < len(self.measures):
            raise BuildError(f"the evaluation {self.name!r} has a measure twice: {', '.join(self.measures)}.")
        if self.images is not None:
            checked_count(self.images, "images")

    def __hash__(self) -> int:
        return hash(self.name)

    def levels(self, attack: str) -> tuple[float, ...]:
        """The eps at which an attack is run."""
        return self.grids.get(attack, self.eps)

    def settings(self) -> dict[str, Any]:
        """All that its names stand for in this version, as JSON has it, for provenance."""
        settings = {
            "attacks": {name: attack.settings() for name, attack in self.attacks.items()},
            "eps": {name: self.levels(name) for name in self.attacks} if self.grids else self.eps,
            "corruptions": {name: find(name).settings() for name in self.corruptions},
            "images": self.images,
            "proxies": {name: proxy.settings() for name, proxy in self.proxies.items()},
            **self._younger(),
        }
        plain: dict[str, Any] = json.loads(json.dumps(settings))
        return plain

    def record(self) -> dict[str, Any]:
        """The evaluation as `robbench_builders.definitions` reads it, in full.

        Raises:
            BuildError: an attack or a proxy that is neither a built-in nor of a module of one's own.
        """
        attacks = {name: _attack_record(name, attack) for name, attack in self.attacks.items()}
        for name, grid in self.grids.items():
            attacks[name]["eps"] = list(grid)
        return {
            "name": self.name,
            "eps": list(self.eps),
            "images": self.images,
            "corruptions": list(self.corruptions),
            "attacks": attacks,
            "proxies": {name: _proxy_record(name, proxy) for name, proxy in self.proxies.items()},
            **self._younger(),
        }

    def _younger(self) -> dict[str, Any]:
        """Fields that the first stores do not have: only where they are not the default."""
        return {"measures": list(self.measures)} if self.measures else {}

    @property
    def label(self) -> str:
        """The name; of an evaluation that is not in `EVALUATIONS`, followed by a checksum of all that it says and stands for."""
        return self.name if EVALUATIONS.get(self.name) == self else f"{self.name}:{digest({**self.record(), 'settings': self.settings()})}"


def _check_kind(evaluation: str, kind: str, name: str) -> None:
    if name not in TABLE or TABLE[name].kind != kind:
        known = [metric for metric, entry in TABLE.items() if entry.kind == kind]
        raise BuildError(
            f"the evaluation {evaluation!r} calls {'an' if kind == 'attack' else 'a'} {kind} {name!r}, which is the name of none in a store."
            f"{nearest(name, known)} One of your own is called {kind}-{name}."
        )


def _check_levels(evaluation: str, attack: str, levels: tuple[float, ...]) -> None:
    for at, eps in enumerate(map(parse_eps, levels)):
        if any(same_level(eps, before) for before in levels[:at]):
            raise BuildError(f"the evaluation {evaluation!r} runs {attack} at eps {eps:g} twice; expected every level once.")
    if not levels:
        raise BuildError(f"the evaluation {evaluation!r} has no eps for {attack}; give it eps, or one grid for all attacks.")


def _attack_record(name: str, attack: Attack) -> dict[str, Any]:
    if isinstance(attack, OwnAttack):
        return {"attack": attack.attack, **attack.parameters, "source": attack.source}
    if isinstance(attack, InPrecision):
        return {**_attack_record(name, attack.attack), "precision": attack.precision}
    base = next((base for base, known in ATTACKS.items() if type(known) is type(attack)), None)
    if base is None or not is_dataclass(attack):
        raise BuildError(
            f"{name} is a {type(attack).__name__}, which a plan cannot write down; expected one of robbench_builders.attacks.ATTACKS, with any fields,"
            " or robbench_builders.own.own_attack('module:name') for one of your own."
        )
    return {"attack": base, **asdict(attack)}


def _proxy_record(name: str, proxy: Proxy) -> dict[str, Any]:
    needs = {each.name: getattr(proxy, each.name) for each in fields(proxy) if each.name != "compute"}
    if isinstance(proxy.compute, OwnProxy):
        return {"proxy": proxy.compute.proxy, "source": proxy.compute.source, **needs}
    base = KNOWN.get(name)
    known: Any = None if base is None else base.compute
    compute: Any = proxy.compute
    if compute is known or compute == known:
        return needs
    if type(compute) is not type(known) or not is_dataclass(compute):
        raise BuildError(
            f"{name} is computed by {compute!r}, which a plan cannot write down; expected the proxy of that name with other arguments,"
            " or robbench_builders.own.own_proxy('module:name') for one of your own."
        )
    changed = [each.name for each in fields(compute) if getattr(compute, each.name) != getattr(known, each.name)]
    return {**needs, **{each: getattr(compute, each) for each in changed}}


_PROXIES = {name: proxy for name, proxy in PROXIES.items() if name not in ("params", "flops")}
_PUBLISHED = {name: ATTACKS[name] for name in ("fgsm", "pgd", "apgd-ce", "square")}
# What the embedded store holds as Square; `published` has the published attack.  Which it was, the provenance says.
_RESCALED = Square(schedule="rescaled", everywhere=True)

EVALUATIONS: dict[str, Evaluation] = {
    "published": Evaluation(
        "published",
        _PUBLISHED,
        tuple(k / 255 for k in (0.1, 0.5, 1, 2, 3, 4, 8)),
        tuple(CORRUPTIONS),
        _PROXIES | {"hessian": replace(PROXIES["hessian"], compute=Hessian(iterations=0))},
        grids={"fgsm": tuple(k / 255 for k in (0.1, 0.5, 1, 2, 3, 4, 5, 6, 7, 8, 255))},
    ),
    # Digits are strokes without texture: it takes larger eps to hide one.
    "digits": Evaluation(
        "digits", _PUBLISHED | {"square": _RESCALED}, tuple(k / 255 for k in (4, 8, 16, 32, 64)), tuple(CORRUPTIONS), _PROXIES
    ),
    # The same with fewer steps, queries, images, levels and draws of Ψ: all classes take two CPU cores an hour and a half.
    "digits-light": Evaluation(
        "digits-light",
        {
            "fgsm": FGSM(),
            "pgd": PGD(steps=10, relative_step=1 / 4),
            "apgd-ce": APGD(steps=10),
            "square": replace(_RESCALED, queries=30),
        },
        tuple(k / 255 for k in (8, 16, 32, 64)),
        tuple(CORRUPTIONS),
        _PROXIES
        | {"r_score_psi": Proxy(Psi(repeats=4), images=16), "r_score_psi_equations": Proxy(Psi(by_layer=True, repeats=4), images=16)},
        images=120,
    ),
}
"""published: Jung et al. (2023), section 3.2 and table 2; of the 255 grey levels there, the published files hold FGSM's."""


def find_evaluation(evaluation: str | Evaluation) -> Evaluation:
    """The evaluation of that name; an evaluation itself, as it is.

    Raises:
        BuildError: there is none.
    """
    if isinstance(evaluation, Evaluation):
        return evaluation
    if evaluation not in EVALUATIONS:
        raise BuildError(
            f"{evaluation!r} is not an evaluation.{nearest(evaluation, EVALUATIONS)} Known: {', '.join(EVALUATIONS)}; or a TOML file of your own."
        )
    return EVALUATIONS[evaluation]
