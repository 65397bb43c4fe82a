"""What a notebook shows."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from html import escape

import numpy as np
import pytest

from robbench import RobBench
from robbench.search import ALGORITHMS
from robbench.spaces import SPACES, SearchSpace
from robbench.spaces.darts.published import PUBLISHED
from robbench.spaces.nb201 import Cell
from tests.cli.running import ARCH


def parsed(html: str) -> ET.Element:
    """The page, which is well-formed."""
    return ET.fromstring(f"<page>{html.replace('<br>', '<br/>')}</page>")


def texts(html: str) -> list[str]:
    return [text for text in parsed(html).itertext() if text]


def test_a_bench_lists_what_it_holds(bench: RobBench) -> None:
    shown = bench._repr_html_()
    assert texts(shown)[0] == "small.h5: 15625 architectures of NAS-Bench-201 in 6466 classes; default data set toy10"
    rows = [[cell.text for cell in row] for row in parsed(shown).iter("tr")]
    assert ["toy10", "untrained", "cost", "edgegpu_latency", None, "value"] in rows
    assert ["toy10", "standard", "corruption", "contrast, fog", "1, 2, 3, 4, 5", "accuracy"] in rows
    held = {(row.dataset, row.training) for row in bench.metrics().itertuples()}
    assert {(row[0], row[1]) for row in rows[1:]} == held


def test_an_architecture_is_drawn_and_its_whole_text_shown() -> None:
    cell = Cell.parse(ARCH)
    page = parsed(cell._repr_html_())
    assert ARCH in texts(cell._repr_html_())
    arrows = [path for path in page.iter("{http://www.w3.org/2000/svg}path") if path.get("stroke")]
    assert len(arrows) == 6
    labels = [text.text for text in page.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(map(str, labels)) == sorted(["conv 3×3"] * 3 + ["pool 3×3", "skip", "skip", "0", "1", "2", "3"])


def test_what_is_shown_is_drawn_with_all_that_is_known_of_it(bench: RobBench) -> None:
    shown = bench.show(ARCH)
    rows = {row[0].text: row[1].text for row in parsed(shown._repr_html_()).iter("tr")}
    assert rows["class key"] == bench.space.key(bench.parse(ARCH))
    assert rows["kernel_parameters"] == str(shown.facts["kernel_parameters"])
    assert len([path for path in parsed(shown._repr_html_()).iter("{http://www.w3.org/2000/svg}path") if path.get("stroke")]) == 6
    assert repr(shown).startswith("from \\ to        node 1")


def test_none_is_no_arrow() -> None:
    page = parsed(Cell(("none",) * 6)._repr_html_())
    assert not [path for path in page.iter("{http://www.w3.org/2000/svg}path") if path.get("marker-end")]


@pytest.mark.parametrize("space", [SPACES["nb201"], SPACES["darts"], SPACES["wrn"]], ids=lambda space: space.name)
def test_all_that_is_drawn_is_inside_the_picture(space: SearchSpace[object]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        page = parsed(space.sample(rng)._repr_html_())  # type: ignore[attr-defined]
        (picture,) = page.iter("{http://www.w3.org/2000/svg}svg")
        left, top, width, height = map(float, picture.attrib["viewBox"].split())
        for element in page.iter():
            x, y = (element.get(name) for name in (("cx", "cy") if element.tag.endswith("circle") else ("x", "y")))
            if x is not None and y is not None:
                assert left < float(x) < left + width
                assert top < float(y) < top + height


def test_a_genotype_is_drawn() -> None:
    genotype = SPACES["darts"].parse(next(iter(PUBLISHED.values())).genotype)
    shown = genotype._repr_html_()
    assert escape(str(genotype)) in shown
    assert {"normal cell", "reduction cell"} <= set(texts(shown))


def test_a_figure_is_shown_as_a_picture_whatever_backend_there_is(few_bench: RobBench) -> None:
    pytest.importorskip("matplotlib")
    figure = few_bench.plot.scatter("clean", "pgd@1/255", width=2.0)
    shown = figure._repr_png_()
    assert shown.startswith(b"\x89PNG")
    width, height = (int.from_bytes(shown[at : at + 4], "big") for at in (16, 20))
    assert (width, height) == tuple(int(144 * inches) for inches in figure.get_size_inches())


def test_an_oracle_and_what_a_search_found_show_architectures(few_bench: RobBench) -> None:
    oracle = few_bench.oracle(["clean", "pgd@1/255"], budget=30)
    assert texts(oracle._repr_html_()) == ["oracle of clean (max), pgd@1/255 (max): 0 spent of 30, 0 architectures asked"]
    found = ALGORITHMS["nsga2"](oracle, oracle.subset(), np.random.default_rng(0), population=5)
    shown = texts(oracle._repr_html_())
    assert shown[0].startswith("oracle of clean (max), pgd@1/255 (max): 30 spent of 30, ")
    assert str(oracle.queries[-1].arch) in shown
    assert [text for text in texts(found._repr_html_()) if text.startswith("|")] == [str(one.arch) for one in found.front]


def test_a_search_that_found_nothing_shows_that(few_bench: RobBench) -> None:
    oracle = few_bench.oracle("clean", budget=1, cost=lambda arch: 2.0)
    found = ALGORITHMS["random"](oracle, oracle.subset(), np.random.default_rng(0))
    assert texts(found._repr_html_())[0] == "found for clean (max), with 0 spent"


@pytest.mark.parametrize(
    ("metric", "value"), [("pgd@1/255", lambda value: f"{value:.6g}"), ("clean:confusion", lambda value: "an array of 3 × 3")]
)
def test_an_explanation_shows_the_value_and_where_it_comes_from(metric: str, value: Callable[[float], str], bench: RobBench) -> None:
    explained = bench.explain(ARCH, metric)
    shown = texts(explained._repr_html_())
    assert shown[:2] == ["value", value(explained.value)]  # type: ignore[arg-type]
    assert ARCH in shown
    assert "made up" in shown
