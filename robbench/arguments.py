"""Checks of arguments that many functions share: each says what was given, what was expected, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from numbers import Integral
from typing import ParamSpec, TypeVar

from robbench.errors import InvalidArgument

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def nearest(name: object, known: Iterable[str]) -> str:
    """A sentence that offers the known names most like this one, with a space before it; empty where none is near."""
    from difflib import get_close_matches

    matches = get_close_matches(str(name).lower(), list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(map(repr, matches))}?" if matches else ""


def options_checked(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """`function`, which answers a misspelt option with InvalidArgument and the nearest of its own, instead of Python's TypeError."""
    code = function.__code__
    names = [name for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if name not in ("self", "cls")]

    @wraps(function)
    def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if not kwargs.keys() <= set(names):
            refuse_unknown_options(function.__name__, kwargs, names)
        return function(*args, **kwargs)

    return checked


def refuse_unknown_options(function: str, given: Mapping[str, object], known: Collection[str]) -> None:
    """Raise InvalidArgument if an option that was given is not among the known ones."""
    for option in given:
        if option not in known:
            raise InvalidArgument(
                f"{function} has no option {option!r}.{nearest(option, known)} Its options: {', '.join(known) or 'none'}."
            )


SEED_BITS = 63
"""Of seeds that torch draws from and a store counts by: those of networks, and of attacks on them."""


def checked_seed(seed: int, name: str = "seed", *, bits: int | None = None) -> int:
    """The seed, if numpy takes it for one, or a library that takes seeds of so many bits only.

    Raises:
        InvalidArgument: it is no integer of at least 0, or too large.
    """
    if not _is_integer(seed) or seed < 0 or (bits is not None and seed >> bits):
        raise InvalidArgument(
            f"{name}={seed!r} is not a seed{'' if bits is None else ' here'}; expected an integer of at least 0"
            f"{'' if bits is None else f' and below 2^{bits}'}."
        )
    return int(seed)


def checked_count(value: int, name: str, *, least: int = 1, of: str = "") -> int:
    """The value, if it is a number of things.

    Arguments:
        value: what was given.
        name: of the argument.
        least: how many there must be.
        of: what is counted, for the message.

    Raises:
        InvalidArgument: it is no integer of at least `least`.
    """
    if not _is_integer(value) or value < least:
        raise InvalidArgument(f"{name}={value!r} is not a number of {of or name}; expected an integer of at least {least}.")
    return int(value)


def checked_choice(value: object, name: str, known: Collection[str | None]) -> None:
    """Do nothing if the value is one of the known; otherwise raise InvalidArgument, naming those most like it."""
    if value not in known:
        texts = [one for one in known if isinstance(one, str)]
        raise InvalidArgument(f"{name}={value!r} has no meaning.{nearest(value, texts)} Expected {' or '.join(map(repr, known))}.")


def _is_integer(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
