"""What the tests rely on when they take the toy space: members, classes, twins, and what is dead are as its docstring says."""

from __future__ import annotations

import pytest

from robbench.errors import UnknownArchitecture
from robbench.spaces import Groups
from tests.toy_space import TOY, Chain

CONV, SKIP, NONE = "nor_conv_1x1", "skip_connect", "none"


def test_twelve_chains_eight_classes_seven_twin_groups_two_dead() -> None:
    assert len(TOY.members) == TOY.size == 12
    classes, twins = Groups.of(map(TOY.key, TOY.members)), Groups.of(map(TOY.twin_key, TOY.members))
    assert len(classes.keys) == 8
    assert sorted(classes.group.count(number) for number in range(8)) == [1, 1, 1, 1, 2, 2, 2, 2]
    assert len(twins.keys) == 7
    assert len(set(zip(classes.group, twins.group, strict=True))) == 8  # a class lies within one group of twins
    assert sum(map(TOY.is_constant, TOY.members)) == 2


def test_a_pair_of_one_class_and_twins_of_two() -> None:
    one, other, twin = Chain((SKIP, NONE, CONV)), Chain((CONV, NONE, SKIP)), Chain((NONE, CONV, SKIP))
    assert TOY.key(one) == TOY.key(other) != TOY.key(twin)
    assert TOY.twin_key(one) == TOY.twin_key(other) == TOY.twin_key(twin)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nor_conv_3x3/none/skip_connect", r"'nor_conv_3x3' on edge 0→1 is not an operation of the toy space; expected one of none, skip"),
        ("none/none", r"'none/none' has 2 operations; expected three, such as"),
        (7, r"7 is a int; expected a chain such as"),
    ],
)
def test_what_is_no_chain_is_named(given: object, message: str) -> None:
    with pytest.raises(UnknownArchitecture, match=message):
        TOY.parse(given)
