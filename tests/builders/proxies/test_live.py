"""Live proxies: scored when asked, in stacks, once each; searches over DARTS without a store."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from robbench_builders.datasets import Dataset, load
from robbench_builders.errors import ProxyError
from robbench_builders.networks.darts import DartsSkeleton
from robbench_builders.networks.plain import Skeleton
from robbench_builders.proxies import KNOWN, LiveProxy, Proxy, live, objective, objectives, score_untrained
from robbench_builders.proxies.rscore import Psi
from robbench.errors import NotMeasured, UnknownArchitecture
from robbench.search import ALGORITHMS, oracle_of
from robbench.search.trnas import r_score
from robbench.spaces.darts import DARTS, Genotype
from robbench.spaces.nb201 import NB201
from tests.genotypes import drawn, relabelled

SKELETON = DartsSkeleton(channels=2, layers=3, image_channels=1, classes=2)
DEAD = DARTS.parse("none~0+none~1|none~0+none~1|none~0+none~1|none~0+none~1//max~0+max~1|max~1+skip~2|max~0+skip~2|max~1+skip~2")
TWICE = DARTS.parse("sep3~0+sep3~0|sep3~0+sep3~1|skip~0+sep3~1|skip~0+dil3~2//max~0+max~1|max~1+skip~2|max~0+skip~2|max~1+skip~2")
"""The same edge twice, of which there is no network."""
QUICK: dict[str, Proxy] = {"r_score_psi": replace(KNOWN["r_score_psi"], compute=Psi(repeats=1))}
OTHERS = drawn(5, seed=3)


@pytest.fixture
def dataset(tiny_images: str) -> Dataset:
    return load(tiny_images)


@pytest.fixture
def large() -> Dataset:
    """Enough images for ZCPRob."""
    rng, labels = np.random.default_rng(0), np.arange(60) % 2
    images = np.clip(0.3 * labels[:, None, None, None] + 0.6 * rng.random((60, 1, 8, 8)), 0, 1).astype(np.float32)
    return Dataset("large", images, labels, images[:4], labels[:4], 2)


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many networks were scored at once, each time."""
    seen: list[int] = []

    def counted(archs: list[Any], *rest: Any, **options: Any) -> Any:
        seen.append(len(archs))
        return score_untrained(archs, *rest, **options)

    monkeypatch.setattr(live, "score_untrained", counted)
    return seen


def snip(dataset: Dataset, **options: Any) -> LiveProxy:
    return objective("snip", dataset, SKELETON, batch_size=8, **options)


def test_an_architecture_is_scored_as_its_canonical_form_and_once(dataset: Dataset, stacks: list[int]) -> None:
    arch = OTHERS[0]
    spellings = list(dict.fromkeys(relabelled(arch)))
    assert len(spellings) > 1
    (expected,) = score_untrained([DARTS.canonical(arch)], dataset, ["snip"], skeleton=SKELETON, batch_size=8).values["snip"]
    first = snip(dataset)
    assert {first(spelling) for spelling in spellings} == {expected}
    assert snip(dataset)(spellings[-1]) == expected, "whichever is asked for first"
    assert stacks == [1, 1]
    assert list(first.scores.kept) == [DARTS.key(arch)]
    assert snip(dataset, seed=1)(arch) != expected
    oracle = oracle_of("darts", snip(dataset), budget=1)
    assert {oracle(one) for one in (arch, str(arch), DARTS.spellings(arch)["genotype"], *spellings)} == {expected}
    assert (oracle.spent, oracle.identity) == (1, "class")


def test_cells_of_nas_bench_201_are_scored_each_by_itself(dataset: Dataset, stacks: list[int]) -> None:
    proxy = objective("snip", dataset, Skeleton(2, 1, 1, 2), batch_size=8, stack=8)
    cells = [NB201.decode(code) for code in ((3, 0, 1, 1, 0, 2), (1, 0, 3, 2, 0, 1))]
    proxy.prepare(cells)
    expected = score_untrained(cells, dataset, ["snip"], channels=2, cells_a_stage=1, batch_size=8).values["snip"]
    assert [proxy(cell) for cell in cells] == expected.tolist()
    assert (proxy.identity, stacks) == ("exact", [2])


def test_what_is_asked_next_is_scored_in_stacks(dataset: Dataset, stacks: list[int]) -> None:
    together, alone = snip(dataset, stack=2), snip(dataset)
    together.prepare(OTHERS)
    together.prepare([*OTHERS, next(relabelled(OTHERS[0]))])
    assert stacks == [2, 2, 1]
    np.testing.assert_allclose([together(arch) for arch in OTHERS], [alone(arch) for arch in OTHERS], rtol=1e-4)


def test_a_search_scores_no_more_than_its_budget_pays_for(dataset: Dataset, stacks: list[int]) -> None:
    oracle = oracle_of("darts", snip(dataset, stack=4), budget=6)
    found = ALGORITHMS["random"](oracle, DARTS, np.random.default_rng(0))
    assert stacks == [4, 2]
    assert oracle.spent == 6
    assert found.value == max(query.value for query in oracle.queries)


