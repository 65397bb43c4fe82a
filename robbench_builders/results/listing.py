"""Which weights the numbers of an array are of: listed, or, where the list is too long for what HDF5 holds of an array, by number and digest.

    {"|nor_conv_3x3~0|+…, seed 777": {"file": "arch-000123-seed-0777.pth", "sha256": "…", "tensors": 412}, …}
    {"networks": 6466, "digest": "…"}

The digest is the sum of the sha256 of each line of the list, modulo 2^256, so networks can be added to it in any order, and whoever has all the files
can compute it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

LONGEST = 48_000
"""Bytes of JSON: HDF5 holds 64 KiB of all that is said of an array."""

Record = Mapping[str, str | int]
"""Where the weights of one network are from, such as file and sha256."""


def listing(records: Mapping[str, Record], longest: int | None = None) -> dict[str, Any]:
    """The list itself, or, where it is longer than so many bytes of JSON (`LONGEST` if left out), what stands for it."""
    plain = {key: dict(record) for key, record in records.items()}
    return plain if len(json.dumps(plain)) <= (LONGEST if longest is None else longest) else summed(plain)


def extended(present: Mapping[str, Any], records: Mapping[str, Record], longest: int | None = None) -> dict[str, Any]:
    """What is listed, with more networks, none of which is in it."""
    return added([present, summed(records)]) if is_summed(present) else listing({**present, **records}, longest)


def added(sums: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What stands for several lists of different networks together, each of which it stands for one of."""
    sums = list(sums)
    return {
        "networks": sum(one["networks"] for one in sums),
        "digest": _hexadecimal(sum(int(one["digest"], 16) for one in sums)),
    }


def is_summed(present: Mapping[str, Any]) -> bool:
    """Whether there is a digest in place of the list."""
    return present.keys() == {"networks", "digest"}


def summed(records: Mapping[str, Any]) -> dict[str, Any]:
    """What stands for a list; of what stands for one, itself."""
    if is_summed(records):
        return dict(records)
    lines = (json.dumps([key, dict(record)], sort_keys=True) for key, record in records.items())
    digests = (int.from_bytes(hashlib.sha256(line.encode()).digest()) for line in lines)
    return {"networks": len(records), "digest": _hexadecimal(sum(digests))}


def _hexadecimal(number: int) -> str:
    return f"{number % 2**256:064x}"
