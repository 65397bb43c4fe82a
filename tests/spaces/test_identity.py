from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Hashable
from pathlib import Path

import pytest
from hypothesis import given

from robbench.spaces import Groups
from robbench.spaces.nb201 import Cell, cells
from robbench.spaces.nb201.identity import (
    KEY_LENGTH,
    canonical_form,
    class_key,
    class_partition,
    twin_form,
    twin_key,
    twin_partition,
)
from tests.strategies import any_cell

ALL = list(cells())


def grouped(label: Callable[[Cell], Hashable]) -> set[frozenset[Cell]]:
    """The cells as a set of sets: those with equal labels are together."""
    groups: dict[Hashable, set[Cell]] = defaultdict(set)
    for cell in ALL:
        groups[label(cell)].add(cell)
    return set(map(frozenset, groups.values()))


def swapped(cell: Cell) -> Cell:
    """Nodes 1 and 2 change places; only a relabelling where edge 1→2 is none."""
    a, b, c, d, e, f = cell.ops
    return Cell((b, a, c, d, f, e))


# Classes


def test_there_are_6466_classes() -> None:
    assert len(class_partition().keys) == len(set(class_partition().keys)) == 6466


def test_no_two_canonical_forms_share_a_key() -> None:
    assert len({canonical_form(cell) for cell in ALL}) == len({class_key(cell) for cell in ALL}) == 6466
    assert len({twin_form(cell) for cell in ALL}) == len({twin_key(cell) for cell in ALL})
    assert len({twin_form(cell, zero_conv=True) for cell in ALL}) == len({twin_key(cell, zero_conv=True) for cell in ALL})


def test_the_classes_are_the_published_ones_set_by_set(reference: Path) -> None:
    ids = json.loads((reference / "jung2023" / "meta.json").read_text())["ids"]
    isomorph = {Cell.parse(item["nb201-string"]): item["isomorph"] for item in ids.values()}
    assert len(isomorph) == 15625
    assert grouped(class_key) == grouped(isomorph.__getitem__)


def test_the_evaluated_network_of_a_class_has_its_lowest_published_index(reference: Path) -> None:
    ids = json.loads((reference / "jung2023" / "meta.json").read_text())["ids"]
    lowest: dict[str, int] = {}
    for index in sorted(map(int, ids)):
        lowest.setdefault(class_key(Cell.parse(ids[str(index)]["nb201-string"])), index)
    assert all(int(item["isomorph"]) == lowest[class_key(Cell.parse(item["nb201-string"]))] for item in ids.values())


def test_the_canonical_form_is_the_published_unique_string_of_every_cell(reference: Path) -> None:
    with (reference / "natsbench" / "nats_bench.csv").open(newline="") as file:
        published = {record["ArchitectureString"]: record["UniqueString"] for record in csv.DictReader(file)}
    assert len(published) == 15625
    assert {str(cell): canonical_form(cell) for cell in ALL} == published


FROZEN = [
    (
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "#+#+#",
        "a582b62476d059c3",
        "450ed448a175ebfb",
        "5f3520172aa1ff33",
    ),
    (
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|",
        "0+0+0+0",
        "8054f29f4ea989ae",
        "b800ba7c76107033",
        "7cb9ff64743f4048",
    ),
    (
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|",
        "#+(0)@nor_conv_3x3+((0)@nor_conv_3x3)@nor_conv_1x1+(0)@avg_pool_3x3",
        "452b13781fdebf38",
        "3da5e81e9c667b1a",
        "7b7de012157c247f",
    ),
    (
        "|none~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|",
        "#+#+0",
        "236b065bda59cd64",
        "d8f913d8769933f6",
        "c45f5fca02d85418",
    ),
]


@pytest.mark.parametrize(("arch", "form", "class_", "twin", "twin_zero_conv"), FROZEN)
def test_keys_are_frozen(arch: str, form: str, class_: str, twin: str, twin_zero_conv: str) -> None:
    """Tables elsewhere join on these: a change of the rule would need a new version in the name of the rule, and new keys."""
    cell = Cell.parse(arch)
    assert canonical_form(cell) == form
    assert class_key(cell) == class_
    assert twin_key(cell) == twin
    assert twin_key(cell, zero_conv=True) == twin_zero_conv


def test_keys_are_16_hexadecimal_digits() -> None:
    assert KEY_LENGTH == 16
    for key in (*class_partition().keys, *twin_partition().keys, *twin_partition(zero_conv=True).keys):
        assert len(key) == 16
        assert int(key, 16) >= 0
        assert key == key.lower()


def test_keys_of_different_rules_do_not_mix() -> None:
    assert not set(class_partition().keys) & set(twin_partition().keys)
    assert not set(twin_partition().keys) & set(twin_partition(zero_conv=True).keys)


