"""What a `device=` argument means, before anything is loaded onto it."""

import torch

from convatlas.errors import UsageError


def usable_device(device: torch.device | str) -> torch.device:
    """The device of that name, tried out: one that computes, which "meta" does not.

    Raises:
        UsageError: if there is no such device on this computer, or torch was built without it.
    """
    try:
        found = torch.device(device)
        torch.empty(1, device=found).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError):
        here = " or ".join(["cpu", *_accelerators()])
        raise UsageError(f"device {str(device)!r} cannot be used on this computer", do=f"give {here}") from None
    return found


def _accelerators() -> list[str]:
    kind = torch.accelerator.current_accelerator(check_available=True)
    if kind is None:
        return []
    return [f"{kind.type}:{index}" for index in range(torch.accelerator.device_count())]
