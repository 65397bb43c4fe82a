"""docs/adapters.md: every library that is installed does what the page shows; and no adapter is without an example."""

from __future__ import annotations

import doctest
import re
import warnings
from pathlib import Path

import pytest

from robbench.sources import import_source
from tests.sources.published import isomorphic, jung

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adapters.md").read_text("utf-8")
NEEDS = {
    "Optuna": ["optuna"],
    "OptunaHub": ["optunahub"],
    "pymoo": ["pymoo"],
    "CARP-S": ["carps"],
    "ConfigSpace": ["ConfigSpace"],
    "Syne Tune": ["fastparquet", "syne_tune.blackbox_repository"],
    "hposuite": ["hposuite.optimizers.random_search"],
    "scikit-learn": ["sklearn"],
    "NATS-Bench": [],
    "NASLib": [],
}
"""The sections, in their order, and what each needs."""
PUBLISHED = ("NATS-Bench", "NASLib")
SHOWN = 3456
MEASURED = {"clean_accuracy": 0.9, "pgd@Linf_accuracy": [0.8, 0.5, 0.1]}
"""The examples of published data run on made-up numbers of the one network that they show."""
INTRODUCTION, *SECTIONS = PAGE.split("\n## ")


def test_every_adapter_has_a_section_and_a_row() -> None:
    assert [section.split("\n")[0] for section in SECTIONS] == list(NEEDS) == re.findall(r"^\| \[(.+)\]\(#", INTRODUCTION, re.MULTILINE)
    shown = set(re.findall(r"robbench\.adapters\.(\w+)", PAGE)) | {
        "configspace",
        "dataset",
        "optunahub",
    }  # by bench's methods, and the package
    assert shown == {path.stem for path in (ROOT / "robbench" / "adapters").glob("[a-z]*.py")} - {"tabular"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # libraries among themselves
@pytest.mark.parametrize("title", NEEDS)
def test_a_library_does_what_the_page_shows(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for library in NEEDS[title]:
            pytest.importorskip(library, exc_type=ImportError)
    if title in PUBLISHED:
        network = isomorphic(SHOWN)[0]
        files = {f"{dataset}/{file}": {network: value} for dataset in ("cifar10", "cifar100") for file, value in MEASURED.items()}
        import_source("jung2023", jung(tmp_path / "jung", files), tmp_path / "jung2023.h5")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    section = next(section for section in SECTIONS if section.startswith(f"{title}\n"))
    test = doctest.DocTestParser().get_doctest(f"{INTRODUCTION}\n{section}", {}, title, "docs/adapters.md", 0)
    assert len(test.examples) > 3
    assert doctest.DocTestRunner().run(test).failed == 0
