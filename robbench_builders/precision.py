"""In which precision networks compute: exact float32, as everywhere by default, or a faster one that is asked for by name.

float32     full single precision, deterministic
tf32        on a GPU, products keep ten bits of their factors, and sums are float32
bfloat16    convolutions and products of bfloat16 numbers, which keep seven bits; weights and the rest stay float32
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from robbench_builders.errors import BuildError

PRECISIONS = ("float32", "tf32", "bfloat16")


def checked_precision(precision: str) -> str:
    """The precision, if it is one of `PRECISIONS`; otherwise raises BuildError."""
    if precision not in PRECISIONS:
        raise BuildError(f"{precision!r} is not a precision; expected one of {', '.join(PRECISIONS)}.")
    return precision


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Within, convolutions and matrix products are computed in full float32 (on a GPU, TF32 would keep ten bits), deterministically."""
    with products(tf32=False):
        yield


@contextmanager
def computing(precision: str, device: torch.device) -> Iterator[None]:
    """Within, networks compute in this precision, deterministically.

    Raises:
        BuildError: another precision, or tf32 where there is none.
    """
    if checked_precision(precision) == "tf32" and device.type != "cuda":
        raise BuildError(f"tf32 was asked for on {device.type}; only CUDA devices have it: use float32.")
    with products(tf32=precision == "tf32"), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        yield


@contextmanager
def products(*, tf32: bool) -> Iterator[None]:
    """Within, convolutions and matrix products of float32 numbers are computed in TF32, or in full; deterministically."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=tf32):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
