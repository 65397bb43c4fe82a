"""Genotypes of DARTS: in every spelling, inside and outside the space, and which of them are the same."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robbench.errors import UnknownArchitecture
from robbench.spaces.darts import DARTS, INNER, OPERATIONS, Genotype
from robbench.spaces.darts.published import PUBLISHED
from robbench.spaces.darts.spellings import NASLIB_OPERATIONS, as_configuration, as_naslib
from tests.genotypes import drawn, orders, pairs, relabelled

V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0),"
    " ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2),"
    " ('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)
"""As quark0/darts prints it."""
SPEC = "sep3~0+sep3~1|sep3~0+sep3~1|skip~0+sep3~1|skip~0+dil3~2//max~0+max~1|max~1+skip~2|max~0+skip~2|max~1+skip~2"
OUTSIDE = {
    "none~0+sep3~1|sep3~0+sep3~1|skip~0+sep3~1|skip~0+dil3~2//max~0+max~1|max~1+skip~2|max~0+skip~2|max~1+skip~2": "none on 0→2 of the normal cell",
    "sep3~0+sep3~1|sep3~0+sep3~1|skip~0+sep3~1|skip~0+dil3~2//max~0+max~1|max~1+skip~1|max~0+skip~2|max~1+skip~2": (
        "two edges from 1 to 3 in the reduce cell"
    ),
    "sep3~0+sep3~1|sep3~0+sep3~1|skip~0+sep3~1|skip~0+dil3~2@4,5//max~0+max~1|max~1+skip~2|max~0+skip~2|max~1+skip~2": (
        "only 4, 5 concatenated in the normal cell"
    ),
}
FROZEN = {"darts-v2": "6260fa75ef862eb8", "trnas": "68bd2412be274ddd", "lrnas": "06e4c76845fb82da"}
Theirs = namedtuple("Theirs", "normal normal_concat reduce reduce_concat")
genotypes = st.tuples(*(st.integers(0, len(one.choices) - 1) for one in DARTS.variables)).map(DARTS.decode)


def as_object(genotype: Genotype) -> dict[str, Any]:
    return {
        "normal": [list(pair) for pair in pairs(genotype.normal)],
        "normal_concat": list(INNER),
        "reduce": [list(pair) for pair in pairs(genotype.reduce)],
        "reduce_concate": list(INNER),
    }


# ---- spellings


def test_the_published_text_is_read_and_written_short() -> None:
    assert str(DARTS.parse(V2)) == SPEC
    assert DARTS.parse(V2) == DARTS.parse("darts-v2") == DARTS.parse("DARTS_V2") == DARTS.parse(SPEC)
    assert DARTS.parse(V2.replace("[2, 3, 4, 5]", "range(2, 6)")) == DARTS.parse(SPEC)
    assert DARTS.parse("DARTS_V2 = " + V2.replace("), (", "),\n  (")) == DARTS.parse(SPEC)


@given(genotypes)
def test_every_spelling_means_the_genotype(genotype: Genotype) -> None:
    published = as_object(genotype)
    for spelling in (
        *DARTS.spellings(genotype).values(),
        published,
        json.dumps(published),
        json.dumps(published).replace("concate", "concat"),
        as_configuration(genotype),
        as_configuration(genotype) | {"OptimizerSelector:optimizer": "sgd", "NetworkSelectorDatasetInfo:darts:layers": 20},
        as_naslib(genotype),
        [list(map(list, cell)) for cell in as_naslib(genotype)],
        Theirs(pairs(genotype.normal), range(2, 6), pairs(genotype.reduce), range(2, 6)),
    ):
        assert DARTS.parse(spelling) == genotype


def test_nas_bench_301_numbers_edges_by_node_and_source() -> None:
    """Its configuration space: the edges into a node begin at 0, 2, 5 and 9."""
    configuration = as_configuration(DARTS.parse(SPEC))
    short = {name.removeprefix("NetworkSelectorDatasetInfo:darts:"): value for name, value in configuration.items()}
    assert {name: value for name, value in short.items() if "normal" in name} == {
        "edge_normal_0": "sep_conv_3x3",
        "edge_normal_1": "sep_conv_3x3",
        "edge_normal_2": "sep_conv_3x3",
        "edge_normal_3": "sep_conv_3x3",
        "inputs_node_normal_3": "0_1",
        "edge_normal_5": "skip_connect",
        "edge_normal_6": "sep_conv_3x3",
        "inputs_node_normal_4": "0_1",
        "edge_normal_9": "skip_connect",
        "edge_normal_11": "dil_conv_3x3",
        "inputs_node_normal_5": "0_2",
    }


def test_naslib_counts_from_max_pooling() -> None:
    assert NASLIB_OPERATIONS[0] == "max_pool_3x3"
    assert as_naslib(DARTS.parse(SPEC))[0][-2:] == ((0, 2), (2, 5))


def test_published_names() -> None:
    assert len(PUBLISHED) == len({DARTS.key(DARTS.parse(name)) for name in PUBLISHED}) == 10
    assert [name for name in PUBLISHED if DARTS.parse(name).outside] == ["lrnas"]
    assert DARTS.parse("trnas").normal.operations.count("sep_conv_5x5") == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("advrsh", r"'advrsh' is not a genotype, nor the name of a published architecture\. Did you mean 'advrush'"),
        (
            V2.replace("('skip_connect', 0), ('dil", "('skip_connect', 5), ('dil"),
            r"node 5 of the normal cell reads node 5; expected an earlier one.* 0 to 4",
        ),
        (
            V2.replace("dil_conv_3x3", "dil_conv_7x7"),
            r"'dil_conv_7x7' into node 5 of the normal cell is not an operation of DARTS; expected one of none, ",
        ),
        (
            V2.replace("('skip_connect', 0), ('dil", "('skip_connect', 0), ('skip_connect', 0), ('dil"),
            r"the normal cell has 9 edges; expected eight",
        ),
        (V2.replace("normal_concat=[2, 3, 4, 5]", "normal_concat=[2, 2]"), r"concatenates \[2, 2\]; expected each node once"),
        (V2.replace("normal_concat=[2, 3, 4, 5]", "normal_concat=[2, 6]"), r"concatenates \[2, 6\]; expected some of the nodes 2 to 5"),
        (V2.replace("normal_concat=[2, 3, 4, 5]", "normal_concat=exit()"), r"normal_concat=exit\(\).* is not a field"),
        (V2.replace("reduce=", "normal="), r"has normal twice"),
        (V2.replace("], normal_concat", "]*9, normal_concat"), r" is not a field"),
        ('{"normal": [], "normal": []}', r"a key is there twice"),
        ('{"normal": []}', r"an object with 'normal' is not a genotype"),
        ("{" * 5000, r"begins like a JSON object, and is none"),
        ("x" * 30_000, r"has 30000 characters"),
        ((4, 0, 3, 1, 4, 3), r"is six integers, as NASLib writes NAS-Bench-201's cells"),
        ((((0, 7),) * 8, ((0, 1),) * 8), r"7 in the normal cell is not an operation of NASLib's; expected 0 = max_pool_3x3, "),
        (((("0", 1),) * 8, ((0, 1),) * 8), r"is not a pair \(node, operation\) of integers"),
        (SPEC.replace("sep3~0+sep3~1|", "sep3~1+sep3~0|", 1), r"out of order: by ascending source, it is 'sep3~0\+sep3~1"),
        (SPEC.replace("|skip~0+dil3~2", ""), r"the normal cell has 3 nodes between \|, and not four"),
        (SPEC.replace("dil3~2", "dil7~2"), r"'dil7~2' into node 5 of the normal cell is not operation~source"),
        (SPEC.replace("dil3~2", "dil3~9"), r"'dil3~9' into node 5 .* with an operation of none, .* dil5 and an earlier node, 0 to 4\."),
        (SPEC.replace("max~0+max~1", "max~0+max~1+max~1"), r"node 2 of the reduce cell has 3 edges, and not two"),
        (SPEC.replace("sep3~0", "sep3~2", 1), r"node 2 of the normal cell reads node 2; expected an earlier one"),
        (None, r"None is not NASLib's compact form"),
        (7, r"7 is not NASLib's compact form"),
    ],
)
def test_what_is_no_genotype_is_named(given: Any, message: str) -> None:
    with pytest.raises(UnknownArchitecture, match=message):
        DARTS.parse(given)


@pytest.mark.parametrize("change", ["drop edge", "drop inputs", "unused edge", "later node"])
def test_a_configuration_that_is_none_is_named(change: str) -> None:
    prefix = "NetworkSelectorDatasetInfo:darts:"
    configuration = as_configuration(DARTS.parse(SPEC))
    match change:
        case "drop edge":
            del configuration[prefix + "edge_normal_11"]
            message = "has no .*edge_normal_11, the operation from node 2 to node 5"
        case "drop inputs":
            del configuration[prefix + "inputs_node_reduce_4"]
            message = "has no .*inputs_node_reduce_4, which two nodes node 4 reads"
        case "unused edge":
            configuration[prefix + "edge_normal_12"] = "skip_connect"
            message = "has edge_normal_12, which is no edge that a node reads"
        case _:
            configuration[prefix + "inputs_node_normal_3"] = "0_3"
            message = "node 3 of the normal cell reads node 3"
    with pytest.raises(UnknownArchitecture, match=message):
        DARTS.parse(configuration)


def test_a_genotype_cannot_be_changed() -> None:
    genotype = DARTS.parse(SPEC)
    with pytest.raises(AttributeError, match="immutable"):
        genotype.normal = genotype.reduce
    with pytest.raises(AttributeError, match="immutable"):
        del genotype.normal


# ---- the space


def test_there_are_180_times_7_to_the_8_cells() -> None:
    assert DARTS.size == (180 * 7**8) ** 2
    assert DARTS.members is None


@pytest.mark.parametrize(("spec", "why"), OUTSIDE.items())
def test_a_genotype_outside_the_space_is_read_and_named_and_has_a_key_and_no_code(spec: str, why: str) -> None:
    genotype = DARTS.parse(spec)
    assert str(genotype) == spec
    assert genotype.outside == (why,)
    assert len(DARTS.key(genotype)) == 16
    assert DARTS.key(genotype) != DARTS.key(DARTS.parse(SPEC))
    assert DARTS.parse(DARTS.spellings(genotype)["genotype"]) == genotype
    for refused in (DARTS.encode, DARTS.neighbors):
        with pytest.raises(UnknownArchitecture, match=f"outside the space of DARTS: {why}"):
            refused(genotype)


def test_whether_anything_passes() -> None:
    nothing = "none~0+none~1|none~0+none~1|none~0+none~1|none~0+none~1"
    late = "none~0+none~1|none~0+none~1|none~0+skip~1|none~0+none~1"
    rest = SPEC.split("//")[1]
    assert DARTS.is_constant(DARTS.parse(f"{nothing}//{rest}"))
    assert not DARTS.is_constant(DARTS.parse(f"{late}//{rest}"))
    assert DARTS.is_constant(DARTS.parse(f"{late}@2,3,5//{rest}"))
    assert not any(map(DARTS.is_constant, drawn(100)))


# ---- identity


@given(genotypes)
def test_every_relabelling_has_the_same_key(genotype: Genotype) -> None:
    forms = {DARTS.canonical_form(same) for same in relabelled(genotype)}
    assert forms == {DARTS.canonical_form(genotype)}
    assert {DARTS.key(same) for same in relabelled(genotype)} == {DARTS.key(genotype)}


def test_all_24_relabellings_where_inner_nodes_read_inputs_only() -> None:
    genotype = DARTS.parse("sep3~0+sep5~1|max~0+avg~1|skip~0+dil3~1|dil5~0+sep3~1//max~0+max~1|max~1+skip~2|max~0+skip~2|max~1+skip~2")
    assert len(list(orders(genotype.normal))) == 24
    assert len({DARTS.key(same) for same in relabelled(genotype)}) == 1
    assert len(set(relabelled(genotype))) > 24


@pytest.mark.parametrize("genotype", [*drawn(8, seed=5), *map(DARTS.parse, ("trnas", "lrnas", *OUTSIDE))])
def test_one_genotype_stands_for_all_that_are_the_same(genotype: Genotype) -> None:
    canonical = DARTS.canonical(genotype)
    assert DARTS.key(canonical) == DARTS.key(genotype)
    assert DARTS.canonical(canonical) == canonical
    assert DARTS.parse(str(canonical)) == canonical, "in order"
    if all(cell.concat == INNER for cell in genotype.cells.values()):
        assert {DARTS.canonical(other) for other in relabelled(genotype)} == {canonical}
        assert canonical in {other for one in relabelled(genotype) for other in relabelled(one)} or genotype.outside
    assert bool(canonical.outside) is bool(genotype.outside)


def test_equal_keys_are_those_of_relabelled_genotypes_and_of_no_others() -> None:
    """A second witness, among genotypes of two operations: the smallest of all relabelled cells, found by trying each."""
    rng = np.random.default_rng(0)
    found: dict[str, set[tuple[tuple[str, int], ...]]] = {}
    reduce = DARTS.parse(SPEC).reduce
    for _ in range(1500):
        code = [int(rng.integers(len(one.choices))) if "inputs" in one.name else int(rng.integers(2)) for one in DARTS.variables]
        genotype = Genotype.of_cells(DARTS.decode(code).normal, reduce)
        smallest = min(tuple(pairs(Genotype(pairs(genotype.normal, order), pairs(reduce)).normal)) for order in orders(genotype.normal))
        found.setdefault(DARTS.key(genotype), set()).add(smallest)
    assert all(len(forms) == 1 for forms in found.values())
    assert len(set.union(*found.values())) == len(found) < 1500


def test_cells_are_not_exchanged_and_one_operation_makes_a_difference() -> None:
    for genotype in drawn(8):
        assert DARTS.key(Genotype.of_cells(genotype.reduce, genotype.normal)) != DARTS.key(genotype)
        assert DARTS.key(genotype) not in {DARTS.key(near) for near in DARTS.neighbors(genotype) if near not in set(relabelled(genotype))}


def test_an_edge_without_operation_reads_nothing() -> None:
    one = DARTS.parse(SPEC.replace("skip~0+dil3~2", "none~0+dil3~2"))
    other = DARTS.parse(SPEC.replace("skip~0+dil3~2", "dil3~2+none~4"))
    assert one != other
    assert DARTS.key(one) == DARTS.key(other)


def test_keys_are_frozen() -> None:
    assert {name: DARTS.key(DARTS.parse(name)) for name in ("darts-v2", "trnas", "lrnas")} == FROZEN


def test_a_key_takes_less_than_a_third_of_a_millisecond() -> None:
    """The shortest of several rounds: others run on this machine, too."""
    rounds = []
    for seed in range(5):
        archs = drawn(100, seed=1000 + seed)
        start = time.perf_counter()
        for arch in archs:
            DARTS.key(arch)
        rounds.append((time.perf_counter() - start) / len(archs))
    assert min(rounds) < 0.3e-3


# ---- features


@given(genotypes)
def test_features_do_not_change_under_relabelling(genotype: Genotype) -> None:
    same = [genotype, *itertools.islice(relabelled(genotype), 30)]
    for functions in DARTS.features.values():
        for function in functions:
            values = function(same).values
            np.testing.assert_allclose(values, np.broadcast_to(values[0], values.shape), rtol=1e-12)


@given(genotypes)
def test_features_count_what_a_walk_over_the_graph_counts(genotype: Genotype) -> None:
    names, values = zip(
        *((table.names, table.values[0]) for table in (function([genotype]) for function in DARTS.features["structure"])), strict=True
    )
    found = dict(zip(itertools.chain(*names), np.concatenate(values), strict=True))
    for name, cell in genotype.cells.items():
        into = dict(zip(INNER, cell.nodes, strict=True))

        def ways(node: int, into: Any = into) -> list[tuple[int, ...]]:
            return [(node,)] if node < 2 else [(*way, node) for source, _ in into[node] for way in ways(source)]

        found_ways = [way for node in INNER for way in ways(node)]
        lengths = {node: max(len(way) - 1 for way in ways(node)) for node in INNER}
        assert [found[f"{name}:paths(c{end})"] for end in (0, 1)] == [sum(way[0] == end for way in found_ways) for end in (0, 1)]
        assert found[f"{name}:path_length"] == pytest.approx(np.mean([len(way) for way in found_ways]))
        assert [found[f"{name}:depth={depth}"] for depth in (1, 2, 3, 4)] == [list(lengths.values()).count(depth) for depth in (1, 2, 3, 4)]
        uses = Counter((op, min(source, 2)) for edges in cell.nodes for source, op in edges)
        for op, short in zip(OPERATIONS[1:], ("max", "avg", "skip", "sep3", "sep5", "dil3", "dil5"), strict=True):
            assert [found[f"{name}:{short}({kind})"] for kind in ("c0", "c1", "inner")] == [uses[op, source] for source in range(3)]
            assert found[f"{name}:{short}"] == sum(uses[op, source] for source in range(3))
    assert DARTS.attributes["cell_depth"](genotype) == 1 + found["normal:depth"]
    assert DARTS.attributes["cell_width"](genotype) == (found["normal:edges(c0)"] + found["normal:edges(c1)"]) / 2
    assert DARTS.attributes["skip_connections"](genotype) == found["normal:skip"]


# ---- drawing


def test_a_drawing_shows_every_operation_where_it_is() -> None:
    assert DARTS.drawing(DARTS.parse(SPEC)).split("\n") == [
        "normal cell        node 2             node 3             node 4             node 5",
        "node 0 (c(k−2))    sep 3×3            sep 3×3            skip               skip",
        "node 1 (c(k−1))    sep 3×3            sep 3×3            sep 3×3",
        "node 2                                                                      dil 3×3",
        "node 3",
        "node 4",
        "",
        "reduction cell     node 2             node 3             node 4             node 5",
        "node 0 (c(k−2))    max 3×3                               max 3×3",
        "node 1 (c(k−1))    max 3×3            max 3×3                               max 3×3",
        "node 2                                skip               skip               skip",
        "node 3",
        "node 4",
    ]


def test_a_graph_has_an_arrow_for_every_edge() -> None:
    for genotype in drawn(20):
        arrows = DARTS.graph(genotype).arrows
        shown = {(arrow.source, arrow.target, arrow.operation) for arrow in arrows if arrow.operation != "concatenate"}
        labels = ("c(k−2)", "c(k−1)", "0", "1", "2", "3")
        assert shown == {
            (f"{name} {labels[source]}", f"{name} {labels[node]}", op)
            for name, cell in genotype.cells.items()
            for node, edges in zip(INNER, cell.nodes, strict=True)
            for source, op in edges
        }
        assert len(arrows) == 24
