"""Random numbers as a function of what they are for.

The order of the images, their distortion and the dropout masks are computed from (seed, epoch, image) and the like, so
a run that was interrupted needs no generator state to go on exactly, and the number of workers changes nothing.
"""

import torch
from torch import Tensor

_MASK = (1 << 64) - 1


def _mix(value: int) -> int:
    # The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & _MASK
    return value ^ (value >> 31)


def seed_of(*parts: int) -> int:
    """One 63-bit seed for a tuple of integers; another order or another number gives an unrelated seed."""
    state = 0
    for part in parts:
        state = _mix((state + 0x9E3779B97F4A7C15 + part) & _MASK)
    return state >> 1


def uniforms(seed: int, items: Tensor, count: int) -> Tensor:
    """`count` uniform numbers in [0, 1) for each item, independent of the other items in the batch.

    Args:
        seed: see `seed_of`.
        items: int64 identifiers (N,), on any device.
        count: numbers an item.

    Returns:
        float32 tensor (count, N) on the items' device.
    """
    draws = torch.arange(count, device=items.device).unsqueeze(1)
    state = (items * count + draws) * _signed(0x9E3779B97F4A7C15) + _signed(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ _unsigned_shift(state, shift)) * _signed(factor)
    state = state ^ _unsigned_shift(state, 31)
    return _unsigned_shift(state, 40).to(torch.float32) * 2.0**-24


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _unsigned_shift(state: Tensor, bits: int) -> Tensor:
    # int64 shifts copy the sign bit; the mask takes the copies away.
    return (state >> bits) & ((1 << (64 - bits)) - 1)
