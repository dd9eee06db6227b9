"""Random numbers as a function: their law, and that they depend on nothing else."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from convatlas.data.hashing import seed_of, uniforms

MASK = 2**64 - 1


def splitmix(state: int) -> int:
    """The reference, as published: one output for the state after the increment."""
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def test_published_first_outputs_of_splitmix64():
    # SplitMix64 from the state 1234567: its first output is 6457827717110365317.
    assert splitmix(1234567 + 0x9E3779B97F4A7C15) == 6457827717110365317
    assert seed_of(1234567) == 6457827717110365317 >> 1


@given(st.lists(st.integers(0, 2**63 - 1), max_size=5))
def test_seed_of_is_a_chain_of_splitmix(parts):
    state = 0
    for part in parts:
        state = splitmix((state + 0x9E3779B97F4A7C15 + part) & MASK)
    assert seed_of(*parts) == state >> 1


def test_seeds_differ_by_order_and_by_number():
    seeds = {seed_of(a, b, c) for a in range(20) for b in range(20) for c in range(20)}
    assert len(seeds) == 8000
    assert all(0 <= seed < 2**63 for seed in seeds)


@given(st.integers(0, 2**63 - 1), st.lists(st.integers(0, 2**40), min_size=1, max_size=8), st.integers(1, 5))
def test_uniforms_agree_with_the_reference(seed, items, count):
    found = uniforms(seed, torch.tensor(items), count)
    expected = [
        [(splitmix(((item * count + draw) * 0x9E3779B97F4A7C15 + seed) & MASK) >> 40) * 2.0**-24 for item in items]
        for draw in range(count)
    ]
    assert found.tolist() == expected


def test_law():
    numbers = uniforms(seed_of(3), torch.arange(100_000), 4).double()
    assert numbers.shape == (4, 100_000)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    # Five standard errors of the mean and of the variance.
    assert (numbers.mean(1) - 0.5).abs().max() < 5 * (1 / 12 / 100_000) ** 0.5
    assert (numbers.var(1) - 1 / 12).abs().max() < 5 * (1 / 180 / 100_000) ** 0.5
    correlation = torch.corrcoef(torch.cat([numbers, numbers.roll(1, dims=1)])) - torch.eye(8)
    assert correlation.abs().max() < 5 / 100_000**0.5
    counts = torch.histc(numbers[0], bins=100, min=0, max=1)
    # Chi-square with 99 degrees of freedom: mean 99, deviation 14.
    assert ((counts - 1000) ** 2 / 1000).sum() < 99 + 5 * 14.1


def test_neighbouring_seeds_are_unrelated():
    both = torch.stack([uniforms(seed_of(seed), torch.arange(10_000), 1)[0] for seed in range(8)])
    assert (torch.corrcoef(both) - torch.eye(8)).abs().max() < 5 / 100


@given(st.permutations(range(12)), st.integers(1, 12))
def test_an_item_does_not_depend_on_its_batch(order, size):
    whole = uniforms(99, torch.arange(12), 3)
    batch = torch.tensor(order[:size])
    assert torch.equal(uniforms(99, batch, 3), whole[:, batch])
