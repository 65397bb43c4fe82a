from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from robbench import RobBench
from robbench.sources import import_source
from robbench.store.arrays import Array
from robbench.store.writing import extend
from tests import synthetic
from tests.few import write_few
from tests.synthetic import ROWS
from tests.toy_space import register
from tests.toy_store import write_toy_store

# How long an example takes depends on what else the machine does.
settings.register_profile("robbench", deadline=None)
settings.load_profile("robbench")


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of published data; tests that need it skip where it is absent."""
    given = os.environ.get("ROBBENCH_REFERENCE")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "reference"
    if not folder.is_dir():
        pytest.skip(f"no published data: {folder} is not a folder; set ROBBENCH_REFERENCE to where it is")
    return folder


@pytest.fixture(scope="session")
def published_store(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with all of jung2023's reference data.  Shared: copy it before changing it."""
    path = tmp_path_factory.mktemp("published") / "jung2023.h5"
    import_source("jung2023", reference / "jung2023", path)
    return path


@pytest.fixture(scope="session")
def published(published_store: Path) -> RobBench:
    return RobBench(published_store)


@pytest.fixture(scope="session")
def synthetic_arrays() -> list[Array]:
    """What `small_store` holds."""
    return synthetic.arrays()


@pytest.fixture(scope="session")
def small_store(synthetic_arrays: list[Array], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of made-up measurements, which needs no published data.  Shared: copy it before changing it."""
    path = tmp_path_factory.mktemp("small") / "small.h5"
    extend(path, ROWS, synthetic_arrays, published_index=synthetic.published_index())
    return path


@pytest.fixture(scope="session")
def few_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few hundred architectures of `small_store`.  Shared: copy it before changing it."""
    path = tmp_path_factory.mktemp("few") / "few.h5"
    write_few(path)
    return path


@pytest.fixture
def few_bench(few_store: Path) -> RobBench:
    return RobBench(few_store)


@pytest.fixture
def bench(small_store: Path) -> RobBench:
    """A fresh bench on `small_store`: nothing asked yet."""
    return RobBench(small_store)


@pytest.fixture
def toy_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of the toy space, which this process knows while the test runs."""
    register(monkeypatch)
    write_toy_store(tmp_path / "toy.h5")
    return tmp_path / "toy.h5"


@pytest.fixture
def toy_bench(toy_store: Path) -> RobBench:
    return RobBench(toy_store)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser; tests that need it skip where there is no Playwright, or no Chromium for it."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pages are opened by Playwright: pip install playwright")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    with playwright.sync_playwright() as driver:
        try:
            started = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium to open pages with: {str(error).splitlines()[0]}")
        yield started
        started.close()
