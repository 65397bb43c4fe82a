"""Parameters and FLOPs of the published networks: arithmetic over a cell's operations.

The published network (Dong and Yang, 2020, section 2.1): a 3×3 stem of 16 channels; three stages of five cells, of 16, 32 and 64 channels, with a residual block
of stride 2 between them; global pooling and one linear layer.  FLOPs are counted as NAS-Bench-Suite-Zero publishes them: multiplications of a convolution once,
two operations a value for batch normalisation, one for ReLU, nine for a 3×3 pooling; skips and zeros are free.  Every published number of its 9,445 cells on
cifar10 and ImageNet16-120 is this one, to the last digit.
"""

from __future__ import annotations

from typing import NamedTuple

from robbench.spaces.nb201.cell import Cell

MILLION = 1e6
_CELLS = 5
_WIDTHS = (16, 32, 64)
_KERNEL = {"nor_conv_1x1": 1, "nor_conv_3x3": 9}
_POOLED = 9
"""Values under a 3×3 pooling."""
_OUTSIDE = 72_656
"""Parameters of stem, residual blocks and last normalisation."""
_PARAMETERS = {op: _CELLS * sum(size * width**2 + 2 * width for width in _WIDTHS) for op, size in _KERNEL.items()}
"""Of one operation in all cells: the kernel, scale and shift."""


class Task(NamedTuple):
    """What of a data set a network's cost depends on."""

    classes: int
    side: int
    """Of an image, in pixels."""
    outside: int
    """FLOPs of all that is not in cells, without the linear layer."""


TASKS: dict[str, Task] = {
    "cifar10": Task(10, 32, 7_943_232),
    "cifar100": Task(100, 32, 7_943_232),
    "ImageNet16-120": Task(120, 16, 1_986_112),
}


def params(cell: Cell, task: Task) -> float:
    """Trainable parameters of the published network, in 10^6."""
    return (_OUTSIDE + (_WIDTHS[-1] + 1) * task.classes + sum(_PARAMETERS.get(op, 0) for op in cell.ops)) / MILLION


def flops(cell: Cell, task: Task) -> float:
    """Operations of one forward pass of the published network, of one image, in 10^6."""
    return (task.outside + _WIDTHS[-1] * task.classes + sum(_operation(op, task.side) for op in cell.ops)) / MILLION


def _operation(op: str, side: int) -> int:
    """FLOPs of one operation in all cells."""
    values = [(side >> stage) ** 2 * width for stage, width in enumerate(_WIDTHS)]
    if op in _KERNEL:
        return _CELLS * sum(count * (_KERNEL[op] * width + 3) for count, width in zip(values, _WIDTHS, strict=True))
    return _CELLS * sum(values) * _POOLED if op == "avg_pool_3x3" else 0
