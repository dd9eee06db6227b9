"""A stand-in for the module `os` that lets one file operation fail, for the modules that write through `os`."""

import errno
import os
from collections.abc import Callable
from types import ModuleType

import pytest

OPERATIONS = ("open", "write", "fsync", "close", "replace", "chmod")


class FailingOs:
    """Calls `strike` instead of the operation number `at`, counting from 1 over all operations."""

    def __init__(self, at: int, strike: Callable[[str], object]) -> None:
        self.at = at
        self.strike = strike
        self.done: list[str] = []

    def __getattr__(self, name: str) -> object:
        real = getattr(os, name)
        if name not in OPERATIONS:
            return real

        def operation(*args: object, **options: object) -> object:
            self.done.append(name)
            if len(self.done) == self.at:
                self.strike(name)
            return real(*args, **options)

        return operation


def fail_with(number: int) -> Callable[[str], object]:
    def strike(name: str) -> None:
        raise OSError(number, os.strerror(number))

    return strike


def install(monkeypatch: pytest.MonkeyPatch, module: ModuleType, failing: FailingOs) -> None:
    monkeypatch.setattr(module, "os", failing)


DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES)
