"""Downloads from a server that cuts, truncates, alters, redirects, ignores ranges and goes silent."""

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from convatlas.data.download import download
from convatlas.errors import DataError, StorageError, UnsafeError

CONTENT = bytes(range(256)) * 1000
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range"))
        behaviour, _, argument = self.path.strip("/").partition("/")
        getattr(self, behaviour)(argument)

    def send(self, body: bytes, *, status: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def start(self) -> int:
        return int((self.headers.get("Range") or "bytes=0-")[6:-1])

    def good(self, _: str) -> None:
        start = self.start()
        if start >= SIZE:
            self.send(b"", status=416)
        elif start:
            self.send(CONTENT[start:], status=206, Content_Range=f"bytes {start}-{SIZE - 1}/{SIZE}")
        else:
            self.send(CONTENT)

    def cut(self, after: str) -> None:
        start = self.start()
        status = {"status": 206, "Content_Range": f"bytes {start}-{SIZE - 1}/{SIZE}"} if start else {}
        self.send(CONTENT[start : start + int(after)], length=SIZE - start, **status)
        self.close_connection = True

    def truncated(self, length: str) -> None:
        self.send(CONTENT[: int(length)])

    def altered(self, at: str) -> None:
        self.send(CONTENT[: int(at)] + bytes([CONTENT[int(at)] ^ 1]) + CONTENT[int(at) + 1 :])

    def longer(self, _: str) -> None:
        self.send(CONTENT * 5)

    def endless(self, _: str) -> None:
        self.send_response(200)
        self.end_headers()
        for _block in range(1000):
            self.wfile.write(bytes(100_000))
            self.server.sent += 100_000

    def no_ranges(self, _: str) -> None:
        self.send(CONTENT)

    def other_range(self, _: str) -> None:
        self.send(CONTENT, status=206, Content_Range=f"bytes 0-{SIZE - 1}/{SIZE}")

    def silent(self, after: str) -> None:
        self.send(CONTENT[: int(after)], length=SIZE)
        self.server.ended.wait(10)

    def mute(self, _: str) -> None:
        self.server.ended.wait(10)

    def to(self, target: str) -> None:
        self.send(b"", status=302, Location=target)

    def status(self, code: str) -> None:
        self.send(b"no", status=int(code))

    def gibberish(self, _: str) -> None:
        self.wfile.write(b"SSH-2.0-server\r\n")
        self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # the client hung up, as some tests want


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with Server(("127.0.0.1", 0), Handler) as server:
        server.ranges, server.sent, server.ended = [], 0, threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.ended.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "a.gz"


def fetch(server: Server, behaviour: str, target: Path, timeout: float = 5) -> None:
    download(f"{server.url}/{behaviour}", target, sha256=SHA256, size=SIZE, timeout=timeout)


def failure(server: Server, behaviour: str, target: Path, timeout: float = 5) -> str:
    with pytest.raises(DataError) as caught:
        fetch(server, behaviour, target, timeout)
    assert not target.exists()
    assert caught.value.do == "try again, or get the file by hand"
    return caught.value.what.removeprefix(f"cannot download {server.url}/{behaviour}: ")


def part(target: Path) -> Path:
    return target.with_name("a.gz.part")


def test_whole_file(server, target):
    fetch(server, "good", target)
    assert target.read_bytes() == CONTENT
    assert {path.name for path in target.parent.iterdir()} <= {"a.gz", "a.gz.lock"}
    fetch(server, "good", target)
    assert server.ranges == [None], "a file that is right is not fetched again"


def test_a_wrong_file_in_place_is_replaced(server, target):
    target.parent.mkdir()
    target.write_bytes(b"old")
    fetch(server, "good", target)
    assert target.read_bytes() == CONTENT


def test_cut_and_resumed(server, target):
    assert failure(server, "cut/100000", target) == (
        "the connection was cut after 100,000 of 256,000 bytes, which are kept"
    )
    assert part(target).read_bytes() == CONTENT[:100_000]
    assert failure(server, "cut/50000", target).startswith("the connection was cut after 150,000 of 256,000 bytes")
    fetch(server, "good", target)
    assert target.read_bytes() == CONTENT
    assert not part(target).exists()
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]


def test_cut_before_the_first_byte(server, target):
    assert failure(server, "cut/0", target).startswith("the connection was cut after 0 of 256,000 bytes")
    assert not part(target).exists()


@pytest.mark.parametrize("behaviour", ["no_ranges", "other_range"])
def test_a_server_that_ignores_the_range_starts_anew(server, target, behaviour):
    failure(server, "cut/100000", target)
    fetch(server, behaviour, target)
    assert server.ranges[1] == "bytes=100000-"
    assert target.read_bytes() == CONTENT


