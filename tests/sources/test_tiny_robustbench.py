from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robbench import InvalidArgument, NotMeasured, RobBench
from robbench.adapters.tabular import tabulate
from robbench.cli import main
from robbench.errors import SourceError, StoreError
from robbench.sources import import_source
from robbench.spaces import SearchSpace
from robbench.spaces.darts import DARTS, Genotype
from robbench.spaces.nb201 import NB201
from robbench.store import Store
from robbench.store.arrays import Name
from tests.genotypes import drawn, pairs, relabelled

GENOTYPES = drawn(3)
EPOCHS = 4


def record(genotype: Genotype, number: int) -> dict[str, Any]:
    """A network whose numbers all say which it is; the test attack begins at epoch 2."""
    return {
        "seed": number,
        "net": {
            "aux": False,
            "depth": 8,
            "width": 16,
            "genotype": {
                "normal": [list(pair) for pair in pairs(genotype.normal)],
                "normal_concat": [2, 3, 4, 5],
                "reduce": [list(pair) for pair in pairs(genotype.reduce)],
                "reduce_concate": [2, 3, 4, 5],
            },
        },
        "optim": {"total_epochs": EPOCHS, "base_lr": 0.1},
        "cutout": False,
        "adversarial_param": {"adv_loss": "pgd", "epsilon": 0.03137254901960784, "num_steps": 7, "step_size": 0.01},
        "max_test_top1_original": 70.07 + number,
        "max_test_top1_adv": 40.01 + number,
        "train_ep_loss_adv": [2.5, 2.0, 1.5, 1.25 + number],
        "train_ep_top1_original": [30.002, 40.002, 50.002, 60.002 + number],
        "train_ep_top1_adv": [20.0, 30.0, 35.0, 40.0 + number],
        "test_ep_top1_original": [35.01, 45.01, 70.07 + number, 60.01],
        "test_ep_top1_adv": [0, 0, 39.5, 40.01 + number],
        "test_ep_loss_original": [1.5, 1.25, 1.0, 0.75],
        "test_ep_loss_adv": [0, 0, 1.75, 1.5],
    }


