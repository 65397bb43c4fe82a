"""Counter-based random numbers, one stream an image: number n of a stream is a pure function of the stream and n.

So an image's random numbers do not depend on which images share its batch, on their order, on the stack, or on the device: images may
leave a batch and stacks may be halved without a change to any result.  All networks and all eps get the same numbers on the same image
(common random numbers, which leave less noise in comparisons).

The generator is SplitMix64: Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators", figure 16; the stream is
its 64-bit state.  int64 arithmetic in torch wraps, which is arithmetic modulo 2^64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from robbench.arguments import SEED_BITS, checked_seed

_GAMMA = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX2 = 0x94D049BB133111EB - (1 << 64)


def image_streams(seed: int, index: Tensor) -> Tensor:
    """One stream for each image, int64 of index's shape; index is the image's position in its data set, not in its batch.

    Raises:
        InvalidArgument: seed is no integer from 0 to 2^63 − 1.
    """
    checked_seed(seed, bits=SEED_BITS)
    return bits(bits(torch.full_like(index, seed), 0), index)


def bits(streams: Tensor, counter: int | Tensor) -> Tensor:
    """Number counter (from 0) of each stream: 64 random bits, as int64."""
    z = streams + (counter + 1) * _GAMMA if isinstance(counter, Tensor) else streams + _wrap((counter + 1) * _GAMMA)
    z = (z ^ _shift(z, 30)) * _MIX1
    z = (z ^ _shift(z, 27)) * _MIX2
    return z ^ _shift(z, 31)


def uniform(streams: Tensor, first: int, count: int) -> Tensor:
    """Numbers first to first + count of each stream, uniform in [0, 1): ``(*streams.shape, count)``, float32, multiples of 2^-24."""
    counters = torch.arange(first, first + count, device=streams.device)
    return _shift(bits(streams[..., None], counters), 40) * 2.0**-24


def _shift(z: Tensor, by: int) -> Tensor:
    return (z >> by) & ((1 << (64 - by)) - 1)  # torch shifts the sign in; the generator wants zeros


def _wrap(number: int) -> int:
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)
