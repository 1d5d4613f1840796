"""What is plain: the kinds of values that cross, their tags, and how large a value may be."""

import collections
from collections.abc import Callable
from typing import Any

DEPTH = 40
NODES = 4_000_000
KINDS = "?biufcSUMm"
FACTORIES = {each.__name__: each for each in (int, float, str, list, dict, set, tuple, bool)}
TENSORS = [
    "float16",
    "float32",
    "float64",
    "bfloat16",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "complex64",
    "complex128",
    "float8_e4m3fn",
    "float8_e5m2",
]

SEQUENCES: dict[type, str] = {
    list: "l", tuple: "t", set: "s", frozenset: "fs", collections.deque: "dq",
}  # fmt: skip
MAPPINGS: dict[type, str] = {dict: "d", collections.OrderedDict: "od", collections.Counter: "ct"}
Refer = Callable[[Any], list[Any] | None]
Resolve = Callable[[list[Any]], Any]


class WireError(ValueError):
    """A value that cannot cross, or bytes that are no value; the text says why."""
