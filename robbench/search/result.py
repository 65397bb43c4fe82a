"""What a search found."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from robbench.errors import CannotSearch
from robbench.search.history import Value
from robbench.search.oracle import Oracle

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class Found(NamedTuple):
    """An architecture, and what the oracle answered."""

    arch: Any
    value: Value


class Result(NamedTuple):
    """What a search found, and the oracle whose budget it spent."""

    oracle: Oracle
    front: tuple[Found, ...]
    """The Pareto front of what was evaluated, the best in the first objective first; under one objective the best architecture alone."""

    @property
    def best(self) -> Any:
        """The best architecture.

        Raises:
            CannotSearch: of several objectives, or where the budget paid for no architecture.
        """
        return self._only.arch

    @property
    def value(self) -> float:
        """The value of the best architecture; raises as `best`."""
        value = self._only.value
        return value if isinstance(value, float) else value[0]

    def history(self) -> pd.DataFrame:
        """As `Oracle.history`."""
        return self.oracle.history()

    def incumbents(self) -> np.ndarray:
        """As `Oracle.incumbents`."""
        return self.oracle.incumbents()

    def _repr_html_(self) -> str:
        return str(import_module("robbench.notebook").result_html(self))

    @property
    def _only(self) -> Found:
        if self.oracle.several:
            raise CannotSearch(f"there is no best of {len(self.oracle.objectives)} objectives; `front` has what no other dominates.")
        if not self.front:
            raise CannotSearch(f"nothing was found: the budget of {self.oracle.budget} did not pay for the first architecture.")
        return self.front[0]
