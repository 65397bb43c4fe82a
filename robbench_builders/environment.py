"""Where something is computed."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import torch


def environment_of(device: torch.device) -> dict[str, Any]:
    """Library versions and the device: what the last bits of a result depend on besides the unit."""
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
    }
