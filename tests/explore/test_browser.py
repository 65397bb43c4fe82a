"""The explorer in a real browser, by clicks and keys.  Skipped where there is no Playwright, or no Chromium for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from robbench import RobBench, analysis
from robbench.explore import contents, write
from robbench.explore.page import _asset, _written
from robbench.spaces.darts import DARTS
from robbench.spaces.nb201 import NB201
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests import browsing
from tests.explore.test_page import write_hostile
from tests.few import ARCH, INDEX
from tests.genotypes import drawn
from tests.synthetic import array

opened = partial(browsing.opened, ready="#page:not(:empty)")


@pytest.fixture(scope="module")
def few_page(few_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("explore") / "few.html"
    write(contents(RobBench(few_store)), out)
    return out


@pytest.fixture
def view(chromium: Any, few_page: Path) -> Iterator[Any]:
    with opened(chromium, few_page) as page:
        yield page


def cards(page: Any) -> list[str]:
    """The architectures that are open."""
    return list(page.locator(".card h3 code").all_inner_texts())


def column(page: Any, number: int) -> list[float]:
    """The numbers of a column of the table, counted from the check boxes."""
    texts = page.locator(f"#table tbody td:nth-child({number + 1})").all_inner_texts()
    return [float("nan" if text == "–" else text.replace("−", "-")) for text in texts]


def of_class(bench: RobBench, arch: Any) -> str:
    """The architecture that the page shows for one."""
    return str(bench.classes[bench.measurements.lookup.row("class", arch)])


@pytest.mark.parametrize("how", ["text", "index", "key"])
def test_an_architecture_is_found_by_text_index_and_key(view: Any, few_bench: RobBench, how: str) -> None:
    arch = few_bench.parse(INDEX)
    view.locator("#search").fill({"text": str(arch), "index": str(INDEX), "key": NB201.key(arch)}[how])
    assert str(arch) in view.locator("#found").inner_text() or how == "key"
    view.keyboard.press("Enter")
    assert cards(view) == [of_class(few_bench, arch)]
    assert NB201.key(arch) in view.locator(".card dl").inner_text()


def test_what_is_not_in_the_store_is_said(view: Any) -> None:
    view.locator("#search").fill("nor_conv_7x7")
    assert view.locator("#found").inner_text() == "nothing in this store"


def test_results_are_walked_by_keys(view: Any) -> None:
    view.locator("#search").fill("|nor_conv_3x3~0|+|")
    view.keyboard.press("ArrowDown")
    view.keyboard.press("ArrowDown")
    chosen = view.locator("#found [aria-selected=true]")
    assert chosen.get_attribute("id") == view.locator("#search").get_attribute("aria-activedescendant") == "found-1"
    view.keyboard.press("Escape")
    assert not view.locator("#found").is_visible()
    assert view.locator("#search").get_attribute("aria-expanded") == "false"


def test_details_are_the_benchs_numbers(view: Any, few_bench: RobBench) -> None:
    view.locator("#search").fill(ARCH)
    view.keyboard.press("Enter")
    arch = of_class(few_bench, ARCH)
    row = view.locator(".numbers tr", has=view.locator("th", has_text="pgd@1/255")).first
    assert row.locator("td").first.inner_text().split(" ± ")[0] == f"{few_bench.query(arch, 'pgd@1/255'):.4g}"
    assert row.locator("td").last.inner_text() == "synthetic, measured [1]"
    assert view.locator(".card svg.cell").get_attribute("aria-label") == f"Drawing of {arch}"
    assert view.locator(".card svg.cell circle").count() == 4
    labels = [arrow.label for arrow in NB201.graph(NB201.parse(arch)).arrows]
    assert view.locator(".card svg.cell text.label").all_text_contents() == labels


def test_neighbours_are_the_librarys(view: Any, few_bench: RobBench) -> None:
    # What is in the store of the 24, in the order of the library.
    row = max(
        range(len(few_bench.classes)),
        key=lambda place: sum(near in few_bench.architectures for near in NB201.neighbors(few_bench.classes[place])),
    )
    arch = few_bench.classes[row]
    expected = analysis.neighbors(few_bench, arch, "pgd@1/255")
    expected = expected[expected["arch"].isin(list(map(str, few_bench.architectures)))]
    view.locator("#search").fill(NB201.key(arch))
    view.keyboard.press("Enter")
    view.locator("#y").select_option(label="pgd@1/255 — toy10 · standard")
    lines = [line.locator("td").all_inner_texts() for line in view.locator("#neighbours tbody tr").all()]
    assert len(lines) == len(expected) > 0
    for line, (_, near) in zip(lines, expected.iterrows(), strict=True):
        assert line[:3] == [near["edge"], near["from"], near["to"]]
        assert line[3].split()[0] == f"{near['value']:.4g}"


def test_twins_are_listed(view: Any, few_bench: RobBench) -> None:
    twins = [NB201.twin_key(arch) for arch in few_bench.classes]
    place = max(range(len(twins)), key=lambda one: twins.count(twins[one]))
    view.locator("#search").fill(NB201.key(few_bench.classes[place]))
    view.keyboard.press("Enter")
    listed = view.locator("#twins tbody code").all_inner_texts()
    assert listed == [str(arch) for other, arch in enumerate(few_bench.classes) if twins[other] == twins[place] and other != place] != []


def test_the_front_is_the_librarys(view: Any, few_bench: RobBench) -> None:
    front = analysis.pareto_front(few_bench, ["clean", "pgd@8/255"])
    view.locator("#y").select_option(label="pgd@8/255 — toy10 · standard")
    view.locator("#onlyfront").check()
    listed = view.locator("#table tbody .key").all_inner_texts()
    assert sorted(listed) == sorted(front["class_key"])
    assert f"{len(front)} are in the front" in view.locator("#scatter-says").inner_text()


def test_the_table_sorts_by_each_column_and_back(view: Any, few_bench: RobBench) -> None:
    clean = few_bench.query_many(few_bench.classes, "clean", missing="nan")
    view.locator("#table thead button", has_text="clean").click()
    assert column(view, 2) == sorted(clean[~np.isnan(clean)], reverse=True)[:25]
    assert view.locator("#table th[aria-sort=descending]").count() == 1
    view.keyboard.press("Enter")  # the focus stayed
    assert column(view, 2) == sorted(clean[~np.isnan(clean)])[:25]
    view.locator("#next").click()
    assert column(view, 2) == sorted(clean[~np.isnan(clean)])[25:50]


def test_a_column_is_added_and_taken_away(view: Any) -> None:
    before = view.locator("#table thead th").count()
    view.locator("#add").select_option(label="synflow — toy10 · untrained")
    assert view.locator("#table thead th").count() == before + 1
    view.get_by_role("button", name="Take synflow away").click()
    assert view.locator("#table thead th").count() == before


def test_several_are_compared_side_by_side(view: Any) -> None:
    view.locator("#table tbody .open").nth(0).click()
    view.locator("#table tbody input").nth(1).check()
    assert len(cards(view)) == 2
    assert view.locator("#details-title").inner_text() == "2 architectures compared"
    assert view.locator("#neighbours-of").is_visible()
    assert view.locator(".numbers").first.locator("thead th").all_inner_texts() == ["metric", "A", "B", "source"]
    assert view.locator(".curves polyline").count() == 2
    second = cards(view)[1]
    view.get_by_role("button", name="Close A").click()
    assert cards(view) == [second]


def test_the_plot_is_walked_by_keys(view: Any) -> None:
    view.locator("#scatter").focus()
    view.keyboard.press("ArrowRight")  # to the middle
    middle = view.locator("#tip").inner_text()
    view.keyboard.press("ArrowRight")
    assert view.locator("#tip").inner_text() != middle
    architecture, numbers = view.locator("#tip").inner_text().split("\n")
    assert view.locator("#live").inner_text() == f"{architecture}: {numbers}"
    view.keyboard.press("Enter")
    assert cards(view) == [architecture]
    view.keyboard.press("ArrowUp")
    view.keyboard.press("Shift+Enter")
    assert cards(view)[0] == architecture
    assert len(cards(view)) == 2


def test_a_point_is_clicked(view: Any) -> None:
    """The pointer goes over the canvas until it is near a point."""
    box = view.locator("#scatter").bounding_box()
    places = ((across, up) for up in (0.3, 0.4, 0.5, 0.6) for across in np.linspace(0.2, 0.8, 30))
    for across, up in places:
        spot = box["x"] + box["width"] * across, box["y"] + box["height"] * up
        view.mouse.move(*spot)
        if view.locator("#tip").is_visible():
            break
    named = view.locator("#tip strong").inner_text()
    view.mouse.click(*spot)
    assert cards(view) == [named]


def test_dragging_filters_plot_table_and_address(view: Any, few_bench: RobBench) -> None:
    box = view.locator("#scatter").bounding_box()
    view.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    view.mouse.down()
    view.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"], steps=3)
    view.mouse.up()
    ends = [float(view.locator(f"#{name}").input_value()) for name in ("x0", "x1", "y0", "y1")]
    up = view.locator("#y option:checked").inner_text().partition(" ")[0]
    x, y = (few_bench.query_many(few_bench.classes, metric, missing="nan") for metric in ("clean", up))
    within = int(((x >= ends[0]) & (x <= ends[1]) & (y >= ends[2]) & (y <= ends[3])).sum())
    assert 0 < within < len(x)
    assert view.locator("#table caption").inner_text() == f"{within} of {len(x)} architectures"
    assert "brush=" in view.evaluate("location.hash")
    view.locator("#scatter").focus()
    view.keyboard.press("Escape")
    assert view.locator("#table caption").inner_text() == f"{len(x)} of {len(x)} architectures"


def test_the_fields_filter_too(view: Any, few_bench: RobBench) -> None:
    view.locator("#x0").fill("0.9")
    view.keyboard.press("Tab")
    clean = few_bench.query_many(few_bench.classes, "clean", missing="nan")
    assert view.locator("#table caption").inner_text().startswith(f"{int((clean >= 0.9).sum())} of ")


def test_the_address_restores_the_view(chromium: Any, few_page: Path) -> None:
    with opened(chromium, few_page) as page:
        page.locator("#x").select_option(label="clean — toy/odd% · pgd-8/255")
        page.locator("#y").select_option(label="synflow — toy10 · untrained")
        page.locator("#bettery").select_option(label="less")
        page.locator("#logy").check()
        page.locator("#add").select_option(label="fog@3 — toy10 · standard")
        page.locator("#table thead button", has_text="fog@3").click()
        page.locator("#x0").fill("0.25")
        page.keyboard.press("Tab")
        page.locator("#table tbody .open").nth(3).click()
        page.locator("#table tbody input").nth(5).check()
        page.locator("#next").click()
        page.locator("#theme").click()
        address, table, shown = (
            page.evaluate("location.hash"),
            page.locator("#table").inner_text(),
            page.locator("#details-body").inner_text(),
        )
    with opened(chromium, few_page, address) as page:
        assert page.evaluate("location.hash") == address
        assert page.locator("#table").inner_text() == table
        assert page.locator("#details-body").inner_text() == shown
        assert page.locator("#logy").is_checked()
        assert page.locator("#bettery").input_value() == "-1"
        assert page.evaluate("document.documentElement.dataset.theme") == "light"


def test_an_address_of_another_store_is_answered_as_far_as_it_goes(chromium: Any, few_page: Path) -> None:
    address = f"#x={quote('imagenet/standard/clean', '')}&pick=0123456789abcdef&brush=a,b,c,d&page=-7&sort=nothing"
    with opened(chromium, few_page, address) as page:
        assert "imagenet/standard/clean, 0123456789abcdef" in page.locator("#notice").inner_text()
        assert page.locator("#x option:checked").inner_text() == "clean — toy10 · standard"
        assert page.locator("#page").inner_text().startswith("Page 1 of")


def test_a_selection_is_downloaded(view: Any, few_bench: RobBench, tmp_path: Path) -> None:
    import pandas as pd

    view.locator("#onlyfront").check()
    for button, columns in (("#csv", 6), ("#csvall", 3 + view.locator("#x option").count())):
        with view.expect_download() as waiting:
            view.locator(button).click()
        waiting.value.save_as(tmp_path / "selection.csv")
        table = pd.read_csv(tmp_path / "selection.csv")
        assert table.shape[1] == columns
        assert len(table) == view.locator("#table tbody tr").count()
        np.testing.assert_array_equal(table["clean toy10 standard"], few_bench.query_many(table["arch"].tolist(), "clean"))
        assert table["index"].tolist() == [few_bench.published_index(arch) for arch in table["arch"]]


def test_the_theme_follows_the_system_and_the_button(chromium: Any, few_page: Path) -> None:
    with opened(chromium, few_page, color_scheme="dark") as page:
        background = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(background) == "rgb(20, 23, 27)"
        page.locator("#theme").click()
        assert page.evaluate(background) == "rgb(255, 255, 255)"
        page.locator("#theme").click()
        assert page.evaluate(background) == "rgb(20, 23, 27)"


def test_on_a_telephone_nothing_is_wider_than_the_page(chromium: Any, few_page: Path, few_bench: RobBench) -> None:
    keys = [NB201.key(arch) for arch in few_bench.classes[:3]]
    with opened(chromium, few_page, f"#pick={','.join(keys)}") as page:
        assert browsing.width_of(page, 360) == 360


def test_every_control_has_a_name(view: Any) -> None:
    view.locator("#table tbody .open").first.click()
    nameless = view.evaluate(
        """[...document.querySelectorAll("button, select, input, canvas, [tabindex='0']")].filter((element) =>
            !(element.getAttribute("aria-label") || element.labels?.length || element.getAttribute("aria-labelledby") || element.innerText)
        ).map((element) => element.outerHTML)"""
    )
    assert nameless == []


def test_it_does_without_webgl(chromium: Any, few_page: Path) -> None:
    with opened(chromium, few_page) as page:
        page.add_init_script(
            "HTMLCanvasElement.prototype.getContext = ((of) => function (kind, ...rest) { return kind === '2d' ? of.call(this, kind, ...rest) : null })(HTMLCanvasElement.prototype.getContext)"
        )
        page.reload()
        page.locator("#page:not(:empty)").wait_for()
        assert page.evaluate(
            "document.querySelector('#scatter').getContext('2d').getImageData(0, 0, 900, 400).data.some((part) => part > 0)"
        )


def test_a_hostile_store_runs_no_script(chromium: Any, toy_store: Path, tmp_path: Path) -> None:
    write_hostile(tmp_path / "hostile.h5")
    write(contents(RobBench(tmp_path / "hostile.h5")), tmp_path / "hostile.html")
    with opened(chromium, tmp_path / "hostile.html") as page:
        page.locator("#table tbody .open").first.click()
        page.locator(".sources summary").first.click()
        assert page.title() == "hostile.h5 · RobBench explorer"
        assert page.locator("img").count() == 0
        assert page.locator("script").count() == 2
        assert "<img src=x" in page.locator(".sources li").first.inner_text()


def test_a_policy_stops_what_a_page_should_not_do(chromium: Any, few_page: Path) -> None:
    """Were there a hole, the browser would still run nothing that is not ours, and ask for nothing."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(few_page.as_uri())
    refused = page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'went', (error) => error.name)")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), { textContent: 'document.title = \"pwned\"' }))")
    assert (refused, page.title() == "pwned") == ("TypeError", False)
    context.close()


