"""What holds for every search space: of its architectures, of which of them are the same, and of how to get from one to another."""

from __future__ import annotations

import copy
import itertools
import pickle
import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from functools import cache
from numbers import Real
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robbench.errors import InvalidArgument, RobBenchError, UnknownArchitecture
from robbench.measurements.metrics import TABLE
from robbench.spaces import Groups, SearchSpace, Subset, parse
from robbench.spaces.darts import DARTS
from robbench.spaces.nb201 import NB201
from robbench.spaces.wrn import WRN
from tests.genotypes import drawn as drawn_genotypes
from tests.genotypes import relabelled
from tests.toy_space import TOY, register

Space = SearchSpace[Any]
ALL: tuple[Space, ...] = (NB201, TOY, DARTS, WRN)
every = pytest.mark.parametrize("space", ALL, ids=lambda space: space.name)
listed = pytest.mark.parametrize("space", [space for space in ALL if space.members is not None], ids=lambda space: space.name)


@cache
def codes(space: Space) -> list[tuple[int, ...]]:
    """All valid codes, in lexicographic order; of DARTS, which has too many, those of a sample, and of what is the same as some of it."""
    if space is DARTS:
        sample = drawn_genotypes(200)
        return sorted({space.encode(same) for arch in sample for same in (arch, *itertools.islice(relabelled(arch), 1, 2))})
    return [code for code in itertools.product(*(range(len(one.choices)) for one in space.variables)) if space.is_valid(code)]


