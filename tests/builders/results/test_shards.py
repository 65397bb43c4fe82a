from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from robbench_builders.errors import ShardError
from robbench_builders.plan import Unit
from robbench_builders.results import shards
from robbench_builders.results.shards import Shard
from tests.builders.disk import disk_of

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


def test_a_flipped_bit_anywhere_is_damage_and_nothing_else(tmp_path: Path) -> None:
    shards.write(tmp_path, a_shard())
    path = shards.path_of(tmp_path, UNIT)
    raw = path.read_bytes()
    for place in (*range(0, len(raw) - 150, 7), *range(len(raw) - 150, len(raw))):  # the directory's end and the sum, bit for bit
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        assert not shards.is_done(tmp_path, UNIT)


def without_sum(content: bytes) -> bytes:
    """As the first versions wrote shards: the zip ends without a comment."""
    comment = content.rindex(b"sha256:")
    return content[: comment - 2] + bytes(2)


def test_shards_without_a_sum_are_read_and_none_of_their_members_may_be_hidden(tmp_path: Path) -> None:
    """A flipped bit in the zip's directory gives a member another name; zipfile and zlib have many ways to say what else goes wrong."""
    shard = a_shard()
    shards.write(tmp_path, replace(shard, settings={"attacks": {"pgd": {}}, "corruptions": {}, "proxies": {"synflow": {}}}))
    path = shards.path_of(tmp_path, UNIT)
    raw = without_sum(path.read_bytes())
    found = set()
    for place in (-1, *range(raw.index(b"PK\x01\x02"), len(raw))):
        path.write_bytes(raw if place < 0 else raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        try:
            read = shards.read(path)
        except ShardError:
            assert place >= 0
            found.add("damaged")
            continue
        assert read.proxies["synflow"].tolist()[0] == 3.5
        assert all(np.array_equal(read.outcomes[threat], bits) for threat, bits in shard.outcomes.items())
        found.add("whole")
    assert found == {"whole", "damaged"}  # some bytes of a zip file, dates among them, mean nothing here


def test_without_its_outcomes_a_shard_says_the_rest(tmp_path: Path) -> None:
    shards.write(tmp_path, a_shard())
    found = shards.read(shards.path_of(tmp_path, UNIT), outcomes=False)
    assert (found.outcomes, found.unit, set(found.proxies)) == ({}, UNIT, {"synflow"})
    assert np.array_equal(shards.packed(shards.path_of(tmp_path, UNIT), "pgd"), np.packbits(a_shard().outcomes["pgd"], axis=-1))


def test_shards_outside_the_plan_are_shards_of_no_unit(tmp_path: Path) -> None:
    shards.write(tmp_path, a_shard())
    assert shards.outside_plan(tmp_path, [UNIT]) == []
    assert shards.outside_plan(tmp_path, [replace(UNIT, seed=1)]) == [shards.path_of(tmp_path, UNIT)]


def test_a_full_disk_leaves_the_old_shard_and_says_what_to_do(tmp_path: Path) -> None:
    shards.write(tmp_path, a_shard(images=8))
    before = shards.path_of(tmp_path, UNIT).read_bytes()
    with disk_of(500), pytest.raises(ShardError, match=r"could not be written.*make room and run again"):
        shards.write(tmp_path, a_shard(images=100_000))
    assert shards.path_of(tmp_path, UNIT).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [f"{UNIT.key}.npz"]