def test_genotypes_of_darts_are_drawn_and_have_neighbours(chromium: Any, tmp_path: Path) -> None:
    genotypes = drawn(30)
    rows = Rows.of(DARTS, genotypes)
    clean = np.random.default_rng(0).integers(0, 1001, len(rows.keys)) / 1000
    extend(tmp_path / "darts.h5", rows, [array("toy10 standard clean accuracy", clean)])
    bench = RobBench(tmp_path / "darts.h5")
    write(contents(bench), tmp_path / "darts.html")
    with opened(chromium, tmp_path / "darts.html") as page:
        page.locator("#search").fill(str(bench.classes[3]))
        page.keyboard.press("Enter")
        assert cards(page) == [str(bench.classes[3])]
        assert page.locator("svg.cell circle").count() == 14
        assert "the nearest" in page.locator("#details-body").inner_text()
        nearest = [sum(np.array(DARTS.encode(bench.classes[3])) != np.array(DARTS.encode(other))) for other in bench.architectures]
        told = [int(text.split()[0]) for text in page.locator("#neighbours tbody td:first-child").all_inner_texts()]
        assert told == sorted(int(one) for one in nearest)[1:13]


def test_bytes_of_every_length_come_back(view: Any) -> None:
    function = _asset("data.js").partition("const Data")[0]
    for length in range(5):
        packed = bytes(range(256)) + bytes(range(255, 255 - length, -1))
        found = view.evaluate(f"(text) => {{ {function}; return [...bytesOf(text)]; }}", _written(packed))
        assert bytes(found) == packed


