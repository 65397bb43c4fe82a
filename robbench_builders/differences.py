"""What two groups of settings differ in, with a name for each difference."""

from __future__ import annotations

from typing import Any

Settings = dict[str, Any]
"""Flat: by dotted names, as `flat` makes them."""


def differences(found: Settings, expected: Settings) -> list[str]:
    """Each field that differs, with both values, as in ``recipe.epochs is 9, not 4``."""
    absent = "absent"
    return [
        f"{name} is {found.get(name, absent)}, not {expected.get(name, absent)}"
        for name in {**expected, **found}
        if found.get(name, absent) != expected.get(name, absent)
    ]


def listed(differing: list[str], most: int = 4) -> str:
    """The first of some, and how many there are beyond."""
    return ", ".join(differing[:most]) + (f" (and {len(differing) - most} more)" if len(differing) > most else "")


def flat(settings: dict[str, Any], under: str = "") -> Settings:
    """Nested settings by dotted names."""
    found: Settings = {}
    for name, value in settings.items():
        found.update(flat(value, f"{under}{name}.") if isinstance(value, dict) else {under + name: value})
    return found
