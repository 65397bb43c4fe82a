from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from robbench_builders.errors import BuildError
from robbench_builders.evaluations import EVALUATIONS, Evaluation
from robbench_builders.networks.plain import Network, Skeleton
from robbench_builders.plan import Plan
from robbench_builders.plan_file import read_plan, write_plan
from robbench_builders.results import merge as merging
from robbench_builders.results import shards
from robbench_builders.results.merge import merge
from robbench_builders.results.together import builds_of
from robbench_builders.results.verify import verify
from robbench_builders.run import run
from robbench import RobBench
from robbench.errors import Contradiction, NotMeasured
from robbench.spaces import space_named
from robbench.store import Store
from robbench.store import verify as verify_store
from robbench.store.arrays import Array, Header, Name
from robbench.store.embedded import embedded_store
from robbench.store.rows import Rows
from robbench.store.writing import extend
from tests.builders.results.made_up import IMAGES, built, digits, made_up
from tests.builders.results.stores import assert_same_arrays
from tests.toy_space import TOY, ToySpace, register

ATTACKS = ("fgsm", "pgd", "apgd-ce", "square")
TWO_CORRUPTIONS = ("fog", "contrast")
EPS = tuple(k / 255 for k in (4, 8, 16, 32, 64))


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> ToySpace:
    """A small space, and an evaluation of some of everything, "small"."""
    whole = EVALUATIONS["digits"]
    proxies = {name: whole.proxies[name] for name in ("synflow", "fisher", "r_score_psi")}
    monkeypatch.setitem(EVALUATIONS, "small", Evaluation("small", whole.attacks, EPS, TWO_CORRUPTIONS, proxies))
    return register(monkeypatch)


