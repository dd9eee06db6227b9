"""Tensors out of a pickle, in a process of its own that has no network, little memory and one file to write.

This file is run as a script, by `convatlas.weights.pickled`, and imports nothing of the package. It exits with one of
the codes below; its only other output is a .safetensors file.
"""

import ctypes
import math
import os
import pickle
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

DAMAGED, UNSAFE, NO_TENSORS, NO_MEMORY = 3, 4, 5, 6
"""Exit codes: no whole file; it asks for more than tensors; it holds no tensors by name; it needs too much memory."""

_WRAPPERS = ("state_dict", "model", "model_state_dict", "net")
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_MIB = 1 << 20
# Copies of the file that may be in memory, what torch itself may still take, and seconds that suffice for 100 MB/s.
_COPIES, _REST, _LEAST_SECONDS = 6, 512 * _MIB, 60

_FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "ctypes.")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def leave_network() -> None:
    """Move into a network without any device, where the kernel lets an ordinary user do so."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def limit(size: int) -> None:
    """Limit memory, time and files written, for a pickle of `size` bytes; call it after everything is imported."""
    try:
        import resource
    except ImportError:  # a system without such limits
        return
    seconds = _LEAST_SECONDS + math.ceil(size / (100 * _MIB))
    limits = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: 2 * size + _MIB,
        resource.RLIMIT_CORE: 0,
    }
    statm = Path("/proc/self/statm")
    if statm.is_file():
        mapped = int(statm.read_text("ascii").split()[0]) * resource.getpagesize()
        limits[resource.RLIMIT_AS] = mapped + _COPIES * size + _REST
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def confine() -> None:
    """From now on this interpreter opens no connection, starts no process and opens no file for writing."""
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event.startswith(_FORBIDDEN):
        raise PermissionError(f"{event} is not allowed here")
    if event == "open":
        flags = arguments[2]
        if isinstance(flags, int) and flags & _WRITING:
            raise PermissionError("writing is not allowed here")


def main(source: str, target: str) -> int:
    """Write the tensors of the pickle `source` into the .safetensors file `target`; returns the exit code."""
    leave_network()
    import safetensors.torch
    import torch

    torch.set_num_threads(1)
    limit(Path(source).stat().st_size)
    confine()
    try:
        found = torch.load(source, map_location="cpu", weights_only=True)
        for _ in range(2):
            inner = [found[key] for key in _WRAPPERS if isinstance(found, Mapping) and key in found]
            found = next((value for value in inner if isinstance(value, Mapping)), found)
        if not isinstance(found, Mapping) or not found:
            return NO_TENSORS
        if not all(isinstance(name, str) and isinstance(t, torch.Tensor) for name, t in found.items()):
            return NO_TENSORS
        tensors = {name: tensor.detach().clone().contiguous() for name, tensor in found.items()}
        safetensors.torch.save_file(tensors, target)
    except pickle.UnpicklingError as error:
        # torch says "Unsupported global", "Unsupported class", "Unsupported operand" of what it does not let in.
        return UNSAFE if "unsupported" in str(error).lower() else DAMAGED
    except MemoryError:
        return NO_MEMORY
    except RuntimeError as error:
        return NO_MEMORY if "allocate" in str(error) else DAMAGED
    except Exception:  # whatever a damaged file raises
        return DAMAGED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
