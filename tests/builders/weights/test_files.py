from __future__ import annotations

import io
import os
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from robbench_builders.errors import WeightsError
from robbench_builders.weights.files import Entry, chosen, read
from tests.builders.weights.tiny_network import tiny_network

ARCH = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"


def weights(seed: int = 0) -> dict[str, Any]:
    return tiny_network(ARCH, seed).state_dict()


def saved(path: Path, content: Any, *, older: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not older)
    return path


def nats(seed: int) -> dict[str, Any]:
    return {"seed": seed, "epochs": 200, "params": 0.5, "flop": 7.0, "eval_acc1es": {"ori-test@199": 90.0}, "net_state_dict": weights(seed)}


@pytest.mark.parametrize("older", [False, True], ids=["zip", "older"])
def test_a_state_dict_is_read_in_both_of_torchs_formats(tmp_path: Path, older: bool) -> None:
    (entry,) = read(saved(tmp_path / "one.pth", weights(), older=older))
    assert (entry.keys, entry.arch, entry.index, entry.seed) == ((), None, None, None)
    found = entry.tensors()
    assert found.keys() == weights().keys() == set(entry.names)
    assert all(torch.equal(tensor, found[name]) for name, tensor in weights().items())
    saved(tmp_path / "one.pth", weights(1), older=older)
    with pytest.raises(WeightsError, match=r"one\.pth has changed since it was looked into"):
        entry.tensors()


def test_published_containers_say_what_is_inside(tmp_path: Path) -> None:
    content = {
        epochs: {"arch_str": ARCH, "arch_index": 7, "all_results": {(name, seed): nats(seed) for name in ("cifar10", "cifar100") for seed in (777, 888)}}
        for epochs in ("12", "200")
    }  # fmt: skip
    entries = read(saved(tmp_path / "000007.pth", content))
    assert len(entries) == 8
    assert {(entry.arch, entry.index) for entry in entries} == {(ARCH, 7)}
    found = chosen(entries, "cifar100", ["200"])
    assert [(entry.keys, entry.seed) for entry in found] == [
        (("200", "all_results", "cifar100", str(seed), "net_state_dict"), seed) for seed in (777, 888)
    ]
    assert torch.equal(found[1].tensors()["stem.0.weight"], weights(888)["stem.0.weight"])
    with pytest.raises(
        WeightsError, match=r"holds several networks for cifar100; it has 12/all_results/cifar10/777/net_state_dict, .*--entry"
    ):
        chosen(entries, "cifar100")
    with pytest.raises(WeightsError, match=r"holds none for ImageNet16-120"):
        chosen(entries, "ImageNet16-120", ["200"])


def test_raw_checkpoints_say_index_and_seed_by_their_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "arch-000123-seed-0777.pth", {name: {"net_state_dict": weights()} for name in ("cifar10", "cifar100")})
    (entry,) = chosen(read(path), "cifar10")
    assert (entry.index, entry.seed, entry.keys) == (123, 777, ("cifar10", "net_state_dict"))


def test_images_of_ones_own_take_the_only_network_or_the_named_one(tmp_path: Path) -> None:
    entries = read(saved(tmp_path / "two.pth", {"cifar10": weights(), "cifar100": weights(1)}))
    with pytest.raises(WeightsError, match=r"holds none for mine; it has cifar10, cifar100\. Name the keys"):
        chosen(entries, "mine")
    assert [entry.keys for entry in chosen(entries, "mine", ["cifar100"])] == [("cifar100",)]
    (alone,) = chosen(read(saved(tmp_path / "one.pth", {"model": weights()})), "mine")
    assert alone.keys == ("model",)


def test_the_prefix_of_data_parallel_training_is_left_out(tmp_path: Path) -> None:
    (entry,) = read(saved(tmp_path / "one.pth", {f"module.{name}": tensor for name, tensor in weights().items()}))
    assert set(entry.names) == entry.tensors().keys() == weights().keys()


def test_an_optimisers_state_is_not_taken_for_a_network(tmp_path: Path) -> None:
    content = {"optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}}, "state": {"buffer": torch.ones(2)}, "epoch": 3}
    with pytest.raises(WeightsError, match=r"holds no network's weights \(its keys are 'optimizer', 'state', 'epoch'\)"):
        read(saved(tmp_path / "optimiser.pth", content))
    with pytest.raises(WeightsError, match=r"holds no network's weights \(it is Tensor\)"):
        read(saved(tmp_path / "tensor.pth", torch.ones(3)))


class Runs:
    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["ROBBENCH_TRAP"],)