def test_objectives_share_their_passes(dataset: Dataset, stacks: list[int]) -> None:
    psi, phi, whole, size = objectives(["r_score_psi", "r_score_phi", "r_score", "params"], dataset, SKELETON, batch_size=16, proxies=QUICK)
    assert whole(OTHERS[0]) == pytest.approx(psi(OTHERS[0]) ** 0.5 * phi(OTHERS[0]))
    assert size(OTHERS[0]) > 0
    assert stacks == [1]
    assert whole.scores.settings.items() >= {"seed": 0, "channels": 2, "layers": 3, "dataset": dataset.name}.items()


def test_what_has_no_value_says_why_and_is_counted(dataset: Dataset) -> None:
    proxy = snip(dataset)
    proxy.prepare([OTHERS[0], DEAD, TWICE, OTHERS[1]])
    assert np.isnan([proxy(arch) for arch in (OTHERS[0], DEAD, TWICE, OTHERS[1])]).tolist() == [False, True, True, False]
    assert proxy.why(OTHERS[0]) is None
    assert proxy.why(DEAD) == "the output ignores the input"
    assert "a cell has an edge twice" in str(proxy.why(TWICE))
    assert sorted(proxy.failures.values()) == [1, 1]
    assert proxy.effective_rate == 0.5
    oracle = oracle_of("darts", proxy, budget=2)
    with pytest.raises(NotMeasured, match="the objective snip has no value for none~0"):
        oracle(DEAD)
    assert oracle.spent == 0
    assert np.isnan(oracle_of("darts", proxy, missing="nan")(TWICE))


def test_r_score_has_no_value_where_a_part_has_none(dataset: Dataset) -> None:
    proxy = objective("r_score", dataset, SKELETON, batch_size=8, proxies=QUICK)
    assert np.isnan(proxy(OTHERS[0]))
    assert proxy.failures == {"a batch of 8 images, of at least 16": 1}
    assert np.isnan(snip(dataset).effective_rate), "nothing was scored"


def test_seconds_are_a_cost(dataset: Dataset) -> None:
    proxy = snip(dataset)
    oracle = oracle_of("darts", proxy, cost=proxy.seconds)
    for arch in OTHERS:
        oracle(arch)
    assert oracle.spent == pytest.approx(sum(score.seconds for score in proxy.scores.kept.values()))
    assert oracle.history()["cost"].is_monotonic_increasing


def test_trnas_searches_by_r_score_and_size(dataset: Dataset) -> None:
    parts = objectives(["r_score_psi", "r_score_phi", "params"], dataset, SKELETON, batch_size=16, proxies=QUICK)
    oracle = oracle_of("darts", parts, budget=100, directions={"params": "min"})
    found = ALGORITHMS["trnas"](oracle, DARTS, np.random.default_rng(0), population=3, generations=1, combine=r_score)
    assert oracle.spent == oracle.asked == 6
    assert {len(one.value) for one in found.front} == {3}  # type: ignore[arg-type]
    assert all(isinstance(one.arch, Genotype) for one in found.front)


@pytest.mark.parametrize(
    ("name", "names", "options", "scored"),
    [
        ("warmup-move", ["croze"], {"warmup": 4, "population": 2, "sample": 2}, range(4, 12)),
        ("nsga2", ["zcprob_equations", "params"], {"population": 2}, range(4, 5)),
        ("random", ["zcprob_equations"], {}, range(4, 5)),
    ],
)
def test_searches_of_the_papers_run_on_live_proxies(
    name: str, names: list[str], options: dict[str, Any], scored: range, large: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CRoZe's AE + warm-up + move, in which the proxy guides and judges, NSGA-II, and ZCPRob's random search: each finds the best of what it asked."""
    near = type(DARTS).neighbors
    monkeypatch.setattr(type(DARTS), "neighbors", lambda self, arch: near(self, arch)[:3])  # of a hundred
    live = objectives(names, large, SKELETON, batch_size=50)
    guided = {"proxy": live[0]} if "warmup" in options else {}
    oracle = oracle_of(
        "darts", list(live) if len(live) > 1 else live[0], budget=4, directions=None if len(live) == 1 else {"params": "min"}, missing="nan"
    )
    found = ALGORITHMS[name](oracle, DARTS, np.random.default_rng(1), **options, **guided)
    assert oracle.spent == 4
    assert len(live[0].scores.kept) in scored
    first = [np.atleast_1d(query.value)[0] for query in oracle.queries]
    measured = [value for value in first if value == value]
    assert measured
    assert max(measured) in [np.atleast_1d(one.value)[0] for one in found.front]


def test_a_copied_oracle_goes_on_by_itself(dataset: Dataset) -> None:
    oracle = oracle_of("darts", snip(dataset), budget=2)
    oracle(OTHERS[0])
    other = copy.deepcopy(oracle)
    assert other(OTHERS[1]) == oracle(OTHERS[1])
    assert other.space is oracle.space is DARTS


def test_bad_input(dataset: Dataset) -> None:
    with pytest.raises(ProxyError, match=r"'r_scor' is not a proxy\. Did you mean 'r_score'"):
        objective("r_scor", dataset, SKELETON)
    with pytest.raises(ProxyError, match=r"is for other data than npz:.*; expected image_channels=1 and classes=2"):
        objective("snip", dataset, DartsSkeleton())
    with pytest.raises(UnknownArchitecture, match="is an architecture of NAS-Bench-201; expected one of DARTS"):
        oracle_of("darts", snip(dataset))(str(NB201.members[5]))
