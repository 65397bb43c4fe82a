from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytest.importorskip("torch")

PROGRAM = """
import resource
import torch
from robbench_builders.memory import keep_freed_memory
keep_freed_memory()
faults = []
for _ in range(20):
    some = [torch.ones(2_000_000) for _ in range(4)]
    del some
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(faults[-1] - faults[9])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is told anything")
def test_freed_memory_is_used_again_without_page_faults() -> None:
    """Ten times 32 MB would be 78,125 fresh pages; without the call, it is chance whether malloc gives them back."""
    printed = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert int(printed) < 100
