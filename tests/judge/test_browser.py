"""Report cards in a real browser: nothing is logged, nothing is asked for, all of it is there and legible."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robbench import RobBench
from robbench.judge import Report, judge_predictor, judge_proxy, judge_search, live
from robbench.judge.report import write
from tests.browsing import opened, width_of
from tests.judge.conftest import clean_of


def proxy(bench: RobBench) -> Report:
    return judge_proxy(bench, live(bench, clean_of, "mine:score"), adds=False, resamples=5)


def search(bench: RobBench) -> Report:
    return judge_search(bench, "tests.judge.test_search:blind", beside=["random", "nsga2"], budget=10, runs=5)


def predictor(bench: RobBench) -> Report:
    return judge_predictor(bench, "tests.judge.test_predictor:Linear", metrics=["clean"], beside=["ridge"], sizes=[30, 60], splits=1)


OVERLAPPING = """[...document.querySelectorAll("svg.figure")].flatMap((figure) => {
    const texts = [...figure.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
    return texts.flatMap(([one, a], at) => texts.slice(at + 1)
        .filter(([_, b]) => a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom)
        .map(([other]) => `${one} / ${other}`));
})"""
CUT_OFF = """[...document.querySelectorAll("svg.figure")].flatMap((figure) => {
    const whole = figure.getBoundingClientRect();
    return [...figure.querySelectorAll("text, circle")].filter((shape) => {
        const box = shape.getBoundingClientRect();
        return box.left < whole.left - 1 || box.right > whole.right + 1 || box.top < whole.top - 1 || box.bottom > whole.bottom + 1;
    }).map((shape) => shape.textContent);
})"""


@pytest.mark.parametrize("judging", [proxy, search, predictor])
def test_a_report_is_legible_on_every_screen(
    chromium: Any, judged: RobBench, tmp_path: Path, judging: Callable[[RobBench], Report]
) -> None:
    report, out = judging(judged), tmp_path / "report.html"
    write([report], out)
    drawn = [len(one.figure.drawn(one.table, report.method)) for one in report.sections if one.figure is not None]
    with opened(chromium, out) as page:
        assert page.title() == page.locator("h1").inner_text() == report.title
        titles = [title.casefold() for title in page.locator("h2").all_inner_texts()]
        assert titles == [*(section.title for section in report.sections), "made with"]
        assert page.locator("tbody tr").count() == sum(len(section.shown) for section in report.sections)
        assert page.locator("svg.figure").count() == sum(drawn) > 0
        assert page.locator(".judged").count() > 0
        for width in (360, 768, 1300):
            assert width_of(page, width) == width
            assert page.evaluate(OVERLAPPING) == []
            assert page.evaluate(CUT_OFF) == []
            assert all(figure.bounding_box()["height"] > 40 for figure in page.locator("svg.figure").all())


def test_a_report_follows_the_system_into_the_dark(chromium: Any, judged: RobBench, tmp_path: Path) -> None:
    write([proxy(judged)], tmp_path / "report.html")
    found = []
    for scheme in ("light", "dark"):
        with opened(chromium, tmp_path / "report.html", color_scheme=scheme) as page:
            found.append([page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color")])
    assert found[0][0] == "rgb(255, 255, 255)"
    assert found[0] != found[1]
