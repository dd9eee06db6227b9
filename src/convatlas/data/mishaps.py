"""What goes wrong while images are prepared, in whatever thread, said of the images."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from convatlas.data.decode import printable
from convatlas.data.tree import listed
from convatlas.errors import ConvAtlasError, DataError


class PreparationError(DataError):
    """Images that could be decoded, and then something unexpected happened."""

    def __init__(self, names: Sequence[str], error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        quoted = [f'"{printable(name)}"' for name in names]
        super().__init__(
            f"cannot prepare {listed(quoted)} ({reason})",
            do="look at the images; CONVATLAS_DEBUG=1 shows where it happens",
        )


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error is PyTorch's or Python's for memory that could not be had."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    texts = ("can't allocate memory", "not enough memory", "std::bad_alloc", "Cannot allocate memory")
    return isinstance(error, RuntimeError) and any(text in str(error) for text in texts)


@contextmanager
def said_of(names: Callable[[], Sequence[str]]) -> Iterator[None]:
    """Let what happens in the block be said of the images of these names.

    Raises:
        PreparationError: for anything but errors of ours and those for memory.
    """
    try:
        yield
    except ConvAtlasError:
        raise
    except Exception as error:  # a library's, or a fault of ours: a run must end with its state kept all the same
        if is_out_of_memory(error):
            raise
        raise PreparationError(names(), error) from error
