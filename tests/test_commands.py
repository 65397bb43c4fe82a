"""What messages advise works when it is pasted, where the path was typed."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from robbench import Contradiction, RobBench, RobBenchError, StoreError
from robbench.cli import main
from robbench.commands import command
from robbench.store.embedded import embedded_store, is_embedded
from robbench.store.writing import extend
from robbench.surrogates import fit
from tests.advice import advised, file_of, parsed
from tests.few import ARCH
from tests.synthetic import array
from tests.test_architecture import ROOT, modules
from tests.toy_store import CLEAN, ROWS


def test_a_command_is_quoted_as_a_shell_reads_it() -> None:
    line = command("fit", Path("my stores/it's.h5"), "--target", "clean+pgd@1/255")
    assert line.endswith(" --target clean+pgd@1/255")
    assert shlex.split(line) == ["robbench", "fit", "my stores/it's.h5", "--target", "clean+pgd@1/255"]


def test_no_message_makes_a_command_with_a_value_in_it_by_itself() -> None:
    by_hand = re.compile(r"robbench (?:[a-z]+ )+'?\{")
    found = {
        path for name in ("robbench", "robbench_builders") for path in modules(name).values() if by_hand.search(path.read_text("utf-8"))
    }
    assert not found, "see robbench.commands.command"
    assert (ROOT / "robbench" / "commands.py").is_file()


@pytest.fixture
def elsewhere(few_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store in another folder than the current one, as a relative path with a space in it."""
    (tmp_path / "my stores").mkdir()
    shutil.copy(few_store, tmp_path / "my stores" / "few.h5")
    monkeypatch.chdir(tmp_path)
    return Path("my stores/few.h5")


def refused(bench: RobBench, metric: str, **where: str) -> str:
    with pytest.raises(RobBenchError) as found:
        bench.predict(ARCH, metric, **where)  # type: ignore[arg-type]
    return str(found.value)


@pytest.mark.parametrize(
    ("metric", "where", "target"),
    [
        ("fog@3", {}, "fog@3"),
        ("pgd", {}, "pgd"),
        ("pgd@1.5/255", {}, "pgd"),
        ("worst_case@1.5/255", {}, "worst_case"),
        ("clean", {"dataset": "toy100"}, "clean"),
        ("clean", {"training": "pgd-8/255"}, "clean"),
        ("edgegpu_latency", {}, "edgegpu_latency"),
    ],
)
def test_a_metric_that_no_surrogate_learned_can_be_fitted_by_what_is_advised(
    elsewhere: Path, metric: str, where: dict[str, str], target: str
) -> None:
    (line,) = advised(refused(RobBench(elsewhere), metric, **where))
    found = parsed(line)
    assert str(file_of(line)) == "my stores/few.h5"
    assert file_of(line).is_file()
    assert (found["targets"], found["dataset"], found["training"]) == ((target,), where.get("dataset"), where.get("training"))


def test_a_dataset_is_named_unless_it_is_the_stores_default(elsewhere: Path) -> None:
    (line,) = advised(refused(RobBench(elsewhere, dataset="toy100"), "clean"))
    assert parsed(line)["dataset"] == "toy100"
    (line,) = advised(refused(RobBench(elsewhere, dataset="toy100"), "clean", dataset="toy10"))
    assert parsed(line)["dataset"] is None


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        ("autoattack@8/255", r"None can be fitted: autoattack \(accuracy\) of toy10 is not in few\.h5; `metrics\(\)` lists what is\."),
        ("pgd@9/255", r"None can be fitted: pgd on toy10 was not measured at eps .* Measured: 0\.5/255, 1/255, 2/255, 8/255\."),
        ("clean:confusion", r"None can be fitted: clean:confusion is an array for each architecture"),
    ],
)
def test_what_was_not_measured_is_not_advised_to_be_fitted(elsewhere: Path, metric: str, why: str) -> None:
    message = refused(RobBench(elsewhere), metric)
    assert re.search(why, message)
    assert not advised(message)


