"""A few hundred cells of NAS-Bench-201 out of the synthetic store, for tests that need many but not all."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from robbench.spaces.nb201 import NB201
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests import synthetic

ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
UNMEASURED = synthetic.ROWS.classes[synthetic.UNMEASURED]
"""An architecture of which toy10, standard training, holds nothing."""
INDEX = 3456
"""A published index of one of them."""


def write_few(path: Path) -> None:
    """The synthetic measurements of every 31st cell (a step that no operation stays the same over), and of those that tests name."""
    rows = synthetic.ROWS
    indices = synthetic.published_index()
    named = [rows.exact_row[ARCH], rows.exact_row[UNMEASURED], int(np.flatnonzero(indices == INDEX)[0])]
    exact = np.array(list(dict.fromkeys([*named, *range(0, len(rows.exact), 31)])))
    few = Rows.of(NB201, [NB201.parse(rows.exact[row]) for row in exact])
    classes = np.array([rows.class_row[key] for key in few.keys])
    arrays = [array._replace(values=array.values[:][classes if array.header.rows == "class" else exact]) for array in synthetic.arrays()]
    extend(path, few, arrays, published_index=indices[exact])
