"""Transfer attacks: a matrix of source by target, as a plain loop has it, of networks in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from robbench_builders.attacks import FGSM, PGD
from robbench_builders.classifiers import LogitsOf, Normalised
from robbench_builders.datasets import Dataset
from robbench_builders.errors import AttackError, BuildError
from robbench_builders.evaluations import Evaluation
from robbench_builders.transfer import TRANSFER, Shown, transfer_matrix
from robbench_builders.transfer_file import transfer
from robbench_builders.weights.checkpoints import identified
from robbench_builders.weights.files import read
from robbench.cli import main
from robbench.errors import InvalidArgument
from tests.builders.toy_networks import linear
from tests.builders.weights.tiny_network import tiny_network

ARCHS = (
    "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|",
    "|skip_connect~0|+|none~0|none~1|+|none~0|none~1|nor_conv_1x1~2|",
)
FEW = Evaluation("few", {"fgsm": FGSM()}, (0.05, 0.3), images=16)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    images = np.random.default_rng(0).random((20, 1, 8, 8)).astype(np.float32)
    labels = linear(0)(torch.from_numpy(images)).argmax(1).numpy()
    return Dataset("mine", images, labels, images, labels, 3)


def test_the_matrix_is_that_of_a_plain_loop(dataset: Dataset) -> None:
    """FGSM on every image of every source, whatever the source says of it, and every target asked; each normalises by itself."""
    networks = {"a": linear(0), "b": linear(1), "c": Normalised(linear(0), (0.2,), (0.5,)).eval()}
    found = transfer_matrix(networks, dataset, FEW)
    images, labels = torch.from_numpy(dataset.test_images[:16]), torch.from_numpy(dataset.test_labels[:16])
    for level, eps in enumerate(FEW.eps):
        for row, source in enumerate(networks.values()):
            x = images.clone().requires_grad_()
            gradient = torch.autograd.grad(torch.nn.functional.cross_entropy(source(x), labels, reduction="sum"), x)[0]
            crafted = (images + eps * gradient.sign()).clamp(0, 1)
            for column, target in enumerate(networks.values()):
                share = (target(crafted).argmax(1) == labels).float().mean().item()
                assert found.accuracy["fgsm"][level, row, column] == pytest.approx(share)
    assert found.names == ("a", "b", "c")
    assert found.clean[0] == 1
    assert len(set(found.accuracy["fgsm"].flatten())) > 3


def test_networks_that_do_not_fit_each_other_are_refused(dataset: Dataset) -> None:
    fit = linear(0)
    for other, message in (
        (linear(1, classes=4), r"other gives logits of shape \(1, 4\) for one image; expected \(1, 3\), the classes of mine"),
        (linear(1, side=10), r"other cannot take images of 1×8×8 \(.*\); attacks transfer between networks for the same images"),
        (LogitsOf(linear(1), 0).train(), r"other is in training mode"),
    ):
        with pytest.raises(AttackError, match=message):
            transfer_matrix({"one": fit, "other": other}, dataset, FEW)
    with pytest.raises(BuildError, match=r"1 networks and 1 attacks; expected two networks at least"):
        transfer_matrix({"one": fit}, dataset, FEW)
    for seed in (-1, 2**63, 2**64):
        with pytest.raises(InvalidArgument, match=rf"seed={seed} is not a seed here; expected an integer of at least 0 and below 2\^63"):
            transfer_matrix({"one": fit, "other": linear(1)}, dataset, FEW, seed=seed)


def test_the_attack_of_the_paper() -> None:
    attack = TRANSFER.attacks["pgd"]
    assert isinstance(attack, PGD)
    assert TRANSFER.levels("pgd") == (8 / 255,)
    assert attack.relative_step * 8 / 255 == pytest.approx(2 / 255)
    assert (attack.steps, attack.early_stop) == (20, False)


def test_an_attack_of_ones_own_transfers(tmp_path: Path, tiny_images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_transfers.py").write_text("def same(network, images, labels, eps, *, streams):\n    return images\n")
    (tmp_path / "mine.toml").write_text(
        '[evaluation]\nname = "mine"\neps = [0.1]\n[evaluation.attacks.attack-same]\nattack = "mine_transfers:same"\n'
    )
    for k in range(2):
        torch.save({"arch_str": ARCHS[k], "net_state_dict": tiny_network(ARCHS[k], k).state_dict()}, tmp_path / f"{k}.pth")
    options = ["--dataset", tiny_images, "--normalise", "none", "--evaluation", "mine.toml", "--out", "matrix.json", "--device", "cpu"]
    result = CliRunner().invoke(main, ["build", "transfer", "0.pth", "1.pth", *options])
    assert result.exit_code == 0, result.output
    said = json.loads((tmp_path / "matrix.json").read_text())
    assert said["attacks"][0]["settings"]["attack"] == "mine_transfers:same"
    assert "code" not in said["attacks"][0]
    assert said["attacks"][0]["accuracy"] == [said["clean"]] * 2


def test_a_matrix_that_was_stopped_is_gone_on_with(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done is not done again; another matrix, and what is none, are refused and left as they are."""
    paths, out, attacked = [tmp_path / f"{k}.pth" for k in range(3)], tmp_path / "matrix.json", list[str]()
    for k, path in enumerate(paths):
        torch.save({"arch_str": ARCHS[k % 2], "seed": k, "net_state_dict": tiny_network(ARCHS[k % 2], k, classes=3).state_dict()}, path)
    networks = [identified(entry) for path in paths for entry in read(path)]
    row, given = Shown.row, {"normalisation": ((0.3,), (0.25,))}

    def watched(self: Shown, source: str) -> Any:
        attacked.append(source)
        if len(attacked) == 2:
            raise KeyboardInterrupt
        return row(self, source)

    monkeypatch.setattr(Shown, "row", watched)
    with pytest.raises(KeyboardInterrupt):
        transfer(networks, dataset, FEW, out=out, **given)  # type: ignore[arg-type]
    begun = json.loads(out.read_text())["attacks"][0]["accuracy"]
    assert [row is None for row in begun] == [False, True, True]
    done: list[str] = []
    found = transfer(networks, dataset, FEW, out=out, progress=done.append, **given)  # type: ignore[arg-type]
    names = [one["name"] for one in found["networks"]]
    assert (attacked, done) == ([names[0], names[1], names[1], names[2]], names)
    assert found == json.loads(out.read_text()) == transfer(networks, dataset, FEW, **given)  # type: ignore[arg-type]
    before, attacked[:] = out.read_bytes(), []
    assert transfer(networks, dataset, FEW, out=out, **given) == found  # type: ignore[arg-type]
    assert (attacked, out.read_bytes()) == ([], before)

    def refused(message: str, networks: Any = networks, **more: Any) -> None:
        before = out.read_bytes()
        with pytest.raises(BuildError, match=message):
            transfer(networks, dataset, FEW, out=out, **given, **more)  # type: ignore[arg-type]
        assert (attacked, out.read_bytes()) == ([], before)

    refused(r"matrix\.json holds another matrix \(it differs in seed\); name another file \(--out\), or take this one away", seed=1)
    refused(r"it differs in networks\)", networks[:2])
    found["attacks"][0]["accuracy"][0][0] = 7
    out.write_text(json.dumps(found))
    refused(r"matrix\.json is damaged: its rows of")
    for content in ("[]", '{"attacks": 3}', "[" * 100_000, "mine"):
        out.write_text(content)
        refused(r"matrix\.json is there, and is no matrix of transfer attacks")


