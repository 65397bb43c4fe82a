from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytest.importorskip("torch")

PROGRAM = """
import resource, sys
import torch
from builders.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def work():
    some = [torch.ones(2_000_000) for _ in range(4)]
for _ in range(5):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is told anything")
def test_freed_memory_is_used_again_without_a_page_fault() -> None:
    keep, leave = (
        int(subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True).stdout)
        for how in ("keep", "leave")
    )
    assert keep < 100 < 10_000 < leave
