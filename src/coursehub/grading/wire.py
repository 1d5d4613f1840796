"""Plain values as bytes and back; what judge and student say to each other, never pickled.

A text is four bytes with the length of a JSON text, the JSON text, and the raw bytes of arrays.
Types are exact: a bool is no int, and an instance of a subclass is not plain. What is not plain is
left to the two functions `refer` (object -> reference or None) and `resolve` (reference -> object).
"""

import collections
import decimal
import fractions
import json
import math
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any

DEPTH = 40
NODES = 4_000_000
TEXT_BYTES = 32 * 1024 * 1024
_SMALL = 2**63
_KINDS = "?biufcSUMm"
_FACTORIES = {each.__name__: each for each in (int, float, str, list, dict, set, tuple, bool)}
_TENSORS = [
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

Refer = Callable[[Any], list[Any] | None]
Resolve = Callable[[list[Any]], Any]


class WireError(ValueError):
    """A value that cannot cross, or bytes that are no value; the text says why."""


def encode(value: Any, refer: Refer | None = None, limit: int | None = None) -> bytes:
    """Return a value as bytes.

    Args:
        value: Any plain value, or one that `refer` takes.
        refer: Gives the reference for what is not plain: a JSON list without its tag; None: no.
        limit: Most bytes.

    Raises:
        WireError: It is not plain, too deep, has too many parts, or needs more bytes.
    """
    writer = _Writer(refer, limit)
    try:
        tree = writer.tree(value, 0)
        text = json.dumps(tree, separators=(",", ":"), check_circular=False).encode()
    except RecursionError:
        raise WireError("a value is nested too deeply") from None
    if len(text) > TEXT_BYTES:
        raise WireError(f"a value has more than {TEXT_BYTES >> 20} MiB of text and numbers")
    data = b"".join([struct.pack(">I", len(text)), text, *writer.blobs])
    if limit and len(data) > limit:
        raise WireError(f"a value has {len(data) >> 20} MiB, more than the {limit >> 20} allowed")
    return data


def decode(data: bytes, resolve: Resolve | None = None, *, keep_grad: bool = False) -> Any:
    """Return the value that `encode` made bytes of.

    Args:
        data: From anybody; nothing in it is believed.
        resolve: Gives the object for a reference.
        keep_grad: Whether tensors require gradients as the original did.

    Raises:
        WireError: These are no bytes of a value.
    """
    try:
        (size,) = struct.unpack_from(">I", data)
        if size > TEXT_BYTES or size + 4 > len(data):
            raise WireError("a message is cut off or too long")
        tree = json.loads(data[4 : 4 + size])
        return _Reader(data, 4 + size, resolve, keep_grad).value(tree, 0)
    except WireError:
        raise
    except RecursionError:
        raise WireError("a message is nested too deeply") from None
    except Exception as error:
        raise WireError(f"a message is no value ({type(error).__name__})") from None


class _Writer:
    """Turns one value into a JSON tree and blobs."""

    def __init__(self, refer: Refer | None, limit: int | None) -> None:
        self.refer = refer
        self.limit = limit
        self.blobs: list[bytes] = []
        self.size = 0
        self.nodes = 0

    def tree(self, value: Any, depth: int) -> Any:
        """Return the JSON tree of a value."""
        self.nodes += 1
        if depth > DEPTH:
            raise WireError(f"a value is nested more than {DEPTH} deep, or holds itself")
        if self.nodes > NODES:
            raise WireError(f"a value has more than {NODES:,} parts")
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if -_SMALL < value < _SMALL else ["i", hex(value)]
        if kind is float:
            return value if math.isfinite(value) else ["f", repr(value)]
        written = self._container(kind, value, depth + 1) or self._other(kind, value)
        written = written or self._array(value, depth + 1)
        if written is None and self.refer:
            reference = self.refer(value)
            written = None if reference is None else ["h", *reference]
        if written is None:
            raise WireError(f"{_name(kind)} is not a plain value")
        return written

    def _container(self, kind: type, value: Any, depth: int) -> list[Any] | None:
        tag = _SEQUENCES.get(kind)
        if tag:
            return [tag, *(self.tree(each, depth) for each in value)]
        tag = _MAPPINGS.get(kind)
        if tag:
            pairs = [[self.tree(k, depth), self.tree(v, depth)] for k, v in value.items()]
            return [tag, *pairs]
        if kind is collections.defaultdict:
            factory = value.default_factory
            known = factory.__name__ if factory in _FACTORIES.values() else None
            if factory is None or known:
                pairs = [[self.tree(k, depth), self.tree(v, depth)] for k, v in value.items()]
                return ["dd", known, *pairs]
        return None

    def _other(self, kind: type, value: Any) -> list[Any] | None:
        if kind is bytes or kind is bytearray:
            return ["b" if kind is bytes else "ba", self._blob(bytes(value))]
        if kind is complex:
            return ["c", repr(value.real), repr(value.imag)]
        if kind is range or kind is slice:
            tag = "r" if kind is range else "sl"
            return [tag, *(self.tree(p, 1) for p in (value.start, value.stop, value.step))]
        if kind is fractions.Fraction:
            return ["fr", hex(value.numerator), hex(value.denominator)]
        if kind is decimal.Decimal:
            return ["de", str(value)]
        return ["e"] if value is Ellipsis else None

    def _array(self, value: Any, depth: int) -> list[Any] | None:
        numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
        kind = type(value)
        if numpy:
            if kind is numpy.ndarray:
                return self._ndarray(value, depth)
            if kind.__module__ == "numpy" and isinstance(value, numpy.generic):
                return self._scalar(value)
            if isinstance(value, numpy.dtype) and value.kind in _KINDS:
                return ["nd", value.str]
        if torch and kind.__module__.startswith("torch"):
            if kind is torch.Tensor or kind is torch.nn.Parameter:
                return self._tensor(value)
            if kind is torch.Size:
                return ["ts", *value]
            if kind is torch.dtype:
                return ["td", str(value).removeprefix("torch.")]
            if kind is torch.device:
                return ["tv", str(value)]
        return None

    def _ndarray(self, value: Any, depth: int) -> list[Any] | None:
        if value.dtype.kind == "O":
            return ["ao", list(value.shape), *(self.tree(each, depth) for each in value.flat)]
        if value.dtype.kind not in _KINDS or value.dtype.names:
            return None
        self._room(value.nbytes)
        return ["a", value.dtype.str, list(value.shape), self._blob(value.tobytes())]

    def _scalar(self, value: Any) -> list[Any] | None:
        known = value.dtype.kind in _KINDS and type(value) is value.dtype.type
        return ["n", value.dtype.str, self._blob(value.tobytes())] if known else None

    def _tensor(self, value: Any) -> list[Any] | None:
        import torch

        name = str(value.dtype).removeprefix("torch.")
        if name not in _TENSORS or value.layout is not torch.strided or value.device.type == "meta":
            return None
        self._room(value.numel() * value.element_size())
        flat = value.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
        return ["T", name, list(value.shape), self._blob(data), bool(value.requires_grad)]

    def _room(self, size: int) -> None:
        # Asked before the copy is made: the limit is there to spare memory.
        if self.limit and self.size + size > self.limit:
            raise WireError(f"a value has more than the {self.limit >> 20} MiB allowed")

    def _blob(self, data: bytes) -> list[int]:
        self._room(len(data))
        self.blobs.append(data)
        self.size += len(data)
        return [self.size - len(data), len(data)]


class _Reader:
    """Turns one JSON tree and its blobs into a value."""

    def __init__(self, data: bytes, start: int, resolve: Resolve | None, keep_grad: bool) -> None:
        self.data = data
        self.start = start
        self.resolve = resolve
        self.keep_grad = keep_grad

    def value(self, tree: Any, depth: int) -> Any:
        """Return the value of a JSON tree."""
        if depth > DEPTH + 2:
            raise WireError("a message is nested too deeply")
        if type(tree) is not list:
            if type(tree) is dict or (type(tree) is float and not math.isfinite(tree)):
                raise WireError("a message is no value")
            return tree
        tag, *rest = tree
        if tag in _BUILD:
            return _BUILD[tag](self.value(each, depth + 1) for each in rest)
        if tag in _FILL or tag == "dd":
            return self._mapping(tag, rest, depth + 1)
        if tag == "h":
            if not self.resolve:
                raise WireError("a message refers to an object")
            return self.resolve(rest)
        return self._leaf(tag, rest, depth + 1)

    def _mapping(self, tag: str, rest: list[Any], depth: int) -> Any:
        if tag == "dd":
            factory, *rest = rest
            filled: Any = collections.defaultdict(_FACTORIES[factory] if factory else None)
        else:
            filled = _FILL[tag]()
        for key, value in rest:
            filled[self.value(key, depth)] = self.value(value, depth)
        return filled

    def _leaf(self, tag: str, rest: list[Any], depth: int) -> Any:
        match tag, rest:
            case "i", [str(text)]:
                return int(text, 16)
            case "f", ["nan" | "inf" | "-inf" as text]:
                return float(text)
            case "c", [str(real), str(imaginary)]:
                return complex(float(real), float(imaginary))
            case "b", [place]:
                return self._blob(place)
            case "ba", [place]:
                return bytearray(self._blob(place))
            case "r", [start, stop, step]:
                return range(*(self.value(each, depth) for each in (start, stop, step)))
            case "sl", [start, stop, step]:
                return slice(*(self.value(each, depth) for each in (start, stop, step)))
            case "fr", [str(above), str(below)]:
                return fractions.Fraction(int(above, 16), int(below, 16))
            case "de", [str(text)]:
                return decimal.Decimal(text)
            case "e", []:
                return Ellipsis
            case _:
                return self._array(tag, rest, depth)

    def _array(self, tag: str, rest: list[Any], depth: int) -> Any:
        import numpy

        match tag, rest:
            case "a", [str(code), shape, place]:
                flat = numpy.frombuffer(bytearray(self._blob(place)), _dtype(code))
                return flat.reshape(_shape(shape))
            case "ao", [shape, *items]:
                made = numpy.empty(len(items), dtype=object)
                for index, item in enumerate(items):
                    made[index] = self.value(item, depth)
                return made.reshape(_shape(shape))
            case "n", [str(code), place]:
                return numpy.frombuffer(self._blob(place), _dtype(code))[0]
            case "nd", [str(code)]:
                return _dtype(code)
            case _:
                return self._torch(tag, rest)

    def _torch(self, tag: str, rest: list[Any]) -> Any:
        import torch

        match tag, rest:
            case "T", [str(name), shape, place, bool(grad)] if name in _TENSORS:
                data, dtype = bytearray(self._blob(place)), getattr(torch, name)
                flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
                tensor = flat.reshape(_shape(shape))
                return tensor.requires_grad_(True) if grad and self.keep_grad else tensor
            case "ts", sizes:
                return torch.Size(_shape(sizes))
            case "td", [str(name)] if name in _TENSORS:
                return getattr(torch, name)
            case "tv", [str(name)]:
                return torch.device(name)
        raise WireError("a message is no value")

    def _blob(self, place: Any) -> bytes:
        offset, size = place
        begin = self.start + offset
        if type(offset) is not int or type(size) is not int or offset < 0 or size < 0:
            raise WireError("a message is no value")
        if begin + size > len(self.data):
            raise WireError("a message is cut off")
        return self.data[begin : begin + size]


_SEQUENCES: dict[type, str] = {
    list: "l", tuple: "t", set: "s", frozenset: "fs", collections.deque: "dq",
}  # fmt: skip
_MAPPINGS: dict[type, str] = {dict: "d", collections.OrderedDict: "od", collections.Counter: "ct"}
_BUILD: dict[str, Any] = {tag: kind for kind, tag in _SEQUENCES.items()}
_FILL: dict[str, Any] = {tag: kind for kind, tag in _MAPPINGS.items()}


def _dtype(code: str) -> Any:
    import numpy

    dtype = numpy.dtype(code)
    if dtype.kind not in _KINDS:
        raise WireError("a message is no value")
    return dtype


def _shape(shape: Sequence[Any]) -> tuple[int, ...]:
    if any(type(size) is not int or size < 0 for size in shape):
        raise WireError("a message is no value")
    return tuple(shape)


def _name(kind: type) -> str:
    return f"{'an' if kind.__name__[:1].lower() in 'aeiou' else 'a'} {kind.__name__}"
