"""NARes: records of the form that its authors' code reads, made up here; no real file was at hand."""

from __future__ import annotations

import copy
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from robbench import NotMeasured, RobBench
from robbench.cli import main
from robbench.errors import SourceError
from robbench.sources import import_source
from robbench.sources.archives import unpack_nares
from robbench.sources.folders import import_folder
from robbench.sources.members import MEMBER_BYTES
from robbench.sources.recognising import what_is
from robbench.spaces.wrn import WRN, WideResNet
from robbench.store import Store
from robbench.store.arrays import Name
from robbench.surrogates import fit
from tests.sources.test_tiny_robustbench import RECORDS as GENOTYPES

ARCHS = (WRN.members[7000], WRN.members[0], WRN.members[-1])
EPOCHS = 3
CORRUPTIONS = ("fog", "gaussian_blur", "jpeg_compression")


def record(arch: WideResNet, number: float, unit: float = 100) -> dict[str, Any]:
    """A network whose numbers all say which it is; validation is best in the second epoch."""

    def accuracy(value: float) -> float:
        return (value + number / 100) * unit

    def curve(*values: float) -> list[float]:
        return [accuracy(value) for value in values]

    return {
        "arch_id": number + 1,
        "arch": dict(zip(("D1", "W1", "D2", "W2", "D3", "W3"), arch.choices, strict=True)),
        "MACs": WRN.costs("cifar10")["macs"](arch) * 1e6,
        "Params": WRN.costs("cifar10")["params"](arch) * 1e6,
        "train": [
            {
                "seed": 1,
                "gpu_type": "a GPU",
                "timestamp": "2023-1-2",
                "training_time": 0.5 + number,
                "best_epoch": 1,
                "train_loss": [2.0, 1.5, 1.25],
                "train_acc": curve(0.25, 0.375, 0.5),
                "val_loss": [1.5, 1.0, 1.25 + number],
                "val_acc": curve(0.4, 0.6, 0.7),
                "pgd": curve(0.2, 0.3875, 0.25),
                "pgd_stable": curve(0.5, 0.5, 0.5),
                "pgd_lip": [1.0, 2.0, 3.0],
                "pgd_loss": [2.0, 1.75, 1.875],
                "cw": curve(0.2, 0.375, 0.2),
                "cw_stable": curve(0.5, 0.5, 0.5),
                "cw_lip": [1.0, 2.0, 3.0],
                "cw_loss": [2.5, 2.25, 2.375],
            }
        ],
        "test_best": [
            {
                "test_clean_acc": accuracy(0.8727),
                "test_loss": 0.5,
                "Linf_fgsm_acc": accuracy(0.6138),
                "Linf_fgsm_stable": accuracy(0.7),
                "Linf_pgd_acc": accuracy(0.5644),
                "Linf_pgd_stable": accuracy(0.7),
                "Linf_pgd_lip": 1.5,
                "Linf_cw_acc": accuracy(0.5486),
                "Linf_cw_stable": accuracy(0.7),
                "Linf_cw_lip": 1.5,
                "Linf_aa_acc": accuracy(0.5218),
                "corruptions": {
                    name: {str(level): {"acc": accuracy(0.9 - level / 10 - place / 50), "loss": 0.5} for level in (1, 2, 3, 4, 5)}
                    for place, name in enumerate(CORRUPTIONS)
                },
            }
        ],
    }


RECORDS = [record(arch, number) for number, arch in enumerate(ARCHS)]


def written(path: Path, records: list[Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, records)) + "\n")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "cifar10.jsonl", RECORDS)


@pytest.fixture
def store(file: Path, new_store: Path) -> Path:
    import_source("nares", file, new_store)
    return new_store


def test_every_accuracy_comes_back_of_the_right_architecture(store: Path) -> None:
    bench = RobBench(store)
    assert (bench.space, bench.datasets, bench.architectures) == (WRN, ["cifar10"], ARCHS)
    for number, arch in enumerate(ARCHS):
        for metric, expected in {
            "clean": 0.8727,
            "fgsm@8/255": 0.6138,
            "pgd@8/255": 0.5644,
            "cw@8/255": 0.5486,
            "autoattack@8/255": 0.5218,
            "fog@1": 0.8,
            "gaussian_blur@3": 0.58,
            "jpeg_compression@5": 0.36,
        }.items():
            assert bench.query(arch, metric) == round(expected + number / 100, 9), metric
        assert bench.query(arch, "mean_corruption") == pytest.approx(0.58 + number / 100)
    assert bench.query("WRN-28-8", "pgd@8/255") == 0.5744
    with pytest.raises(NotMeasured):
        bench.query("WRN-34-10", "clean")


