"""Tables of architectures, which show the whole text of each: pandas cuts after 50 characters, and an arch string has 90."""

from __future__ import annotations

import pandas as pd


class Architectures(pd.DataFrame):
    """A `DataFrame` like any other, but that no text in it is cut short where it is shown."""

    @property
    def _constructor(self) -> type[Architectures]:
        return Architectures  # so that what is made of it, such as its head, shows itself so, too

    def __repr__(self) -> str:
        with pd.option_context("display.max_colwidth", None, "display.width", None):
            return super().__repr__()

    def _repr_html_(self) -> str | None:
        with pd.option_context("display.max_colwidth", None):
            return super()._repr_html_()  # type: ignore[misc, no-any-return]
