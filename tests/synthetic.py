"""A store's worth of made-up measurements, small and known: what the tests compare answers with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from robbench.spaces.nb201 import NB201, SIZE
from robbench.store.arrays import MISSING, Array, Header, Name
from robbench.store.rows import Rows

ROWS = Rows.of(NB201, NB201.members or ())
CLASSES = len(ROWS.keys)
IMAGES = 20
"""Not a multiple of eight, so that the last byte of outcomes is padded."""
UNMEASURED = 5
"""The class row of toy10, standard training, for which nothing was measured."""
PGD_EPS = [0.5 / 255, 1 / 255, 2 / 255, 8 / 255]
FGSM_EPS = [1 / 255, 2 / 255]
SEEDS = [777, 888, 999]
PROVENANCE = {"source": "synthetic", "citation": "made up", "file": "none"}


def standing(attack: int, levels: int) -> np.ndarray:
    """Which images are still classified correctly: ``(classes, levels, images)``, bool; fewer at each level, never fewer than none."""
    broken_at = np.random.default_rng(attack).integers(0, levels + 1, (CLASSES, 1, IMAGES))
    still: np.ndarray = np.arange(levels)[np.newaxis, :, np.newaxis] < broken_at
    return still


PGD_STANDING = standing(1, len(PGD_EPS))
FGSM_STANDING = standing(2, len(FGSM_EPS))


def published_index() -> np.ndarray:
    """A numbering of the cells that is not the order of rows."""
    return np.random.default_rng(3).permutation(SIZE)


def array(
    path: str, values: np.ndarray, axes: Mapping[str, Sequence[float]] | None = None, rows: str = "class", unit: str = "fraction"
) -> Array:
    """An array under ``dataset training metric measure``, separated by spaces."""
    return Array(
        Name(*path.split()),
        Header(rows, {axis: list(values) for axis, values in (axes or {}).items()}, unit, {**PROVENANCE, "images": IMAGES}),
        values,
    )


def arrays() -> list[Array]:
    """Two datasets and an odd one, three trainings, seeds, levels, counts, outcomes, a proxy with gaps and a cost."""
    rng = np.random.default_rng(0)
    severities: dict[str, list[float]] = {"severity": [1, 2, 3, 4, 5]}
    eps, two_eps = {"eps": PGD_EPS}, {"eps": FGSM_EPS}
    seeds: dict[str, list[float]] = {"seed": [*SEEDS]}

    def thousandths(*shape: int) -> np.ndarray:
        return rng.integers(0, 1001, (CLASSES, *shape)) / 1000

    def gap(values: np.ndarray) -> np.ndarray:
        values = values.copy()
        values[UNMEASURED] = MISSING if values.dtype == np.uint16 else np.nan
        return values

    seeded = thousandths(3)
    seeded[10, 1] = np.nan
    seeded[11] = np.nan
    proxy = rng.normal(size=SIZE)
    proxy[::7] = np.nan
    confusion: dict[str, list[float]] = {"label": [], "prediction": []}
    return [
        array("toy10 standard clean accuracy", gap(thousandths())),
        array("toy10 standard pgd accuracy", gap(PGD_STANDING.mean(axis=-1)), eps),
        array("toy10 standard fgsm accuracy", gap(FGSM_STANDING.mean(axis=-1)), two_eps),
        array("toy10 standard pgd outcomes", np.packbits(PGD_STANDING, axis=-1), {**eps, "image": []}, unit="bit"),
        array("toy10 standard fgsm outcomes", np.packbits(FGSM_STANDING, axis=-1), {**two_eps, "image": []}, unit="bit"),
        array("toy10 standard fog accuracy", gap(thousandths(5)), severities),
        array("toy10 standard contrast accuracy", gap(thousandths(5)), severities),
        array("toy10 standard clean confusion", gap(rng.integers(0, 9, (CLASSES, 3, 3), np.uint16)), confusion, unit="count"),
        array("toy10 standard pgd confusion", gap(rng.integers(0, 9, (CLASSES, 4, 3, 3), np.uint16)), eps | confusion, unit="count"),
        array("toy10 pgd-8/255 clean accuracy", seeded, seeds),
        array("toy10 pgd-8/255 pgd accuracy", thousandths(2, 3), two_eps | seeds),
        array("toy10 pgd-8/255 square accuracy", thousandths(2, 3), two_eps | seeds),
        array("toy10 pgd-8/255 clean confusion", rng.integers(0, 9, (CLASSES, 3, 3, 3), np.uint16), seeds | confusion, unit="count"),
        array("toy10 untrained synflow value", proxy, rows="exact", unit="1"),
        array("toy10 untrained edgegpu_latency value", np.round(rng.random(SIZE), 3), rows="exact", unit="ms"),
        array("toy100 standard clean accuracy", thousandths()),
        array("toy100 standard pgd accuracy", thousandths(4), eps),
        array("toy/odd% pgd-8/255 clean accuracy", thousandths()),
    ]