def test_a_curve_of_which_a_level_was_learned_can_be_fitted_by_what_is_advised(elsewhere: Path) -> None:
    fit(RobBench(elsewhere), "pgd@1/255", model="ridge", features="operations").save(elsewhere)
    message = refused(RobBench(elsewhere), "pgd@2/255")
    (line,) = advised(message)
    assert "For other levels, fit the whole curve" in message
    assert file_of(line).is_file()
    assert parsed(line)["targets"] == ("pgd",)


def test_of_the_embedded_store_a_copy_is_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = Path(embedded_store()).read_bytes()
    for bench in (RobBench(), RobBench(embedded_store())):
        copying, fitting = advised(refused(bench, "fog@3"))
        assert refused(bench, "fog@3").endswith(f"{copying} && {fitting}")
    done = CliRunner().invoke(main, shlex.split(copying)[1:])
    assert (done.exit_code, done.output) == (0, f"digits.h5: {len(before) / 1e6:.1f} MB\n")
    assert file_of(fitting).read_bytes() == before
    told = CliRunner().invoke(main, ["copy", "another.h5", "--json"]).output
    assert json.loads(told) == {"store": "another.h5", "bytes": len(before)}
    assert parsed(fitting)["targets"] == ("fog@3",)
    (fitting,) = advised(refused(RobBench("digits.h5"), "fog@3"))
    assert str(file_of(fitting)) == "digits.h5"
    again = CliRunner().invoke(main, shlex.split(copying)[1:])
    assert (again.exit_code, again.output[:42]) == (1, "Error: StoreError: digits.h5 is there alre")
    assert is_embedded(embedded_store())
    assert not is_embedded("digits.h5")


def test_a_contradiction_can_be_taken_out_by_what_is_advised(toy_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(toy_store, "my toys.h5")
    with pytest.raises(Contradiction) as found:
        extend(Path("my toys.h5"), ROWS, [array("toy10 standard clean accuracy", 1 - CLEAN)])
    (line,) = advised(str(found.value))
    assert file_of(line).is_file()
    done = CliRunner().invoke(main, shlex.split(line)[1:])
    assert done.exit_code == 0, done.output
    extend(Path("my toys.h5"), ROWS, [array("toy10 standard clean accuracy", 1 - CLEAN)])


def test_a_store_that_is_read_only_can_be_copied_by_what_is_advised(
    toy_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(toy_store, "toys.h5")
    Path("toys.h5").chmod(0o444)
    with pytest.raises(StoreError) as found:
        extend(Path("toys.h5"), ROWS, [array("toy10 standard fgsm accuracy", CLEAN / 2)])
    (line,) = advised(str(found.value))
    assert CliRunner().invoke(main, shlex.split(line)[1:]).exit_code == 0
    copied = Path(parsed(line)["into"])
    assert copied.read_bytes() == Path("toys.h5").read_bytes()
    extend(copied, ROWS, [array("toy10 standard fgsm accuracy", CLEAN / 2)])


# Copies


def test_a_copy_answers_as_the_store_does_and_keeps_the_default_dataset(few_store: Path, tmp_path: Path) -> None:
    bench = RobBench(few_store, dataset="toy100")
    copied = bench.copy(tmp_path / "mine.h5")
    assert (copied.path, copied.default_dataset) == (tmp_path / "mine.h5", "toy100")
    assert copied.path.read_bytes() == few_store.read_bytes()
    np.testing.assert_array_equal(copied.query_many(copied.classes, "clean"), bench.query_many(bench.classes, "clean"))


def test_a_copy_takes_no_files_place_and_needs_a_folder(few_store: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"mine\.txt is there already, and stays as it is; name another file"):
        RobBench(few_store).copy(tmp_path / "mine.txt")
    assert (tmp_path / "mine.txt").read_text() == "mine"
    with pytest.raises(StoreError, match="nowhere is not a folder"):
        RobBench(few_store).copy(tmp_path / "nowhere" / "mine.h5")
    with pytest.raises(StoreError, match="is there already"):
        RobBench(few_store).copy(few_store)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt"]
