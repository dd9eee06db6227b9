"""Pickles that run something when they are opened, written opcode by opcode, and the files that they hide in.

What each of them runs makes a file or a folder, its marker, whatever else it does.
"""

import gzip
import io
import json
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

MODULE = "convatlas_hostile"
"""A module that makes a marker when it is imported and others when it is used; see `hostile_module`."""

EXTENSIONS = {0xF1: ("posix", "system"), 0xF1F1: ("os", "system"), 0xF1F1F1: ("os", "popen")}
"""Codes that the tests register with `copyreg`, one for each width."""

MARKED_SUFFIXES = (".pth", ".pt", ".ckpt", ".pkl", ".bin")


def hostile_module(marker: Path) -> str:
    """Source of `MODULE`."""
    return f"""
from pathlib import Path
Path({str(marker)!r}).touch()
def touch(path):
    Path(path).touch()
class Boom:
    def __new__(cls, path="", **more):
        path and touch(path)
        return object.__new__(cls)
    def __setstate__(self, path):
        touch(path)
"""


def _counted(code: bytes, width: str) -> Callable[[str], bytes]:
    return lambda text: code + struct.pack(f"<{width}", len(text.encode())) + text.encode()


def _short(short: bytes, long: bytes, width: str) -> Callable[[str], bytes]:
    return lambda text: _counted(*((short, "B") if len(text.encode()) < 256 else (long, width)))(text)


TEXTS: dict[str, Callable[[str], bytes]] = {
    "UNICODE": lambda text: b"V" + text.encode() + b"\n",
    "BINUNICODE": _counted(b"X", "I"),
    "SHORT_BINUNICODE": _short(b"\x8c", b"X", "I"),
    "BINUNICODE8": _counted(b"\x8d", "Q"),
    "STRING": lambda text: b"S" + repr(text).encode() + b"\n",
    "BINSTRING": _counted(b"T", "i"),
    "SHORT_BINSTRING": _short(b"U", b"T", "i"),
}
"""A text, pushed by each opcode that can."""


def _tuple(*items: bytes, rng: random.Random) -> bytes:
    short = {1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(items))
    if short is not None and rng.random() < 0.5:
        return b"".join(items) + short
    return b"(" + b"".join(items) + b"t"


def _reduced(module: str, name: str, arguments: tuple[bytes, ...], rng: random.Random) -> bytes:
    return f"c{module}\n{name}\n".encode() + _tuple(*arguments, rng=rng) + b"R"


def _stacked(module: str, name: str, arguments: tuple[bytes, ...], rng: random.Random) -> bytes:
    return TEXTS["BINUNICODE"](module) + TEXTS["BINUNICODE8"](name) + b"\x93" + _tuple(*arguments, rng=rng) + b"R"


def _instance(module: str, name: str, arguments: tuple[bytes, ...], rng: random.Random) -> bytes:
    return b"(" + b"".join(arguments) + f"i{module}\n{name}\n".encode()


def _object(module: str, name: str, arguments: tuple[bytes, ...], rng: random.Random) -> bytes:
    return b"(" + f"c{module}\n{name}\n".encode() + b"".join(arguments) + b"o"


WAYS = (_reduced, _stacked, _instance, _object)
"""How a pickle gets hold of a function and calls it."""


