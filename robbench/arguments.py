"""Seeds of what is drawn at random."""

from __future__ import annotations

from numbers import Integral

from robbench.errors import UnknownMetric


def checked_seed(seed: int, name: str = "seed") -> int:
    """The seed, if numpy takes it for one.

    Raises:
        UnknownMetric: it is no integer of at least 0.
    """
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise UnknownMetric(f"{name}={seed!r} is not a seed; expected an integer of at least 0.")
    return int(seed)
