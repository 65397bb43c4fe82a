from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robbench.errors import UnknownArchitecture
from robbench.spaces.svg import svg
from robbench.spaces.wrn import WRN, WideResNet
from robbench.spaces.wrn.features import sizes

WRN_34_10 = WideResNet((5, 5, 5), (10, 10, 10))
MIXED = WRN.parse("d4w8-d7w14-d11w16")


def test_the_space_has_five_depths_and_five_widths_of_three_stages() -> None:
    assert len(WRN.members) == WRN.size == 5**6
    assert (str(WRN.members[0]), str(WRN.members[-1])) == ("d4w8-d4w8-d4w8", "d11w16-d11w16-d11w16")
    assert [variable.name for variable in WRN.variables] == ["depth_1", "width_1", "depth_2", "width_2", "depth_3", "width_3"]
    assert [WRN.label(variable) for variable in WRN.variables] == ["D1", "W1", "D2", "W2", "D3", "W3"]


@pytest.mark.parametrize(
    "spelling",
    [
        "d5w10-d5w10-d5w10",
        "WRN-34-10",
        "Arch(D1=5, W1=10, D2=5, W2=10, D3=5, W3=10)",
        {"D1": 5, "W1": 10, "D2": 5, "W2": 10, "D3": 5, "W3": 10},
        (5, 10, 5, 10, 5, 10),
        np.array([5, 10, 5, 10, 5, 10]).tolist(),
    ],
    ids=str,
)
def test_every_spelling_means_the_architecture(spelling: Any) -> None:
    assert WRN.parse(spelling) == WRN_34_10


def test_every_architecture_is_read_as_the_authors_print_it() -> None:
    for arch in WRN.members[::101]:
        assert all(WRN.parse(text) == arch for text in WRN.spellings(arch).values())
    assert WRN.spellings(WRN_34_10)["paper"] == "WRN-34-10"
    assert "paper" not in WRN.spellings(MIXED)


def test_a_key_is_what_it_was() -> None:
    """Stores have it: it is the same in every version."""
    assert WRN.key(WRN_34_10) == "2d2b392d0b64402c"


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("d6w10-d5w10-d5w10", r"6 is no depth of stage 1 of a WideResNet of NARes; expected one of 4, 5, 7, 9, 11"),
        ("d5w10-d5w10-d5w9", r"9 is no width of stage 3 of a WideResNet of NARes; expected one of 8, 10, 12, 14, 16"),
        (
            "d5w10-d5w10",
            r"is not a WideResNet; expected depth and width of each of three stages, such as 'd5w10-d5w10-d5w10', or 'WRN-34-10'",
        ),
        ("d05w10-d5w10-d5w10", r"is not a WideResNet"),
        ("WRN-35-10", r"'WRN-35-10' has no depth of a WideResNet; expected 6 layers for each block of a stage, and 4"),
        ("WRN-40-10", r"6 is no depth of stage 1"),
        ({"D1": 5, "W1": 10}, r"has not the six choices of a WideResNet; expected D1, W1, D2, W2, D3, W3"),
        ({"D1": 5, "W1": 10, "D2": 5, "W2": 10, "D3": 5, "W3": 10, "D4": 5}, r"has not the six choices"),
        ({"D1": 5, "W1": 10, "D2": 5, "W2": 10, "D3": 5, "W3": None}, r"are not six integers"),
        ((5, 10, 5, 10, 5), r"are not six integers; expected D1, W1, D2, W2, D3, W3, such as 5, 10, 5, 10, 5, 10"),
        ((5.0, 10, 5, 10, 5, 10), r"are not six integers"),
        ((True, 10, 5, 10, 5, 10), r"are not six integers"),
        (None, r"None is a NoneType; expected a text such as 'd5w10-d5w10-d5w10', or six integers"),
    ],
)
def test_what_is_none_is_told_where_it_goes_wrong(arch: Any, message: str) -> None:
    with pytest.raises(UnknownArchitecture, match=message):
        WRN.parse(arch)


@pytest.mark.parametrize(("depths", "widths"), [((5, 5), (10, 10, 10)), ([5, 5, 5], (10, 10, 10)), ((5, 5, 5), (10.0, 10, 10))])
def test_an_architecture_is_made_of_two_tuples_of_choices(depths: Any, widths: Any) -> None:
    with pytest.raises(UnknownArchitecture, match=r"expected a tuple of three, one for each stage|is no width of stage 1"):
        WideResNet(depths, widths)


# ---- what follows from the structure


