"""Fetch one pinned file: resumable, and in place only after its size and SHA-256 are right."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from convatlas.errors import BusyError, DataError, StorageError, UnsafeError

_BLOCK = 1 << 16
# Longer than any pinned file takes on a slow line; a process that holds the lock longer hangs.
_LOCK_WAIT = 1800.0


def download(url: str, target: Path, *, sha256: str, size: int, timeout: float = 30) -> None:
    """Download `url` to `target`, going on where an earlier try was cut.

    Processes that want the same file wait for each other. Bytes on the way lie in `target` + ".part".

    Args:
        url: https, or http on this machine.
        target: where the file belongs; its folder is made. A file there that is right already is kept.
        sha256: what the content must hash to, in hex.
        size: its length in bytes.
        timeout: seconds without any data after which the connection counts as cut.

    Raises:
        DataError: no connection, an error status, a cut connection (what came is kept for the next try), or content
            that is too long or has another hash (what came is removed).
        UnsafeError: the address or a redirect is not https.
        BusyError: another process holds the file's lock for too long.
        StorageError: the file cannot be written.
    """
    _require_safe(url, from_this_machine=True)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock", timeout=_LOCK_WAIT):
            if target.is_file() and _sha256(target) == sha256:
                return
            part = target.with_name(f"{target.name}.part")
            _fetch(url, part, size=size, timeout=timeout)
            _move_into_place(part, target, url=url, sha256=sha256)
    except Timeout as error:
        raise BusyError(
            f'another process has held "{target}.lock" for {_LOCK_WAIT / 60:.0f} minutes', do="end it, then try again"
        ) from error
    except OSError as error:
        raise StorageError(
            f'cannot write "{target}" ({error.strerror or error})', do="free space there or choose another folder"
        ) from error


def _fetch(url: str, part: Path, *, size: int, timeout: float) -> None:
    start = part.stat().st_size if part.exists() else 0
    if start > size:
        part.unlink()
        start = 0
    if start == size:
        return
    try:
        response = _open(url, start, timeout)
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT and (
            response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        )
        with response, part.open("ab" if resumed else "wb") as file:
            _copy(response, file, url, start if resumed else 0, size)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start > 0:
            # What is there is no beginning of what the server has now.
            part.unlink()
            return _fetch(url, part, size=size, timeout=timeout)
        raise _failed(url, f"the server answered {error.code} {error.reason}") from error
    finally:
        # A try that brought nothing leaves nothing.
        if part.exists() and part.stat().st_size == 0:
            part.unlink()


def _open(url: str, start: int, timeout: float) -> http.client.HTTPResponse:
    headers = {"User-Agent": "convatlas", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the address is checked
    try:
        response: http.client.HTTPResponse = urllib.request.build_opener(_SafeRedirects).open(request, timeout=timeout)
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError as error:
        raise _failed(url, f"no connection ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _failed(url, f"no answer ({error or type(error).__name__})") from error
    return response


def _copy(response: http.client.HTTPResponse, file: IO[bytes], url: str, there: int, size: int) -> None:
    reason = "the connection was cut"
    while there <= size:
        try:
            # Not read, which waits for a full block and loses what it has when the server goes silent.
            block = response.read1(_BLOCK)
        except TimeoutError:
            reason, block = "the server went silent", b""
        except (OSError, http.client.HTTPException):
            block = b""
        if not block:
            break
        there += file.write(block)
    if there < size:
        raise _failed(url, f"{reason} after {there:,} of {size:,} bytes, which are kept")
    if there > size:
        file.close()
        Path(file.name).unlink()
        raise _failed(url, f"the server sends more than the {size:,} bytes that are expected")


def _move_into_place(part: Path, target: Path, *, url: str, sha256: str) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    found = _sha256(part)
    if found != sha256:
        part.unlink()
        raise _failed(url, f"checksum mismatch (expected {sha256[:8]}.., got {found[:8]}..), the file was removed")
    part.replace(target)
    if os.name == "posix":
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        _require_safe(newurl, from_this_machine=_on_this_machine(req.full_url))
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_safe(url: str, *, from_this_machine: bool) -> None:
    if urlsplit(url).scheme != "https" and not (from_this_machine and _on_this_machine(url)):
        raise UnsafeError(f'refused to download from "{url}": it is not https', do="get the file by hand")


def _on_this_machine(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _failed(url: str, reason: str) -> DataError:
    return DataError(f"cannot download {url}: {reason}", do="try again, or get the file by hand")