WITHOUT_WEBGL = """
const context = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...options) {
  return /webgl|webgpu/.test(kind) ? null : context.call(this, kind, ...options);
};
"""


def test_a_browser_without_webgl_misses_nothing(chromium: Any, few_page: Path) -> None:
    colours = "new Set(new Uint32Array($.getContext('2d').getImageData(0, 0, $.width, $.height).data.buffer)).size"
    found = []
    for first in ("", WITHOUT_WEBGL):
        with opened(chromium, few_page, first=first) as page:
            found.append(page.locator("#scatter").evaluate(f"$ => {colours}"))
            page.locator("#table tbody .open").first.click()
            assert len(cards(page)) == 1
    assert found[0] == found[1] > 100


def test_a_hundred_thousand_architectures_are_explored(chromium: Any, toy_bench: RobBench, tmp_path: Path) -> None:
    """The twelve of the toy space over and over."""
    few, count = contents(toy_bench), 100_000
    again = np.arange(count) % len(few.keys)
    many = replace(
        few,
        exact=tuple(few.exact[few.representatives[row]] for row in again),
        class_of=np.arange(count),
        representatives=np.arange(count),
        keys=tuple(f"{row:016x}" for row in range(count)),
        twins=few.twins[again],
        columns=tuple(replace(column, values=column.values[again]) for column in few.columns),
    )
    write(many, tmp_path / "many.html")
    with opened(chromium, tmp_path / "many.html") as page:
        assert page.locator("#table caption").inner_text() == "100000 of 100000 architectures"
        page.locator("#search").fill(f"{77_777:016x}")
        page.keyboard.press("Enter")
        assert cards(page) == [str(many.exact[77_777])]
        assert page.locator(".assignment dd").all_inner_texts() == list(many.exact[77_777].ops)
