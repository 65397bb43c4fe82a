"""The rows of a store: exact architectures, and the classes of those that count as the same.

rows = Rows.of(space, archs)
rows.exact[7]                      the text of an architecture
rows.keys[rows.class_of[7]]        the key of its class
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from robbench.spaces.space import SearchSpace


class Rows:
    """What the first axis of arrays runs over.

    Arguments:
        space: the name of the search space.
        exact: each architecture as text; no two equal.
        class_of: ``(exact,)``, integers: for each, the row of its class.
        keys: the key of each class.
        classes: for each class, its representative as text.
    """

    def __init__(self, space: str, exact: Sequence[str], class_of: np.ndarray, keys: Sequence[str], classes: Sequence[str]) -> None:
        self.space = space
        self.exact = tuple(exact)
        self.class_of = np.asarray(class_of, np.uint32)
        self.keys = tuple(keys)
        self.classes = tuple(classes)

    @classmethod
    def of(cls, space: SearchSpace[Any], archs: Iterable[Any]) -> Rows:
        """The rows of these architectures, in their order; classes are numbered as they first appear, each represented by its first member."""
        from robbench.spaces.groups import Groups

        exact = {str(arch): space.key(arch) for arch in archs}
        groups = Groups.of(exact.values())
        specs = list(exact)
        return cls(space.name, specs, np.array(groups.group), groups.keys, [specs[position] for position in groups.representative])

    @cached_property
    def exact_row(self) -> dict[str, int]:
        """Architecture as text → its exact row."""
        return {spec: row for row, spec in enumerate(self.exact)}

    @cached_property
    def class_row(self) -> dict[str, int]:
        """Key → class row."""
        return {key: row for row, key in enumerate(self.keys)}

    def count(self, kind: str) -> int | None:
        """How many rows of a kind, ``"class"`` or ``"exact"``, there are; None for any other."""
        return {"class": len(self.keys), "exact": len(self.exact)}.get(kind)

    def joined(self, others: Rows) -> Rows:
        """These rows, then those of the others that are not among them."""
        new = [spec for spec in others.exact if spec not in self.exact_row]
        if not new:
            return self
        classes = dict(zip(self.keys, self.classes, strict=True))
        for key, spec in zip(others.keys, others.classes, strict=True):
            classes.setdefault(key, spec)
        row = {key: position for position, key in enumerate(classes)}
        added = [row[others.keys[others.class_of[others.exact_row[spec]]]] for spec in new]
        return Rows(
            self.space,
            (*self.exact, *new),
            np.concatenate([self.class_of, np.array(added, np.uint32)]),
            tuple(classes),
            tuple(classes.values()),
        )

    def places(self, kind: str, others: Rows) -> np.ndarray | None:
        """For each row of the others, its row here: ``(rows,)``, intp; None where they are the same rows in the same order."""
        mine, theirs = (self.keys, others.keys) if kind == "class" else (self.exact, others.exact)
        if mine == theirs:
            return None
        row = self.class_row if kind == "class" else self.exact_row
        return np.array([row[one] for one in theirs], np.intp)