def test_validation_is_what_the_curves_say_of_the_best_epoch(store: Path) -> None:
    bench = RobBench(store)
    assert bench.query(ARCHS[1], "pgd@8/255:validation_curve").tolist() == [0.21, 0.3975, 0.26]
    assert bench.query(ARCHS[1], "pgd@8/255:validation_accuracy") == bench.query(ARCHS[1], "pgd@8/255:validation_curve", epoch=1) == 0.3975
    assert bench.query(ARCHS[1], "clean:validation_accuracy") == 0.61
    assert bench.query(ARCHS[2], "clean:validation_accuracy", epoch=0) == 0.42
    assert bench.query(ARCHS[1], "cw@8/255:validation_accuracy") == 0.385
    assert bench.query_many(ARCHS, "pgd@8/255:training_curve", epoch=2).tolist() == [0.5, 0.51, 0.52]
    assert bench.query(ARCHS[2], "clean:validation_loss_curve", epoch=2) == 3.25
    assert bench.oracle("pgd@8/255:validation_accuracy", epoch=2)(ARCHS[0]) == 0.25
    with Store(store) as opened:
        header = opened.header(Name("cifar10", "pgd-8/255", "pgd", "validation_curve"))
    assert header.axes == {"eps": [8 / 255], "epoch": [0, 1, 2]}
    assert (header.provenance["split"], header.provenance["images"]) == ("validation", 2000)


def test_what_is_not_said_is_named_and_what_has_no_place_is_told(file: Path, new_store: Path) -> None:
    report = import_source("nares", file, new_store)
    assert {"pgd_lip", "cw_stable", "Linf_aa_lip", "test_loss"} - set(report.ignored) == {"Linf_aa_lip"}
    (said,) = RobBench(new_store).explain(ARCHS[0], "autoattack@8/255").sources.values()
    assert said["test_attack"].startswith("AA-Compact: APGD-CE and targeted APGD, without FAB and Square")
    assert "the files do not" in said["adversarial_training"]
    assert said["seeds"] == "one training a network; seed 1"
    assert said["size"] == "Params of the file are 1 to 1 times those by arithmetic; MACs of the file are 1 to 1 times those by arithmetic"
    assert RobBench(new_store).query(ARCHS[1], "training_seconds") == 1.5 * 86_400
    assert import_source("nares", file, new_store).changes.added == []


def test_what_was_not_measured_of_some_is_missing_and_sizes_may_be_in_millions(tmp_path: Path, new_store: Path) -> None:
    records = copy.deepcopy(RECORDS)
    for one in records:
        del one["test_best"][0]["Linf_cw_acc"]
        one["Params"] /= 1e6
        del one["MACs"]
    records[0]["test_best"][0]["Linf_aa_acc"] = None
    records[0]["test_best"][0]["corruptions"] = {}
    records[1]["train"][0]["pgd"][0] = None
    import_source("nares", written(tmp_path / "cifar10.jsonl", records), new_store)
    bench = RobBench(new_store)
    for metric in ("autoattack@8/255", "fog@3"):
        assert np.isnan(bench.query_many(ARCHS, metric, missing="nan")).tolist() == [True, False, False]
    assert bench.query(ARCHS[1], "fog@1") == 0.81
    assert np.isnan(bench.query(ARCHS[1], "pgd@8/255:validation_curve")).tolist() == [True, False, False]
    with pytest.raises(NotMeasured):
        bench.query(ARCHS[1], "cw@8/255")
    (said,) = bench.explain(ARCHS[0], "clean").sources.values()
    assert said["size"] == "Params of the file are 1e-06 to 1e-06 times those by arithmetic; MACs are not in the file"


def test_fractions_are_read_as_such(tmp_path: Path, new_store: Path) -> None:
    records = [record(arch, number, unit=1) for number, arch in enumerate(ARCHS)]
    import_source("nares", written(tmp_path / "f.jsonl", records), new_store)
    bench = RobBench(new_store)
    assert bench.query_many(ARCHS, "pgd@8/255").tolist() == [0.5644, 0.5744, 0.5844]
    assert bench.query(ARCHS[1], "fog@1") == 0.81


