"""One report in every form: what a page shows is what the tables say, and nothing that a method brings gets out of its place."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from robbench import RobBench
from robbench.errors import InvalidArgument
from robbench.judge import Report, Section, judge_predictor, judge_search
from robbench.judge.calling import Fault
from robbench.judge.figures import Dots, Lines
from robbench.judge.page import table_html
from robbench.judge.report import FORMS, write

HOSTILE = "<script>alert(1)</script>&\"'|x"
VOID = {"meta"}
TABLE = pd.DataFrame(
    {
        "objective": ["clean"] * 3 + ["pgd@1/255"] * 2,
        "algorithm": ["mine:search", "random", HOSTILE, "mine:search", "random"],
        "regret": [0.1, 0.3, math.nan, -0.2, 0.4],
        "regret_low": [0.05, 0.25, math.nan, math.nan, 0.4],
        "regret_high": [0.2, 0.35, math.nan, math.nan, 0.4],
        "ceiling": [0.5, 0.5, 0.5, math.nan, math.nan],
    }
)
CURVES = pd.DataFrame(
    {
        "objective": ["clean"] * 6,
        "algorithm": ["mine:search", "random"] * 3,
        "queries": [1, 1, 10, 10, 100, 100],
        "regret": [0.4, 0.5, 0.2, math.nan, 0.1, 0.3],
    }
)


class Reading(HTMLParser):
    """The elements of a page, which must close in the order in which they opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def of(self, tag: str, css: str = "") -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.found if name == tag and css in str(attrs.get("class", ""))]


@pytest.fixture
def report() -> Report:
    sections = (
        Section("results", f"regret: {HOSTILE}", TABLE, figure=Dots(("objective",), "algorithm", "regret", "ceiling")),
        Section(
            "curves",
            "by queries",
            CURVES,
            ("objective", "algorithm"),
            ("queries", "regret"),
            figure=Lines(("objective",), "algorithm", "queries", "regret"),
        ),
    )
    faults = (Fault("raised ValueError", 2, 3, HOSTILE),)
    return Report(
        "search", "mine:search", (f"It is {HOSTILE}.",), faults, sections, {"seed": 0, "store": HOSTILE, "training": None, "numpy": "2.4.6"}
    )


def test_a_page_needs_nothing_but_itself_and_brings_no_script(report: Report) -> None:
    page = Reading(report.html())
    assert not page.of("script")
    assert not page.of("link")
    assert not [attrs for _, attrs in page.found if {"src", "href", "style", "onclick"} & attrs.keys()]
    (policy,) = [attrs["content"] for attrs in page.of("meta") if "http-equiv" in attrs]
    assert str(policy).startswith("default-src 'none'; style-src 'sha256-")
    assert "url(" not in report.html()
    assert any(attrs.get("name") == "viewport" for attrs in page.of("meta"))


def test_all_that_a_report_says_is_on_its_page(report: Report) -> None:
    text = " ".join(Reading(report.html()).text)
    for said in (
        "Search: mine:search",
        f"It is {HOSTILE}.",
        f"raised ValueError (2 of 3; first: {HOSTILE})",
        f"regret: {HOSTILE}",
        "2.4.6",
        "by queries",
    ):
        assert said in text
    for section in report.sections:
        for value in section.shown.to_numpy().ravel():
            assert str(value) in text
    assert "training" not in text, "which is None"


