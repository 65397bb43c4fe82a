"""What an array's provenance says, completed by what it left unsaid when it was written.

Which Square an array called ``square`` is of, or ends an AutoAttack of, is a field of its settings:

    schedule     published: as AutoAttack runs it; rescaled: to the number of queries, which is stronger
    everywhere   whether its squares reach the last row and column

Builds that record no schedule are older than the choice: they ran the rescaled one, everywhere.  Published data are of the published one.
"""

from __future__ import annotations

from typing import Any

from robbench.store.arrays import Name

PUBLISHED, RESCALED = "published", "rescaled"

_OLDER_BUILDS: dict[str, dict[str, str | bool]] = {
    "square": {"schedule": RESCALED, "everywhere": True},
    "autoattack": {"square/schedule": RESCALED, "square/everywhere": True},
}
_SOURCES = ("jung2023", "nasrobbench201")
"""Whose Square is AutoAttack's, alone or as the last part of it."""


def completed(name: Name, provenance: dict[str, Any]) -> dict[str, Any]:
    """The provenance of an array, with the schedule of Square where one was run; other arrays' as it is."""
    settings = provenance.get("attack")
    if isinstance(settings, dict):
        return {**provenance, "attack": {**_OLDER_BUILDS.get(str(settings.get("attack")), {}), **settings}}
    if name.metric in _OLDER_BUILDS and provenance.get("source") in _SOURCES:
        return {"schedule": PUBLISHED, **provenance}
    return provenance


def schedule(name: Name, provenance: dict[str, Any]) -> str:
    """The schedule of the Square that an array is of, or that ended its AutoAttack; "" for other arrays, and where nobody says."""
    known = completed(name, provenance)
    settings = known["attack"] if isinstance(known.get("attack"), dict) else known
    return str(settings.get("schedule", settings.get("square/schedule", "")))
