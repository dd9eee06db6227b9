"""Archives that are read without being unpacked: what they hold, and hostile and damaged ones."""

import io
import tarfile

import pytest

from convatlas.data.archive import read_members
from convatlas.errors import DataError, UnsafeError

LIMIT = 1 << 20


def made(path, *members):
    """An archive of (name, content) or TarInfo."""
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            name, content = member
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_known_members_are_read_and_others_passed_over(tmp_path):
    path = made(tmp_path / "a.tar.gz", special("a", tarfile.DIRTYPE), ("a/b", b"one"), ("a/c", b"two"))
    assert read_members(path, ["a/c", "a/d"], limit=LIMIT) == {"a/c": b"two"}


@pytest.mark.parametrize(
    "member",
    [
        ("../a", b"x"),
        ("a/../../b", b"x"),
        ("/etc/a", b"x"),
        ("C:\\a", b"x"),
        ("..\\a", b"x"),
        special("a", tarfile.SYMTYPE, "/etc/passwd"),
        special("a", tarfile.LNKTYPE, "/etc/passwd"),
        special("a", tarfile.FIFOTYPE),
        special("a", tarfile.CHRTYPE),
    ],
    ids=str,
)
def test_what_leads_outside_is_refused_and_nothing_written(tmp_path, member):
    path = made(tmp_path / "a.tar.gz", member, ("b", b"x"))
    with pytest.raises(UnsafeError, match=r"has a member .*; nothing was unpacked. Do: delete it") as caught:
        read_members(path, ["a", "b"], limit=LIMIT)
    assert caught.value.exit_code == 8 and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


def test_a_bomb_is_refused_before_it_is_read(tmp_path):
    # 64 MB of zeros in 64 kB; a second one in a member that nobody asks for.
    for name in ("a", "other"):
        path = made(tmp_path / "a.tar.gz", (name, bytes(1 << 26)))
        assert path.stat().st_size < LIMIT
        with pytest.raises(UnsafeError, match="has more than the 1,048,576 bytes that are expected"):
            read_members(path, ["a"], limit=LIMIT)
    with pytest.raises(UnsafeError, match="has more than the 10 files"):
        read_members(made(tmp_path / "b.tar.gz", *((str(i), b"") for i in range(11))), ["a"], limit=LIMIT, most=10)


def test_damaged_archives_and_other_files(tmp_path):
    path = made(tmp_path / "a.tar.gz", ("a", bytes(range(256)) * 100))
    whole = path.read_bytes()
    for length in (0, 5, 12, len(whole) // 2, len(whole) - 9):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"is no tar\.gz or a damaged one"):
            read_members(path, ["a"], limit=LIMIT)
    path.write_bytes(b"no archive at all" * 100)
    with pytest.raises(DataError, match=r"is no tar\.gz or a damaged one"):
        read_members(path, ["a"], limit=LIMIT)
    with pytest.raises(DataError, match="cannot be read"):
        read_members(tmp_path / "nowhere.tar.gz", ["a"], limit=LIMIT)
