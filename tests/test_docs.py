"""The documentation holds together without Sphinx: every page is reached, every link leads somewhere, every cell and example runs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pages import DOCS, INCLUDED, PAGES, README, ROOT, Block, blocks, cells, headings, name_of, prose

NOTEBOOKS = [page for page in PAGES if cells(page)]
RUN = {"{code-cell}", "pycon", "console", "python", "toml"}
"""Blocks that the tests run, or read as far as they can without what the reader brings."""
SHOWN = {"text", "{toctree}", "{include}", "{eval-rst}"}


def reached(page: Path) -> Iterator[Path]:
    """The page, and all that its tables of contents lead to."""
    yield page
    for block in blocks(page):
        if block.kind == "{toctree}":
            for line in block.text.splitlines():
                if line and not line.startswith(":"):
                    yield from reached((page.parent / line).with_suffix(".md"))


def test_every_page_is_in_one_table_of_contents() -> None:
    assert sorted(reached(DOCS / "index.md")) == sorted(set(PAGES) - {README})


@pytest.mark.parametrize("page", [*PAGES, *INCLUDED], ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(<?([^)\s>]+)>?\)", prose(page)):
        if not re.match(r"https?:", link):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.is_file(), f"{name_of(page)} links to {link}"
            assert not anchor or anchor in set(headings(target)), f"{name_of(page)} links to {link}"


def test_what_pages_include_is_there() -> None:
    found = [
        (page.parent / line.split(" ")[1]).resolve()
        for page in PAGES
        for line in re.findall(r"^```(\{include\} .*)$", page.read_text("utf-8"), re.M)
    ]
    assert sorted(found) == sorted([README, *INCLUDED])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_run_or_are_marked_as_what_is_shown(page: Path) -> None:
    for kind, text in blocks(page):
        assert kind in RUN | SHOWN, f"{name_of(page)}: a block of {kind!r}"
        if kind == "toml":
            tomllib.loads(text)
        if kind == "pycon":
            assert text.startswith(">>> ")
        if kind == "console":
            assert text.startswith(("$ ", "first$ "))


def imports(blocks: list[Block]) -> Iterator[tuple[str, str, ast.stmt]]:
    for block in blocks:
        if block.kind == "python":
            for statement in ast.parse(block.text).body:
                if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith(("robbench", "robbench_builders")):
                    yield block.text, statement.module or "", statement


@pytest.mark.parametrize("page", [page for page in PAGES if list(imports(blocks(page)))], ids=name_of)
def test_what_a_page_imports_is_there(page: Path) -> None:
    """Examples that need what the reader brings, such as a cluster, are read, and not run."""
    for _, module, statement in imports(blocks(page)):
        if module.startswith("robbench_builders"):
            pytest.importorskip("torch")
        if module.startswith("robbench_builders.cluster"):
            pytest.importorskip("distributed")
        exec(compile(ast.Module([statement], []), str(page), "exec"), {})


@pytest.mark.parametrize("page", [DOCS / "judge.md"], ids=name_of)
def test_examples_that_need_nothing_of_the_reader_run(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROBBENCH_STORE", raising=False)
    (example,) = (block.text for block in blocks(page) if block.kind == "python")
    names: dict[str, Any] = {}
    exec(compile(example, name_of(page), "exec"), names)
    assert "skips" in names["report"].markdown()


@pytest.fixture
def as_before() -> Iterator[None]:
    """Settings of libraries that a notebook may change."""
    torch, pandas = sys.modules.get("torch"), pytest.importorskip("pandas")
    threads = torch.get_num_threads() if torch else None
    with pandas.option_context("display.max_colwidth", 50, "display.max_rows", 60):
        yield
    if torch:
        torch.set_num_threads(threads)


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize("page", NOTEBOOKS, ids=name_of)
def test_notebooks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Jupyter would run them: one cell after the other, and what a cell ends with shows itself."""
    if "from robbench_builders" in "".join(cells(page)):
        pytest.importorskip("torch")
    if "plot" in "".join(cells(page)):
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ROBBENCH_STORE", raising=False)
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells(page)):
        tree = ast.parse(cell)
        if isinstance(last := tree.body[-1], ast.Expr):
            tree.body[-1] = ast.copy_location(ast.Assign([ast.Name("_", ast.Store())], last.value), last)
        exec(compile(ast.fix_missing_locations(tree), f"{name_of(page)}[{number}]", "exec"), names)
        shown = names.pop("_", None)
        assert any(getattr(shown, form, lambda: None)() for form in ("_repr_html_", "_repr_png_", "__repr__"))


@pytest.mark.parametrize("page", NOTEBOOKS, ids=name_of)
def test_notebooks_hold_no_outputs_and_name_their_kernel(page: Path) -> None:
    text = page.read_text("utf-8")
    assert re.match(r"---\njupytext:\n.*\nkernelspec:\n.*name: python3\n---\n", text, re.DOTALL)
    assert max(len(line) for cell in cells(page) for line in cell.splitlines()) <= 118, "a cell is wider than the page"


def test_the_numbers_of_readmes_result_are_those_of_the_page() -> None:
    predicted, ceiling, before = re.findall(
        r"R² = (0\.\d\d).*?allows (0\.\d\d); (0\.\d\d) was published", README.read_text("utf-8"), re.DOTALL
    )[0]
    lines = (DOCS / "surrogates.md").read_text("utf-8").split("## cifar100")[0].splitlines()
    header = next(line for line in lines if line.startswith("| R² |")).split("|")
    column = [name.strip() for name in header].index("pgd@1/255")
    rows = {line.split("|")[1].strip(): line.split("|") for line in reversed(lines) if line.startswith("| ") and line.count("|") > column}

    def shown(row: str) -> str:
        return f"{float(rows[row][column].split('±')[0]):.2f}"

    assert predicted == shown("blend, split by twins")
    assert ceiling == shown("noise ceiling")
    assert before == shown("Lukasik et al. (2023): 15 proxies, forest, random split")


def test_readme_is_short_and_shows_nothing_from_elsewhere() -> None:
    text = README.read_text("utf-8")
    assert len(text.splitlines()) < 177
    assert not re.search(r"!\[[^\]]*\]\(https?:|<img", text), "a picture or a badge that asks another server"


def test_make_has_what_pages_tell_to_make() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    told = {name for page in PAGES for name in re.findall(r"(?:^ *|`)make ([a-z-]+)(?=`|  )", page.read_text("utf-8"), re.MULTILINE)}
    assert {"demo", "test", "docs"} <= told <= targets


def test_the_site_builds_without_a_warning_and_asks_nobody(tmp_path: Path) -> None:
    """Notebooks are run by the test above; `make docs` runs them, too."""
    for library in ("sphinx", "myst_nb", "pydata_sphinx_theme", "torch", "matplotlib", "sklearn"):
        pytest.importorskip(library)
    options = ["-W", "--keep-going", "-q", "-D", "nb_execution_mode=off", "-d", str(tmp_path / "trees")]
    built = subprocess.run([sys.executable, "-m", "sphinx", *options, DOCS, tmp_path / "site"], capture_output=True, text=True, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        asked = re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(https?:[^\"]*)", page.read_text("utf-8"))
        assert not asked, page.name