def test_a_place_that_cannot_be_written_is_told_before_any_attack(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    for k in range(2):
        torch.save({"arch_str": ARCHS[k], "net_state_dict": tiny_network(ARCHS[k], k, classes=3).state_dict()}, tmp_path / f"{k}.pth")
    monkeypatch.setattr(Shown, "row", lambda *_: pytest.fail("attacked"))
    networks = [identified(entry) for k in range(2) for entry in read(tmp_path / f"{k}.pth")]
    with pytest.raises(BuildError, match=r"none/matrix\.json cannot be written .*--out"):
        transfer(networks, dataset, FEW, normalisation=((0.3,), (0.25,)), out=tmp_path / "none" / "matrix.json")


def test_networks_in_files_from_the_shell(tmp_path: Path, tiny_images: str) -> None:
    """Of two widths; the file says what it was of, and the other way to say it gives the same; another class count is refused by tensor."""
    paths = [str(tmp_path / f"{k}.pth") for k in range(2)]
    for k, path in enumerate(paths):
        torch.save({"arch_str": ARCHS[k], "seed": k, "net_state_dict": tiny_network(ARCHS[k], k, channels=4 + 2 * k).state_dict()}, path)
    options = ["--dataset", tiny_images, "--normalise", "0.3/0.25", "--out", str(tmp_path / "matrix.json"), "--device", "cpu"]
    result = CliRunner().invoke(main, ["build", "transfer", *paths, *options])
    assert result.exit_code == 0, result.output
    assert "pgd, eps 8/255" in result.output
    said = json.loads((tmp_path / "matrix.json").read_text())
    assert [one["file"] for one in said["networks"]] == ["0.pth", "1.pth"]
    assert [one["skeleton"]["channels"] for one in said["networks"]] == [4, 6]
    assert said["attacks"][0]["settings"]["steps"] == 20
    assert said["dataset"]["images"] == 12
    matrix = np.array(said["attacks"][0]["accuracy"])
    assert matrix.shape == (2, 2)
    assert (matrix.diagonal() <= np.array(said["clean"])).all()

    torch.save({"arch_str": ARCHS[0], "net_state_dict": tiny_network(ARCHS[0], classes=5).state_dict()}, tmp_path / "other.pth")
    (tmp_path / "matrix.json").unlink()
    for more, message in ((str(tmp_path / "other.pth"), "expected (2,"), (paths[0], "is given twice")):
        refused = CliRunner().invoke(main, ["build", "transfer", paths[0], more, *options])
        assert refused.exit_code != 0
        assert message in f"{refused.output}{refused.exception}"
        assert not (tmp_path / "matrix.json").exists()
