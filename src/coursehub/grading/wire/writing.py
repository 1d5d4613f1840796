"""One value, as a JSON tree and raw bytes."""

import collections
import decimal
import fractions
import math
import sys
from typing import Any

from coursehub.grading.wire.kinds import (
    DEPTH,
    FACTORIES,
    KINDS,
    MAPPINGS,
    NODES,
    SEQUENCES,
    TENSORS,
    Refer,
    WireError,
)

_SMALL = 2**63


class Writer:
    """Turns one value into a JSON tree and blobs."""

    def __init__(self, refer: Refer | None, limit: int | None) -> None:
        """Start without blobs; `limit` is the most bytes that they may have."""
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
        tag = SEQUENCES.get(kind)
        if tag:
            return [tag, *(self.tree(each, depth) for each in value)]
        tag = MAPPINGS.get(kind)
        if tag:
            pairs = [[self.tree(k, depth), self.tree(v, depth)] for k, v in value.items()]
            return [tag, *pairs]
        if kind is collections.defaultdict:
            factory = value.default_factory
            known = factory.__name__ if factory in FACTORIES.values() else None
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
            if isinstance(value, numpy.dtype) and value.kind in KINDS:
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
        if value.dtype.kind not in KINDS or value.dtype.names:
            return None
        self._room(value.nbytes)
        return ["a", value.dtype.str, list(value.shape), self._blob(value.tobytes())]

    def _scalar(self, value: Any) -> list[Any] | None:
        known = value.dtype.kind in KINDS and type(value) is value.dtype.type
        return ["n", value.dtype.str, self._blob(value.tobytes())] if known else None

    def _tensor(self, value: Any) -> list[Any] | None:
        import torch

        name = str(value.dtype).removeprefix("torch.")
        if name not in TENSORS or value.layout is not torch.strided or value.device.type == "meta":
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


def _name(kind: type) -> str:
    return f"{'an' if kind.__name__[:1].lower() in 'aeiou' else 'a'} {kind.__name__}"
