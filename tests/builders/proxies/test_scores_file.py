"""Live scores in a file: a search that is stopped goes on as if it had not been; what a file says is right, or an error of ours."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from robbench_builders.datasets import Dataset, load
from robbench_builders.errors import ProxyError
from robbench_builders.networks.darts import DartsSkeleton
from robbench_builders.proxies import KNOWN, LiveProxy, Scores, live, objective, objectives
from robbench_builders.proxies.rscore import Psi
from robbench_builders.proxies.scores_file import FORMAT, ScoresFile
from robbench.search import ALGORITHMS, oracle_of
from robbench.spaces.darts import DARTS
from tests.builders.disk import disk_of
from tests.genotypes import drawn, relabelled

SKELETON = DartsSkeleton(channels=2, layers=3, image_channels=1, classes=2)
DEAD = DARTS.parse("none~0+none~1|none~0+none~1|none~0+none~1|none~0+none~1//max~0+max~1|max~1+skip~2|max~0+skip~2|max~1+skip~2")
ARCHS = [*drawn(3, seed=3), DEAD]
SEARCHES: dict[str, tuple[int, dict[str, Any]]] = {
    "random": (7, {}),
    "evolution": (9, {"population": 4}),
    "nsga2": (9, {"population": 3}),
    "trnas": (9, {"population": 3}),
    "warmup-move": (6, {"warmup": 5, "population": 2, "sample": 2}),
}
"""Budget and options."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C."""


