from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def store(small_store: Path, tmp_path: Path) -> Path:
    """A store of one's own, alone in its folder, which carries the index of `tests.sources.published`."""
    folder = tmp_path / "store"
    folder.mkdir()
    return Path(shutil.copy(small_store, folder / "store.h5"))


@pytest.fixture
def new_store(tmp_path: Path) -> Path:
    """A path at which no store is yet, in an empty folder."""
    folder = tmp_path / "new"
    folder.mkdir()
    return folder / "store.h5"
