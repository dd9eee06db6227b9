"""Archives made to harm: each is refused in one line with exit code 8, or as damaged, and nothing is written."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from convatlas.data.archive import read_members
from convatlas.data.cifar import CIFAR10
from convatlas.errors import DataError, UnsafeError
from tests.cli.harness import refused

WANTED = "set/wanted"
LIMIT = 1 << 20


def member(name: str, content: bytes = b"content", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def tar(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content, 1))
    return path


def link(name: str, kind: bytes, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, b"", type=kind, linkname=target)


GOOD = member(WANTED)
SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9999999999999"}
HOSTILE = {
    "above": member("../x"),
    "above in the middle": member("set/../../x"),
    "above, long": member("a/" * 100 + "../" * 101 + "x"),
    "above, Windows": member("set\\..\\..\\x"),
    "absolute": member("/tmp/x"),
    "drive": member("C:x"),
    "share": member("\\\\host\\x"),
    "wanted symbolic link": link(WANTED, tarfile.SYMTYPE, "/etc/hostname"),
    "other symbolic link": link("set/x", tarfile.SYMTYPE, "wanted"),
    "wanted hard link": link(WANTED, tarfile.LNKTYPE, "set/x"),
    "hard link": link("set/x", tarfile.LNKTYPE, "/etc/hostname"),
    "device": member("set/x", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
    "pipe": member("set/x", b"", type=tarfile.FIFOTYPE),
    "sparse": member(WANTED, b"1\n0\n9999999999999\n".ljust(512, b"\0"), pax_headers=SPARSE),
    "bomb": member("set/x", bytes(LIMIT)),
    "wanted bomb": member(WANTED, bytes(LIMIT)),
}


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
@pytest.mark.parametrize("bad", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_member_is_refused_wherever_it_is(tmp_path, bad, first):
    archive = write(tmp_path / "a.tar.gz", tar(bad, GOOD) if first else tar(GOOD, bad))
    with pytest.raises(UnsafeError, match="; nothing was unpacked"):
        read_members(archive, [WANTED], limit=LIMIT)


def test_too_many_members(tmp_path):
    archive = write(tmp_path / "a.tar.gz", tar(*(member(f"set/{number}", b"") for number in range(6)), GOOD))
    assert read_members(archive, [WANTED], limit=LIMIT, most=7) == {WANTED: b"content"}
    with pytest.raises(UnsafeError, match="more than the 6 files"):
        read_members(archive, [WANTED], limit=LIMIT, most=6)


def test_a_header_that_promises_more_than_there_is(tmp_path):
    head = member(WANTED, size=10**12)[0].tobuf()
    with pytest.raises(DataError, match=r"is no tar\.gz or a damaged one"):
        read_members(write(tmp_path / "a.tar.gz", head), [WANTED], limit=LIMIT)


def test_headers_that_follow_headers_without_end(tmp_path):
    head = member("././@LongLink", b"x" * 8, type=tarfile.GNUTYPE_LONGNAME)
    archive = write(tmp_path / "a.tar.gz", tar(*[head] * 2000, GOOD, format=tarfile.GNU_FORMAT))
    with pytest.raises((DataError, UnsafeError)):
        read_members(archive, [WANTED], limit=LIMIT)


def test_what_is_cut_flipped_or_no_archive(tmp_path):
    path = tmp_path / "a.tar.gz"
    whole = write(path, tar(member("set/x", bytes(range(256)) * 40), GOOD)).read_bytes()
    assert read_members(path, [WANTED, "set/none"], limit=LIMIT) == {WANTED: b"content"}
    for length in range(0, len(whole) - 40, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r'a\.tar\.gz" is no tar\.gz or a damaged one \(.+\)'):
            read_members(path, [WANTED], limit=LIMIT)
    for place in range(0, 8 * len(whole), 11):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            read_members(path, [WANTED], limit=LIMIT)
        except (DataError, UnsafeError) as error:
            assert str(path) in error.what
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        read_members(path, [WANTED], limit=LIMIT)


@pytest.mark.parametrize("kind", ["above", "absolute", "wanted symbolic link", "hard link"])
def test_the_command_line_refuses_it_in_one_line(tmp_path, monkeypatch, capsys, kind):
    own = tmp_path / "in" / "own"
    own.mkdir(parents=True)
    monkeypatch.setenv("CONVATLAS_DATA", str(own))
    monkeypatch.chdir(own)
    archive = write(own / CIFAR10.archive.name, tar(GOOD, HOSTILE[kind]))
    assert "nothing was unpacked" in refused(capsys, 8, "check", "cifar10", "--offline")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


def test_the_command_line_refuses_a_bomb(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CONVATLAS_DATA", str(tmp_path))
    # Compressed streams in a row are one stream: 257 MiB of zeros behind a header that promises a tebibyte.
    block = gzip.compress(bytes(1 << 20), 9)
    archive = tmp_path / CIFAR10.archive.name
    archive.write_bytes(gzip.compress(member(WANTED, size=1 << 40)[0].tobuf(tarfile.GNU_FORMAT)) + block * 257)
    assert archive.stat().st_size < 1 << 20
    assert "has more than the 268,435,456 bytes" in refused(capsys, 8, "check", "cifar10", "--offline")
