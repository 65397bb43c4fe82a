from __future__ import annotations

import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from builders.errors import ShardError
from builders.plan import Unit
from builders.results import shards
from builders.results.shards import Shard

UNIT = Unit(("a", "b"), "digits", "digits", "digits-light", 0)


def a_shard(images: int = 11, seed: int = 0) -> Shard:
    rng = np.random.default_rng(seed)
    outcomes = {"clean": rng.random((2, images)) < 0.5, "pgd": rng.random((2, 3, (images + 1) // 2)) < 0.5}
    trainings: list[dict[str, Any]] = [
        {"loss": 0.1, "accuracy": 1.0, "seconds": 2.0, "diverged": None},
        {"loss": 0.2, "accuracy": 0.5, "seconds": 2.0, "diverged": "why"},
    ]
    proxies, failures = {"synflow": np.array([3.5, np.nan])}, {"synflow": {"the value is not finite": 1}}
    return Shard(UNIT, {"eps": [0.1]}, {"torch": "2"}, trainings, {"clean": 0.5, "pgd": 1.5}, outcomes, proxies, failures)


@given(images=st.integers(1, 40), seed=st.integers(0, 5))
def test_a_written_shard_reads_back(tmp_path_factory: pytest.TempPathFactory, images: int, seed: int) -> None:
    folder, shard = tmp_path_factory.mktemp("shards"), a_shard(images, seed)
    shards.write(folder, shard)
    found = shards.read(shards.path_of(folder, UNIT))
    assert found.settings == shard.settings
    assert (found.unit, found.environment, found.trainings, found.seconds, found.failures) == (
        shard.unit,
        shard.environment,
        shard.trainings,
        shard.seconds,
        shard.failures,
    )
    assert found.outcomes.keys() == shard.outcomes.keys()
    assert all(np.array_equal(found.outcomes[threat], bits) for threat, bits in shard.outcomes.items())
    assert found.proxies.keys() == shard.proxies.keys()
    assert all(np.array_equal(found.proxies[proxy], values, equal_nan=True) for proxy, values in shard.proxies.items())


def test_done_means_a_whole_shard_of_this_unit(tmp_path: Path) -> None:
    assert not shards.is_done(tmp_path, UNIT)
    shards.write(tmp_path, a_shard())
    assert shards.is_done(tmp_path, UNIT)
    shards.path_of(tmp_path, UNIT).rename(shards.path_of(tmp_path, replace(UNIT, seed=1)))
    assert not shards.is_done(tmp_path, replace(UNIT, seed=1))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_a_shard_cut_short_is_named_and_not_done(tmp_path: Path, share: float) -> None:
    shards.write(tmp_path, a_shard())
    path = shards.path_of(tmp_path, UNIT)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ShardError, match=rf"{path.name} is cut short or damaged .*delete it, and `robbench build run` makes it again"):
        shards.read(path)
    assert not shards.is_done(tmp_path, UNIT)


def test_a_flipped_bit_in_the_outcomes_is_found(tmp_path: Path) -> None:
    shards.write(tmp_path, a_shard(images=4000))
    path = shards.path_of(tmp_path, UNIT)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    assert not shards.is_done(tmp_path, UNIT)


def test_a_flipped_bit_anywhere_is_damage_and_nothing_else(tmp_path: Path) -> None:
    """zipfile and zlib have many ways to say so; one that gets through would end every later run."""
    shards.write(tmp_path, a_shard())
    path = shards.path_of(tmp_path, UNIT)
    raw = path.read_bytes()
    found = set()
    for place in range(len(raw)):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        found.add(shards.is_done(tmp_path, UNIT))
    assert found == {True, False}  # some bytes of a zip file, dates among them, mean nothing here


def test_shards_outside_the_plan_are_shards_of_no_unit(tmp_path: Path) -> None:
    shards.write(tmp_path, a_shard())
    assert shards.outside_plan(tmp_path, [UNIT]) == []
    assert shards.outside_plan(tmp_path, [replace(UNIT, seed=1)]) == [shards.path_of(tmp_path, UNIT)]


def test_a_full_disk_leaves_the_old_shard_and_says_what_to_do(tmp_path: Path) -> None:
    shards.write(tmp_path, a_shard(images=8))
    before = shards.path_of(tmp_path, UNIT).read_bytes()
    program = f"""
import resource, signal
from pathlib import Path
from tests.builders.results.test_shards import a_shard
from builders.results import shards
from builders.errors import ShardError
signal.signal(signal.{signal.SIGXFSZ.name}, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, {resource.RLIM_INFINITY}))
try:
    shards.write(Path({str(tmp_path)!r}), a_shard(images=100_000))
except ShardError as error:
    print(error)
"""
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    ).stdout
    assert "could not be written" in printed
    assert "make room and run again" in printed
    assert shards.path_of(tmp_path, UNIT).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [f"{UNIT.key}.npz"]
