"""Networks along the graph of a cell: what they are evaluated on, how they are trained, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from robbench import InvalidArgument, MissingLibrary
from robbench.spaces.darts import DARTS
from robbench.spaces.nb201 import NB201, Cell
from robbench.spaces.nb201.features import nodes, terms
from robbench.spaces.nb201.identity import INPUT, expression, twin_partition
from robbench.spaces.terms import Layout
from robbench.surrogates import kinds
from robbench.surrogates.graph import Graph
from robbench.surrogates.perceptrons import read_out
from robbench.surrogates.program import Program, Settings, vectors

SHORT = Settings(members=3, width=4, hidden=(8, 4), epochs=1, fewest_steps=40, batch=16, rate=0.01, decay=0.1, held_out=0)
CELLS = [NB201.members[position] for position in twin_partition().representative[::40]]
WRITTEN = terms(CELLS)
FEATURES = np.column_stack([np.arange(len(CELLS)) % 7, WRITTEN.values])
NAMES = ("other", *WRITTEN.names)
TARGETS = np.stack([FEATURES[:, 1:4].sum(axis=1), FEATURES[:, 0]], axis=1) / 10


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Graph, "settings", SHORT)


@pytest.fixture(scope="module")
def graph() -> Graph:
    pytest.importorskip("torch")

    class Short(Graph):
        settings = SHORT

    return Short.fit(FEATURES, TARGETS, 1, 0, NAMES)


def test_a_cell_written_out_by_hand() -> None:
    """The input, and the pooled 1×1 of the 3×3 of the input and the input again."""
    cell = Cell(["nor_conv_3x3", "skip_connect", "nor_conv_1x1", "skip_connect", "none", "avg_pool_3x3"])
    found = terms([cell])
    assert {name: value for name, value in zip(found.names, found.values[0], strict=True) if value} == {
        "term1:3": 1, "term1(0": 1, "term2:1": 1, "term2(term1": 1, "term3:p": 1, "term3(0": 1, "term3(term2": 1,
        "output(0": 1, "output(term3": 1,
    }  # fmt: skip


def test_a_program_is_the_functions_that_the_cells_compute() -> None:
    """Evaluated on numbers, it gives what the expressions give."""
    program = Program.of(WRITTEN.values, layout())
    slopes = {"1": 0.3, "3": -1.7, "p": 2.1}
    values = np.ones(1)
    for held in program.levels:
        values = np.concatenate([values, *[np.sin(slope * (sums @ values)) for slope, sums in zip(slopes.values(), held, strict=True)]])
    letters = {"nor_conv_1x1": "1", "nor_conv_3x3": "3", "avg_pool_3x3": "p"}

    def of(total: tuple) -> float:  # type: ignore[type-arg]
        return float(sum(1.0 if term == INPUT else np.sin(slopes[letters[term[0]]] * of(term[1])) for term in total))

    np.testing.assert_allclose(program.output @ values, [of(expression(cell)) for cell in CELLS], rtol=1e-12)
    there = np.concatenate([[True], *[held.any(axis=2).reshape(-1) for held in program.levels]])
    assert len(np.unique(values[there])) == there.sum() < len(there)  # some operations have fewer terms than others


def test_twins_are_predicted_equal(graph: Graph) -> None:
    group = np.array(twin_partition().group)
    largest = np.argsort(np.bincount(group))[-5:]
    for twins in (np.flatnonzero(group == one) for one in largest):
        written = terms([NB201.members[position] for position in twins]).values
        assert len(np.unique(graph.predict(np.column_stack([np.ones(len(twins)), written])))) == 1
        assert len(twins) > 1


def test_a_cell_is_predicted_the_same_whoever_it_stands_beside(graph: Graph) -> None:
    whole = graph.predict(FEATURES)
    np.testing.assert_allclose(graph.predict(FEATURES[5:9]), whole[5:9], rtol=0, atol=1e-12)
    np.testing.assert_allclose(graph.predict(FEATURES[::-1])[::-1], whole, rtol=0, atol=1e-12)


def test_numpy_computes_what_torch_computes(graph: Graph) -> None:
    torch = pytest.importorskip("torch")
    arrays, program = graph.arrays(), Program.of(FEATURES, graph.layout)
    parts = {name: torch.as_tensor(values).double() for name, values in arrays.items() if values.ndim == 3}
    for part in ("inner", "inner_bias", "outer", "outer_bias"):
        parts[part] = torch.stack([parts[f"{part}{op}"] for op in range(3)], 1)
    levels = [torch.as_tensor(held) for held in program.levels]
    output = torch.as_tensor(program.output) @ vectors(parts, levels, torch.cat)
    inputs = torch.as_tensor((np.log1p(FEATURES[:, [0]]) - arrays["centre"][0]) / arrays["scale"][0])
    there = torch.as_tensor(((FEATURES[:, [0]] != 0) - arrays["centre"][1]) / arrays["scale"][1])
    both = torch.cat([inputs, there], -1).expand(3, -1, -1)
    found = read_out(parts, torch.cat([both, output], -1)).mean(0).numpy() * arrays["target_scale"] + arrays["target_centre"]
    np.testing.assert_allclose(graph.predict(FEATURES), found, rtol=0, atol=1e-12)


def test_members_differ_and_a_seed_repeats(graph: Graph) -> None:
    again, other = Graph.fit(FEATURES, TARGETS, 1, 0, NAMES), Graph.fit(FEATURES, TARGETS, 1, 1, NAMES)
    for name, values in graph.arrays().items():
        np.testing.assert_array_equal(values, again.arrays()[name])
    assert not np.array_equal(graph.predict(FEATURES), other.predict(FEATURES))
    assert len(np.unique(graph.arrays()["weight0"][:, 0, 0])) == SHORT.members


def test_it_learns_what_only_the_terms_say(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(Graph, "settings", SHORT._replace(width=8, hidden=(16, 16), fewest_steps=400))
    target = FEATURES[:, [1 + WRITTEN.names.index("output(0")]]
    model = Graph.fit(FEATURES[::2], target[::2], 1, 0, NAMES)
    assert np.corrcoef(model.predict(FEATURES[1::2])[:, 0], target[1::2, 0])[0, 1] > 0.8


def test_rows_that_are_held_out_decide_when_a_member_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is learned here is noise, so members stop before the end, and their weights are smaller."""
    pytest.importorskip("torch")
    noise = np.random.default_rng(0).normal(size=(len(CELLS), 1))
    settings = SHORT._replace(hidden=(32, 32), fewest_steps=300, decay=0.0)
    monkeypatch.setattr(Graph, "settings", settings)
    whole = Graph.fit(FEATURES, noise, 1, 0, NAMES)
    monkeypatch.setattr(Graph, "settings", settings._replace(held_out=4))
    stopped = Graph.fit(FEATURES, noise, 1, 0, NAMES)
    assert np.var(stopped.predict(FEATURES)) < np.var(whole.predict(FEATURES)) / 2