@pytest.mark.parametrize(
    ("partition", "key"),
    [
        (class_partition(), class_key),
        (twin_partition(), twin_key),
        (twin_partition(zero_conv=True), lambda cell: twin_key(cell, zero_conv=True)),
    ],
    ids=["class", "twin", "twin-zero-conv"],
)
def test_a_partition_says_of_each_cell_what_its_key_says(partition: Groups, key: Callable[[Cell], str]) -> None:
    assert [partition.keys[group] for group in partition.group] == [key(cell) for cell in ALL]
    first: dict[int, int] = {}
    for position, group in enumerate(partition.group):
        first.setdefault(group, position)
    assert list(first) == list(range(len(partition.keys)))
    assert tuple(first.values()) == partition.representative


# Twins


def test_there_are_4930_groups_of_twins_and_5545_with_convolutions_of_zeros_kept() -> None:
    assert len(twin_partition().keys) == 4930
    assert len(twin_partition(zero_conv=True).keys) == 5545


def test_the_evaluated_networks_make_4930_groups_of_twins_and_5067_with_convolutions_of_zeros_kept(reference: Path) -> None:
    ids = json.loads((reference / "jung2023" / "meta.json").read_text())["ids"]
    evaluated = [Cell.parse(item["nb201-string"]) for index, item in ids.items() if item["isomorph"] == index]
    assert len(evaluated) == 6466
    assert len({twin_key(cell) for cell in evaluated}) == 4930
    assert len({twin_key(cell, zero_conv=True) for cell in evaluated}) == 5067


def test_twins_with_convolutions_of_zeros_kept_do_split_classes() -> None:
    """The published rule takes such a convolution for a zero, although its batch norm can make it an offset."""
    assert len({(class_key(cell), twin_key(cell, zero_conv=True)) for cell in ALL}) > 6466
    zero = Cell.parse("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    offset = Cell.parse("|none~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|")
    assert class_key(zero) == class_key(offset)
    assert twin_key(zero) == twin_key(offset)
    assert twin_key(zero, zero_conv=True) != twin_key(offset, zero_conv=True)


def test_keeping_convolutions_of_zeros_only_splits_groups_of_twins() -> None:
    fine, coarse = twin_partition(zero_conv=True), twin_partition()
    assert len(set(zip(fine.group, coarse.group, strict=True))) == len(fine.keys)


@given(any_cell)
def test_relabelling_nodes_1_and_2_keeps_the_function(cell: Cell) -> None:
    a, b, _, d, e, f = cell.ops
    unconnected = Cell((a, b, "none", d, e, f))
    assert twin_key(swapped(unconnected)) == twin_key(unconnected)
    assert twin_key(swapped(unconnected), zero_conv=True) == twin_key(unconnected, zero_conv=True)


def test_a_cell_without_an_open_path_is_the_zero_function() -> None:
    assert {twin_form(cell) for cell in ALL if not cell.depends_on_input} == {""}
    assert all(twin_form(cell) for cell in ALL if cell.depends_on_input)


# Limits of the published rule, kept because tables join on it


def test_zero_plus_zero_is_not_merged_with_zero() -> None:
    """The published rule keeps '#+#' apart from '#': a convolution of node 2 is '(#+#)@…', one of node 1 a '#'."""
    one = Cell.parse("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|")
    other = Cell.parse("|none~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|")
    assert canonical_form(one) == "#+(#+#)@nor_conv_3x3+0"
    assert canonical_form(other) == "#+#+0"
    assert class_key(one) != class_key(other)
    assert twin_key(one) == twin_key(other)


def test_the_terms_of_a_sum_that_came_through_a_skip_are_not_sorted_among_the_others() -> None:
    """Both are input + input + conv1×1(input) + conv3×3(input); the published rule sorts only the direct inputs of each node."""
    one = Cell.parse("|skip_connect~0|+|skip_connect~0|skip_connect~1|+|nor_conv_1x1~0|nor_conv_3x3~1|skip_connect~2|")
    other = Cell.parse("|skip_connect~0|+|skip_connect~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|")
    assert canonical_form(one) == "(0)@nor_conv_1x1+(0)@nor_conv_3x3+0+0"
    assert canonical_form(other) == "(0)@nor_conv_1x1+0+(0)@nor_conv_3x3+0"
    assert class_key(one) != class_key(other)
    assert twin_key(one) == twin_key(other)


def test_relabelling_may_change_the_published_class() -> None:
    """Node 2 carries the '#' of edge 1→2 and node 1 carries none, so the published rule tells some relabelled cells apart."""
    cell = Cell.parse("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|nor_conv_3x3~1|nor_conv_1x1~2|")
    assert class_key(swapped(cell)) != class_key(cell)
    assert twin_key(swapped(cell)) == twin_key(cell)
