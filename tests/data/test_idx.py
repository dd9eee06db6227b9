"""IDX files, plain and gzipped, and each way in which one can be wrong."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from convatlas.data.idx import read_idx
from convatlas.errors import DataError


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.array([3, 1, 4, 1, 5], np.uint8)


@pytest.mark.parametrize("array", [IMAGES, LABELS, LABELS[:0]])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_read(tmp_path, array, pack):
    path = tmp_path / "a"
    path.write_bytes(pack(idx(array)))
    found = read_idx(path)
    assert found.dtype == np.uint8
    assert found.flags.writeable
    np.testing.assert_array_equal(found, array)


def reason(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(path)
    assert caught.value.exit_code == 3
    assert caught.value.do == "replace the file by a whole copy"
    return caught.value.what.removeprefix(f'"{path}" ')


def test_wrong_files(tmp_path):
    path = tmp_path / "a b"
    whole = idx(IMAGES)
    not_idx = 'is not an IDX file: it begins with "{}", allowed are 00000801 and 00000803'
    assert reason(path, b"") == not_idx.format("")
    assert reason(path, b"<html>") == not_idx.format("3c68746d")
    assert reason(path, b"\0\0\x0d\x03" + whole[4:]) == not_idx.format("00000d03")
    assert reason(path, whole[:10]) == "ends in its header, after 10 bytes"
    assert reason(path, gzip.compress(whole[:-1])) == "says 2 x 3 x 4 = 24 bytes, but has 23"
    assert reason(path, whole + b"x") == "says 2 x 3 x 4 = 24 bytes, but has more"
    assert reason(path, gzip.compress(whole + b"x")) == "says 2 x 3 x 4 = 24 bytes, but has more"


def test_damaged_gzip(tmp_path):
    whole = gzip.compress(idx(np.arange(200, dtype=np.uint8)))
    for cut in range(2, len(whole)):
        assert "damaged gzip file" in reason(tmp_path / "a.gz", whole[:cut])
    wrong_sum = bytearray(whole)
    wrong_sum[-8] ^= 1
    assert "damaged gzip file (CRC check failed" in reason(tmp_path / "a.gz", bytes(wrong_sum))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_header_that_promises_too_much_costs_no_memory(tmp_path, pack):
    path = tmp_path / "a"
    tracemalloc.start()
    said = reason(path, pack(struct.pack(">4I", 0x803, 2**31, 2**16, 2**16)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert said == "says 2,147,483,648 x 65,536 x 65,536 = 9,223,372,036,854,775,808 bytes, more than it can hold"
    assert peak < 10_000_000


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"cannot be read \(No such file or directory\)"):
        read_idx(tmp_path / "none")
