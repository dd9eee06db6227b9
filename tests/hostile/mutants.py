"""Files of a checkpoint that are wrong in one way or a few: safetensors and the card, by seed."""

import json
import random
import struct
from collections.abc import Callable
from typing import Any

Mutation = Callable[[bytes, random.Random], bytes]

_DEEP = 30_000
NASTY: tuple[str, ...] = (
    "null", "true", "-1", "0", "1.5", "1e999", "-1e999", "NaN", "Infinity", "9223372036854775807",
    "18446744073709551616", "1" + "0" * 400, '""', '"\\u0000"', '"\\ud800"', '"../../etc/passwd"', '"a\\nb"',
    '"' + "x" * 5000 + '"', "{}", "[]", "[[[]]]", "[-1, 3]", "[4611686018427387904, 4]", '{"a": {"b": 1}}',
    "[" * _DEEP + "]" * _DEEP, "[0, 0, 0, 0, 0, 0]",
)  # fmt: skip
"""Texts in place of a value; some are no JSON, or none for every reader."""

DTYPES = ("F16", "F64", "BF16", "I8", "U64", "BOOL", "F8_E4M3", "F4", "C64", "f32", "X", "")


def _paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(*before, key) for key, _ in inner] + [
        path for key, below in inner for path in _paths(below, (*before, key))
    ]


def _set(tree: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value


def _drop(tree: Any, path: tuple[Any, ...]) -> None:
    for key in path[:-1]:
        tree = tree[key]
    del tree[path[-1]]


def _replaced(text: bytes, rng: random.Random) -> bytes:
    tree, mark = json.loads(text), "@@here@@"
    _set(tree, rng.choice(_paths(tree)), mark)
    return json.dumps(tree).replace(f'"{mark}"', rng.choice(NASTY)).encode()


def _removed(text: bytes, rng: random.Random) -> bytes:
    tree = json.loads(text)
    _drop(tree, rng.choice(_paths(tree)))
    return json.dumps(tree).encode()


def _added(text: bytes, rng: random.Random) -> bytes:
    tree = json.loads(text)
    places = [path for path in _paths(tree) if isinstance(_at(tree, path), dict)]
    _at(tree, rng.choice([(), *places]))[
        rng.choice(("_target_", "__class__", "", "weights.bias", "\u202ex", "a" * 9999))
    ] = 1
    return json.dumps(tree, ensure_ascii=False).encode()


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def _twice(text: bytes, rng: random.Random) -> bytes:
    """A key of the outermost object comes a second time, with another value."""
    tree = json.loads(text)
    key = rng.choice(list(tree))
    value = rng.choice([json.dumps(tree[rng.choice(list(tree))]), *NASTY[:12]])
    return b"{" + f"{json.dumps(key)}: {value}, ".encode() + json.dumps(tree).encode()[1:]


def _deep(text: bytes, rng: random.Random) -> bytes:
    depth = rng.choice((200, 2_000, _DEEP))
    return rng.choice((b'{"a":', b"[")) * depth + (text if rng.random() < 0.5 else b"")


def _exchanged(text: bytes, rng: random.Random) -> bytes:
    """Two values change places."""
    tree = json.loads(text)
    one, other = (rng.choice([path for path in _paths(tree) if len(path) == 2] or _paths(tree)) for _ in range(2))
    first, second = _at(tree, one), _at(tree, other)
    _set(tree, one, second)
    _set(tree, other, first)
    return json.dumps(tree).encode()


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def flipped(data: bytes, rng: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        # Half of them where what the rest means is told.
        place = rng.randrange(min(1500, len(made)) if rng.random() < 0.5 else len(made))
        made[place] ^= 1 << rng.randrange(8)
    return bytes(made)


def spliced(data: bytes, rng: random.Random) -> bytes:
    at, length = rng.randrange(len(data)), rng.randint(1, 64)
    return data[:at] + rng.randbytes(rng.randint(0, 64)) + data[at + length :]


def lengthened(data: bytes, rng: random.Random) -> bytes:
    return data + rng.choice((b"\0", b" ", b"}", rng.randbytes(100), bytes(1 << 20)))


JSON: tuple[Mutation, ...] = (_replaced, _replaced, _removed, _added, _twice, _deep, _exchanged, cut, flipped, spliced)


def _in_header(change: Mutation) -> Mutation:
    """A change of a .safetensors file's header, whose length stays right."""

    def changed(data: bytes, rng: random.Random) -> bytes:
        (length,) = struct.unpack("<Q", data[:8])
        header = change(data[8 : 8 + length], rng)
        return struct.pack("<Q", len(header)) + header + data[8 + length :]

    return changed


def _length(data: bytes, rng: random.Random) -> bytes:
    (length,) = struct.unpack("<Q", data[:8])
    near = [length - 1, length + 1, length * 2, len(data) - 8, len(data) - 7, len(data)]
    wrong = [0, 1, 7, 100_000_000, 100_000_001, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, *near]
    return struct.pack("<Q", rng.choice(wrong)) + data[8:]


def _one_tensor(data: bytes, rng: random.Random) -> bytes:
    """A tensor's type, shape or place."""
    tree = json.loads(data)
    names = [name for name in tree if name != "__metadata__"]
    entry, other = tree[rng.choice(names)], tree[rng.choice(names)]
    begin, end = entry["data_offsets"]
    match rng.randrange(4):
        case 0:
            entry["dtype"] = rng.choice(DTYPES)
        case 1:
            shapes = [
                [],
                [0],
                [-1],
                [2**62, 4],
                [2**64],
                [*entry["shape"], 1],
                entry["shape"][::-1],
                [*entry["shape"], 0],
            ]
            entry["shape"] = rng.choice(shapes)
        case 2:
            overlap, wide = other["data_offsets"], [begin, 2**63]
            places = [
                [end, begin],
                [begin + 1, end + 1],
                [begin, end - 4],
                [begin, end + 4],
                [-4, end],
                overlap,
                wide,
                [0],
            ]
            entry["data_offsets"] = rng.choice(places)
        case _:
            entry |= {"shape": other["shape"], "dtype": other["dtype"]}
    return json.dumps(tree).encode()


SAFETENSORS: tuple[Mutation, ...] = (
    *map(_in_header, (*JSON, _one_tensor, _one_tensor, _one_tensor)),
    *(_length, _length, cut, flipped, spliced, lengthened),
)


def mutant(data: bytes, kinds: tuple[Mutation, ...], number: int, seed: int = 1998) -> bytes:
    """What the mutation of a number, one after the other of `kinds`, makes of a file."""
    return kinds[number % len(kinds)](data, random.Random(seed * 1_000_003 + number))