def some(space: Space, least: int = 100) -> list[Any]:
    """Architectures spread over the space: all, or at least so many, at a step that no choice stays the same over."""
    found = codes(space)
    return [space.decode(code) for code in found[:: max(1, len(found) // least - 1 | 1)]]


def drawn(space: Space) -> st.SearchStrategy[Any]:
    """Any architecture of the space."""
    return st.tuples(*(st.integers(0, len(one.choices) - 1) for one in space.variables)).filter(space.is_valid).map(space.decode)


def differences(space: Space, one: Any, other: Any) -> list[int]:
    """The places at which two codes differ."""
    return [place for place, (a, b) in enumerate(zip(space.encode(one), space.encode(other), strict=True)) if a != b]


def grouped(archs: Iterable[Any], label: Callable[[Any], Hashable]) -> set[frozenset[Any]]:
    """The architectures as a set of sets: those with equal labels are together."""
    groups: dict[Hashable, set[Any]] = defaultdict(set)
    for arch in archs:
        groups[label(arch)].add(arch)
    return set(map(frozenset, groups.values()))


# ---- what an architecture is


@every
def test_texts_codes_and_assignments_mean_the_architecture(space: Space) -> None:
    for arch in space.members or some(space):
        assert isinstance(arch, space.architecture)
        assert space.parse(str(arch)) == arch
        assert space.parse(arch) is arch
        assert space.decode(space.encode(arch)) == arch
        assert space.from_assignment(space.assignment(arch)) == arch


@listed
def test_members_are_all_valid_codes_in_lexicographic_order(space: Space) -> None:
    assert space.members is not None
    assert [space.encode(arch) for arch in space.members] == codes(space)
    assert len(set(space.members)) == len(set(map(str, space.members))) == len(space.members) <= space.size
    assert space.size == len(list(itertools.product(*(one.choices for one in space.variables))))


@every
def test_a_code_of_another_length_or_beyond_the_choices_is_not_valid(space: Space) -> None:
    for arch in some(space):
        code = space.encode(arch)
        assert space.is_valid(code)
        assert space.is_valid(list(code))
        assert not space.is_valid(code[:-1])
        assert not space.is_valid((*code, 0))
        for place, variable in enumerate(space.variables):
            for choice in (-1, len(variable.choices)):
                assert not space.is_valid((*code[:place], choice, *code[place + 1 :]))
    assert not space.is_valid(())


@every
def test_architectures_are_hashable_immutable_and_survive_copies(space: Space) -> None:
    for arch in some(space):
        for same in (space.parse(str(arch)), copy.copy(arch), copy.deepcopy(arch), pickle.loads(pickle.dumps(arch))):  # noqa: S301
            assert same == arch
            assert hash(same) == hash(arch)
        for name in ("ops", "anything"):
            with pytest.raises(AttributeError):
                setattr(arch, name, ())
        assert arch != str(arch)
        assert arch != space.encode(arch)


@every
def test_a_copy_of_a_space_is_the_space(space: Space) -> None:
    """Also in another process, where it comes by its name."""
    assert copy.copy(space) is copy.deepcopy(space) is space
    assert pickle.loads(pickle.dumps(space)) is space  # noqa: S301
    assert len(pickle.dumps(space)) < 100, "the architectures are not sent"


@every
def test_an_assignment_names_a_choice_of_every_variable(space: Space) -> None:
    names = [variable.name for variable in space.variables]
    assert len(set(names)) == len(names)
    for arch in some(space):
        assignment = space.assignment(arch)
        assert list(assignment) == names
        assert all(assignment[variable.name] in variable.choices for variable in space.variables)
    first, last = names[0], names[-1]
    whole = space.assignment(some(space)[0])
    with pytest.raises(UnknownArchitecture, match=rf"has no choice for {last}; expected one for each of {first}, "):
        space.from_assignment({name: choice for name, choice in whole.items() if name != last})
    with pytest.raises(UnknownArchitecture, match=rf"'bogus' is not a choice of {first}; expected one of "):
        space.from_assignment({**whole, first: "bogus"})
    with pytest.raises(UnknownArchitecture, match=r"is a list; expected a choice for each of "):
        space.from_assignment([whole])  # type: ignore[arg-type]


# ---- what is none


def mangled(rng: random.Random, arch: str, words: list[str], separators: str) -> str:
    """A few edits of a text: characters, choices, whole parts; now and then still an architecture."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(arch) + 1)
        other = rng.choice(separators + "0123_ nx\t\n\x00é²" + "".join(words))
        match rng.randrange(7):
            case 0:
                arch = arch[:at] + other + arch[at:]
            case 1:
                arch = arch[:at] + arch[at + 1 :]
            case 2:
                arch = arch[:at] + other + arch[at + 1 :]
            case 3:
                arch = arch.replace(rng.choice(words), rng.choice((*words, "conv_7x7", "")), 1)
            case 4:
                arch = rng.choice(separators).join(rng.sample(parts := arch.split(rng.choice(separators)), len(parts)))
            case 5:
                arch = arch[: at or 1]
            case 6:
                arch = arch[:at] + arch[rng.randrange(len(arch) + 1) :]
        arch = arch or separators[0]
    return arch


def _prints_as(space: Space, text: str) -> bool:
    """Whether a text is one of an architecture that is not among those listed."""
    if space.members is not None:
        return False
    try:
        return str(space.parse(text)) == text
    except UnknownArchitecture:
        return False


@every
def test_10000_mangled_texts_mean_the_right_architecture_or_none(space: Space) -> None:
    """Whatever parses must print as it was written: then it was the text of an architecture, and no answer can be wrong."""
    texts = list(map(str, space.members or some(space)))
    words = sorted({choice for variable in space.variables for choice in variable.choices})
    separators = "".join(sorted({character for character in texts[0] if not character.isalnum() and character != "_"}))
    rng, valid, refused = random.Random(0), set(texts), 0
    for _ in range(10_000):
        text = mangled(rng, rng.choice(texts), words, separators)
        if text in valid or _prints_as(space, text):
            assert str(space.parse(text)) == text
            continue
        refused += 1
        with pytest.raises(UnknownArchitecture):
            space.parse(text)
    assert refused > 7000


@every
@given(data=st.data())
def test_anything_else_is_an_unknown_architecture(space: Space, data: st.DataObject) -> None:
    written = st.text() | st.text("".join(map(str, some(space, 3))))
    scalars = written | st.none() | st.booleans() | st.integers() | st.floats() | st.binary()
    thing = data.draw(scalars | st.lists(scalars) | st.dictionaries(written, scalars) | st.sets(st.integers()))
    try:
        arch = space.parse(thing)
    except RobBenchError as error:
        assert isinstance(error, UnknownArchitecture)  # noqa: PT017
    else:
        assert thing in (str(arch), list(space.assignment(arch).values()))


@pytest.mark.parametrize(("space", "other"), list(itertools.permutations(ALL, 2)), ids=lambda space: space.name)
def test_an_architecture_of_another_space_is_named(space: Space, other: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    for arch in some(other, 5):
        for given_ in (arch, str(arch), *other.spellings(arch).values()):
            with pytest.raises(UnknownArchitecture) as error:
                parse(space, given_)
            assert str(error.value) == f"{given_} is an architecture of {other.title}; expected one of {space.title}."
    with pytest.raises(UnknownArchitecture, match=r"^(?!.* is an architecture of )"):
        parse(space, "of no space at all")


@pytest.mark.parametrize("space", ALL, ids=lambda space: space.name)
def test_every_spelling_is_understood(space: Space) -> None:
    for arch in some(space, 20):
        assert [parse(space, text) for text in space.spellings(arch).values()] == [arch] * len(space.spellings(arch))


# ---- which are the same


@every
def test_keys_say_which_architectures_have_the_same_form(space: Space) -> None:
    archs = space.members or some(space)
    classes = grouped(archs, space.key)
    assert classes == grouped(archs, space.canonical_form)
    assert (len(classes) < len(archs)) is (space is not WRN), "depths and widths: each architecture is alone of its kind"
    for key in (*map(space.key, archs), *map(space.twin_key, archs)):
        assert len(key) == 16
        assert set(key) <= set("0123456789abcdef")


@every
def test_the_same_form_is_the_same_function(space: Space) -> None:
    """Classes lie within groups of twins, and whatever ignores its input has only such twins."""
    archs = space.members or some(space)
    classes = grouped(archs, space.key)
    assert grouped(archs, lambda arch: (space.key(arch), space.twin_key(arch))) == classes
    for twins in grouped(archs, space.twin_key):
        assert len(set(map(space.is_constant, twins))) == 1


# ---- what is seen of them


@every
def test_features_are_those_of_the_function_under_names_of_their_own(space: Space) -> None:
    archs = space.members or some(space)
    twins = Groups.of(map(space.twin_key, archs))
    representative = np.array(twins.representative)[list(twins.group)]
    assert space.features
    assert not any(name in TABLE for name in space.features), "a set that is called as a metric is"
    table_of = {function: function(archs) for function in set(itertools.chain(*space.features.values()))}
    for functions in space.features.values():
        tables = [table_of[function] for function in functions]
        names = list(itertools.chain(*(table.names for table in tables)))
        assert len(set(names)) == len(names)
        assert not any(name.partition("@")[0] in TABLE for name in names), "a feature that is called as a metric is"
        values = np.concatenate([table.values for table in tables], axis=1)
        assert values.shape == (len(archs), len(names))
        assert values.dtype == np.float64
        np.testing.assert_array_equal(values, values[representative])
        for function, table in zip(functions, tables, strict=True):
            np.testing.assert_array_equal(function(archs[5:7]).values, table.values[5:7])


@every
def test_features_of_the_network_are_beside_those_of_the_function(space: Space) -> None:
    archs = some(space)
    assert not {*space.features, "proxies"} & {*space.network_features}
    known = {name for functions in space.features.values() for function in functions for name in function(archs[:1]).names}
    for function in itertools.chain(*space.network_features.values()):
        names, values = function(archs)
        assert not known & {*names}
        assert values.shape == (len(archs), len(names))
        np.testing.assert_array_equal(function(archs[5:7]).values, values[5:7])


@every
def test_attributes_are_numbers_under_names_of_the_table(space: Space) -> None:
    for name, attribute in space.attributes.items():
        assert TABLE[name].kind == "attribute"
        for arch in some(space):
            value = attribute(arch)
            assert isinstance(value, Real)
            assert np.isfinite(value)


@every
def test_encodings_have_a_row_for_each_architecture_whoever_it_stands_beside(space: Space) -> None:
    archs = some(space)
    assert "one-hot" in space.encodings
    for encoding in space.encodings.values():
        whole = encoding(archs)
        assert whole.ndim == 2
        assert len(whole) == len(archs)
        assert np.isfinite(whole).all()
        np.testing.assert_array_equal(encoding(archs[:3]), whole[:3])


@every
def test_one_hot_has_a_one_for_each_choice(space: Space) -> None:
    archs = some(space)
    widths = [len(variable.choices) for variable in space.variables]
    found = space.one_hot(archs)
    assert found.shape == (len(archs), sum(widths))
    assert found.dtype == np.float64
    assert set(found.ravel()) == {0, 1}
    parts = np.split(found, np.cumsum(widths)[:-1], axis=1)
    assert all((part.sum(axis=1) == 1).all() for part in parts)
    assert list(zip(*(part.argmax(axis=1).tolist() for part in parts), strict=True)) == [space.encode(arch) for arch in archs]
    assert space.one_hot([]).shape == (0, sum(widths))


# ---- moves


@every
def test_neighbors_are_those_at_distance_one_variable_by_variable(space: Space) -> None:
    """Beside a second witness: every place of the code changed to every number that is valid there."""
    most = max(len(variable.choices) for variable in space.variables)
    for arch in some(space, 60)[: 60 if space.members else 8]:
        near, code = space.neighbors(arch), space.encode(arch)
        changed = {(*code[:place], choice, *code[place + 1 :]) for place in range(len(code)) for choice in range(most)}
        assert set(map(space.encode, near)) == {other for other in changed - {code} if space.is_valid(other)}
        assert list(near) == sorted(near, key=lambda other: (differences(space, arch, other), space.encode(other)))
        assert near == type(space)().neighbors(arch)
        assert all(arch in space.neighbors(other) for other in near[:: 1 if space.members else 9])
        assert {space.distance(arch, other) for other in near} == {1}


@every
@given(data=st.data())
def test_distance_is_a_metric(space: Space, data: st.DataObject) -> None:
    a, b, c = (data.draw(drawn(space)) for _ in range(3))
    assert space.distance(a, b) == space.distance(b, a) == len(differences(space, a, b)) <= len(space.variables)
    assert (space.distance(a, b) == 0) is (a == b)
    assert space.distance(a, c) <= space.distance(a, b) + space.distance(b, c)


def part(space: Space) -> Subset[Any]:
    """A subset in which no single change leads anywhere."""
    most = max(len(variable.choices) for variable in space.variables)
    apart = [space.decode(code) for code in codes(space) if sum(code) % most == 0]
    return Subset(space, apart[:: max(1, len(apart) // 400)])


def uneven(space: Space) -> list[np.ndarray]:
    """Of each variable's choices the shares 1 : 2 : 3 : …"""
    counts = [np.arange(1.0, len(variable.choices) + 1) for variable in space.variables]
    return [count / count.sum() for count in counts]


@every
def test_choices_are_drawn_by_their_shares(space: Space) -> None:
    rng, shares = np.random.default_rng(0), uneven(space)
    codes = np.array([space.encode(space.sample_each(shares, rng)) for _ in range(2000)])
    for share, column in zip(shares, codes.T, strict=True):
        np.testing.assert_allclose(np.bincount(column, minlength=len(share)) / len(codes), share, atol=0.05)


@every
@pytest.mark.parametrize("of", [lambda space: space, part], ids=["whole", "part"])
def test_no_step_leaves(space: Space, of: Callable[[Space], Any]) -> None:
    moves, rng = of(space), np.random.default_rng(0)
    is_one = set(moves.members).__contains__ if moves.members else lambda arch: space.is_valid(space.encode(arch))
    arch = moves.sample(rng)
    for _ in range(300 if space.members else 40):
        other = moves.sample(rng)
        near, each = moves.mutate(arch, rng), moves.mutate_each(arch, rng, 0.5)
        children = moves.crossover(arch, other, rng), moves.crossover_at(arch, other, rng, 2)
        drawn = moves.sample_each(uneven(space), rng)
        assert all(is_one(step) for step in {arch, other, near, each, drawn, *children, *moves.neighbors(arch)})
        assert near in moves.neighbors(arch)
        for child in children:
            assert not set(differences(space, arch, child)) & set(differences(space, other, child))
        arch = near


@every
@pytest.mark.parametrize("of", [lambda space: space, part], ids=["whole", "part"])
def test_moves_follow_their_generator_and_nothing_else(space: Space, of: Callable[[Space], Any]) -> None:
    def walk(seed: int) -> list[Any]:
        rng, moves = np.random.default_rng(seed), of(space)
        one, other = moves.sample(rng), moves.sample(rng)
        steps = (
            moves.mutate(one, rng),
            moves.mutate_each(one, rng, 0.4),
            moves.crossover(one, other, rng),
            moves.crossover_at(one, other, rng, 3),
            moves.sample_each(uneven(space), rng),
        )
        return [one, other, *steps, *(moves.sample(rng) for _ in range(20))]

    first = walk(7)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    assert walk(7) == first
    assert walk(8) != first


@listed
@pytest.mark.parametrize("seed", range(3))
def test_a_space_and_the_subset_of_all_of_it_move_alike(space: Space, seed: int) -> None:
    subset = Subset(space)
    assert (subset.members, len(subset), subset.radius, subset.space) == (space.members, len(space.members or ()), 1, space)
    mine, theirs = np.random.default_rng(seed), np.random.default_rng(seed)
    one = space.sample(mine)
    assert subset.sample(theirs) == one
    for _ in range(200):
        walk = [
            (moves.sample(rng), moves.mutate(one, rng), moves.mutate_each(one, rng, 0.4), moves.sample_each(uneven(space), rng))
            for moves, rng in ((space, mine), (subset, theirs))
        ]
        assert walk[0] == walk[1]
        children = [moves.crossover(walk[0][0], walk[0][2], rng) for moves, rng in ((space, mine), (subset, theirs))]
        assert children[0] == children[1]
        assert subset.neighbors(one) == space.neighbors(one)
        one = children[0]
    assert mine.bit_generator.state == theirs.bit_generator.state


@every
def test_every_architecture_of_a_subset_can_be_reached_within_the_radius_and_not_within_less(space: Space) -> None:
    def reached(subset: Subset[Any]) -> int:
        seen, left = {subset.members[0]}, [subset.members[0]]
        while left:
            new = set(subset.neighbors(left.pop())) - seen
            seen |= new
            left += new
        return len(seen)

    subset = part(space)
    assert subset.radius > 1
    assert reached(subset) == len(subset)
    assert reached(Subset(space, subset.members, radius=subset.radius - 1)) < len(subset)
    for arch in subset.members[::50]:
        near = [other for other in subset.members if 0 < space.distance(arch, other) <= subset.radius]
        assert subset.neighbors(arch) == tuple(near)


@every
def test_an_architecture_alone_mutates_to_itself(space: Space) -> None:
    first, *_, last = some(space)
    alone, rng = Subset(space, [first]), np.random.default_rng(0)
    assert (
        alone.sample(rng) == alone.mutate(first, rng) == alone.mutate_each(first, rng, 0.5) == alone.crossover(first, first, rng) == first
    )
    assert (alone.neighbors(first), alone.radius) == ((), 1)
    far = Subset(space, [first, last], radius=1)
    assert far.mutate(first, rng) == first


@every
def test_a_subset_holds_each_once_in_the_order_given(space: Space) -> None:
    first, second, third, *_ = some(space)
    subset = Subset(space, [third, first, third, first])
    assert subset.members == (third, first)
    assert len(subset) == 2
    assert space.parse(str(first)) in subset
    assert second not in subset
    with pytest.raises(InvalidArgument, match="there are no architectures in the subset; expected at least one"):
        Subset(space, [])


@every
def test_subsets_are_copied_and_go_to_other_processes(space: Space) -> None:
    few = part(space).members[:10]
    for subset in (*([Subset(space)] if space.members else []), Subset(space, few), Subset(space, few, radius=2)):
        for same in (pickle.loads(pickle.dumps(subset)), copy.deepcopy(subset)):  # noqa: S301
            assert same.space is space
            assert (same.members, same.radius) == (subset.members, subset.radius)
    if space.members:
        assert len(pickle.dumps(Subset(space))) < 200, "all of the space is not sent"


@every
@pytest.mark.parametrize("radius", [0, -1, "1", "one more than variables"])
def test_a_radius_that_is_none_is_refused(space: Space, radius: Any) -> None:
    most = len(space.variables)
    given_ = most + 1 if radius == "one more than variables" else radius
    with pytest.raises(InvalidArgument, match=f"radius={given_!r} is not a number of variables; expected an integer from 1 to {most}"):
        Subset(space, some(space), radius=given_)


@every
@pytest.mark.parametrize("rate", [0, 1, -0.1, float("nan")])
def test_a_rate_that_is_no_probability_is_refused(space: Space, rate: float) -> None:
    for moves in (space, part(space)):
        with pytest.raises(InvalidArgument, match=r"rate=\S+ is not how often a variable changes; expected a number between 0 and 1"):
            moves.mutate_each(some(space)[0], np.random.default_rng(0), rate)