def test_a_part_that_is_whole_needs_no_server(server, target):
    target.parent.mkdir()
    part(target).write_bytes(CONTENT)
    fetch(server, "status/500", target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == []


def test_a_part_that_is_too_long_is_dropped(server, target):
    target.parent.mkdir()
    part(target).write_bytes(CONTENT + b"x")
    fetch(server, "good", target)
    assert server.ranges == [None]


def test_truncated_on_the_server(server, target):
    assert failure(server, "truncated/255999", target).startswith("the connection was cut after 255,999 of 256,000")
    assert failure(server, "status/416", target) == "the server answered 416 Requested Range Not Satisfiable"
    assert not part(target).exists()
    assert server.ranges == [None, "bytes=255999-", None]


@pytest.mark.parametrize("at", [0, 1, 65536, 128_000, SIZE - 1])
def test_altered(server, target, at):
    what = failure(server, f"altered/{at}", target)
    assert what.startswith(f"checksum mismatch (expected {SHA256[:8]}.., got ")
    assert what.endswith("..), the file was removed")
    assert not part(target).exists()


def test_a_part_of_another_file_is_found_out(server, target):
    target.parent.mkdir()
    part(target).write_bytes(b"x" * 1000)
    assert failure(server, "good", target).startswith("checksum mismatch")
    fetch(server, "good", target)
    assert target.read_bytes() == CONTENT


def test_longer_than_expected(server, target):
    assert failure(server, "longer", target) == "the server sends more than the 256,000 bytes that are expected"
    assert not part(target).exists()


def test_a_download_without_end_is_broken_off(server, target):
    assert failure(server, "endless", target) == "the server sends more than the 256,000 bytes that are expected"
    # What lies in the buffers of both ends is sent, but not the 100 MB.
    assert server.sent < 50_000_000
    assert not part(target).exists()


def test_silence(server, target):
    assert failure(server, "silent/1000", target, timeout=0.2) == (
        "the server went silent after 1,000 of 256,000 bytes, which are kept"
    )
    assert part(target).read_bytes() == CONTENT[:1000]
    assert failure(server, "mute", target, timeout=0.2).startswith("no ")


def test_bad_answers(server, target):
    assert failure(server, "status/404", target) == "the server answered 404 Not Found"
    assert failure(server, "status/503", target).startswith("the server answered 503")
    assert failure(server, "gibberish", target).startswith("no answer (")


def test_no_server(server, target, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as closed:
        url = f"http://127.0.0.1:{closed.server_port}/good"
    with pytest.raises(DataError, match=r"no connection \("):
        download(url, target, sha256=SHA256, size=SIZE)


def test_redirects(server, target):
    fetch(server, f"to/{server.url}/good", target)
    assert target.read_bytes() == CONTENT
    for unsafe in ("http://example.invalid/a", "ftp://127.0.0.1/a"):
        with pytest.raises(UnsafeError, match="it is not https"):
            fetch(server, f"to/{unsafe}", target.with_name("b.gz"))
    with pytest.raises(DataError, match="the server answered 302"):
        fetch(server, "to/file:///etc/passwd", target.with_name("b.gz"))
    assert not target.with_name("b.gz").exists()
    assert failure(server, f"to/{server.url}/altered/5", target.with_name("c.gz")).startswith("checksum mismatch")


@pytest.mark.parametrize("url", ["http://example.org/a", "ftp://127.0.0.1/a", "file:///etc/passwd", "a"])
def test_only_https(target, url):
    with pytest.raises(UnsafeError) as caught:
        download(url, target, sha256=SHA256, size=SIZE)
    assert str(caught.value) == f'refused to download from "{url}": it is not https. Do: get the file by hand.'
    assert caught.value.exit_code == 8
    assert not target.parent.exists()


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot write"):
        fetch(server, "good", tmp_path / "file" / "a.gz")


def test_many_at_once(server, target):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: fetch(server, "good", target), range(8)))
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None], "one fetched, the others waited"


def test_nothing_bad_is_ever_accepted(server, target):
    for number in range(100):
        behaviour = (
            f"cut/{number * 977 + 1}", f"altered/{number * 2501}", f"truncated/{number * 2500}", "longer",
            f"to/{server.url}/altered/{number * 2501}",
        )[number % 5]  # fmt: skip
        failure(server, behaviour, target)
    fetch(server, "no_ranges", target)
    assert target.read_bytes() == CONTENT
