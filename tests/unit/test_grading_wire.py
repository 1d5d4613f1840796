"""Plain values cross exactly; nothing else does, and no bytes do harm."""

import collections
import contextlib
import enum
import fractions
import math
import struct
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from coursehub.grading import wire

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    | st.complex_numbers() | st.fractions()
)  # fmt: skip
KEYS = st.integers() | st.text() | st.booleans() | st.binary()
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner) | st.sets(KEYS)
    ),
    max_leaves=20,
)


class Point(NamedTuple):
    x: int


class Colour(enum.IntEnum):
    RED = 1


class Text(str):
    pass


class Array(np.ndarray):
    pass


class Odd(torch.Tensor):
    pass


def there(value: Any, **how: Any) -> Any:
    return wire.decode(wire.encode(value), **how)


def same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a), list(b)) and same(list(a.values()), list(b.values()))
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b) or (math.isnan(a) and math.isnan(b))
    return bool(a == b)


@given(VALUES)
def test_plain_values_come_back_the_same(value: Any) -> None:
    assert same(there(value), value)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3), np.array(3.5), np.zeros((0, 4), "f2"), np.array(["a", "bc"]),
        np.array([True]), np.array([1, 2], ">i4"), np.arange(8)[::2], np.array([1j]),
        np.array(["2020-01-01"], "M8[D]"), np.array([[1, 2], [3, 4]], order="F"),
    ],
    ids=repr,
)  # fmt: skip
def test_arrays(array: np.ndarray) -> None:
    got = there(array)
    assert type(got) is np.ndarray and got.dtype == array.dtype and got.shape == array.shape
    np.testing.assert_array_equal(got, array)
    assert got.flags.writeable
    for scalar in array.flat:
        assert type(there(scalar)) is type(scalar) and there(scalar) == scalar


def test_tensors_lose_only_their_graph() -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64):
        for shape in ((), (0, 3), (2, 3)):
            tensor = torch.ones(shape).to(dtype)
            got = there(tensor)
            assert type(got) is torch.Tensor and got.dtype == dtype and torch.equal(got, tensor)
    leaf = torch.ones(2, requires_grad=True)
    assert not there(leaf * 2).requires_grad and there(leaf, keep_grad=True).requires_grad
    assert type(there(torch.nn.Parameter(torch.ones(2)))) is torch.Tensor
    assert there(torch.float16) is torch.float16 and there(leaf.shape) == torch.Size([2])


def test_containers_keep_their_types() -> None:
    for value in (
        collections.OrderedDict(b=1, a=2), collections.Counter("abca"), collections.deque([1]),
        frozenset([1]), bytearray(b"x"), range(1, 9, 2), slice(None, 3), fractions.Fraction(1, 3),
    ):  # fmt: skip
        assert type(there(value)) is type(value) and there(value) == value
    counts = there(collections.defaultdict(list, a=[1]))
    assert counts["b"] == [] and counts["a"] == [1]


@pytest.mark.parametrize(
    "value",
    [
        Point(1), Colour.RED, Text("a"), np.ones(2).view(Array), torch.ones(2).as_subclass(Odd),
        np.ma.masked_array([1], [True]), object(), len, math, np.zeros(1, [("a", int)]),
        torch.ones(2, device="meta"), torch.eye(2).to_sparse(), (i for i in ()),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_not_plain_is_referred_to_or_refused(value: Any) -> None:
    with pytest.raises(wire.WireError, match="not a plain value"):
        wire.encode([value])
    data = wire.encode([value], lambda each: ["o", 7] if each is value else None)
    assert wire.decode(data, lambda reference: reference) == [["o", 7]]
    with pytest.raises(wire.WireError):
        wire.decode(data)


def test_depth_size_and_cycles_are_bounded() -> None:
    endless: list[Any] = []
    endless.append(endless)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (endless, deep):
        with pytest.raises(wire.WireError, match="deep"):
            wire.encode(value)
    with pytest.raises(wire.WireError, match="MiB"):
        wire.encode(np.zeros(2**20), limit=2**20)
    with pytest.raises(wire.WireError, match="MiB"):
        wire.encode(torch.zeros(2**20), limit=2**20)


def text(tree: str) -> bytes:
    return struct.pack(">I", len(tree)) + tree.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0\0", b"\xff\xff\xff\xff", text("[" * 100_000), text("{}"), text("[]"), text("NaN"),
        text("1e999"), text('["h",1]'), text('["q"]'), text('["a","O",[1],[0,0]]'),
        text('["a","<f8",[5],[0,8]]'), text('["a","<f8",[-1],[0,0]]'), text('["b",[0,99]]'),
        text('["b",[-4,4]]'), text('["T","load",[1],[0,0],false]'), text('["d",[["l"],1]]'),
        text('["i","zz"]'), text("9" * 5000), text('["a","<f8",[1e9],[0,0]]'), text('[["l"]]'),
    ],
    ids=lambda data: repr(data[:30]),
)  # fmt: skip
def test_bad_bytes_are_only_an_error(data: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    for each in (data, struct.pack(">I", len(data)) + data):
        with contextlib.suppress(wire.WireError):
            wire.decode(each)
