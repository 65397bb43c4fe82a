"""Memory: kept in the process once it is freed, and what to do where there is not enough.

Page faults on memory that the system hands out anew cost a CPU more than the arithmetic on it.  The activations of a stack take some megabytes each, which glibc's malloc returns to the system whenever they are freed.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch

from robbench_builders.errors import BuildError

Result = TypeVar("Result")

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_… of malloc.h
_KEEP = 2**31 - 1
_LARGEST = 2**25  # malloc takes no more on 64 bits


def keep_freed_memory() -> None:
    """Let what this process frees stay with it, up to 2 GiB, for the rest of its life; where malloc is not glibc's, nothing changes."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, _LARGEST)
        libc.mallopt(_TRIM_THRESHOLD, _KEEP)


def out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether an error says that memory is short.

    Torch has an exception for a GPU's caching allocator only; a CPU's allocator and CUDA's libraries say it in words.
    """
    words = "can't allocate memory", "out of memory", "ALLOC_FAILED"
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(said in str(error) for said in words)


def tried(compute: Callable[[], Result]) -> Result | str:
    """What is computed; where memory is short, what the system said of it.

    The error itself would hold the tensors of the frames that it came through, so whoever tries again with less does so after this returned.
    """
    try:
        return compute()
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        said = str(error) or type(error).__name__
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return said


def halved(compute: Callable[[int], Result], batch: int, what: str, notice: Callable[[str], None]) -> Result:
    """What is computed of batches of that many, halved as often as memory asks for.

    Arguments:
        compute: takes the images in a batch; does not return text.
        batch: so many at first.
        what: is computed, for the notice.
        notice: called at each halving.

    Raises:
        BuildError: a batch of one does not fit into memory.
    """
    while isinstance(found := tried(partial(compute, batch)), str):
        if batch == 1:
            raise BuildError(f"{what} of one image at a time does not fit into memory: {found}. Stack fewer networks.")
        batch //= 2
        notice(f"{what} does not fit into memory; going on with {batch} images at a time.")
    return found