def _call(number: int, marker: str, port: int, rng: random.Random) -> bytes:
    """Pushes the result of a call that makes the marker."""
    text = TEXTS[rng.choice(tuple(TEXTS))]
    python = f"open({marker!r}, 'w').close()"
    connecting = f"import socket; {python}; socket.create_connection(('127.0.0.1', {port}), 1)"
    own = f"c{MODULE}\nBoom\n".encode()
    functions: tuple[tuple[str, str, tuple[bytes, ...]], ...] = (
        ("os", "system", (text(f"touch {marker}"),)),
        ("posix", "system", (text(f"touch {marker}"),)),
        ("builtins", "exec", (text(python),)),
        ("builtins", "eval", (text(python),)),
        ("builtins", "exec", (text(connecting),)),
        ("builtins", "open", (text(marker), text("w"))),
        ("os", "mkdir", (text(marker),)),
        ("subprocess", "Popen", (b"(" + text("touch") + text(marker) + b"l",)),
        ("importlib", "import_module", (text(MODULE),)),
        (MODULE, "touch", (text(marker),)),
        ("cProfile", "run", (text(python), text(marker + ".profile"))),
    )
    objects = (
        own + _tuple(text(marker), rng=rng) + b"\x81",
        own + _tuple(text(marker), rng=rng) + b"}\x92",
        own + b")\x81" + text(marker) + b"b",
        *(
            b"%c%b" % (opcode, struct.pack(f"<{kind}", code)) + _tuple(text(f"touch {marker}"), rng=rng) + b"R"
            for opcode, kind, code in zip((0x82, 0x83, 0x84), "BHi", EXTENSIONS, strict=True)
        ),
    )
    place = number % (len(functions) + len(objects))
    if place >= len(functions):
        return objects[place - len(functions)]
    return rng.choice(WAYS)(*functions[place], rng)


# Leave the stack as it was.
HARMLESS = (
    b"I7\n0", b"J\1\0\0\x000", b"K\x070", b"M\1\0000", b"L7L\n0", b"\x8a\1\x070", b"\x8b\1\0\0\0\x070", b"S'a'\n0",
    b"T\1\0\0\0a0", b"U\1a0", b"B\1\0\0\0a0", b"C\1a0", b"\x8e\1\0\0\0\0\0\0\0a0", b"\x96\1\0\0\0\0\0\0\0a0", b"N0",
    b"\x880", b"\x890", b"Va\n0", b"\x8c\1a0", b"X\1\0\0\0a0", b"\x8d\1\0\0\0\0\0\0\0a0", b"F1.5\n0",
    b"G\x3f\xf8\0\0\0\0\0\x000", b"]Na0", b"](NNe0", b"(NNl0", b")0", b"(NNt0", b"N\x850", b"NN\x860", b"NNN\x870",
    b"}NNs0", b"}(NNu0", b"(NNd0", b"\x8f(NK\x01\x900", b"(N\x910", b"N200", b"(NN1", b"Np1\ng1\n00",
    b"Nq\2h\x0200", b"Nr\3\0\0\0j\3\0\0\x0000", b"N\x940", b"\x95\0\0\0\0\0\0\0\0", b"ccollections\nOrderedDict\n)R0",
    b"\x8c\x0bcollections\x8c\x0bOrderedDict\x93)\x81}b0", b"(icollections\nOrderedDict\n0",
    b"(ccollections\nOrderedDict\no0", b"ccollections\nOrderedDict\n)}\x920",
)  # fmt: skip
# End it with an error, behind what it was made for.
FATAL = (b"P7\n", b"NQ", b"\x97", b"N\x98", b"")


def payload(number: int, marker: str, port: int, rng: random.Random) -> bytes:
    """A pickle of some protocol that makes a marker when anything opens it, among other opcodes."""
    between = [HARMLESS[(number * 8 + step) % len(HARMLESS)] for step in range(8)]
    body = b"".join(between) + _call(number, marker, port, rng) + FATAL[number % len(FATAL)] + b"."
    protocol = rng.choice((None, None, 2, 3, 4, 5))
    return body if protocol is None else b"\x80" + bytes((protocol,)) + body


