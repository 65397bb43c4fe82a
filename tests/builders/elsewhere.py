"""A GPU for machines without one: tensors of the CPU that say they are on CUDA, and a refusal of what CUDA would refuse.

Within `Elsewhere`, what is made on ``cuda``, moved there, or computed from what is there, is there.  Refused are an operation on tensors of
two devices, a generator of the CPU for a tensor that is there, and `numpy` of one; and what CUDA would compute wrongly: average pooling, with
padding, of channels-last images, whose gradients are those of other pixels (pytorch/pytorch#188344).  Allowed are, as by torch, indices of the CPU, copies,
and tensors without dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
_CROSSING = {"__getitem__", "__setitem__", "__set__", "copy_", "_has_compatible_shallow_copy_type"}
_BACKWARD = {torch.autograd.grad, torch.autograd.backward, Tensor.backward}


class TwoDevices(Exception):
    """What CUDA would refuse."""


class WrongThere(Exception):
    """What CUDA would compute wrongly."""


class Elsewhere(TorchFunctionMode):
    """See above; `done` counts what was computed on the device that is not there."""

    def __init__(self) -> None:
        super().__init__()
        self.done, self._walking_back = 0, False

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = function.__name__, dict(kwargs or {})
        tensors = list(_tensors((args, *kwargs.values())))
        asked = next((value for value in (*args, *kwargs.values()) if isinstance(value, torch.device)), None)
        if function == Tensor.device.__get__:
            return _place(tensors[0]) or CPU
        if name == "_parse_to" and tensors:  # what `module.to(tensor)` asks for
            return _place(tensors[0]), tensors[0].dtype, False, None
        if name == "_parse_to":
            return function(*args, **kwargs)
        if function in (Tensor.to, Tensor.cpu):
            there = CPU if function is Tensor.cpu else asked or _place(tensors[-1])
            return _moved(function(args[0], *(CPU if value is asked else value for value in args[1:]), **kwargs), args[0], there)
        places = {_place(tensor) for tensor in tensors}
        there = asked or (CUDA if CUDA in places else CPU)
        mixed = {CPU, CUDA} <= {_place(tensor) for tensor in tensors if tensor.dim()} and name not in _CROSSING
        astray = name.endswith("item__") and _place(args[0]) == CPU and CUDA in map(_place, _tensors(args[1:2]))
        if mixed or astray:
            raise TwoDevices(f"{name} of {[(tuple(tensor.shape), _place(tensor)) for tensor in tensors]}")
        if there == CUDA and (kwargs.get("generator") is not None or (name == "numpy" and not kwargs.get("force"))):
            raise TwoDevices(f"{name} of the CPU, for what is on {there}")
        if there == CUDA and name == "avg_pool2d" and _padding(*args, **kwargs) and _channels_last(args[0]):
            raise WrongThere(f"{name} of {tuple(args[0].shape)} with strides {args[0].stride()} and padding")
        if asked is not None:
            kwargs["device"] = CPU
        self.done += there == CUDA
        if function in _BACKWARD and not self._walking_back:
            self._walking_back = True
            with self:  # our own derivatives are looked at, too
                found = function(*args, **kwargs)
            self._walking_back = False
        else:
            found = function(*args, **kwargs)
        for tensor in _tensors((found,)):
            _put(tensor, there)
        return found


def _padding(image: Tensor, kernel: Any, stride: Any = None, padding: Any = 0, *others: Any, **named: Any) -> bool:
    return any(padding) if isinstance(padding, tuple) else padding > 0


def _channels_last(image: Tensor) -> bool:
    return image.is_contiguous(memory_format=torch.channels_last) and not image.is_contiguous()


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value)


def _place(tensor: Tensor) -> torch.device | None:
    """Where the tensor's memory says it is; None if it was made out of sight, as zeros within a backward pass."""
    return getattr(tensor.untyped_storage(), "place", None)


def _put(tensor: Tensor, where: torch.device | None) -> Tensor:
    tensor.untyped_storage().place = where  # type: ignore[attr-defined]
    return tensor


def _moved(tensor: Tensor, before: Tensor, where: torch.device | None) -> Tensor:
    shared = tensor.data_ptr() == before.data_ptr()
    return _put(tensor.clone() if shared and where != _place(before) else tensor, where)