def test_a_page_has_a_light_and_a_dark_face(report: Report) -> None:
    style = re.findall(r"--(\w+): ([^;]+);", report.html())
    light, dark = dict(style[: len(style) // 2]), dict(style[len(style) // 2 :])
    assert light.keys() == dark.keys() >= {"page", "ink", "accent"}
    assert all(light[name] != dark[name] for name in light)


def test_dots_are_where_the_numbers_say(report: Report) -> None:
    (caption, clean), (_, pgd) = Dots(("objective",), "algorithm", "regret", "ceiling").drawn(TABLE, "mine:search")
    assert caption == "clean: regret, 95% intervals; the mark of another colour: ceiling"
    figure = Reading(clean)
    ours, random = (float(str(attrs["cx"])) for attrs in figure.of("circle"))
    zero, limit = (float(re.findall(r"M([\d.]+)", str(figure.of("path", css)[0]["d"]))[0]) for css in ("zero", "limit"))
    assert (ours - zero) / (random - zero) == pytest.approx(0.1 / 0.3, abs=0.01)
    assert (limit - zero) / (random - zero) == pytest.approx(0.5 / 0.3, abs=0.02)
    low, high = map(float, re.findall(r"[MH]([\d.]+)", str(figure.of("path", "range")[0]["d"])))
    assert (low - zero, high - zero) == pytest.approx(((ours - zero) / 2, (ours - zero) * 2), abs=0.3)
    assert [len(figure.of(tag, "judged")) for tag in ("circle", "path", "text")] == [1, 1, 1]
    assert [len(figure.of(*one)) for one in (("circle", ""), ("path", "range"), ("path", "limit"), ("text", "label"))] == [2, 2, 3, 3]
    left, right = (float(str(attrs["cx"])) for attrs in Reading(pgd).of("circle"))
    assert left < float(re.findall(r"M([\d.]+)", str(Reading(pgd).of("path", "zero")[0]["d"]))[0]) < right


def test_lines_go_through_what_there_is() -> None:
    ((caption, svg),) = Lines(("objective",), "algorithm", "queries", "regret").drawn(CURVES, "mine:search")
    assert caption == "clean: regret by queries"
    figure = Reading(svg)
    ours, _, random, _ = (
        [tuple(map(float, point)) for point in re.findall(r"([\d.]+) ([\d.]+)", str(attrs["d"]))] for attrs in figure.of("path", "series")
    )
    assert (len(ours), len(random)) == (3, 2)
    assert ours[1][0] - ours[0][0] == pytest.approx(ours[2][0] - ours[1][0]), "a scale of ratios"
    assert ours[0][1] < ours[1][1] < ours[2][1], "less regret is lower"
    assert len(figure.of("path", "judged")) == 2


@pytest.mark.parametrize("value", [0.0, math.nan, 1e-12, -3.0, 1e9])
def test_any_number_can_be_drawn(value: float) -> None:
    table = pd.DataFrame({"of": ["a"], "value": [value], "x": [1]})
    for figure in (Dots((), "of", "value"), Lines((), "of", "x", "value")):
        ((_, svg),) = figure.drawn(table, "a")
        assert "nan" not in svg
        assert "inf" not in svg
        Reading(svg)


@pytest.mark.parametrize(
    ("across", "marks"),
    [
        ([1, 2, 5, 10, 30], ["1", "2", "5", "10", "30"]),
        ([0.6, 1.3, 2.9, 17.2], ["1", "2", "5", "10"]),
        (range(30, 1101, 97), ["50", "100", "200", "500", "1000"]),
        ([0.5 * 3**power for power in range(13)], ["1", "10", "100", "1000", "10000", "100000"]),
    ],
)
def test_many_numbers_below_lines_are_round_ones(across: Sequence[float], marks: list[str]) -> None:
    table = pd.DataFrame({"of": "a", "x": across, "value": 0.3})
    ((_, svg),) = Lines((), "of", "x", "value").drawn(table, "a")
    assert re.findall(r'text-anchor="middle">([^<]*)<', svg) == marks


def test_what_is_the_same_in_all_rows_is_said_once_unless_it_is_a_number() -> None:
    """That a search was better in no comparison is a result, as 0 wherever it stands."""
    columns = {"dataset": "made", "better": "0", "partial": "0.000 [0.000, 0.000]", "corruptions": "", "kendall": "0.5"}
    page = Reading(table_html(pd.DataFrame({name: [text] * 2 for name, text in columns.items()}), "mine:search"))
    assert page.text[0] == "dataset made"
    assert [text for text in page.text if text.isalpha()] == ["better", "partial", "kendall"]


def test_a_figure_says_what_its_intervals_are(judged: RobBench) -> None:
    report = judge_predictor(judged, "ridge", metrics=["clean"], beside=(), sizes=[30], splits=2)
    (section,) = [one for one in report.sections if one.title == "scores"]
    assert section.figure is not None
    ((caption, _),) = section.figure.drawn(section.table, "ridge")
    assert caption == "clean: r2, from the least to the greatest of the splits; the mark of another colour: ceiling"


def test_values_side_by_side_have_their_intervals_where_they_are_wanted() -> None:
    for wanted, first in ((False, "0.100"), (True, "0.100 [0.050, 0.200]")):
        shown = Section("results", "", TABLE, ("algorithm",), ("objective", "regret"), wanted).shown
        assert shown.columns.tolist() == ["algorithm", "clean", "pgd@1/255"]
        assert shown["clean"].tolist()[0] == first
        assert shown["pgd@1/255"].tolist() == ["-0.200", "0.400 [0.400, 0.400]" if wanted else "0.400", ""]


def test_a_report_is_written_in_the_form_of_its_name(report: Report, tmp_path: Path) -> None:
    for form in FORMS:
        write([report], tmp_path / f"report{form.upper()}")
    written = {form: (tmp_path / f"report{form.upper()}").read_text("utf-8") for form in FORMS}
    assert written[".html"] == report.html()
    assert written[".md"] == report.markdown()
    assert json.loads(written[".json"]) == json.loads(report.json())
    assert written[".txt"] == report.text() + "\n"
    write([report, report], tmp_path / "two.html")
    assert len(Reading((tmp_path / "two.html").read_text("utf-8")).of("h1")) == 2
    with pytest.raises(InvalidArgument, match=r"report\.csv does not end in one of \.html, \.md, \.json, \.txt"):
        write([report], tmp_path / "report.csv")
    with pytest.raises(InvalidArgument, match="cannot be written"):
        write([report], tmp_path / "nowhere" / "report.md")


def test_a_notebook_shows_the_page_in_a_frame(report: Report) -> None:
    (frame,) = Reading(report._repr_html_()).found
    assert frame[0] == "iframe"
    assert frame[1]["srcdoc"] == report.html()


def test_a_real_report_has_its_figures_and_what_made_it(judged: RobBench) -> None:
    report = judge_search(judged, "random", objectives=["clean"], beside=["evolution"], budget=10, runs=2)
    page = Reading(report.html())
    assert len(page.of("svg")) == 3
    text: dict[str, Any] = dict(report.made)
    assert {"seed", "store_sha256", "dataset", "robbench", "numpy", "runs", "budget"} <= text.keys()
    assert all(str(value) in page.text for value in text.values() if value is not None)