def test_arrays_are_all_that_is_kept(graph: Graph) -> None:
    again = Graph.from_arrays(graph.arrays())
    np.testing.assert_array_equal(again.predict(FEATURES), graph.predict(FEATURES))
    assert (again.shape, Graph.version) == ((FEATURES.shape[1], 1), 1)


@pytest.mark.parametrize(
    ("name", "spoil", "says"),
    [
        ("inner1", lambda values: values[:, :-1], "the layers do not fit together"),
        ("weight1", lambda values: values[:1], "the layers do not fit together"),
        ("start", lambda values: values * np.nan, "a number is not finite"),
        ("target_scale", lambda values: values[:0], "the last layer and the targets' scale do not fit together"),
        ("keep", lambda values: values + 1000, "the inputs that are kept are not among the features"),
        ("applied", lambda values: values + 1000, "the columns of the terms are not among the features"),
        ("applied", lambda values: values[:-1], "the columns of the terms do not fit together"),
        ("held", lambda values: values.astype(float), "the columns of the terms do not fit together"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(graph: Graph, name: str, spoil, says: str) -> None:  # type: ignore[no-untyped-def]
    arrays = graph.arrays()
    with pytest.raises(ValueError, match=says):
        Graph.from_arrays(arrays | {name: spoil(arrays[name])})


def test_features_without_terms_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="'graph' runs along the terms of a cell, and these features have none; add the set 'terms'"):
        Graph.fit(FEATURES, TARGETS, 1, 0)
    assert Layout.of(NAMES[:-1]) is None
    assert Layout.of(("paths",)) is None


def test_terms_are_found_beside_other_features_of_the_output() -> None:
    """The structure has columns such as ``output:0`` and ``output:terms``."""
    names = (*nodes([]).names, *WRITTEN.names)
    found, alone = Layout.of(names), layout()
    assert found is not None
    np.testing.assert_array_equal(found.applied, alone.applied + 69)
    np.testing.assert_array_equal(found.others(len(names)), np.arange(69))


def test_without_torch_a_fit_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "robbench.surrogates.training", None)
    with pytest.raises(MissingLibrary, match=r"a surrogate of kind 'graph' needs torch: pip install 'robbench\[builders\]'"):
        Graph.fit(FEATURES, TARGETS, 1, 0, NAMES)


def test_a_space_that_writes_nothing_out_has_no_graph_to_run_along() -> None:
    assert kinds.features_of("forest", "structure", DARTS) == "structure"
    assert kinds.features_of("graph", "structure", NB201) == "structure+terms"
    assert kinds.features_of("ensemble", "structure+terms", NB201) == "structure+terms+wiring"
    with pytest.raises(InvalidArgument, match="DARTS does not write them out; expected one of forest, boosting, networks, blend, ridge"):
        kinds.features_of("graph", "structure", DARTS)


def layout() -> Layout:
    found = Layout.of(WRITTEN.names)
    assert found is not None
    return found