def test_one_part_extends_a_store_of_another(tmp_path: Path, new_store: Path) -> None:
    for number, part in enumerate((RECORDS[:1], RECORDS[1:])):
        import_source("nares", written(tmp_path / f"{number}.jsonl", part), new_store)
    assert RobBench(new_store).query_many(ARCHS, "clean").tolist() == [0.8727, 0.8827, 0.8927]


def _train(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = record["train"][0]
    return found


def _test(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = record["test_best"][0]
    return found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.pop("arch"), r"line 2 is .*; expected a record of NARes, with an arch"),
        (lambda record: record["arch"].pop("W3"), r"line 2: .*has not the six choices of a WideResNet"),
        (lambda record: record["arch"].update(D1=6), r"line 2: 6 is no depth of stage 1"),
        (lambda record: record.update(arch=RECORDS[0]["arch"]), r"line 2 is of the same architecture as line 1; expected each once"),
        (lambda record: record.update(train=[]), r"train of line 2 is \[\]; expected a list of one"),
        (lambda record: record["test_best"].append({}), r"test_best of line 2 is .*; expected a list of one"),
        (lambda record: record.update(test_best=[None]), r"test_best of line 2 is \[None\]; expected a list of one"),
        (lambda record: _train(record).pop("pgd"), r"pgd of line 2 is None; expected a number for each epoch"),
        (lambda record: _train(record)["pgd"].pop(), r"line 2 has curves of 2 and of 3 epochs; expected as many of all"),
        (
            lambda record: [_train(record)[curve].append(1) for curve in _train(record) if isinstance(_train(record)[curve], list)],
            r"line 2 has curves of 3 and of 4 epochs",
        ),
        (lambda record: _train(record).update(best_epoch=3), r"best_epoch of line 2 is 3; expected one of its epochs, 0 to 2"),
        (lambda record: _train(record).update(best_epoch=True), r"best_epoch of line 2 is True"),
        (lambda record: _train(record)["val_acc"].__setitem__(1, "x"), r"epoch 1 of val_acc of line 2 is 'x'; expected a number"),
        (lambda record: _train(record)["cw_loss"].__setitem__(2, 10**400), r"epoch 2 of cw_loss of line 2 is 1000.*; expected a number"),
        (lambda record: _train(record)["cw_loss"].__setitem__(2, float("nan")), r"epoch 2 of cw_loss of line 2 is nan; expected a number"),
        (
            lambda record: _test(record).update(Linf_pgd_acc=140),
            rf"Linf_pgd_acc of {ARCHS[1]} is 140; expected an accuracy, 0 to 100 percent",
        ),
        (lambda record: _test(record).update(Linf_pgd_acc=-1), rf"Linf_pgd_acc of {ARCHS[1]} is -1; expected an accuracy"),
        (lambda record: _test(record).update(corruptions=[1]), r"corruptions of line 2 are \[1\]; expected some by name"),
        (
            lambda record: _test(record)["corruptions"]["fog"].pop("5"),
            r"fog of line 2 is .*; expected acc and loss at each severity, 1 to 5",
        ),
    ],
)
def test_a_damaged_record_is_named(change: Any, message: str, tmp_path: Path, new_store: Path) -> None:
    records = copy.deepcopy(RECORDS)
    change(records[1])
    with pytest.raises(SourceError, match=message):
        import_source("nares", written(tmp_path / "f.jsonl", records), new_store)
    assert not new_store.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"f\.jsonl holds no records"),
        ("\n\n", r"f\.jsonl holds no records"),
        ("3\n", r"line 1 is 3; expected a record of NARes"),
        ("[]\n", r"line 1 is \[\]; expected a record"),
        (json.dumps(RECORDS[0])[:-9], r"f\.jsonl is not whole, valid JSON Lines: line 1: .* at byte \d+"),
        (json.dumps(RECORDS[0]) + "\n{", r"JSON Lines: line 2: "),
        ('{"arch": {"D1": 4, "D1": 4}}', r"line 1: D1 is there twice"),
        (json.dumps(RECORDS, indent=1), r"JSON Lines: line 1: "),
        pytest.param("[" + " " * MEMBER_BYTES, rf"line 1 is longer than {MEMBER_BYTES} bytes", id="long"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, message: str, tmp_path: Path, new_store: Path) -> None:
    (tmp_path / "f.jsonl").write_text(text)
    with pytest.raises(SourceError, match=message):
        import_source("nares", tmp_path / "f.jsonl", new_store)
    assert not new_store.exists()


