"""Weights in place of a recipe: planned, run, merged and verified as trained networks are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from robbench_builders.attacks import FGSM, PGD
from robbench_builders.datasets import load
from robbench_builders.errors import BuildError, WeightsError
from robbench_builders.evaluations import EVALUATIONS, Evaluation
from robbench_builders.plan import Plan
from robbench_builders.plan_file import read_plan, write_plan
from robbench_builders.planning import plan_of_weights
from robbench_builders.proxies import PROXIES
from robbench_builders.results import listing, merge
from robbench_builders.results.verify import verify
from robbench_builders.run import run
from robbench_builders.weights.checkpoints import identified
from robbench_builders.weights.evaluating import evaluate
from robbench_builders.weights.files import read
from robbench.cli import main
from robbench.errors import Contradiction
from robbench.store import Store
from robbench.store.arrays import Name
from tests.builders.weights.tiny_network import tiny_network

ARCHS = (
    "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|",
    "|nor_conv_1x1~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_1x1~0|nor_conv_3x3~1|nor_conv_1x1~2|",
)
SEEDS = (777, 888)
SAID, NORMALISATION = "0.3/0.25", ((0.3,), (0.25,))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two evaluations of a moment."""
    one = Evaluation("one", {"fgsm": FGSM()}, (8 / 255, 32 / 255), ("contrast",), {"synflow": PROXIES["synflow"]}, images=8)
    monkeypatch.setitem(EVALUATIONS, "one", one)
    monkeypatch.setitem(EVALUATIONS, "other", Evaluation("other", {"pgd": PGD(steps=2)}, (8 / 255,), images=8))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder of published-style weights: two architectures with two seeds each."""
    return weights_in(tmp_path / "files")


def weights_in(folder: Path, **options: Any) -> Path:
    folder.mkdir()
    for k, arch in enumerate(ARCHS):
        for seed in SEEDS:
            state = tiny_network(arch, seed, **options).state_dict()
            torch.save({"arch_str": arch, "seed": seed, "net_state_dict": state}, folder / f"{k}-{seed}.pth")
    return folder


def planned(folder: Path, files: Path, images: str, evaluation: str = "one", **options: Any) -> Plan:
    plan = plan_of_weights(images, files, evaluation, normalise=SAID, stack=2, **options)
    write_plan(folder, plan)
    return read_plan(folder)


def test_networks_of_a_folder_have_the_outcomes_of_their_evaluation(tmp_path: Path, files: Path, tiny_images: str) -> None:
    """From the shell: planned, run, merged, verified; to the bit what `build evaluate` stores."""

    def robbench(*words: str | Path) -> str:
        result = CliRunner().invoke(main, ["build", *map(str, words)])
        assert result.exit_code == 0, result.output
        return result.output

    build, store = tmp_path / "build", tmp_path / "store.h5"
    options = ("--dataset", tiny_images, "--evaluation", "one", "--normalise", SAID, "--stack", "2")
    assert "2 architectures × 2 seeds in 2 units of 2" in robbench("plan", build, "--weights", files, *options)
    robbench("run", build, "--device", "cpu")
    assert "2 of 2 units done" in robbench("status", build)
    robbench("merge", build, "--into", store)
    assert "0 of " in robbench("verify", store, "--sample", "2", "--weights", files, "--device", "cpu")

    dataset, expected = load(tiny_images), tmp_path / "expected.h5"
    given = [identified(entry) for path in sorted(files.iterdir()) for entry in read(path)]
    list(evaluate(given, expected, dataset, EVALUATIONS["one"], normalisation=NORMALISATION, stack=2))
    with Store(store) as ours, Store(expected) as theirs:
        names = [name for name in theirs.names() if name.training == "published"]
        assert set(ours.names()) == set(names), "proxies are of networks that are trained from the start"
        assert len(names) == 6
        for name in names:
            assert np.array_equal(ours.read(name), theirs.read(name), equal_nan=True), name
        provenance = ours.header(Name(dataset.name, "published", "fgsm", "accuracy")).provenance
        assert provenance["weights"] == theirs.header(names[0]).provenance["weights"]
        assert provenance["weights"][f"{ARCHS[1]}, seed 888"]["file"] == "1-888.pth"
        assert provenance["recipe"]["std"] == pytest.approx([0.25])


def test_kept_weights_are_evaluated_as_their_build_was(tmp_path: Path, tiny_images: str) -> None:
    build, kept = tmp_path / "build", tmp_path / "kept"
    write_plan(build, Plan(tiny_images, "digits", "one", None, 0, (0,), 2, archs=ARCHS))
    list(run(build, device="cpu", weights=kept))
    merge.merge(build, tmp_path / "trained.h5")
    plan = plan_of_weights(tiny_images, kept, "one", stack=2, training="standard")
    write_plan(tmp_path / "again", plan)
    list(run(tmp_path / "again", device="cpu"))
    merge.merge(tmp_path / "again", tmp_path / "again.h5")
    with Store(tmp_path / "trained.h5") as one, Store(tmp_path / "again.h5") as other:
        more = {name.metric for name in set(one.names()) - set(other.names())}
        assert more == {"synflow", "params", "flops", "training_loss", "training_accuracy", "training_seconds"}
        for name in other.names():
            assert np.array_equal(one.read(name), other.read(name), equal_nan=True), name


def test_a_plan_moves_with_its_files(tmp_path: Path, files: Path, tiny_images: str) -> None:
    build = tmp_path / "build"
    planned(build, files, tiny_images, "other", archs=ARCHS[:1], seeds=(777,))
    shutil.move(files, tmp_path / "elsewhere")
    with pytest.raises(WeightsError, match=r"files lacks 0-777\.pth, of the plan; say where they are: --weights FOLDER"):
        list(run(build, device="cpu"))
    assert len(list(run(build, device="cpu", weights=tmp_path / "elsewhere"))) == 1


def test_what_does_not_fit_is_refused_before_any_work(tmp_path: Path, files: Path, tiny_images: str) -> None:
    def refused(message: str, folder: Path = files, **options: Any) -> None:
        with pytest.raises((WeightsError, BuildError), match=message):
            planned(tmp_path / "build", folder, tiny_images, **options)
        assert not (tmp_path / "build").exists()

    refused(r"no file has the weights of .*, seed 5, nor those of 1 more networks", seeds=(5,))
    refused(r"no file has the weights of \|none~0", archs=["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"])
    refused(r"classifier\.weight is \(10, 16\); expected \(2, 16\)", weights_in(tmp_path / "ten", classes=10))
    refused(r"holds no weights; expected a folder with files that end in \.pth", tmp_path / "nowhere")
    refused(r"'published' .*|'' is not a name for a training", training="")
    shutil.copy(files / "0-777.pth", files / "copy.pth")
    refused(r"copy\.pth/net_state_dict and .*0-777\.pth/net_state_dict are both of .*, seed 777; take one out")
    (files / "copy.pth").unlink()
    wrong = torch.load(files / "0-777.pth", weights_only=True) | {"arch_str": ARCHS[1], "seed": 999}
    torch.save(wrong, files / "wrong.pth")
    refused(r"wrong\.pth/net_state_dict lacks .*expected the weights of", archs=ARCHS[1:], seeds=(999,))


def test_a_file_that_is_another_than_planned_is_refused(tmp_path: Path, files: Path, tiny_images: str) -> None:
    planned(tmp_path / "build", files, tiny_images, "other", archs=ARCHS[:1], seeds=(777,))
    shutil.copy(files / "0-888.pth", files / "0-777.pth")
    with pytest.raises(WeightsError, match=r"0-777\.pth is another file than when the plan was made \(sha256 [0-9a-f]{64}\)"):
        list(run(tmp_path / "build", device="cpu"))


@pytest.mark.parametrize("longest", [8_000, 10])
def test_networks_of_other_files_do_not_share_a_name(
    tmp_path: Path, files: Path, tiny_images: str, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a store has only what stands for the list; the same files join, and are verified."""
    monkeypatch.setattr(merge, "LONGEST_LIST", longest)
    store, only = tmp_path / "store.h5", {"archs": ARCHS[:1], "seeds": (777,)}
    for evaluation in ("one", "other"):
        planned(tmp_path / evaluation, files, tiny_images, evaluation, **only)
        list(run(tmp_path / evaluation, device="cpu"))
    merge.merge(tmp_path / "one", store)
    merge.merge(tmp_path / "other", tmp_path / "both.h5")
    merge.merge(tmp_path / "one", tmp_path / "both.h5")
    assert all(found.succeeded for found in verify(tmp_path / "both.h5", sample=2, device="cpu", weights=files))
    with Store(store) as opened:
        held = opened.header(Name(tiny_images, "published", "clean", "accuracy")).provenance["weights"]
    assert listing.is_summed(held) == (longest == 10)

    torch.save(torch.load(files / "0-777.pth", weights_only=True) | {"more": 1}, files / "0-777.pth")
    planned(tmp_path / "changed", files, tiny_images, "other", **only)
    list(run(tmp_path / "changed", device="cpu"))
    before = store.read_bytes()
    message = (
        r"of other weights than .*held are \{.*0-777"
        if longest == 8_000
        else "of 1 networks, too many to be listed, and 1 of them are given"
    )
    with pytest.raises(Contradiction if longest == 8_000 else BuildError, match=rf"{message}.* --training published-2"):
        merge.merge(tmp_path / "changed", store)
    assert store.read_bytes() == before
    if longest == 10:
        with pytest.raises(BuildError, match=r"does not have the 1 files that the store was built of, as they were then"):
            list(verify(store, sample=1, device="cpu", weights=files))


def test_a_plan_whose_files_make_no_sense_is_no_plan(tmp_path: Path, files: Path, tiny_images: str) -> None:
    planned(tmp_path / "build", files, tiny_images)
    path = tmp_path / "build" / "plan.json"
    fields = json.loads(path.read_text())
    key = next(iter(fields["recipe"]["files"]))
    for record in ({"file": "../x.pth", "sha256": "0"}, {"sha256": "0"}, 3):
        fields["recipe"]["files"][key] = record
        path.write_text(json.dumps(fields))
        with pytest.raises(BuildError, match=r"plan\.json is not a plan"):
            read_plan(tmp_path / "build")
