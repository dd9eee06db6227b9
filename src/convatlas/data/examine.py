"""Look at many stored images, in threads and with little memory: can they be decoded, and what is in them."""

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice

from convatlas.data.decode import DecodeError, Stored, decode_stored
from convatlas.data.near import Look, look_of
from convatlas.data.records import Record
from convatlas.data.same import pixels_hash
from convatlas.data.threads import ahead, cores

# Images a task, and tasks a thread that are ready or under way; the records' bytes may be in memory.
_CHUNK = 16
_AHEAD = 3
_UNKNOWN = Stored("", "", transparent=False, orientation=1, size=(0, 0))


@dataclass(frozen=True, slots=True)
class Examined:
    """What one stored image is.

    Attributes:
        name, part, label, suffix, group: the record's.
        reason: why it cannot be decoded, in words; None if it can, and what follows is known.
        stored: how the file holds it.
        size: width and height once it is upright.
        content: SHA-256 of the file's bytes; empty if they cannot be read.
        pixels: SHA-256 of the decoded pixels and their size.
        look: what it looks like; None if it shows too little.
    """

    name: str
    part: str
    label: str | None
    suffix: str
    group: str | None
    reason: str | None
    content: bytes = b""
    stored: Stored = _UNKNOWN
    size: tuple[int, int] = (0, 0)
    pixels: bytes = b""
    look: Look | None = None


def examine(record: Record) -> Examined:
    """Decode one image as training would and note what is found; whatever is wrong with it is a result."""
    about = (record.name, record.part, record.label, record.suffix, record.group)
    content = b""
    try:
        with record.open() as stream:
            content = hashlib.file_digest(stream, "sha256").digest()
            stream.seek(0)
            image, stored = decode_stored(stream, record.name)
        look, pixels = look_of(image), pixels_hash(image)
    except DecodeError as error:
        return Examined(*about, error.reason, content)
    except MemoryError:
        return Examined(*about, "needs more memory than there is", content)
    except OSError as error:
        return Examined(*about, f"cannot be read ({error.strerror or error})", content)
    return Examined(*about, None, content, stored, image.size, pixels, look)


def examine_all(records: Iterator[Record], workers: int | None = None) -> Iterator[Examined]:
    """Examine all records; the results come in their order, whatever the number of threads.

    Threads, not processes: others run while Pillow decodes and a hash is computed, and a process would have to load
    PyTorch first.

    Args:
        records: taken one by one, a few ahead of the results.
        workers: number of threads; None is one for each core.
    """
    threads = max(1, workers or cores())
    given_up = threading.Event()

    def work(some: list[Record]) -> list[Examined]:
        return [examine(record) for record in some if not given_up.is_set()]

    pool = ThreadPoolExecutor(threads)
    try:
        chunks = iter(lambda: list(islice(records, _CHUNK)), [])
        yield from chain.from_iterable(ahead(pool, work, chunks, _AHEAD * threads))
    finally:
        # After Ctrl-C the images of a started task, which may be large, are not waited for.
        given_up.set()
        pool.shutdown(cancel_futures=True)
