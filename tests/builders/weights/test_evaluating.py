"""Algorithm 1 of Jung et al. (2023), at the size of a test: weights → attacks, corruptions → evaluation → store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from robbench_builders.attacks import FGSM, LGV, PGD, Surrogates
from robbench_builders.classifiers import LogitsOf, Normalised
from robbench_builders.corruptions import corrupt
from robbench_builders.datasets import Dataset, load
from robbench_builders.environment import environment_of
from robbench_builders.errors import AttackError, BuildError, WeightsError
from robbench_builders.evaluate import robust_outcomes
from robbench_builders.evaluations import EVALUATIONS, Evaluation
from robbench_builders.measure import measure
from robbench_builders.plan import Plan, Unit
from robbench_builders.plan_file import write_plan
from robbench_builders.recipes import RECIPES
from robbench_builders.results import listing
from robbench_builders.results.merge import merge
from robbench_builders.results.storing import About, Origin, store_measured
from robbench_builders.run import run
from robbench_builders.units import run_unit
from robbench_builders.weights import evaluating
from robbench_builders.weights.checkpoints import Checkpoint, identified, loaded, normalisation_from
from robbench_builders.weights.evaluating import evaluate
from robbench_builders.weights.files import Entry, read
from robbench_builders.weights.planned import key_of
from robbench import RobBench
from robbench.cli import main
from robbench.errors import Contradiction, InvalidArgument, UnknownArchitecture
from robbench.store import Store
from robbench.store.arrays import Name
from tests.builders.weights.tiny_network import TinyNetwork, tiny_network

ARCHS = (
    "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|",
    "|nor_conv_1x1~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_1x1~0|nor_conv_3x3~1|nor_conv_1x1~2|",
)
EPS = (8 / 255, 32 / 255)
SMALL = Evaluation("small", {"fgsm": FGSM(), "pgd": PGD(steps=3)}, EPS, ("contrast",), images=8)
NORMALISATION = (0.3,), (0.25,)
SAID = "0.3/0.25"


@pytest.fixture
def dataset(tiny_images: str) -> Dataset:
    return load(tiny_images)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return tmp_path / "weights"


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """To this process, "digits-light" is one attack at one level, and a corruption."""
    monkeypatch.setitem(EVALUATIONS, "digits-light", Evaluation("digits-light", {"fgsm": FGSM()}, (8 / 255,), ("contrast",), images=6))


def checkpoint(path: Path, arch: str, seed: int = 0, *, spelling: str = "layers", **options: Any) -> TinyNetwork:
    """A published-style file, and the network that it is of."""
    network = tiny_network(arch, seed, spelling=spelling, **options)
    torch.save({"mine": {"arch_str": arch, "seed": seed, "net_state_dict": network.state_dict()}}, path)
    return network


def files_of(folder: Path) -> tuple[list[Path], list[TinyNetwork]]:
    paths = [folder / "first.pth", folder / "second.pth"]
    return paths, [
        checkpoint(path, arch, k, spelling=("layers", "edges")[k]) for k, (path, arch) in enumerate(zip(paths, ARCHS, strict=True))
    ]


def checkpoints(*paths: Path) -> list[Checkpoint]:
    return [identified(entry) for path in paths for entry in read(path)]


def witness(network: TinyNetwork) -> Any:
    """The published network as attacks take it: its logits, after its normalisation."""
    return Normalised(LogitsOf(network, 1), *NORMALISATION).eval()


def test_weights_are_loaded_attacked_corrupted_evaluated_and_stored(tmp_path: Path, dataset: Dataset) -> None:
    paths, networks = files_of(tmp_path)
    done = list(evaluate(checkpoints(*paths), tmp_path / "store.h5", dataset, SMALL, normalisation=NORMALISATION))
    assert [str(one.arch) for one in done] == list(ARCHS)
    bench = RobBench(tmp_path / "store.h5")
    images, labels = (torch.from_numpy(array) for array in (dataset.test_images, dataset.test_labels))
    for seed, (arch, network) in enumerate(zip(ARCHS, networks, strict=True)):
        theirs = witness(network)
        asked: dict[str, Any] = {"training": "published", "seed": seed}
        assert bench.query(arch, "clean", **asked) == (theirs(images).argmax(1) == labels).float().mean().item()
        for eps in EPS:
            expected = robust_outcomes(theirs, images[:8], labels[:8], FGSM(), [eps], seed=seed)
            assert bench.query(arch, "fgsm", eps=eps, **asked) == expected.mean()
            assert np.array_equal(bench.query(arch, "fgsm", eps=eps, measure="outcomes", **asked), expected[0])
        dark = torch.from_numpy(corrupt(dataset.test_images, "contrast", 3))[:8]
        assert bench.query(arch, "contrast", severity=3, **asked) == (theirs(dark).argmax(1) == labels[:8]).float().mean().item()
    said = bench.explain(ARCHS[1], "pgd", eps=EPS[0], training="published", seed=1).sources
    (provenance,) = said.values()
    assert provenance["source"] == "robbench build evaluate"
    assert provenance["weights"][f"{ARCHS[1]}, seed 1"] == {
        "file": "second.pth", "sha256": read(paths[1])[0].sha256, "entry": "mine/net_state_dict", "tensors": len(networks[1].state_dict())
    }  # fmt: skip
    assert provenance["normalisation"]["std"] == pytest.approx([0.25])
    assert (provenance["dataset"], provenance["attack"]) == (dataset.checksum, PGD(steps=3).settings())


def test_what_a_store_has_is_not_measured_again(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after the first network, the same call goes on; a third time there is nothing to do, and the file stays."""
    paths, _ = files_of(tmp_path)
    store, measured = tmp_path / "store.h5", list[int]()

    def counted(network: Any, *given: Any, **options: Any) -> Any:
        measured.append(options["seed"])
        return measure(network, *given, **options)

    monkeypatch.setattr(evaluating, "measure", counted)
    going = evaluate(checkpoints(*paths), store, dataset, SMALL, normalisation=NORMALISATION)
    next(going)
    going.close()  # type: ignore[attr-defined]
    assert len(list(evaluate(checkpoints(*paths), store, dataset, SMALL, normalisation=NORMALISATION))) == 2
    assert measured == [0, 1]
    before = store.read_bytes()
    assert len(list(evaluate(checkpoints(*paths), store, dataset, SMALL, normalisation=NORMALISATION))) == 2
    assert (measured, store.read_bytes()) == ([0, 1], before)
    with Store(store) as opened:
        header = opened.header(Name(dataset.name, "published", "clean", "accuracy"))
        assert header.axes["seed"] == [0, 1]
        assert sorted(weights["file"] for weights in header.provenance["weights"].values()) == ["first.pth", "second.pth"]


