"""Equal bits: what is set for a block, and that nothing of it stays."""

import os

import pytest
import torch

from convatlas.train.machine import same_bits


def settings() -> tuple[object, ...]:
    cudnn, memory = torch.backends.cudnn, torch.utils.deterministic
    return (
        cudnn.deterministic, cudnn.benchmark, torch.get_deterministic_debug_mode(), memory.fill_uninitialized_memory,
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"), torch.get_num_threads(),
    )  # fmt: skip


@pytest.mark.parametrize("workspace", [None, ":16:8"])
@pytest.mark.parametrize("strict", [0, 2])
def test_cuda_is_made_deterministic_and_all_comes_back(monkeypatch, workspace, strict):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    if workspace:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", workspace)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    torch.set_deterministic_debug_mode(strict)
    try:
        before = settings()
        with pytest.raises(KeyError), same_bits(torch.device("cuda"), 1):
            # A caller who wants errors instead of warnings keeps them.
            assert settings() == (True, False, strict or 1, False, workspace or ":4096:8", 1)
            raise KeyError
        assert settings() == before
    finally:
        torch.set_deterministic_debug_mode(0)


def test_a_cpu_needs_the_number_of_threads_alone():
    before = settings()
    with same_bits(torch.device("cpu"), 2):
        assert settings() == (*before[:-1], 2)
    assert settings() == before