def _zipped(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return made.getvalue()


def _tarred(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def _torch_zip(data: bytes) -> bytes:
    """As torch.save has written since 1.6."""
    return _zipped({"m/data.pkl": data, "m/byteorder": b"little", "m/data/0": bytes(16), "m/version": b"3\n"})


def _torch_script(data: bytes) -> bytes:
    code = b"def forward(self, x):\n  return x\n"
    return _zipped({"m/constants.pkl": data, "m/data.pkl": data, "m/code/__torch__.py": code, "m/version": b"3\n"})


def _exported(data: bytes) -> bytes:
    """As torch.export writes a .pt2."""
    members = {"archive_format": b"pt2", "models/model.json": b"{}", "data/weights/weights.pt": _torch_zip(data)}
    return _zipped({"m/" + name: value for name, value in members.items()})


def _legacy(data: bytes) -> bytes:
    """As torch.save wrote before: magic number, protocol, system, then the object."""
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    return magic + b"\x80\x02M\xe9\x03." + b"\x80\x02}q\0(X\1\0\0\0ak\1u." + data


def _legacy_tar(data: bytes) -> bytes:
    """As torch.save wrote at first, which `weights_only` did not look into before 2.6."""
    return _tarred({"storages": data, "tensors": data, "pickle": data, "sys_info": data})


def _numpy_objects(data: bytes) -> bytes:
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    head += b" " * (117 - len(head)) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def _as_header(data: bytes) -> bytes:
    """A .safetensors file whose length field begins a pickle."""
    return b"\x80\x04N0N0N0" + b"{" + data


def _metadata(data: bytes) -> bytes:
    text = json.dumps({"__metadata__": {"format": "pt", "_instantiator": f"{MODULE}.touch", "pickle": data.hex()}})
    return struct.pack("<Q", len(text)) + text.encode()


DRESSES: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda data: data,
    "torch zip": _torch_zip,
    "TorchScript": _torch_script,
    "pt2": _exported,
    "legacy torch": _legacy,
    "legacy tar": _legacy_tar,
    "npy": _numpy_objects,
    "npz": lambda data: _zipped({"a.npy": _numpy_objects(data)}),
    "tar": lambda data: _tarred({"model.pkl": data}),
    "zip in zip": lambda data: _zipped({"inner.zip": _torch_zip(data)}),
    "tar in zip": lambda data: _zipped({"inner.tar": _legacy_tar(data)}),
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "safetensors header": _as_header,
    "safetensors metadata": _metadata,
}
"""From a pickle's bytes to a file's."""


def configurations(marker: str) -> Iterator[str]:
    """Texts that ask their reader to call something, as YAML, TOML and JSON readers have been made to."""
    yield f"!!python/object/apply:os.system ['touch {marker}']\n"
    yield f"model: !!python/object/new:{MODULE}.Boom [{marker}]\n"
    yield f"_target_: {MODULE}.touch\npath: {marker}\n"
    yield f'_target_ = "{MODULE}.touch"\npath = "{marker}"\n'
    yield f'epochs = 1\n_instantiator = "{MODULE}.touch"\n'
    yield f"[optimizer]\nname = \"{MODULE}.Boom\"\nlr = \"__import__('os').system('touch {marker}')\"\n"
    yield json.dumps({"_instantiator": f"{MODULE}.touch", "py/object": f"{MODULE}.Boom", "path": marker})


@dataclass(frozen=True)
class Hostile:
    """One pickle in its file.

    Attributes:
        number: of the case.
        dress: what kind of file it hides in.
        opened: the pickle itself.
        data: the file.
        marker: what shows that it ran.
        config: a text that asks for the same.
    """

    number: int
    dress: str
    opened: bytes
    data: bytes
    marker: Path
    config: str

    @property
    def is_pickle(self) -> bool:
        """Whether anything would take the file for weights in a pickle; a text in a header is only a text."""
        return self.dress != "safetensors metadata"

    @property
    def is_marked(self) -> bool:
        """Whether the first bytes tell: a pickle of protocol 2 or later, or a zip archive."""
        return self.data[8:9] != b"{" and (self.data[:1] == b"\x80" or self.data[:4] == b"PK\x03\x04")


def hostiles(markers: Path, count: int, port: int, seed: int = 1998) -> Iterator[Hostile]:
    """Cases by number; each marker is a name in the folder `markers`.

    Every payload meets every dress in time: 17 and 14 have no common divisor.
    """
    rng = random.Random(seed)
    dresses = list(DRESSES)
    for number in range(count):
        marker, dress = markers / f"ran-{number}", dresses[number % len(dresses)]
        opened = payload(number, str(marker), port, rng)
        config = list(configurations(str(marker)))
        yield Hostile(number, dress, opened, DRESSES[dress](opened), marker, config[number % len(config)])
