"""The file: whole, small, ours, without a request, and safe whatever is in the store."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest

from robbench import RobBench
from robbench.errors import CannotPlot
from robbench.explore import contents, page, write
from robbench.explore.page import MARK, _written
from robbench.store.arrays import Array
from robbench.store.writing import extend
from tests.explore.unpacking import DATA, Unpacked, data_of
from tests.synthetic import array
from tests.toy_store import CLEAN, ROWS

HOSTILE = "</script><script>document.title='pwned'</script><img src=x onerror=document.title='pwned'>"
MOST = 3_000_000


def write_hostile(path: Path) -> None:
    """A toy store whose names and provenance are markup."""
    name, header, values = array("toy10 standard clean accuracy", CLEAN)
    provenance = {"source": HOSTILE, "citation": HOSTILE, HOSTILE: 1}
    extend(path, ROWS, [Array(name._replace(dataset=HOSTILE, training=HOSTILE), header._replace(provenance=provenance), values)])


def test_a_page_asks_for_nothing(toy_bench: RobBench) -> None:
    text = page(contents(toy_bench)).decode()
    assert set(re.findall(r"https?://[^\s\"'`)]*", text)) == {
        "http://www.w3.org/2000/svg"
    }  # the name of SVG's elements, which nobody opens
    assert not re.search(
        r"<(link|img|iframe|object|embed|audio|video|base)\b|\bsrc=|@import|url\(|\bfetch\(|XMLHttpRequest|importScripts|import\(", text
    )
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1]


def test_the_embedded_stores_page_is_small_and_says_what_the_store_says(tmp_path: Path) -> None:
    bench = RobBench()
    size = write(contents(bench), tmp_path / "explore.html")
    whole = (tmp_path / "explore.html").read_bytes()
    assert size == len(whole) < MOST
    found = Unpacked(data_of(whole))
    place = next(i for i, column in enumerate(found.text["columns"]) if column["metric"] == "pgd@16/255")
    np.testing.assert_array_equal(found.values(place), bench.query_many(bench.classes, "pgd@16/255"))


def test_nothing_of_a_store_is_markup(tmp_path: Path, toy_store: Path) -> None:
    write_hostile(tmp_path / "hostile.h5")
    shown = contents(RobBench(tmp_path / "hostile.h5"))
    whole = page(shown)
    assert b"pwned" not in whole
    assert len(DATA.findall(whole)) == 1
    assert whole.count(b"<script") == 2
    assert Unpacked(data_of(whole)).text["columns"][0]["dataset"] == HOSTILE


def test_whatever_the_bytes_are_they_are_text_without_markup() -> None:
    for length in range(9):
        packed = bytes(range(256)) * 40 + bytes(range(255, 255 - length, -1))
        text = _written(packed)
        assert not set(text) & set("<'\"\\ \n")
        assert data_of(f'<script id="data" type="text/plain">{text}</script>'.encode()) == packed
        assert len(text) < 1.26 * len(packed)


def test_the_same_store_gives_the_same_page(toy_bench: RobBench) -> None:
    assert page(contents(toy_bench)) == page(contents(toy_bench))


def test_a_page_of_ours_is_replaced(toy_bench: RobBench, tmp_path: Path) -> None:
    out = tmp_path / "explore.html"
    out.write_bytes(b"<!DOCTYPE html>" + MARK + b"older")
    write(contents(toy_bench), out)
    assert out.read_bytes() == page(contents(toy_bench))


@pytest.mark.parametrize(
    ("name", "said"),
    [("mine.html", "was not written by `robbench explore`"), ("none/explore.html", "does not exist; make it first"), ("", "is a folder")],
)
def test_no_other_file_is_touched(toy_bench: RobBench, tmp_path: Path, name: str, said: str) -> None:
    mine = tmp_path / "mine.html"
    mine.write_text("my own page", "utf-8")
    with pytest.raises(CannotPlot, match=said):
        write(contents(toy_bench), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".html"] == ["mine.html"]
    assert mine.read_text("utf-8") == "my own page"


def test_a_bench_writes_its_explorer_and_says_what_is_in_it(toy_bench: RobBench, tmp_path: Path) -> None:
    out = tmp_path / "explore.html"
    found = toy_bench.explore(out, datasets=["toy10"])
    shown = contents(toy_bench, datasets=["toy10"])
    assert out.read_bytes() == page(shown)
    assert found == (out, out.stat().st_size, len(toy_bench.classes), len(shown.columns))
    with pytest.raises(CannotPlot, match="make it first"):
        toy_bench.explore(tmp_path / "none" / "explore.html", progress=True)


def test_a_terminal_sees_what_is_done(toy_bench: RobBench, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stderr", terminal)
    shown = contents(toy_bench, progress=True)
    every = 2 + len(shown.columns) - len(toy_bench.space.attributes)
    assert f"toy.h5: architectures, then metrics: {every} of {every} done, 00:0" in terminal.getvalue()
    page(shown, progress=True)
    assert "toy.h5: drawings, numbers, and both packed: 3 of 3 done, 00:0" in terminal.getvalue()