def test_a_stack_gives_what_its_networks_give(tmp_path: Path, dataset: Dataset) -> None:
    for k, arch in enumerate(ARCHS):
        torch.save(tiny_network(arch, k).state_dict(), tmp_path / f"{k}.pth")
    networks = [identified(read(tmp_path / f"{k}.pth")[0], arch=arch) for k, arch in enumerate(ARCHS)]
    for name, stack in (("alone", 1), ("stack", 2)):
        list(evaluate(networks, tmp_path / f"{name}.h5", dataset, SMALL, normalisation=NORMALISATION, stack=stack))
    alone, stacked = (RobBench(tmp_path / f"{name}.h5") for name in ("alone", "stack"))
    for arch in ARCHS:
        for metric in ("clean", "fgsm@8/255", "pgd@32/255", "contrast@2"):
            assert alone.query(arch, metric, training="published") == stacked.query(arch, metric, training="published")


def test_other_attack_settings_are_refused_before_anything_is_measured(tmp_path: Path, dataset: Dataset) -> None:
    paths, _ = files_of(tmp_path)
    store = tmp_path / "store.h5"
    list(evaluate(checkpoints(paths[0]), store, dataset, SMALL, normalisation=NORMALISATION))
    before = store.read_bytes()
    other = replace(SMALL, attacks={**SMALL.attacks, "pgd": PGD(steps=4)})
    with pytest.raises(Contradiction, match=r"pgd/accuracy in the store differs .*: attack\.steps is 4, not \d+\. .*--training"):
        next(evaluate(checkpoints(paths[1]), store, dataset, other, normalisation=NORMALISATION))
    with pytest.raises(Contradiction, match=r"normalisation\.mean is \[0\.0\], not \["):
        next(evaluate(checkpoints(paths[1]), store, dataset, SMALL, normalisation=((0.0,), (1.0,))))
    assert store.read_bytes() == before
    list(evaluate(checkpoints(paths[1]), store, dataset, other, normalisation=NORMALISATION, training="mine"))
    assert RobBench(store).query(ARCHS[1], "clean", training="mine", seed=1) >= 0