# ---- archives, folders, the command line


def archive(folder: Path, content: bytes, name: str = "data/cifar10.jsonl") -> Path:
    with tarfile.open(folder / "nares.txz", "w:xz") as made:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        made.addfile(info, io.BytesIO(content))
    return folder / "nares.txz"


def test_the_archive_is_unpacked_wherever_the_file_is_in_it(file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for name in ("cifar10.jsonl", "../../cifar10.jsonl", "/deep/data/cifar10.jsonl"):
        assert unpack_nares(archive(tmp_path, file.read_bytes(), name), cache) == [cache / "cifar10.jsonl"]
        assert (cache / "cifar10.jsonl").read_bytes() == file.read_bytes()
        (cache / "cifar10.jsonl").unlink()
    with pytest.raises(SourceError, match=r"nares\.txz holds no cifar10\.jsonl"):
        unpack_nares(archive(tmp_path, b"{}", "other.jsonl"), cache)
    whole = archive(tmp_path, file.read_bytes()).read_bytes()
    for damaged in (whole[: len(whole) // 2], b"no archive"):
        (tmp_path / "nares.txz").write_bytes(damaged)
        with pytest.raises(SourceError, match=r"nares\.txz is not a whole tar\.xz archive: .*Download it again"):
            unpack_nares(tmp_path / "nares.txz", cache)
    assert list(cache.iterdir()) == []


def test_a_folder_of_several_sources_goes_into_a_store_a_space(file: Path, tmp_path: Path, new_store: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    file.rename(folder / "wide (1).jsonl")
    archive(folder, b"{}")
    (folder / "part.json").write_text(json.dumps(GENOTYPES[:1]))
    outcomes = {outcome.path.name: outcome for outcome in import_folder(folder, new_store)}
    assert outcomes["wide (1).jsonl"].source == "nares"
    assert outcomes["nares.txz"].source is None
    assert RobBench(new_store).space.name == "darts"
    assert RobBench(new_store.with_stem("store-wrn")).query_many(ARCHS, "clean").tolist() == [0.8727, 0.8827, 0.8927]
    assert what_is(written(tmp_path / "other.jsonl", [{"arch": 3}])).source is None


def test_the_command_line_imports_asks_and_draws(file: Path, tmp_path: Path) -> None:
    into = str(tmp_path / "wide.h5")
    run = CliRunner()
    assert run.invoke(main, ["import", "nares", str(file), "--into", into]).exit_code == 0
    asked = run.invoke(main, ["query", "WRN-28-8", "pgd@8/255:validation_accuracy", "--epoch", "0", "--store", into])
    assert asked.stdout == "0.21\n"
    assert run.invoke(main, ["query", "WRN-28-8", "macs", "--store", into]).stdout.startswith("3360.08")
    assert "448" in run.invoke(main, ["show", "d4w8-d7w14-d11w16", "--store", into]).stdout


def test_a_surrogate_learns_what_depends_on_sizes_and_predicts_the_rest_of_the_space(tmp_path: Path, new_store: Path) -> None:
    sizes = WRN.costs("cifar10")["params"]
    archs = WRN.members[::120]
    records = [record(arch, 4 * np.log10(sizes(arch))) for arch in archs]
    import_source("nares", written(tmp_path / "cifar10.jsonl", records), new_store)
    surrogate = fit(RobBench(new_store), "clean+pgd@8/255", model="ridge")
    assert all(scores["r2"] > 0.95 for scores in surrogate.about.scores.values())
    surrogate.save(new_store)
    bench, others = RobBench(new_store), WRN.members[101::1999]
    assert not set(others) & set(bench.architectures)
    found = bench.predict_many(others, "clean")[:, 0]
    np.testing.assert_allclose(found, [0.8727 + 0.04 * np.log10(sizes(arch)) for arch in others], atol=0.003)