RECORDS = [record(genotype, number) for number, genotype in enumerate(GENOTYPES)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three networks in two files."""
    folder = tmp_path / "robustbench_darts"
    folder.mkdir()
    (folder / "robust_bench_seed_0_2.json").write_text(json.dumps(RECORDS[:2]))
    (folder / "robust_bench_seed_2_3.json").write_text(json.dumps(RECORDS[2:]))
    return folder


@pytest.fixture
def store(folder: Path, new_store: Path) -> Path:
    import_source("tiny_robustbench", folder, new_store)
    return new_store


def test_every_accuracy_comes_back_of_the_right_genotype(store: Path) -> None:
    bench = RobBench(store)
    assert (bench.space, bench.datasets, bench.architectures) == (DARTS, ["cifar10"], tuple(GENOTYPES))
    for number, genotype in enumerate(GENOTYPES):
        same = list(relabelled(genotype))[-1]
        assert bench.query(same, "clean") == bench.query(genotype, "clean", training="pgd-8/255") == (7007 + 100 * number) / 10000
        assert bench.query(same, "pgd", eps=8 / 255) == (4001 + 100 * number) / 10000
    with pytest.raises(NotMeasured, match=r"nothing was measured of sep3~0.*: no architecture of its class is among the 3 of "):
        bench.query("darts-v2", "clean")


def test_tables_for_others_count_the_epochs_of_training(store: Path) -> None:
    bench = RobBench(store)
    table = tabulate(bench, ["clean", "pgd@8/255"], epochs="all")
    assert (table.epochs, table.length) == ((3, 4), EPOCHS)
    assert table.values[0, :, 0, 0].tolist() == [
        [bench.query(arch, name, epoch=2) for name in ("clean", "pgd@8/255")] for arch in GENOTYPES
    ]


def test_learning_curves_are_arrays_and_an_epoch_is_a_number(store: Path) -> None:
    bench = RobBench(store)
    second = GENOTYPES[1]
    assert bench.query(second, "clean", measure="learning_curve").tolist() == [0.3501, 0.4501, 0.7107, 0.6001]
    assert bench.query(second, "pgd@8/255:learning_curve").tolist() == [0.395, 0.4101]
    assert bench.query(second, "pgd@8/255:training_loss_curve").tolist() == [2.5, 2.0, 1.5, 2.25]
    assert bench.query(second, "clean", epoch=2) == bench.query(second, "clean:learning_curve", epoch=2) == 0.7107
    assert bench.query(second, "clean:training_curve", epoch=3) == 0.61002
    assert bench.query(second, "pgd@8/255", epoch=3) == 0.4101
    assert bench.query(second, "pgd@8/255:loss_curve", epoch=2) == 1.75
    assert bench.query_many(GENOTYPES, "clean", epoch=2).tolist() == [0.7007, 0.7107, 0.7207]
    assert bench.top("pgd@8/255", 1, epoch=3)["arch"].tolist() == [str(GENOTYPES[2])]
    assert bench.oracle("clean", epoch=2)(second) == 0.7107
    assert bench.explain(second, "clean", epoch=2).epoch == 2
    with Store(store) as opened:
        assert opened.header(Name("cifar10", "pgd-8/255", "pgd", "loss_curve")).unit == "nat"
        assert opened.header(Name("cifar10", "pgd-8/255", "pgd", "learning_curve")).axes["epoch"] == [2, 3]


def test_an_epoch_that_means_nothing_is_an_error(store: Path) -> None:
    bench = RobBench(store)
    with pytest.raises(NotMeasured, match=r"pgd@8/255:learning_curve of cifar10 was not measured at epoch 1; it was at 2 to 3\."):
        bench.query(GENOTYPES[0], "pgd@8/255", epoch=1)
    with pytest.raises(InvalidArgument, match="epoch=-1 is not a number of epochs"):
        bench.query(GENOTYPES[0], "clean", epoch=-1)
    with pytest.raises(InvalidArgument, match="epoch=True is not a number of epochs"):
        bench.query(GENOTYPES[0], "clean", epoch=True)
    for metric in ("params", "mean_corruption", "clean:confusion", "cell_depth"):
        with pytest.raises(InvalidArgument, match=rf"{metric} has no learning curve, so epoch=2 has no meaning"):
            bench.query(GENOTYPES[0], metric, epoch=2)
    with pytest.raises(InvalidArgument, match=r"is an array for each architecture, not a number; .* or name an epoch"):
        bench.query_many(GENOTYPES, "clean:learning_curve")


def test_what_was_not_measured_is_counted_and_what_is_not_said_is_named(folder: Path, new_store: Path) -> None:
    report = import_source("tiny_robustbench", folder, new_store)
    assert report.sentinels == {"pgd:learning_curve": 6, "pgd:loss_curve": 6}
    (provenance,) = RobBench(new_store).explain(GENOTYPES[0], "pgd@8/255").sources.values()
    assert provenance["adversarial_training"] == "PGD-7, eps 8/255, step 0.01"
    assert provenance["test_attack"] == "not said; taken to be the PGD of training"
    assert provenance["selection"] == "the highest over all epochs, on the test images"
    assert provenance["file"] == "robust_bench_seed_0_2.json, robust_bench_seed_2_3.json"
    assert import_source("tiny_robustbench", folder, new_store).changes.added == []


def test_one_file_extends_a_store_of_the_others(folder: Path, new_store: Path) -> None:
    for file in sorted(folder.iterdir()):
        import_source("tiny_robustbench", file, new_store)
    assert RobBench(new_store).query_many(GENOTYPES, "pgd@8/255").tolist() == [0.4001, 0.4101, 0.4201]


def test_the_command_line_imports_and_asks(folder: Path, tmp_path: Path) -> None:
    into = tmp_path / "tiny.h5"
    run = CliRunner()
    assert run.invoke(main, ["import", "tiny_robustbench", str(folder), "--into", str(into)]).exit_code == 0
    assert run.invoke(main, ["query", str(GENOTYPES[0]), "clean", "--epoch", "1", "--store", str(into)]).stdout == "0.4501\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.pop("net"), r"record 1 of f\.json has no net with a genotype"),
        (lambda record: record["net"]["genotype"]["normal"].pop(), r"record 1 of f\.json: the normal cell has 7 edges; expected eight"),
        (lambda record: record["net"].update(width=36), r"record 1 of f\.json was trained by .*; expected as the others"),
        (
            lambda record: record.update(max_test_top1_adv=140),
            r"max_test_top1_adv of record 1 of f\.json is 140; expected an accuracy, 0 to 100 percent",
        ),
        (lambda record: record.pop("max_test_top1_original"), r"max_test_top1_original of record 1 of f\.json is None; expected a number"),
        (
            lambda record: record.update(train_ep_loss_adv=3),
            r"train_ep_loss_adv of record 1 of f\.json is 3; expected a number for each epoch",
        ),
        (
            lambda record: record["train_ep_loss_adv"].pop(),
            r"train_ep_loss_adv of record 1 of f\.json has 3 epochs; expected 4, as the others",
        ),
        (lambda record: record["test_ep_top1_adv"].append("x"), r"epoch 4 of test_ep_top1_adv of record 1|has 5 epochs; expected 4"),
        (
            lambda record: record["net"].update(genotype=RECORDS[0]["net"]["genotype"]),
            r"is of the same architecture as record 0 of f\.json",
        ),
    ],
)
def test_a_damaged_record_is_named(change: Any, message: str, tmp_path: Path, new_store: Path) -> None:
    records = copy.deepcopy(RECORDS)
    change(records[1])
    (tmp_path / "f.json").write_text(json.dumps(records))
    with pytest.raises(SourceError, match=message):
        import_source("tiny_robustbench", tmp_path / "f.json", new_store)
    assert not new_store.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda record: record.update(max_test_top1_adv=41.5),
            r"max_test_top1_adv of record 1 .* is 41\.5; expected the highest of its .*, 41\.01",
        ),
        (
            lambda record: record["test_ep_top1_original"].__setitem__(2, 90),
            r"max_test_top1_original of record 1 .* is 71\.07; expected .*, 90",
        ),
        (
            lambda record: record["test_ep_loss_adv"].__setitem__(0, 2.5),
            r"test_ep_top1_adv and test_ep_loss_adv of record 1 of f\.json were not measured at the same epochs",
        ),
        (lambda record: record.update(test_ep_top1_adv=[0] * 4, test_ep_loss_adv=[0] * 4), r"were not measured at the same epochs|, -inf"),
        (
            lambda record: record["train_ep_loss_adv"].__setitem__(3, -0.5),
            r"epoch 3 of train_ep_loss_adv of record 1 of f\.json is below 0",
        ),
        (
            lambda record: record["test_ep_loss_original"].__setitem__(1, float("nan")),
            r"epoch 1 of test_ep_loss_original .* is nan; expected a number",
        ),
        (
            lambda record: record["test_ep_top1_original"].__setitem__(1, True),
            r"epoch 1 of test_ep_top1_original .* is True; expected a number",
        ),
        (lambda record: record["test_ep_top1_original"].__setitem__(1, 10**400), r"epoch 1 of test_ep_top1_original .*; expected a number"),
    ],
)
def test_numbers_that_mean_nothing_or_contradict_each_other_are_named(change: Any, message: str, tmp_path: Path, new_store: Path) -> None:
    test_a_damaged_record_is_named(change, message, tmp_path, new_store)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cutout": "no"}, "cutout is 'no'; expected true or false"),
        ({"optim": {"name": "x" * 3000}}, "optim is .*; expected an object of at most 2000 characters"),
        ({"optim": None}, "optim is None; expected an object"),
        ({"adversarial_param": {"adv_loss": "pgd", "epsilon": 8 / 255, "num_steps": 0, "step_size": 0.01}}, "expected some steps"),
        (
            {"adversarial_param": {"adv_loss": "pgd", "epsilon": 8 / 255, "num_steps": 7, "step_size": "x"}},
            "step_size is 'x'; expected a number",
        ),
        ({"adversarial_param": [7]}, r"were trained against \[7\]; expected PGD"),
    ],
)
def test_what_all_say_of_their_training_makes_sense(fields: dict[str, Any], message: str, tmp_path: Path, new_store: Path) -> None:
    (tmp_path / "f.json").write_text(json.dumps([{**one, **fields} for one in RECORDS]))
    with pytest.raises(SourceError, match=message):
        import_source("tiny_robustbench", tmp_path / "f.json", new_store)
    assert not new_store.exists()


def test_a_large_loss_is_the_number_that_it_is(tmp_path: Path, new_store: Path) -> None:
    records = copy.deepcopy(RECORDS)
    records[1]["train_ep_loss_adv"][0] = 1e300
    (tmp_path / "f.json").write_text(json.dumps(records))
    import_source("tiny_robustbench", tmp_path / "f.json", new_store)
    assert RobBench(new_store).query(GENOTYPES[1], "pgd@8/255:training_loss_curve", epoch=0) == 1e300


def test_half_a_file_and_a_key_that_is_there_twice_are_refused(folder: Path, new_store: Path) -> None:
    file = folder / "robust_bench_seed_2_3.json"
    whole = file.read_text()
    for size in (1, len(whole) // 3, len(whole) - 1):
        file.write_text(whole[:size])
        with pytest.raises(SourceError, match=r"robust_bench_seed_2_3\.json is not whole, valid JSON"):
            import_source("tiny_robustbench", folder, new_store)
    file.write_text(whole.replace('"seed": 2', '"max_test_top1_adv": 99, "seed": 2'))
    with pytest.raises(SourceError, match="max_test_top1_adv is there twice"):
        import_source("tiny_robustbench", folder, new_store)
    assert not new_store.exists()


ANYTHING: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        3.5,
        1e308,
        float("nan"),
        float("inf"),
        10**40,
        "",
        "8/255",
        "é\0",
        [],
        {},
        [[]],
        [1, [2]],
        {"a": 1},
        "sep_conv_3x3",
    ]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a document, from the top."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(value[key], (*path, key))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(list(places(RECORDS))), value=ANYTHING, how=st.sampled_from(["set", "delete", "double"]))
def test_whatever_stands_somewhere_it_is_taken_as_it_is_or_refused(place: tuple[Any, ...], value: Any, how: str, tmp_path: Path) -> None:
    """By an error of ours, of bounded length, and nothing is left."""
    records = copy.deepcopy(RECORDS)
    inner: Any = records
    for key in place[:-1]:
        inner = inner[key]
    if how == "double" and isinstance(inner, list):
        inner.append(copy.deepcopy(inner[place[-1]]))
    elif how == "delete":
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    (folder / "f.json").write_text(json.dumps(records))
    said = refusal(folder)
    if said is None:
        as_it_is(folder / "s.h5", records)
    else:
        assert len(said) < 2000
        assert [path.name for path in folder.iterdir()] == ["f.json"]


def refusal(folder: Path) -> str | None:
    """What is said of a file that is not imported; None of one that is."""
    try:
        import_source("tiny_robustbench", folder / "f.json", folder / "s.h5")
    except SourceError as error:
        return str(error)
    return None


def as_it_is(store: Path, records: list[dict[str, Any]]) -> None:
    """Assert that a store has an accuracy of every architecture, as its record says."""
    bench = RobBench(store)
    assert len(bench.architectures) == len(records)
    for record, arch in zip(records, bench.architectures, strict=True):
        assert arch == DARTS.parse(record["net"]["genotype"])
        assert bench.query(arch, "clean") == pytest.approx(record["max_test_top1_original"] / 100, abs=1e-9)
        assert bench.query(arch, "pgd@8/255") == pytest.approx(record["max_test_top1_adv"] / 100, abs=1e-9)


@pytest.mark.parametrize("text", ["[]", "{}", "[1]", "3", '[{"seed": 1}]', "[", ""])
def test_a_file_that_is_none_is_refused(text: str, tmp_path: Path, new_store: Path) -> None:
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(SourceError, match=r"f\.json"):
        import_source("tiny_robustbench", tmp_path / "f.json", new_store)
    with pytest.raises(SourceError, match=r"has no robust_bench_seed_\*\.json"):
        import_source("tiny_robustbench", tmp_path, new_store)


def test_other_training_is_not_taken_for_pgd_at_8_255(tmp_path: Path, new_store: Path) -> None:
    records = copy.deepcopy(RECORDS)
    for one in records:
        one["adversarial_param"]["epsilon"] = 4 / 255
    (tmp_path / "f.json").write_text(json.dumps(records))
    with pytest.raises(SourceError, match=r"were trained against .*; expected PGD at eps 8/255"):
        import_source("tiny_robustbench", tmp_path / "f.json", new_store)


@pytest.mark.parametrize(("source", "space"), [("tiny_robustbench", NB201), ("hwnasbench", DARTS)])
def test_a_store_of_the_other_space_is_refused(
    source: str, space: SearchSpace[Any], store: Path, small_store: Path, folder: Path, tmp_path: Path
) -> None:
    costs = tmp_path / "hw_cifar10.csv"
    costs.write_text('net,pixel3_latency\n"(4, 0, 3, 1, 4, 3)",1\n')
    into, path = (small_store, folder) if space is NB201 else (store, costs)
    with pytest.raises(StoreError, match=rf"is of the search space {space.name}|is of the search space {space.title}"):
        import_source(source, path, into)


def test_the_reference_is_read_whole(reference: Path, new_store: Path) -> None:
    """164 networks, each with the numbers of its record."""
    if not (reference / "robustbench_darts").is_dir():
        pytest.skip("no robustbench_darts in the folder of published data")
    import_source("tiny_robustbench", reference / "robustbench_darts", new_store)
    bench = RobBench(new_store)
    clean, pgd = (bench.query_many(bench.architectures, metric) for metric in ("clean", "pgd@8/255"))
    assert len(bench.architectures) == len(bench.classes) == 164
    records = [one for file in sorted((reference / "robustbench_darts").iterdir()) for one in json.loads(file.read_text())]
    for record, arch, *values in zip(records, bench.architectures, clean, pgd, strict=True):
        assert DARTS.parse(record["net"]["genotype"]) == arch
        assert values == [float(f"{record[field]}e-2") for field in ("max_test_top1_original", "max_test_top1_adv")]
    curves = np.array([bench.query(arch, "clean:learning_curve") for arch in bench.architectures])
    np.testing.assert_array_equal(curves.max(axis=1), clean)
    curves = np.array([bench.query(arch, "pgd@8/255:learning_curve") for arch in bench.architectures])
    assert curves.shape == (164, 6)
    np.testing.assert_array_equal(curves.max(axis=1), pgd)
