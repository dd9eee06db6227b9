"""When memory runs out: how to tell, and which batch would fit."""

import copy
import os
import traceback
from pathlib import Path

import torch
from torch import Tensor, nn

from convatlas.data.images import AnyImages
from convatlas.data.mishaps import is_out_of_memory
from convatlas.data.preprocess import Preprocess
from convatlas.errors import OutOfMemoryError, counted
from convatlas.train.fast_layers import fast_layers

# What a step needs besides the tensors kept for the backward pass: their gradients, the libraries' workspaces.
_MARGIN = 2.0


def free_memory(error: Exception, model: nn.Module) -> None:
    """Let go of what a step that failed has left: its tensors in the error's frames, the gradients, the caches."""
    traceback.clear_frames(error.__traceback__)
    model.zero_grad(set_to_none=True)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def two_inputs(images: AnyImages, preprocess: Preprocess, device: torch.device) -> Tensor:
    """Two images as the network takes them (2, C, H, W), to measure on; one twice if there is no other."""
    return preprocess.to_input(images.stored(torch.tensor([0, len(images) - 1]))).to(device)


def out_of_memory(
    model: nn.Module, sample: Tensor, *, step: int, batch_size: int, parts: int, ranks: int = 1
) -> OutOfMemoryError:
    """The error that says which batch fits, by estimate.

    Args:
        model: the network; it stays as it is.
        sample: see `two_inputs`.
        step: the one that failed, from 1.
        batch_size: images of a step.
        parts: how many parts they went through the network in.
        ranks: how many ranks shared them.
    """
    failed = -(-batch_size // (parts * ranks))
    where = f"memory ran out at step {step} with {counted(failed, 'image')} at once"
    need = None if failed == 1 else bytes_per_image(model, sample)
    return _with_advice(where, failed, need, available_bytes(sample.device), batch_size=batch_size, ranks=ranks)


def refuse_too_large(model: nn.Module, sample: Tensor, *, batch_size: int, parts: int, ranks: int = 1) -> int | None:
    """Refuse a step that is sure not to fit in the machine's memory, before the system ends the process for it.

    A GPU says when its memory ends, and so does a process with a limit of its own; Linux gives memory that it does not
    have.

    Args:
        model: see `out_of_memory`, as for the rest.
        sample: see there.
        batch_size: see there.
        parts: see there.
        ranks: see there.

    Returns:
        Bytes that a step keeps for its backward pass; None where that is not needed to be known.

    Raises:
        OutOfMemoryError: if what is kept for the backward pass alone takes more than there is.
    """
    free = _free_bytes() if sample.device.type == "cpu" else None
    images = -(-batch_size // (parts * ranks))
    need = None if free is None else bytes_per_image(model, sample)
    kept = None if need is None else int(images * need / _MARGIN)
    if free is None or need is None or kept is None or kept <= free:
        return kept
    where = f"{counted(images, 'image')} at once do not fit in memory"
    raise _with_advice(where, images, need, free, batch_size=batch_size, ranks=ranks)


def _with_advice(
    where: str, failed: int, need: int | None, free: int | None, *, batch_size: int, ranks: int
) -> OutOfMemoryError:
    if failed == 1:
        return OutOfMemoryError(where, do="use smaller images (--set preprocess.size), or a machine with more memory")
    fits = failed // 2
    if need is None or free is None:
        estimate = f"{fits:,} may fit"
    else:
        fits = max(1, min(fits, int(free / need)))
        estimate = (
            f"{_shown(free / 1e9)} GB are free, an image needs about {_shown(need / 1e6)} MB; {fits:,} fit by estimate"
        )
    fits *= ranks
    needed = -(-batch_size // fits)
    return OutOfMemoryError(
        f"{where} ({estimate})",
        do=f"start anew with --set accumulate={needed}, which keeps the images of a step, or --set batch_size={fits}",
    )


def _shown(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def bytes_per_image(model: nn.Module, sample: Tensor) -> int | None:
    """Memory that an image takes during a step: what is kept for the backward pass, with a margin for the rest.

    Args:
        model: the network; a copy of it is measured.
        sample: images (N, C, H, W).

    Returns:
        Bytes, or None if there is not even memory for these images.
    """
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        # An output that its own graph kept as it is would never be freed.
        return tensor.detach()

    try:
        with torch.random.fork_rng(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            tried = copy.deepcopy(model)
            # While the output lives, so do the tensors that are counted, and no two of them share an address.
            with fast_layers(tried):
                output = tried(sample)
            own = {parameter.untyped_storage().data_ptr() for parameter in tried.parameters()}
            del output
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None
    return int(_MARGIN * sum(size for address, size in kept.items() if address not in own) / len(sample)) or 1


def available_bytes(device: torch.device) -> int | None:
    """Memory that is free on a device; None where it cannot be told."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    free = _free_bytes()
    try:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
    import resource  # where there is /proc there is this module

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return free if free is None or limit == resource.RLIM_INFINITY else max(0, min(free, limit - used))


def _free_bytes() -> int | None:
    """The machine's memory that is free, or can be made so; None where it cannot be told."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
