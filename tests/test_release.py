"""What is looked at before a release; `make wheel` does the rest, which takes a minute and a network."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from robbench import __version__

ROOT = Path(__file__).parents[1]
RELEASE: dict[str, Any] = runpy.run_path(str(ROOT / ".ci" / "release.py"))
METADATA = f"robbench-{__version__}.dist-info/METADATA"


def test_the_version_is_the_same_everywhere() -> None:
    assert RELEASE["released"](__version__, (ROOT / "CHANGELOG.md").read_text("utf-8"), None) == []
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


@pytest.mark.parametrize(
    ("heading", "tag", "wrong"),
    [
        ("## 1.2.3 (2027-01-31)", "v1.2.3", []),
        ("## 1.2.3 (unreleased)", None, []),
        ("## 1.2.3 (unreleased)", "v1.2.3", ["CHANGELOG.md says '## 1.2.3 (unreleased)'; expected the day of the release"]),
        ("## 1.2.3 (2027-01-31)", "1.2.3", ["the tag is 1.2.3, and robbench/version.py says 1.2.3; expected v1.2.3"]),
        ("## 1.2.2 (2027-01-31)", None, ["CHANGELOG.md begins with '## 1.2.2 (2027-01-31)'; expected version 1.2.3"]),
        ("", None, ["CHANGELOG.md begins with ''; expected version 1.2.3"]),
    ],
)
def test_a_tag_is_of_a_version_that_the_changelog_has(heading: str, tag: str | None, wrong: list[str]) -> None:
    assert RELEASE["released"]("1.2.3", f"# Changelog\n\n{heading}\n", tag) == wrong


def test_a_wheel_holds_the_packages_and_the_store_and_nothing_else() -> None:
    wanted = RELEASE["expected"]()
    assert {
        "robbench/data/robbench-digits.h5",
        "robbench/explore/assets/page.html",
        "robbench/py.typed",
        "robbench_builders/cli.py",
    } <= wanted
    assert RELEASE["differing"]({*wanted, METADATA}, wanted) == []
    assert RELEASE["differing"]({*wanted, METADATA, "tests/reader.py"} - {"robbench_builders/cli.py"}, wanted) == [
        "the wheel lacks robbench_builders/cli.py",
        "the wheel holds tests/reader.py",
    ]


def test_the_workflow_runs_what_is_run_here_and_knows_no_secret() -> None:
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")
    assert "run: make wheel" in workflow
    assert "contents: read" in workflow
    assert not [word for word in ("secrets", "token", "password", "pypi", "https:", "write") if word in workflow.lower()]
