from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def tiny_images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A data set to build on in a second: bright and dark 8×8 images, as ``npz:PATH``."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 24), ("test", 12)):
        labels = np.arange(n) % 2
        arrays[f"{part}_labels"] = labels
        arrays[f"{part}_images"] = np.clip(labels[:, None, None, None] * 0.2 + 0.6 * rng.random((n, 1, 8, 8)), 0, 1).astype(np.float32)
    path = tmp_path_factory.mktemp("images") / "tiny.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return f"npz:{path}"