@pytest.mark.parametrize("form", ["zip", "older", "pickle"])
def test_a_pickle_that_wants_to_run_code_is_refused_and_nothing_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    trap, path = tmp_path / "trap", tmp_path / "hostile.pth"
    monkeypatch.setenv("ROBBENCH_TRAP", str(trap))
    content = {"net_state_dict": weights(), "trap": Runs()}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content["trap"]))
    else:
        saved(path, content, older=form == "older")
    with pytest.raises(
        WeightsError,
        match=r"hostile\.pth was not opened: it is a pickle that (names posix\.mkdir|is of more than tensors and plain containers), and could run code\. If you trust .*'hostile-weights\.pth'",
    ):
        read(path)
    assert not trap.exists()
    pickle.loads(pickle.dumps(Runs()))  # noqa: S301 a second witness: it would have run
    assert trap.exists()


def test_numpy_numbers_in_a_container_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = saved(tmp_path / "numbers.pth", {"net_state_dict": weights(), "accuracy": np.float64(93.0)})
    with pytest.raises(
        WeightsError, match=r"it is a pickle that names numpy\.\S*scalar, and could run code\. If you trust where it is from, convert it"
    ):
        read(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("older", [False, True], ids=["zip", "older"])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, share: float, older: bool) -> None:
    path = saved(tmp_path / "cut.pth", weights(), older=older)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(
        WeightsError,
        match=r"cut\.pth is (empty|cut short, damaged)" if not older else r"cut\.pth (is (empty|cut short, damaged)|was not opened)",
    ):
        read(path)


def test_damaged_files_are_our_errors(tmp_path: Path) -> None:
    """Bits flipped where the pickle and the zip's directory are: the file is read, or refused by us."""
    path, rng, untouched = tmp_path / "damaged.pth", np.random.default_rng(0), 0
    for older in (False, True):
        whole = saved(path, weights(), older=older).read_bytes()
        for _ in range(60):
            damaged = bytearray(whole)
            damaged[int(rng.integers(-3000, 3000))] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            with suppress(WeightsError):
                read(path)
                untouched += 1
    assert untouched < 60


@pytest.mark.parametrize(
    ("start", "kind"), [(b"BZh91AY", "a bzip2 archive"), (b"\x1f\x8b\x08", "a gzip archive"), (b"\x89HDF\r\n", "an HDF5 file")]
)
def test_other_files_are_named(tmp_path: Path, start: bytes, kind: str) -> None:
    path = tmp_path / "000000.pickle.pbz2"
    path.write_bytes(start + bytes(100))
    with pytest.raises(
        WeightsError, match=rf"is {kind}; expected a file that torch\.save wrote, or weights that a build kept\. Unpack it first"
    ):
        read(path)


def test_places_that_are_no_files_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(WeightsError, match=r"is not a file; expected a checkpoint"):
            read(place)
    with pytest.raises(WeightsError, match=r"cannot be read: .*No such file"):
        read(tmp_path / "nowhere.pth")


def test_tensors_larger_than_the_file_are_refused_before_memory_is_asked_for(tmp_path: Path) -> None:
    small = torch.zeros(4)
    content = {**weights(), "classifier.weight": small.as_strided((10**6, 10**6), (0, 0))}
    with pytest.raises(WeightsError, match=r"says that its tensors are larger than the file is"):
        read(saved(tmp_path / "large.pth", content))


def test_deep_and_circular_containers_end(tmp_path: Path) -> None:
    circle: dict[str, Any] = {}
    circle["again"] = circle
    content: dict[str, Any] = {"net_state_dict": weights(), "circle": circle}
    for _ in range(3):
        content = {"deeper": content}
    (entry,) = read(saved(tmp_path / "deep.pth", content))
    assert entry.keys == ("deeper", "deeper", "deeper", "net_state_dict")


def test_a_zip_file_of_something_else_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "hello")
    (tmp_path / "other.zip").write_bytes(buffer.getvalue())
    with pytest.raises(WeightsError, match=r"other\.zip is cut short, damaged, or nothing that torch\.save wrote"):
        read(tmp_path / "other.zip")


def test_an_entry_is_called_by_its_file_and_its_keys() -> None:
    assert str(Entry(Path("a.pth"), "0", ("cifar10", "777"), ())) == "a.pth/cifar10/777"