def toy_plan(classes: int = 8, seeds: tuple[int, ...] = (4, 7), recipe: str = "digits", evaluation: str = "small", stack: int = 2) -> Plan:
    return Plan("digits", recipe, evaluation, classes=classes, sample_seed=0, seeds=seeds, stack=stack, space="toy")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All shards of a plan of 3 stacks × 2 seeds."""
    return built(tmp_path / "build", toy_plan(classes=5))


def test_every_outcome_is_in_the_store_where_it_belongs(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "store.h5"
    merge(folder, store)
    verify_store(store)
    bench = RobBench(store)
    for unit in read_plan(folder).units():
        shard = shards.read(shards.path_of(folder, unit))
        for k, arch in enumerate(unit.archs):
            for at, eps in enumerate(EPS):
                bits = shard.outcomes["pgd"][k, at]
                assert np.array_equal(bench.query(arch, "pgd", eps=eps, measure="outcomes", seed=unit.seed), bits)
                assert bench.query(arch, "pgd", eps=eps, seed=unit.seed) == bits.mean()
                worst = np.logical_and.reduce([shard.outcomes[threat][k, at] for threat in ATTACKS])
                assert bench.query(arch, "worst_case", eps=eps, seed=unit.seed) == worst.mean()
            for severity in range(1, 6):
                bits = shard.outcomes["fog"][k, severity - 1]
                assert np.array_equal(bench.query(arch, "fog", severity=severity, measure="outcomes", seed=unit.seed), bits)
                assert bench.query(arch, "fog", severity=severity, seed=unit.seed) == bits.mean()
            everything = np.mean([shard.outcomes[name][k] for name in TWO_CORRUPTIONS])
            assert bench.query(arch, "mean_corruption", seed=unit.seed) == pytest.approx(everything)
            assert bench.query(arch, "clean", seed=unit.seed) == shard.outcomes["clean"][k].mean()
            assert bench.query(arch, "training_loss", seed=unit.seed) == shard.trainings[k]["loss"]
    provenance = bench.explain(unit.archs[0], "pgd@4/255").sources["digits/standard/pgd/accuracy"]
    assert provenance["attack"]["steps"] == 40
    assert provenance["images"] == IMAGES
    assert provenance["plan"]["stack"] == 2
    fog = bench.explain(unit.archs[0], "fog@3").sources["digits/standard/fog/accuracy"]
    assert fog["corruption"] == digits().corrupted.settings("fog")


def test_proxies_are_of_the_architectures_that_were_built(folder: Path, tmp_path: Path) -> None:
    merge(folder, tmp_path / "store.h5")
    bench = RobBench(tmp_path / "store.h5")
    missing = 0
    for unit in read_plan(folder).units():
        shard = shards.read(shards.path_of(folder, unit))
        for k, arch in enumerate(unit.archs):
            assert bench.query(arch, "synflow", seed=unit.seed) == shard.proxies["synflow"][k]
            found = bench.query_many([arch], "fisher", seed=unit.seed, missing="nan")
            assert np.array_equal(found, shard.proxies["fisher"][[k]], equal_nan=True)
            missing += int(np.isnan(found[0]))
    assert np.count_nonzero(~np.isnan(bench.query_many(list(TOY.members), "synflow", missing="nan"))) == 5
    provenance = bench.explain(unit.archs[0], "synflow").sources["digits/untrained/synflow/value"]
    assert provenance["seconds_of_all_proxies"] == 12.0
    with Store(tmp_path / "store.h5") as store:
        fisher = store.header(Name("digits", "untrained", "fisher", "value")).provenance
    assert fisher["missing"] == {"the value is not finite": missing}
    assert missing > 0
    arch = unit.archs[0]
    psi = bench.explain(arch, "r_score_psi").sources["digits/untrained/r_score_psi/value"]["proxy"]
    assert (psi["repeats"], psi["batch_size"], psi["init"]) == (32, 64, "random")


def test_every_cell_has_its_parameters_and_flops(folder: Path, tmp_path: Path) -> None:
    merge(folder, tmp_path / "store.h5")
    bench = RobBench(tmp_path / "store.h5")
    assert not np.isnan(bench.query_many(list(TOY.members), "params")).any()
    assert not np.isnan(bench.query_many(list(TOY.members), "flops")).any()
    cell = TOY.members[-1]
    network = Network(cell, Skeleton(8, 1, 1, 10))
    assert bench.query(cell, "params") == sum(weight.numel() for weight in network.parameters()) / 1e6


def test_merging_twice_changes_nothing(folder: Path, tmp_path: Path) -> None:
    merge(folder, tmp_path / "store.h5")
    before = (tmp_path / "store.h5").read_bytes()
    assert merge(folder, tmp_path / "store.h5").added == []
    assert (tmp_path / "store.h5").read_bytes() == before


def test_a_part_is_merged_and_the_rest_joins(folder: Path, tmp_path: Path) -> None:
    merge(folder, tmp_path / "whole.h5")
    units = read_plan(folder).units()
    path = shards.path_of(folder, units[1])  # the second of three stacks, with the first of two seeds
    shard = path.read_bytes()
    path.unlink()
    merge(folder, tmp_path / "store.h5", partial=True)
    bench = RobBench(tmp_path / "store.h5")
    for unit in units:
        for arch in unit.archs:
            if unit.archs == units[1].archs:
                with pytest.raises(NotMeasured):
                    bench.query(arch, "clean", seed=unit.seed)
            else:
                assert bench.query(arch, "clean", seed=unit.seed) == RobBench(tmp_path / "whole.h5").query(arch, "clean", seed=unit.seed)
    path.write_bytes(shard)
    merge(folder, tmp_path / "store.h5", partial=True)
    assert_same_arrays(tmp_path / "store.h5", tmp_path / "whole.h5")


def test_a_part_of_nothing_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    write_plan(folder, toy_plan(classes=5))
    with pytest.raises(BuildError, match=r"no architecture that is done with every seed; `robbench build run .*` goes on"):
        merge(folder, tmp_path / "store.h5", partial=True)
    assert not (tmp_path / "store.h5").exists()


def test_gaps_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    gone = read_plan(folder).units()[2]
    shards.path_of(folder, gone).unlink()
    with pytest.raises(BuildError, match=rf"lacks 1 of 6 units: {gone.key}; `robbench build run .*` makes them, and --partial"):
        merge(folder, tmp_path / "store.h5")
    assert not (tmp_path / "store.h5").exists()


def test_shards_outside_the_plan_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    stranger = replace(read_plan(folder).units()[0], recipe="digits-pgd")
    shards.write(folder, made_up(stranger))
    with pytest.raises(BuildError, match=rf"holds shards that are not of its plan: {stranger.key}\.npz; take them out"):
        merge(folder, tmp_path / "store.h5")


def test_a_duplicate_under_another_name_is_refused(folder: Path, tmp_path: Path) -> None:
    first, second = read_plan(folder).units()[:2]
    shards.path_of(folder, second).write_bytes(shards.path_of(folder, first).read_bytes())
    with pytest.raises(BuildError, match=rf"{second.key}\.npz holds another unit than its name says \({first.key}\)"):
        merge(folder, tmp_path / "store.h5")


def test_mixed_library_versions_are_refused(folder: Path, tmp_path: Path) -> None:
    unit = read_plan(folder).units()[3]
    shard = made_up(unit)
    shards.write(folder, replace(shard, environment={**shard.environment, "torch": "1.0"}))
    with pytest.raises(
        BuildError, match=rf"mixes results that differ: in {unit.key}\.npz, .*, torch is 1\.0, not .*; delete one kind and run again"
    ):
        merge(folder, tmp_path / "store.h5")


def test_mixed_recipes_are_refused(folder: Path, tmp_path: Path) -> None:
    """A recipe that has been changed since keeps its name, and so its units; what it stood for is in the shards."""
    unit = read_plan(folder).units()[3]
    shard = made_up(unit)
    changed = {**shard.settings, "recipe": {**shard.settings["recipe"], "epochs": 99}}
    shards.write(folder, replace(shard, settings=changed))
    with pytest.raises(BuildError, match=rf"mixes results that differ: in {unit.key}\.npz, .*, recipe\.epochs is 99, not 4 as in"):
        merge(folder, tmp_path / "store.h5")


@pytest.mark.parametrize("which", [0, 3])
def test_shards_that_say_less_are_refused(folder: Path, tmp_path: Path, which: int) -> None:
    """As those of a version that knew of fewer settings."""
    shard = made_up(read_plan(folder).units()[which])
    shards.write(folder, replace(shard, settings={name: value for name, value in shard.settings.items() if name != "corruptions"}))
    with pytest.raises(
        BuildError, match=r"mixes results that differ: in \w+\.npz, .*, corruptions\.\w+\.\w+ is .*absent.*; delete one kind and run again"
    ):
        merge(folder, tmp_path / "store.h5")


def test_other_images_under_the_same_name_are_refused_when_a_run_goes_on(
    tmp_path: Path, tiny_images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    light = EVALUATIONS["digits-light"]
    monkeypatch.setitem(EVALUATIONS, "digits-light", Evaluation("digits-light", {"fgsm": light.attacks["fgsm"]}, light.eps[:1]))
    with np.load(tiny_images.removeprefix("npz:")) as file:
        arrays = dict(file)
    np.savez(tmp_path / "mine.npz", **arrays)
    folder, images = tmp_path / "build", f"npz:{tmp_path / 'mine.npz'}"
    write_plan(folder, replace(toy_plan(classes=2, seeds=(0,), evaluation="digits-light", stack=1), dataset=images))
    half_done = run(folder, device="cpu")
    done = next(half_done)
    half_done.close()  # type: ignore[attr-defined]
    np.savez(tmp_path / "mine.npz", **arrays | {"test_images": arrays["test_images"][:10], "test_labels": arrays["test_labels"][:10]})
    with pytest.raises(
        BuildError, match=rf"begun under other conditions: here dataset is \w{{16}}, not \w{{16}} as in {done.key}\.npz\. Go on where"
    ):
        next(run(folder, device="cpu"))


def test_the_plan_in_the_store_is_the_plan_of_the_folder(folder: Path, tmp_path: Path) -> None:
    merge(folder, tmp_path / "store.h5")
    arch = read_plan(folder).units()[0].archs[0]
    provenance = RobBench(tmp_path / "store.h5").explain(arch, "clean").sources["digits/standard/clean/accuracy"]
    written = json.loads((folder / "plan.json").read_text())
    assert provenance["plan"].items() <= written.items()
    assert written.keys() - provenance["plan"].keys() == {"data", "hash", "stands_for"}


def test_builds_join_in_any_order_and_what_none_of_them_built_is_missing(tmp_path: Path) -> None:
    """Classes and seeds, in three sittings; the last fills what the first two left out."""
    parts = [toy_plan(classes=4, seeds=(4,)), toy_plan(classes=6, seeds=(7,)), toy_plan(classes=8, seeds=(4, 7), stack=3)]
    folders = [built(tmp_path / f"part{k}", plan) for k, plan in enumerate(parts)]
    merge(folders[2], tmp_path / "whole.h5")
    for name, order in (("one.h5", (0, 1, 2)), ("other.h5", (1, 0, 2))):
        for k in order:
            if k == 2:
                assert_only_what_was_built_is_there(tmp_path / name, parts[:2])
            merge(folders[k], tmp_path / name)
            verify_store(tmp_path / name)
            before = (tmp_path / name).read_bytes()
            merge(folders[k], tmp_path / name)
            assert (tmp_path / name).read_bytes() == before
        merge(folders[0], tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
    assert_same_arrays(tmp_path / "one.h5", tmp_path / "whole.h5")
    one, whole = RobBench(tmp_path / "other.h5"), RobBench(tmp_path / "whole.h5")  # its seeds stand in the other order
    for seed in (4, 7):
        for metric in ("clean", "pgd@16/255", "worst_case@16/255", "fog@3", "synflow", "training_loss"):
            assert np.array_equal(
                one.query_many(one.classes, metric, seed=seed), whole.query_many(whole.classes, metric, seed=seed), equal_nan=True
            )
    provenance = one.explain(one.classes[0], "pgd@16/255").sources["digits/standard/pgd/accuracy"]
    assert [build["plan"]["classes"] for build in builds_of(provenance)] == [6, 4, 8]
    assert "plan" not in provenance


def assert_only_what_was_built_is_there(store: Path, plans: list[Plan]) -> None:
    bench = RobBench(store)
    for arch in map(str, bench.classes):
        found = []
        for plan in plans:
            (seed,) = plan.seeds
            unit = next((unit for unit in plan.units() if arch in unit.archs), None)
            if unit is None:
                with pytest.raises(NotMeasured):
                    bench.query(arch, "pgd", eps=EPS[0], measure="outcomes", seed=seed)
                assert np.isnan(bench.query_many([arch], "worst_case@16/255", seed=seed, missing="nan"))
                continue
            outcomes = {attack: made_up(unit).outcomes[attack][unit.archs.index(arch)] for attack in ATTACKS}
            assert np.array_equal(bench.query(arch, "pgd", eps=EPS[0], measure="outcomes", seed=seed), outcomes["pgd"][0])
            found.append(np.logical_and.reduce([bits[2] for bits in outcomes.values()]).mean())
            assert bench.query(arch, "worst_case", eps=EPS[2], seed=seed) == found[-1]
        if found:
            assert bench.query(arch, "worst_case", eps=EPS[2]) == pytest.approx(np.mean(found))


def test_a_seed_can_be_added_to_the_embedded_store_beside_what_older_builds_record(tmp_path: Path) -> None:
    """Whose provenance says neither checksum nor code, and whose Square is completed."""
    store = tmp_path / "digits.h5"
    store.write_bytes(Path(embedded_store()).read_bytes())
    folder = built(tmp_path / "build", Plan("digits", "digits", "digits-light", classes=3, sample_seed=5, seeds=(1,), stack=3), images=120)
    for unit in read_plan(folder).units():
        shard = made_up(unit, images=120)
        shards.write(folder, replace(shard, outcomes={**shard.outcomes, "clean": np.ones((3, 360), bool)}))
    changes = merge(folder, store)
    assert changes.added == []
    (arch, *_), before = read_plan(folder).units()[0].archs, RobBench()
    after = RobBench(store)
    assert after.query(arch, "clean", seed=1) == 1.0
    assert after.query(arch, "square@16/255", seed=0) == before.query(arch, "square@16/255")
    assert np.array_equal(after.query_many(after.classes, "pgd@16/255", seed=0), before.query_many(before.classes, "pgd@16/255"))


OTHERS: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "recipe": (r"recipe\.epochs is 99, not 4", lambda settings: settings["recipe"].update(epochs=99)),
    "data set": (r"dataset is 0123, not \w{16}", lambda settings: settings.update(dataset="0123")),
    "attack": (
        r"digits/standard/pgd/accuracy of something else: attack\.steps is 7, not 40",
        lambda settings: settings["attacks"]["pgd"].update(steps=7),
    ),
    "code": (r"code is 4567, not \w{16}", lambda settings: settings["code"].update(pgd="4567")),
    "eps": (r"eps is \[0\.1, .*\], not \[0\.01", lambda settings: settings["eps"].__setitem__(0, 0.1)),
    "corruption": (
        r"corruption\.\w+ is other, not",
        lambda settings: settings["corruptions"]["fog"].update(dict.fromkeys(settings["corruptions"]["fog"], "other")),
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_networks_of_another_kind_never_fill_gaps(folder: Path, tmp_path: Path, what: str) -> None:
    merge(folder, store := tmp_path / "store.h5")
    before = store.read_bytes()
    other = built(tmp_path / "other", toy_plan(seeds=(9,)))
    message, change = OTHERS[what]
    for unit in read_plan(other).units():
        shard = made_up(unit)
        change(shard.settings)
        shards.write(other, shard)
    with pytest.raises(
        BuildError, match=rf"{message}.*Put it under a training's name of its own, such as --training standard-2, or into another"
    ):
        merge(other, store)
    assert store.read_bytes() == before
    if what != "data set":  # of whose images proxies are, too
        assert merge(other, store, training="standard-2").filled
        bench, arch = RobBench(store), read_plan(other).units()[0].archs[0]
        assert bench.query(arch, "clean", training="standard-2", seed=9) == made_up(read_plan(other).units()[0]).outcomes["clean"][0].mean()
        with pytest.raises(NotMeasured):
            bench.query(arch, "clean", seed=9)


def test_proxies_of_other_settings_need_a_store_of_their_own(folder: Path, tmp_path: Path) -> None:
    merge(folder, tmp_path / "store.h5")
    other = built(tmp_path / "other", toy_plan(evaluation="digits-light", seeds=(9,)))
    with pytest.raises(
        BuildError,
        match=r"digits/untrained/r_score_psi/value of something else: proxy\.\w+ is \d+, not \d+.* into a store of its own \(--into\)",
    ):
        merge(other, tmp_path / "store.h5", training="light")


def test_published_numbers_are_not_filled_up_with_built_ones(folder: Path, tmp_path: Path) -> None:
    published = Header("class", {}, "fraction", {"source": "someone"})
    extend(
        tmp_path / "store.h5",
        Rows.of(TOY, TOY.members),
        [Array(Name("digits", "standard", "clean", "accuracy"), published, np.full(8, 0.5))],
    )
    with pytest.raises(BuildError, match=r"its source is someone, not robbench build\. Put it under .* --training standard-2"):
        merge(folder, tmp_path / "store.h5")
    merge(folder, tmp_path / "store.h5", training="standard-2")


@pytest.mark.parametrize("name", ["", " ", "untrained", "a\nb"])
def test_a_training_needs_a_name(folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(BuildError, match="is not a name for a training; expected printable"):
        merge(folder, tmp_path / "store.h5", training=name)


def test_an_attack_joins_what_was_measured_before_of_the_same_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock says something else the second time: the first is kept."""
    for name in ("fgsm", "pgd"):
        monkeypatch.setitem(EVALUATIONS, name, Evaluation(name, {name: EVALUATIONS["digits"].attacks[name]}, EPS[:2]))
    store = tmp_path / "store.h5"
    merge(built(tmp_path / "fgsm", toy_plan(evaluation="fgsm"), seconds=1.0), store)
    changes = merge(built(tmp_path / "pgd", toy_plan(evaluation="pgd"), seconds=9.0), store)
    assert {name.metric for name in changes.added} == {"pgd"}
    assert changes.filled == []
    bench = RobBench(store)
    assert set(bench.query_many(bench.classes, "training_seconds").tolist()) == {1.0}
    assert bench.query(bench.classes[0], "worst_case", eps=EPS[0], seed=7) <= bench.query(bench.classes[0], "pgd", eps=EPS[0], seed=7)


