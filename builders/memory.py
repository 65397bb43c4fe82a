"""Keep freed memory in the process: page faults on memory that the system hands out anew cost a CPU more than the arithmetic on it.

The activations of a stack take some megabytes each, which glibc's malloc returns to the system whenever they are freed.
"""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_… of malloc.h
_KEEP = 2**31 - 1
_LARGEST = 2**25  # malloc takes no more on 64 bits


def keep_freed_memory() -> None:
    """Let what this process frees stay with it, up to 2 GiB, for the rest of its life; where malloc is not glibc's, nothing changes."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, _LARGEST)
        libc.mallopt(_TRIM_THRESHOLD, _KEEP)