class Scoring:
    """In place of `score_untrained`, a number of every architecture, in no time; stops the process when it has had enough stacks."""

    def __init__(self, stacks: float = float("inf")) -> None:
        self.left, self.seen = stacks, list[list[str]]()

    def __call__(self, archs: list[Any], dataset: Dataset, names: list[str], **options: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise Stopped
        self.seen.append([DARTS.key(arch) for arch in archs])
        numbers = np.array([int(key[:8], 16) / len(archs) for key in self.seen[-1]])  # the stack matters, as for the last bits of a score
        return Scores(dict.fromkeys(names, numbers), {}, {}, {})


@pytest.fixture(scope="module")
def dataset(tiny_images: str) -> Dataset:
    return load(tiny_images)


def searched(name: str, proxy: LiveProxy) -> Any:
    """All that a search asked and found."""
    budget, options = SEARCHES[name]
    if name == "warmup-move":
        options = {**options, "proxy": proxy}
    oracle = oracle_of("darts", proxy, budget=budget, cost=None, missing="nan")
    found = ALGORITHMS[name](oracle, DARTS, np.random.default_rng(5), **options)
    return oracle.queries, found.front


@pytest.mark.parametrize("stack", [1, 3])
@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_that_is_stopped_goes_on_as_if_it_had_not_been(
    name: str, stack: int, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def proxy(path: Path, scoring: Scoring) -> LiveProxy:
        monkeypatch.setattr(live, "score_untrained", scoring)
        return objective("snip", dataset, SKELETON, stack=stack, keep=path)

    whole = Scoring()
    expected = searched(name, proxy(tmp_path / "undisturbed", whole))
    stacks: list[list[str]] = []
    for many in (1, 0, 1):
        scoring = Scoring(many)
        with pytest.raises(Stopped):
            searched(name, proxy(tmp_path / "kept", scoring))
        stacks += scoring.seen
    scoring = Scoring()
    last = proxy(tmp_path / "kept", scoring)
    assert searched(name, last) == expected
    assert stacks + scoring.seen == whole.seen, "none twice, and in the same stacks"
    untouched = Scoring()
    assert searched(name, proxy(tmp_path / "kept", untouched)) == expected
    assert untouched.seen == []
    assert (tmp_path / "kept").read_bytes().count(b"\n") == (tmp_path / "undisturbed").read_bytes().count(b"\n")


def test_scores_come_back_to_the_bit_with_their_reasons(dataset: Dataset, tmp_path: Path) -> None:
    def snips() -> LiveProxy:
        return objective("snip", dataset, SKELETON, batch_size=8, stack=4, keep=tmp_path / "kept")

    first = snips()
    first.prepare(ARCHS)
    again = snips()
    assert np.isnan(again.effective_rate), "what nobody has asked for does not count"
    values = [again(next(relabelled(arch))) for arch in ARCHS]
    assert [np.float64(value).tobytes() for value in values] == [np.float64(first(arch)).tobytes() for arch in ARCHS]
    assert [again.why(arch) for arch in ARCHS] == [None, None, None, "the output ignores the input"]
    assert (again.failures, again.effective_rate) == (first.failures, first.effective_rate)
    assert [again.seconds(arch) for arch in ARCHS] == [first.seconds(arch) for arch in ARCHS]
    assert list(tmp_path.iterdir()) == [tmp_path / "kept"]
    assert copy.deepcopy(again)(ARCHS[0]) == first(ARCHS[0])


def test_proxies_share_a_file_and_no_scores(dataset: Dataset, tmp_path: Path) -> None:
    def made(*names: str, repeats: int = 1) -> tuple[LiveProxy, ...]:
        psi = {"r_score_psi": replace(KNOWN["r_score_psi"], compute=Psi(repeats=repeats))}
        return objectives(names, dataset, SKELETON, batch_size=16, proxies=psi, keep=tmp_path / "kept")

    found = [made("snip")[0](ARCHS[0]), *(made("r_score_psi", repeats=n)[0](ARCHS[0]) for n in (1, 2))]
    assert len(set(found)) == 3
    assert [made("snip")[0](ARCHS[0]), *(made("r_score_psi", repeats=n)[0](ARCHS[0]) for n in (1, 2))] == found
    both = made("snip", "r_score_psi")
    assert [one(ARCHS[0]) for one in both] == found[:2]
    assert (tmp_path / "kept").read_bytes().count(b"\n") == 1 + 4


def test_progress_tells_what_was_computed_and_what_was_read(dataset: Dataset, tmp_path: Path) -> None:
    for expected in ([(2, 0), (3, 0)], [(0, 3)], [(0, 3), (1, 3)]):
        told: list[tuple[int, int]] = []
        proxy = objective(
            "params",
            dataset,
            SKELETON,
            stack=2,
            keep=tmp_path / "kept",
            progress=lambda computed, read: told.append((computed, read)),  # noqa: B023
        )
        proxy.prepare(ARCHS[:3])
        if len(expected) == 2 and expected[0] == (0, 3):
            proxy(ARCHS[3])
        assert told == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "seed is 0, not 1"),
        ({"batch_size": 12}, "batch_size is 8, not 12"),
        ({"stack": 2}, "stack is 1, not 2"),
        ({"init": "kaiming"}, "init is random, not kaiming"),
        ({"normalisation": ((0.5,), (0.5,))}, r"normalisation is None, not \[\[0\.5\], \[0\.5\]\]"),
        ({"skeleton": DartsSkeleton(4, 3, 1, 2)}, "channels is 2, not 4"),
        ({"images": "others"}, "checksum is .*, not "),
    ],
)
def test_scores_of_other_settings_are_refused_and_stay(change: dict[str, Any], message: str, dataset: Dataset, tmp_path: Path) -> None:
    path, given = tmp_path / "kept", {"skeleton": SKELETON, "batch_size": 8, "keep": tmp_path / "kept"}
    objective("snip", dataset, **given)(ARCHS[0])
    before = path.read_bytes()
    others = replace(dataset, train_images=1 - dataset.train_images) if change.pop("images", None) else dataset
    with pytest.raises(ProxyError, match=rf"kept has scores of other settings: {message}.* Give a file of its own to each\."):
        objective("snip", others, **{**given, **change})
    assert path.read_bytes() == before