def changed(folder: Path, **environment: str) -> None:
    for unit in read_plan(folder).units():
        shard = made_up(unit)
        shards.write(folder, replace(shard, environment={**shard.environment, **environment}))


def test_builds_of_other_libraries_join_and_each_says_its_own(folder: Path, tmp_path: Path) -> None:
    merge(folder, tmp_path / "store.h5")
    changed(later := built(tmp_path / "later", toy_plan(seeds=(9,))), torch="99.0")
    merge(later, tmp_path / "store.h5")
    with Store(tmp_path / "store.h5") as store:
        builds = builds_of(store.header(Name("digits", "standard", "pgd", "accuracy")).provenance)
    assert [build["plan"]["seeds"] for build in builds] == [[4, 7], [9]]
    assert [build["environment"]["torch"] for build in builds] == [torch.__version__, "99.0"]


def test_another_result_of_the_same_network_is_a_contradiction_that_names_the_libraries(folder: Path, tmp_path: Path) -> None:
    merge(folder, store := tmp_path / "store.h5")
    before = store.read_bytes()
    changed(later := built(tmp_path / "later", toy_plan(classes=5)), torch="99.0")
    unit = read_plan(later).units()[0]
    shard = shards.read(shards.path_of(later, unit))
    shard.outcomes["pgd"][0, 0] ^= True
    shards.write(later, shard)
    with pytest.raises(
        Contradiction, match=r"pgd.* These were built with torch is 99\.0, not .*: leave out what the store has \(--classes, --seed\)"
    ):
        merge(later, store)
    assert store.read_bytes() == before


