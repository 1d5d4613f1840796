"""A JSON tree and raw bytes, as the value that they were; nothing in them is believed."""

import collections
import decimal
import fractions
import math
from collections.abc import Sequence
from typing import Any

from coursehub.grading.wire.kinds import (
    DEPTH,
    FACTORIES,
    KINDS,
    MAPPINGS,
    SEQUENCES,
    TENSORS,
    Resolve,
    WireError,
)

_BUILD: dict[str, Any] = {tag: kind for kind, tag in SEQUENCES.items()}
_FILL: dict[str, Any] = {tag: kind for kind, tag in MAPPINGS.items()}


class Reader:
    """Turns one JSON tree and its blobs into a value."""

    def __init__(self, data: bytes, start: int, resolve: Resolve | None, keep_grad: bool) -> None:
        """Read from `data`, whose blobs begin at `start`."""
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
            filled: Any = collections.defaultdict(FACTORIES[factory] if factory else None)
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
            case "T", [str(name), shape, place, bool(grad)] if name in TENSORS:
                data, dtype = bytearray(self._blob(place)), getattr(torch, name)
                flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
                tensor = flat.reshape(_shape(shape))
                return tensor.requires_grad_(True) if grad and self.keep_grad else tensor
            case "ts", sizes:
                return torch.Size(_shape(sizes))
            case "td", [str(name)] if name in TENSORS:
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


def _dtype(code: str) -> Any:
    import numpy

    dtype = numpy.dtype(code)
    if dtype.kind not in KINDS:
        raise WireError("a message is no value")
    return dtype


def _shape(shape: Sequence[Any]) -> tuple[int, ...]:
    if any(type(size) is not int or size < 0 for size in shape):
        raise WireError("a message is no value")
    return tuple(shape)
