"""Stratified splits: shares, completeness, and that nothing but labels and seed decides."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from convatlas.data.split import stratified_split


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=80),
    st.floats(0, 0.95),
    st.integers(0, 2**31),
)
def test_every_class_gives_its_share(labels, fraction, seed):
    labels = torch.tensor(labels)
    kept, held = stratified_split(labels, fraction, seed)
    assert sorted(kept.tolist() + held.tolist()) == list(range(len(labels)))
    assert kept.tolist() == sorted(kept.tolist())
    assert held.tolist() == sorted(held.tolist())
    for label in set(labels.tolist()):
        total, out = int((labels == label).sum()), int((labels[held] == label).sum())
        if fraction == 0 or total == 1:
            assert out == 0
        else:
            assert 1 <= out <= total - 1
            assert out in (1, total - 1) or abs(out - fraction * total) <= 0.5


def test_seed_decides():
    labels = torch.arange(100) % 4
    first, again, other = (stratified_split(labels, 0.3, seed)[1] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_class_does_not_depend_on_the_others():
    labels = torch.tensor([0] * 30 + [1] * 30)
    alone = stratified_split(labels[:30], 0.2, 7)[1]
    both = stratified_split(labels, 0.2, 7)[1]
    assert torch.equal(both[both < 30], alone)
    assert not torch.equal(both[both >= 30] - 30, alone)


def test_no_two_images_go_together_more_than_by_chance():
    labels = torch.zeros(20, dtype=torch.long)
    times = torch.zeros(20)
    for seed in range(400):
        times[stratified_split(labels, 0.25, seed)[1]] += 1
    # 400 draws at 1/4: 100 each, deviation 8.7.
    assert (times - 100).abs().max() < 5 * 8.7
