"""What hypothesis draws cells from."""

from __future__ import annotations

from hypothesis import strategies as st

from robbench.spaces.nb201 import EDGES, OPERATIONS, Cell

operations = st.sampled_from(OPERATIONS)
any_cell = st.tuples(*[operations] * len(EDGES)).map(Cell)