@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [
        ("WRN-28-10", 36.5, None),  # Zagoruyko and Komodakis (2016), table 4
        ("WRN-34-10", 46.2, None),
        ("WRN-34-12", 66.5, 9.60),
        ("WRN-46-14", 128, 18.6),
        ("WRN-70-16", 267, 38.8),
    ],
)
def test_parameters_and_multiply_accumulates_are_those_that_papers_print(name: str, parameters: float, macs: float | None) -> None:
    """In 10^6 and 10^9, to three digits; multiply-accumulates as authors of NARes print them of WRN-34-12 and larger, within half a percent."""
    costs = WRN.costs("cifar10")
    assert float(f"{costs['params'](WRN.parse(name)):.3g}") == parameters
    if macs is not None:
        assert costs["macs"](WRN.parse(name)) / 1e3 == pytest.approx(macs, rel=5e-3)


def test_the_largest_network_has_the_parameters_that_the_authors_say() -> None:
    """266.80 million."""
    params = [WRN.costs("cifar10")["params"](arch) for arch in WRN.members[:: len(WRN.members) - 1]]
    assert [round(value, 2) for value in params] == [23.35, 266.80]


def test_costs_by_hand() -> None:
    """Of the third stage of a network of other widths: one block with a shortcut, then ten of two 3×3 convolutions, on 8×8 pixels."""
    into, width, blocks = 32 * 14, 64 * 16, 11
    kernels = 9 * into * width + into * width + (2 * blocks - 1) * 9 * width**2
    ends = 2 * into + (2 * blocks - 1) * 2 * width
    found = sizes([MIXED])
    at = dict(zip(found.names, np.exp(found.values[0]), strict=True))
    assert at["log parameters:3"] == pytest.approx(kernels + ends)
    assert at["log macs:3"] == pytest.approx(kernels * 64)


def test_cifar100_has_more_classes_and_other_data_sets_no_published_networks() -> None:
    more = WRN.costs("cifar100")["params"](WRN_34_10) - WRN.costs("cifar10")["params"](WRN_34_10)
    assert round(more * 1e6) == 90 * 641
    assert WRN.costs("digits") == {}


def test_attributes_are_depths_and_widths() -> None:
    found = {name: attribute(MIXED) for name, attribute in WRN.attributes.items()}
    assert found == {"network_depth": 48, "depth_1": 4, "depth_2": 7, "depth_3": 11, "width_1": 8, "width_2": 14, "width_3": 16}
    assert WRN.attributes["network_depth"](WRN_34_10) == 34


def test_shares_of_the_stages_are_of_their_sum() -> None:
    found = sizes(WRN.members[::997])
    for what in ("parameters", "macs"):
        columns = [name.startswith(f"share of {what}") for name in found.names]
        np.testing.assert_allclose(found.values[:, columns].sum(axis=1), 1)


# ---- drawings


def read(text: str) -> WideResNet:
    """The architecture that a drawing shows."""
    rows = [line.split() for line in text.split("\n")[1:]]
    return WideResNet(tuple(int(row[1]) for row in rows), tuple(int(row[2]) for row in rows))  # type: ignore[arg-type]


def test_a_drawing_shows_every_stage() -> None:
    assert all(read(WRN.drawing(arch)) == arch for arch in WRN.members[::37])
    assert WRN.drawing(MIXED).split("\n") == [
        "stage     blocks    width     channels  pixels    parameters",
        "1         4         8         128       32×32     1.05 M",
        "2         7         14        448       16×16     24.07 M",
        "3         11        16        1024      8×8       202.81 M",
    ]


def test_a_figure_shows_blocks_and_channels() -> None:
    graph = WRN.graph(MIXED)
    assert [(arrow.source, arrow.target, arrow.label) for arrow in graph.arrows] == [
        ("0", "1", "4 × 128"),
        ("1", "2", "7 × 448"),
        ("2", "3", "11 × 1024"),
    ]
    picture = svg(graph)
    assert all(f">{text}<" in picture for text in ("4 × 128", "7 × 448", "11 × 1024", "0", "3"))
    assert re.search(r"<code>d4w8-d7w14-d11w16</code>", MIXED._repr_html_())


def test_the_docs_examples_print_what_they_show() -> None:
    page = Path(__file__).parents[2] / "docs" / "wrn.md"
    test = doctest.DocTestParser().get_doctest(page.read_text("utf-8"), {}, page.name, str(page), 0)
    assert doctest.DocTestRunner().run(test) == (0, len(test.examples))
    assert len(test.examples) >= 6
