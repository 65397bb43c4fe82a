"""Attacks and proxies of one's own, as ``module:name``: found in the current folder or among what is installed, and known by their source.

    attack   a class of `robbench_builders.attacks.base.Attack`s, one of them, or a function (network, images, labels, eps, *, streams) → images
    proxy    a function of `robbench_builders.proxies.Passes` to a tensor ``(stack,)``, or a `robbench_builders.proxies.Proxy`

Both carry a checksum of the module's file.  Where it is another than a plan or a store says, they are refused.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from robbench_builders.attacks.base import Attack, Classifier, nearest_of
from robbench_builders.errors import BuildError
from robbench_builders.proxies.passes import Passes
from robbench_builders.proxies.registry import Proxy
from robbench.arguments import nearest
from robbench.errors import InvalidArgument
from robbench.imported import module_of

OF_THE_TABLE = ("eps", "precision")
"""What the table of an attack says of how it is run, and not of the attack."""


@dataclass(frozen=True)
class OwnAttack:
    """An attack of one's own, made when it is first asked, in whichever process that is; `own_attack` makes one."""

    attack: str
    """``module:name``."""
    source: str
    """16 hexadecimal digits of a SHA-256 of the module's file."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What the class is called with."""

    def __hash__(self) -> int:
        return hash((self.attack, self.source))

    def settings(self) -> dict[str, str | int | float | bool]:
        """What the attack says of itself, its module and name, and its source."""
        return {**getattr(self._made, "settings", dict)(), **self.parameters, "attack": self.attack, "source": self.source}

    def __call__(self, network: Classifier, images: Tensor, labels: Tensor, eps: float | Tensor, *, streams: Tensor) -> Tensor:
        """Adversarial candidates; see `robbench_builders.attacks.base`."""
        return self._made(network, images, labels, eps, streams=streams)

    @property
    def nearest(self) -> Callable[..., Tensor] | None:
        """As `robbench_builders.attacks.base.MinimalAttack`'s; None where the attack has none."""
        return nearest_of(self._made)

    @property
    def _made(self) -> Attack:
        return _attack(self.attack, self.source, json.dumps(dict(self.parameters)))


@dataclass(frozen=True)
class OwnProxy:
    """The function of a proxy of one's own; `own_proxy` makes a proxy with one."""

    proxy: str
    """``module:name``."""
    source: str
    """As of `OwnAttack`."""

    def settings(self) -> dict[str, str]:
        """Its module and name, and its source: as those of an attack, once the module is found to be the one that is meant."""
        _found(self.proxy, self.source)
        return {"proxy": self.proxy, "source": self.source}

    def __call__(self, passes: Passes) -> Tensor:
        """``(stack,)``."""
        found = _found(self.proxy, self.source)
        return cast("Tensor", found.compute(passes) if isinstance(found, Proxy) else found(passes))


def own_attack(attack: str, source: str | None = None, **parameters: Any) -> OwnAttack:
    """An attack of one's own.

    Arguments:
        attack: ``module:name``.
        source: what the checksum of the module's file must be; whatever it is, if left out.
        parameters: what the class is called with.

    Raises:
        BuildError: there is no such module or name, it is not an attack, does not take the parameters or they are those of a table, or has another source.
    """
    for name, value in parameters.items():
        if name in OF_THE_TABLE:
            raise BuildError(f"{attack} was given {name}, which says how an evaluation runs it; give its own parameter another name.")
        if not isinstance(value, str | int | float):
            raise BuildError(f"{attack} was given {name}={value!r}; expected a string, a number, or true or false.")
    made = OwnAttack(attack, source or source_of(attack), parameters)
    made.settings()
    return made


def own_proxy(proxy: str, source: str | None = None, **needs: Any) -> Proxy:
    """A proxy of one's own.

    Arguments:
        proxy: ``module:name``.
        source: as for `own_attack`.
        needs: fields of `robbench_builders.proxies.Proxy`; those of the object, where it is one.

    Raises:
        BuildError: there is no such module or name, it is not a proxy, or has another source.
    """
    compute = OwnProxy(proxy, source or source_of(proxy))
    found = _found(compute.proxy, compute.source)
    if isinstance(found, Proxy):
        return Proxy(compute, **{**{name: getattr(found, name) for name in ("order", "images", "labels", "signal", "loss")}, **needs})
    if isinstance(found, type) or not callable(found) or len(inspect.signature(found).parameters) != 1:
        raise BuildError(
            f"{proxy} is not a proxy; expected a function of robbench_builders.proxies.Passes to one number a network, or a robbench_builders.proxies.Proxy."
        )
    return Proxy(compute, **needs)


def source_of(spec: str) -> str:
    """16 hexadecimal digits of a SHA-256 of the file of a module that is given as ``module:name``.

    Raises:
        BuildError: there is no such module, or it has no source file.
    """
    module, _ = _imported(spec)
    origin = getattr(module.__spec__, "origin", None)
    if origin is None or not Path(origin).is_file():
        raise BuildError(f"the module of {spec!r} has no file whose checksum could be taken; expected one written in Python.")
    return hashlib.sha256(Path(origin).read_bytes()).hexdigest()[:16]


@cache
def _attack(spec: str, source: str, parameters: str) -> Attack:
    found, given = _found(spec, source), json.loads(parameters)
    # Looked at before it is called: a plan of a stranger's may name any class there is.
    if not callable(found) or not (hasattr(found, "settings") or "streams" in _parameters(found)):
        raise BuildError(
            f"{spec} is not an attack; expected a class, an object or a function that is called with network, images, labels, eps, and streams."
        )
    if not isinstance(found, type):
        if given:
            raise BuildError(f"{spec} is not a class, so it takes no {', '.join(given)}; make it one, or leave them out.")
        return cast("Attack", found)
    try:
        return cast("Attack", found(**given))
    except TypeError as error:
        raise BuildError(f"{spec} cannot be made with {given or 'no parameters'}: {error}.") from error


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters if inspect.isfunction(function) else {}


@cache
def _found(spec: str, source: str) -> Any:
    if (now := source_of(spec)) != source:
        raise BuildError(
            f"the module of {spec!r} is not what it was: the checksum of its file is {now}, and was {source}; put the old one back,"
            " or give the new one another name and make a new plan."
        )
    module, name = _imported(spec)
    if not hasattr(module, name):
        raise BuildError(f"the module of {spec!r} has no {name!r}.{nearest(name, vars(module))}")
    return getattr(module, name)


def _imported(spec: str) -> tuple[Any, str]:
    """As `module_of`, in the builders' errors."""
    try:
        return module_of(spec)
    except InvalidArgument as error:
        raise BuildError(str(error)) from error