def test_networks_of_another_environment_join_and_each_sitting_says_its_own(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As builds that are merged do; what was measured before is not measured again, and a fourth network joins the first sitting."""
    store, paths = tmp_path / "store.h5", [tmp_path / f"{k}.pth" for k in range(3)]
    for k, path in enumerate(paths):
        checkpoint(path, ARCHS[k % 2], k)
    light, here = replace(SMALL, attacks={}, corruptions=()), environment_of(torch.device("cpu"))
    for path, environment in zip(paths, (here, {**here, "torch": "9.9"}, here), strict=True):
        monkeypatch.setattr(evaluating, "environment_of", lambda device, said=environment: said)
        list(evaluate(checkpoints(path), store, dataset, light, normalisation=NORMALISATION))
    with Store(store) as opened:
        said = opened.header(Name(dataset.name, "published", "clean", "outcomes")).provenance
        assert np.isfinite(opened.read(Name(dataset.name, "published", "clean", "accuracy"))).sum() == 3
    assert "environment" not in said
    assert [(build["environment"]["torch"], [each["file"] for each in build["weights"].values()]) for build in said["builds"]] == [
        ("9.9", ["1.pth"]),
        (here["torch"], ["0.pth", "2.pth"]),
    ]
    monkeypatch.setattr(evaluating, "measure", lambda *_, **__: pytest.fail("measured again"))
    assert len(list(evaluate(checkpoints(*paths), store, dataset, light, normalisation=NORMALISATION))) == 3
    torch.save({"arch_str": ARCHS[1], "seed": 1, "net_state_dict": tiny_network(ARCHS[1], 7).state_dict()}, tmp_path / "other.pth")
    with pytest.raises(Contradiction, match=r"of other weights than .*, seed 1 has now .*1\.pth.*other\.pth.*--training published-2"):
        list(evaluate(checkpoints(tmp_path / "other.pth"), store, dataset, light, normalisation=NORMALISATION))


def test_what_is_measured_again_is_kept_as_it_is_but_for_rounding(tmp_path: Path, dataset: Dataset) -> None:
    network = witness(tiny_network(ARCHS[0]))
    about, origin = About.of(dataset, SMALL, "mine", {}), Origin("nb201", ARCHS[0], 3, {"file": "none"})
    measured = measure(network, dataset, SMALL)
    store_measured(tmp_path / "store.h5", measured, [origin], about)
    before = (tmp_path / "store.h5").read_bytes()
    measured.outcomes["pgd"][0, 0] ^= True
    store_measured(tmp_path / "store.h5", measured, [origin], about)
    assert (tmp_path / "store.h5").read_bytes() == before
    measured.outcomes["clean"][:] = ~measured.outcomes["clean"]
    with pytest.raises(Contradiction, match=r"clean/accuracy in the store .* differs"):
        store_measured(tmp_path / "store.h5", measured, [origin], about)
    assert (tmp_path / "store.h5").read_bytes() == before


def test_a_new_attack_extends_what_a_store_has(tmp_path: Path, dataset: Dataset) -> None:
    paths, _ = files_of(tmp_path)
    store = tmp_path / "store.h5"
    list(evaluate(checkpoints(paths[0]), store, dataset, replace(SMALL, attacks={}), normalisation=NORMALISATION))
    list(evaluate(checkpoints(paths[0]), store, dataset, SMALL, normalisation=NORMALISATION))
    assert RobBench(store).query(ARCHS[0], "pgd", eps=EPS[0], training="published") >= 0


def test_a_transfer_attack_with_surrogates_is_stored_like_any_other(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which surrogates they are is a part of the attack, so those of others are refused; what is there is not measured again."""
    paths, networks = files_of(tmp_path)
    store, lgv = tmp_path / "store.h5", LGV(Surrogates((witness(tiny_network(ARCHS[1], 9)),)), steps=2)
    attack = Evaluation("transfer", {"lgv": lgv}, EPS)
    list(evaluate(checkpoints(*paths), store, dataset, attack, normalisation=NORMALISATION))
    images, labels = (torch.from_numpy(array) for array in (dataset.test_images, dataset.test_labels))
    for seed, (arch, network) in enumerate(zip(ARCHS, networks, strict=True)):
        expected = robust_outcomes(witness(network), images, labels, lgv, EPS).mean(-1)
        found = [RobBench(store).query(arch, "lgv", eps=eps, training="published", seed=seed) for eps in EPS]
        assert found == expected.tolist()
    monkeypatch.setattr(evaluating, "measure", lambda *_, **__: pytest.fail("measured again"))
    assert len(list(evaluate(checkpoints(*paths), store, dataset, attack, normalisation=NORMALISATION))) == 2
    others = replace(attack, attacks={"lgv": replace(lgv, surrogates=Surrogates((witness(tiny_network(ARCHS[0], 9)),)))})
    with pytest.raises(Contradiction, match=r"lgv/accuracy in the store differs .*attack\.surrogates_weights is"):
        list(evaluate(checkpoints(*paths), store, dataset, others, normalisation=NORMALISATION))


def test_other_weights_of_a_network_that_a_store_has_are_refused_before_anything_is_measured(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint(tmp_path / "one.pth", ARCHS[0])
    list(evaluate(checkpoints(tmp_path / "one.pth"), tmp_path / "store.h5", dataset, SMALL, normalisation=NORMALISATION))
    torch.save({"arch_str": ARCHS[0], "net_state_dict": tiny_network(ARCHS[0], 7).state_dict()}, tmp_path / "other.pth")
    monkeypatch.setattr(evaluating, "measure", lambda *_, **__: pytest.fail("measured"))
    with pytest.raises(
        Contradiction, match=r"clean/accuracy of other weights than .*, seed 0 has now .*one\.pth.*other\.pth.*--training published-2"
    ):
        list(evaluate(checkpoints(tmp_path / "other.pth"), tmp_path / "store.h5", dataset, SMALL, normalisation=NORMALISATION))


def test_what_others_measured_is_not_added_to(tmp_path: Path, dataset: Dataset, small_store: Path) -> None:
    checkpoint(tmp_path / "one.pth", ARCHS[0])
    images = replace_name(dataset, "toy10")
    with pytest.raises(Contradiction, match=r"holds toy10/standard/clean/accuracy from .*; give what is measured here another name"):
        list(evaluate(checkpoints(tmp_path / "one.pth"), small_store, images, SMALL, normalisation=NORMALISATION, training="standard"))


def replace_name(dataset: Dataset, name: str) -> Dataset:
    return Dataset(name, dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels, dataset.num_classes)


def test_isomorphic_cells_of_one_seed_are_told(tmp_path: Path, dataset: Dataset) -> None:
    twins = ("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|", "|skip_connect~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|")  # fmt: skip
    for k, arch in enumerate(twins):
        checkpoint(tmp_path / f"{k}.pth", arch)
    both = checkpoints(tmp_path / "0.pth", tmp_path / "1.pth")
    with pytest.raises(BuildError, match=r"and another network of its class have the same seed"):
        list(evaluate(both, tmp_path / "store.h5", dataset, SMALL, normalisation=NORMALISATION))


def test_more_networks_than_a_store_lists_are_told_by_a_digest(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gives all of them again goes on; whoever gives some cannot be told what the store has."""
    monkeypatch.setattr(listing, "LONGEST", 400)
    store, paths = tmp_path / "store.h5", [tmp_path / f"{k}.pth" for k in range(3)]
    for path, arch in zip(paths, (*ARCHS, ARCHS[0].replace("none", "skip_connect")), strict=True):
        checkpoint(path, arch)
    given = checkpoints(*paths)
    light = replace(SMALL, attacks={}, corruptions=())
    list(evaluate(given[:2], store, dataset, light, normalisation=NORMALISATION))
    monkeypatch.setattr(evaluating, "measure", lambda *_, **__: pytest.fail("measured again"))
    assert list(evaluate(given[1::-1], store, dataset, light, normalisation=NORMALISATION)) == given[1::-1]
    with pytest.raises(BuildError, match=r"of 2 networks, too many to be listed, and 1 of them are given, .*; give all of them together"):
        list(evaluate(given[1:], store, dataset, light, normalisation=NORMALISATION))
    monkeypatch.setattr(evaluating, "measure", measure)
    assert len(list(evaluate(given, store, dataset, light, normalisation=NORMALISATION))) == 3
    with Store(store) as opened:
        said = opened.header(Name(dataset.name, "published", "clean", "accuracy")).provenance["weights"]
    assert said == listing.listing({key_of(str(one.arch), one.seed): one.record for one in given})
    assert said.keys() == {"networks", "digest"}


@pytest.mark.parametrize(
    ("classes", "channels", "message"),
    [
        (10, 1, r"classifier\.weight is \(10, 16\); expected \(2, 16\)"),
        (2, 3, r"stem\.0\.weight is \(4, 3, 3, 3\); expected \(4, 1, 3, 3\)"),
    ],
)
def test_networks_for_other_images_are_refused_by_tensor(
    tmp_path: Path, dataset: Dataset, classes: int, channels: int, message: str
) -> None:
    checkpoint(tmp_path / "other.pth", ARCHS[0], classes=classes, image_channels=channels)
    (found,) = checkpoints(tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=rf"other\.pth/mine/net_state_dict: {message}"):
        loaded(found, dataset, NORMALISATION)


def test_networks_of_several_widths_are_not_put_under_one_name(tmp_path: Path, dataset: Dataset) -> None:
    checkpoint(tmp_path / "narrow.pth", ARCHS[0])
    checkpoint(tmp_path / "wide.pth", ARCHS[1], channels=6)
    both = checkpoints(tmp_path / "narrow.pth", tmp_path / "wide.pth")
    with pytest.raises(
        WeightsError, match=r"wide\.pth/mine/net_state_dict has the skeleton .*'channels': 6.*, and .*narrow\.pth.*'channels': 4"
    ):
        list(evaluate(both, tmp_path / "store.h5", dataset, SMALL, normalisation=NORMALISATION))
    assert not (tmp_path / "store.h5").exists()


def test_who_the_network_is_must_be_said_once(tmp_path: Path) -> None:
    (plain,) = [Entry(tmp_path / "a.pth", "0", (), ())]
    with pytest.raises(WeightsError, match=r"a\.pth does not say which architecture it is of; name it \(--arch or --index\)\.$"):
        identified(plain)
    with pytest.raises(WeightsError, match=r"It says the index 7: name a store that carries the published index, too"):
        identified(replace(plain, index=7))
    with pytest.raises(WeightsError, match=r"says that it is of .*; expected .*, as was said"):
        identified(replace(plain, arch=ARCHS[0]), arch=ARCHS[1])
    with pytest.raises(WeightsError, match=r"says that it is of seed 777; expected 3, as was said"):
        identified(replace(plain, seed=777), arch=ARCHS[0], seed=3)
    with pytest.raises(UnknownArchitecture):
        identified(plain, arch="|nor_conv_5x5~0|")
    with pytest.raises(InvalidArgument, match=r"seed=-1"):
        identified(replace(plain, seed=-1), arch=ARCHS[0])
    with pytest.raises(InvalidArgument, match=r"seed=18446744073709551616 is not a seed here; expected .* below 2\^63"):
        identified(replace(plain, seed=2**64), arch=ARCHS[0])
    one = identified(replace(plain, index=7, seed=888), at_index=lambda index: f"the {index}th")
    assert (one.arch, one.seed) == ("the 7th", 888)


def test_a_normalisation_is_said_or_published(tmp_path: Path, dataset: Dataset) -> None:
    checkpoint(tmp_path / "one.pth", ARCHS[0])
    (found,) = checkpoints(tmp_path / "one.pth")
    with pytest.raises(WeightsError, match=r"does not say how its network normalises images, and none is published for npz:.*--normalise"):
        loaded(found, dataset)
    assert normalisation_from("none", dataset) == ((0.0,), (1.0,))
    assert normalisation_from("dataset", dataset) == (dataset.mean, dataset.std)
    assert normalisation_from(SAID, dataset) == NORMALISATION
    for text in ("", "0.5", "0.5/0", "0.5,0.5/1,1", "a/b", "0.5/nan", "inf/1", "1/2/3"):
        with pytest.raises(WeightsError, match=r"is no normalisation of 1 channels; expected none, dataset, or MEAN/STD.*0\.5/0\.25"):
            normalisation_from(text, dataset)
    with pytest.raises(WeightsError, match=r"a normalisation of 3 channels; expected 1"):
        loaded(found, dataset, ((0.5,) * 3, (0.5,) * 3))


def test_published_images_are_normalised_as_published(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    colours = rng.random((4, 3, 8, 8)).astype(np.float32)
    cifar = Dataset("cifar10", colours, np.arange(4) % 2, colours, np.arange(4) % 2, 2)
    checkpoint(tmp_path / "one.pth", ARCHS[0], image_channels=3)
    network = loaded(checkpoints(tmp_path / "one.pth")[0], cifar)
    assert network.mean.flatten().tolist() == pytest.approx([125.3 / 255, 123.0 / 255, 113.9 / 255])
    assert network.std.flatten().tolist() == pytest.approx([63.0 / 255, 62.1 / 255, 66.7 / 255])


def test_any_network_is_measured_and_stored_from_python(tmp_path: Path, dataset: Dataset) -> None:
    network = tiny_network(ARCHS[0])
    with pytest.raises(
        AttackError, match=r"the network returned a tuple of 2; expected logits: robbench_builders\.classifiers\.LogitsOf\(network, [01]\)"
    ):
        measure(network, dataset, SMALL)
    measured = measure(witness(network), dataset, SMALL)
    assert measured.accuracy["clean"].shape == ()
    assert measured.accuracy["pgd"].shape == (2,)
    about = About.of(dataset, SMALL, "mine", {"normalisation": witness(network).settings()})
    store_measured(tmp_path / "store.h5", measured, [Origin("nb201", ARCHS[0], 3, {"file": "none", "by": "hand"})], about)
    bench = RobBench(tmp_path / "store.h5")
    assert bench.query(ARCHS[0], "pgd", eps=EPS[1], training="mine") == measured.accuracy["pgd"][1]
    assert bench.explain(ARCHS[0], "clean", training="mine").sources.popitem()[1]["normalisation"] == {
        "mean": pytest.approx([0.3]),
        "std": [0.25],
    }
    function = measure(lambda images: witness(network)(images), dataset, SMALL)
    assert all(np.array_equal(function.outcomes[threat], outcomes) for threat, outcomes in measured.outcomes.items())


def test_a_training_without_a_name_and_no_networks_are_refused(tmp_path: Path, dataset: Dataset) -> None:
    with pytest.raises(BuildError, match=r"'' is not a name for a training"):
        About.of(dataset, SMALL, "", {})
    about = About.of(dataset, SMALL, "mine", {})
    with pytest.raises(BuildError, match=r"networks of 0 search spaces; expected at least one"):
        store_measured(tmp_path / "store.h5", measure(witness(tiny_network(ARCHS[0])), dataset, SMALL), [], about)


def robbench(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["build", *map(str, arguments)])
    return result.exit_code, result.output


@pytest.mark.usefixtures("light")
def test_evaluate_from_the_command_line(tmp_path: Path, tiny_images: str) -> None:
    paths, _ = files_of(tmp_path)
    torch.save(tiny_network(ARCHS[0], 5).state_dict(), tmp_path / "bare.pth")
    store = tmp_path / "store.h5"
    common = ("--into", store, "--dataset", tiny_images, "--evaluation", "digits-light", "--normalise", SAID, "--device", "cpu")
    code, printed = robbench("evaluate", *paths, *common)
    assert code == 0
    assert f"{store}: 2 networks evaluated\n" in printed
    code, printed = robbench("evaluate", tmp_path / "bare.pth", *common)
    assert code == 1
    assert "does not say which architecture it is of; name it (--arch or --index)" in printed
    code, printed = robbench("evaluate", tmp_path / "bare.pth", *common, "--arch", ARCHS[0], "--seed", 9)
    assert code == 0
    assert RobBench(store).query(ARCHS[0], "clean", training="published", seed=9) >= 0
    assert robbench("evaluate", tmp_path / "bare.pth", *common, "--arch", ARCHS[0], "--arch", ARCHS[1])[0] == 2
    assert robbench("evaluate", tmp_path / "bare.pth", *common, "--arch", ARCHS[0], "--index", 1)[0] == 2
    code, printed = robbench("evaluate", tmp_path / "bare.pth", *common, "--index", 1)
    assert code == 1
    assert "carries no published index" in printed


@pytest.mark.usefixtures("light")
def test_an_index_is_looked_up_in_a_store_that_carries_it(tmp_path: Path, tiny_images: str, small_store: Path) -> None:
    arch = str(RobBench(small_store).parse(3))
    torch.save({"net_state_dict": tiny_network(arch, 5).state_dict()}, tmp_path / "arch-000003-seed-0777.pth")
    common = ("--dataset", tiny_images, "--evaluation", "digits-light", "--normalise", SAID, "--device", "cpu", "--indexed-by", small_store)
    code, _ = robbench("evaluate", tmp_path / "arch-000003-seed-0777.pth", "--into", tmp_path / "store.h5", *common)
    assert code == 0
    assert RobBench(tmp_path / "store.h5").query(arch, "clean", training="published", seed=777) >= 0


@pytest.mark.usefixtures("light")
def test_a_new_attack_joins_a_store_by_way_of_kept_weights(
    tmp_path: Path, tiny_images: str, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, plan = tmp_path / "store.h5", Plan(tiny_images, "digits", "digits-light", 2, 0, (0,), stack=2)
    write_plan(tmp_path / "first", plan)
    assert robbench("run", tmp_path / "first", "--device", "cpu", "--keep-weights", weights)[0] == 0
    merge(tmp_path / "first", store)
    monkeypatch.setitem(EVALUATIONS, "new", Evaluation("new", {"cw": PGD(steps=2)}, EPS, images=5))
    monkeypatch.setattr("robbench_builders.units.train", None)  # whoever trains fails
    write_plan(tmp_path / "more", replace(plan, evaluation="new"))
    assert robbench("run", tmp_path / "more", "--device", "cpu", "--keep-weights", weights)[0] == 0
    merge(tmp_path / "more", store)
    with Store(store) as opened:
        assert np.isfinite(opened.read(Name(plan.dataset, "standard", "cw", "accuracy"))).sum() == 2 * len(EPS)
        assert np.isfinite(opened.read(Name(plan.dataset, "standard", "clean", "accuracy"))).sum() == 2


@pytest.mark.usefixtures("light")
def test_kept_weights_are_checkpoints(tmp_path: Path, tiny_images: str, weights: Path) -> None:
    """Evaluated from their files they give what the build gave, and say their architecture, seed and normalisation themselves."""
    write_plan(tmp_path / "build", Plan(tiny_images, "digits", "digits-light", 2, 0, (1,), stack=2))
    assert len(list(run(tmp_path / "build", device="cpu", weights=weights))) == 1
    merge(tmp_path / "build", tmp_path / "built.h5")
    kept, common = sorted(weights.iterdir()), ("--dataset", tiny_images, "--evaluation", "digits-light", "--training", "kept")
    assert robbench("evaluate", *kept, "--into", tmp_path / "store.h5", *common, "--device", "cpu", "--stack", 2)[0] == 0
    with Store(tmp_path / "built.h5") as built, Store(tmp_path / "store.h5") as store:
        for threat in ("clean", "fgsm", "contrast"):
            expected, found = (
                opened.read(Name(tiny_images, training, threat, "outcomes")) for opened, training in ((built, "standard"), (store, "kept"))
            )
            assert np.array_equal(found, expected)
    code, printed = robbench("evaluate", kept[0], "--into", tmp_path / "store.h5", *common, "--normalise", "none")
    assert code == 1
    assert "holds the normalisation of its network; leave it out" in printed


@pytest.mark.usefixtures("light")
def test_kept_weights_of_a_training_that_diverged_are_refused(
    tiny_images: str, weights: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "digits", replace(RECIPES["digits"], learning_rate=1e30))
    run_unit(Unit(ARCHS, tiny_images, "digits", "digits-light", 0), dataset, torch.device("cpu"), weights=weights)
    diverged = [found for path in weights.iterdir() for found in checkpoints(path) if found.entry.kept.training.diverged]  # type: ignore[union-attr]
    with pytest.raises(WeightsError, match=r"is of a training that diverged: .* not finite"):
        loaded(diverged[0], dataset)