def test_all_builds_of_a_store_can_be_verified(tmp_path: Path, tiny_images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its own seeds, and in its own environment."""
    light = EVALUATIONS["digits-light"]
    small = Evaluation("digits-light", {"fgsm": light.attacks["fgsm"]}, light.eps[:1], proxies={"snip": light.proxies["snip"]})
    monkeypatch.setitem(EVALUATIONS, "digits-light", small)
    for seed in (0, 3):
        plan = replace(toy_plan(classes=2, seeds=(seed,), evaluation="digits-light"), dataset=tiny_images)
        write_plan(tmp_path / str(seed), plan)
        list(run(tmp_path / str(seed), device="cpu"))
        merge(tmp_path / str(seed), tmp_path / "store.h5")
    found = list(verify(tmp_path / "store.h5", sample=2, device="cpu"))
    assert {one.unit.seed for one in found} == {0, 3}
    assert all(one.succeeded and one.same_environment for one in found)


def test_the_store_of_a_space_that_cannot_be_listed_has_what_was_planned(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Endless(ToySpace):
        members = None  # type: ignore[assignment]

    endless = Endless()
    monkeypatch.setattr(merging, "space_named", lambda name: endless)
    merge(folder, tmp_path / "store.h5")
    planned = dict.fromkeys(arch for unit in read_plan(folder).units() for arch in unit.archs)
    with Store(tmp_path / "store.h5") as store:
        assert store.rows.exact == tuple(planned)
        assert not np.isnan(store.read(Name("digits", "standard", "pgd", "accuracy"))).any()
    monkeypatch.setattr(merging, "space_named", space_named)
    whole = built(tmp_path / "whole", toy_plan())
    merge(whole, tmp_path / "listed.h5")
    merge(whole, tmp_path / "store.h5")  # which gets the other architectures
    one, other = RobBench(tmp_path / "store.h5"), RobBench(tmp_path / "listed.h5")
    for metric in ("pgd@16/255", "worst_case@16/255", "synflow", "params"):
        assert np.array_equal(
            one.query_many(TOY.members, metric, missing="nan"), other.query_many(TOY.members, metric, missing="nan"), equal_nan=True
        )


def test_one_shard_at_a_time_is_in_memory(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    most, read = 0, shards.read

    def counted(path: Path, **options: Any) -> shards.Shard:
        nonlocal most
        shard = read(path, **options)
        alive.add(shard)
        most = max(most, len(alive))
        return shard

    monkeypatch.setattr(shards, "read", counted)
    merge(folder, tmp_path / "store.h5")
    assert 1 <= most <= 2  # the next is read before the one before is let go


def test_a_damaged_shard_is_named(folder: Path, tmp_path: Path) -> None:
    path = shards.path_of(folder, read_plan(folder).units()[3])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BuildError, match=rf"{path.name} is cut short or damaged"):
        merge(folder, tmp_path / "store.h5")
    assert not (tmp_path / "store.h5").exists()