def test_a_line_that_was_being_written_is_written_again(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    proxy = objective("snip", dataset, SKELETON, batch_size=8, keep=path)
    expected, whole = [proxy(arch) for arch in ARCHS[:2]], path.read_bytes()
    for size in (0, 1, whole.index(b"\n"), len(whole) - 1, whole[:-1].rindex(b"\n") + 1):
        path.write_bytes(whole[:size])
        again = objective("snip", dataset, SKELETON, batch_size=8, keep=path)
        assert [again(arch) for arch in ARCHS[:2]] == expected
        assert [line[: line.index(b"seconds")] for line in path.read_bytes().splitlines()[1:]] == [
            line[: line.index(b"seconds")] for line in whole.splitlines()[1:]
        ]


def test_a_disk_that_is_full_loses_nothing(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    proxy = objective("snip", dataset, SKELETON, batch_size=8, keep=path)
    proxy(ARCHS[0])
    before = path.read_bytes()
    with disk_of(len(before) + 9), pytest.raises(ProxyError, match=r"cannot be written: .*What was kept before is there; make room"):
        proxy(ARCHS[1])
    assert path.read_bytes() == before
    with pytest.raises(ProxyError, match=r"nowhere/kept cannot be read or written: .*No such file"):
        objective("snip", dataset, SKELETON, keep=tmp_path / "nowhere" / "kept")


HEADER = {"format": FORMAT, "settings": {"seed": 0}}
STACK = {"of": "x", "scores": {"a": {"values": {"snip": 1.5}, "reasons": {}, "seconds": 0.1}}}


def opened(path: Path, *documents: Any) -> ScoresFile:
    path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in documents))
    return ScoresFile(path, {"seed": 0}, "x", ["snip"])


def score(**change: Any) -> dict[str, Any]:
    return {**STACK, "scores": {"a": {**STACK["scores"]["a"], **change}}}  # type: ignore[index]


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        (["hello"], "its first line does not say"),
        (["[]"], "its first line does not say"),
        ([{"format": "robbench live scores 2", "settings": {}}], "its first line does not say"),
        ([{**HEADER, "settings": 3}], "its first line does not say"),
        ([HEADER, "{"], "line 2 is not the scores of a stack"),
        ([HEADER, STACK, "[" * 100_000], "line 3 is not the scores of a stack"),
        ([HEADER, STACK, "null"], "line 3 is not the scores of a stack"),
        ([HEADER, {"of": 3, "scores": {}}], "'of' is no text"),
        ([HEADER, {"scores": {}}], "line 2"),
        ([HEADER, {"of": "x", "scores": []}], "line 2"),
        ([HEADER, score(values={"snip": "1"})], "a value is no finite number"),
        ([HEADER, score(values={"snip": True})], "a value is no finite number"),
        ([HEADER, json.dumps(score(values={"snip": float("nan")}))], "a value is no finite number"),
        ([HEADER, json.dumps(score(values={"snip": float("inf")}))], "a value is no finite number"),
        ([HEADER, score(values={"snip": None})], "what is missing has no reason"),
        ([HEADER, score(reasons={"snip": "why"})], "what is missing has no reason, or has one and is not missing"),
        ([HEADER, score(values={"synflow": 1.0})], "it has values of synflow; expected snip"),
        ([HEADER, score(values={})], "it has values of nothing; expected snip"),
        ([HEADER, score(seconds=-1.0)], r"-1\.0 seconds"),
        ([HEADER, score(seconds=None)], "None seconds"),
    ],
)
def test_a_file_that_is_damaged_or_none_of_ours_is_refused_and_stays(documents: list[Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ProxyError, match=message):
        opened(tmp_path / "kept", *documents)
    assert (tmp_path / "kept").read_text().count("\n") == len(documents)


def test_of_two_scores_of_one_architecture_the_first_counts(tmp_path: Path) -> None:
    found = opened(tmp_path / "kept", HEADER, STACK, score(values={"snip": 2.5}), {**score(values={"other": 1.0}), "of": "y"})
    assert {key: one.values for key, one in found.scores.items()} == {"a": {"snip": 1.5}}


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def mutated(draw: Callable[[st.SearchStrategy[Any]], Any], document: Any) -> Any:
    """A document with something else somewhere."""
    if isinstance(document, dict) and document and draw(st.integers(0, 3)):
        name = draw(st.sampled_from(sorted(document)))
        return {key: mutated(draw, value) if key == name else value for key, value in document.items()}
    return draw(JSON)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_a_line_says_it_is_a_score_or_an_error_of_ours(tmp_path: Path, data: st.DataObject) -> None:
    document = mutated(data.draw, STACK)
    try:
        found = opened(tmp_path / "kept", HEADER, document)
    except ProxyError:
        return
    for one in found.scores.values():
        assert one.values.keys() == {"snip"}
        assert (one.values["snip"] != one.values["snip"]) == ("snip" in one.reasons)
