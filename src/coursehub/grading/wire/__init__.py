"""Plain values as bytes and back; what judge and student say to each other, never pickled.

A text is four bytes with the length of a JSON text, the JSON text, and the raw bytes of arrays.
Types are exact: a bool is no int, and an instance of a subclass is not plain. What is not plain is
left to the two functions `refer` (object -> reference or None) and `resolve` (reference -> object).
"""

import json
import struct
from typing import Any

from coursehub.grading.wire.kinds import DEPTH, NODES, Refer, Resolve, WireError
from coursehub.grading.wire.reading import Reader
from coursehub.grading.wire.writing import Writer

__all__ = ["DEPTH", "NODES", "WireError", "decode", "encode"]

TEXT_BYTES = 32 * 1024 * 1024


def encode(value: Any, refer: Refer | None = None, limit: int | None = None) -> bytes:
    """Return a value as bytes.

    Args:
        value: Any plain value, or one that `refer` takes.
        refer: Gives the reference for what is not plain: a JSON list without its tag; None: no.
        limit: Most bytes.

    Raises:
        WireError: It is not plain, too deep, has too many parts, or needs more bytes.
    """
    writer = Writer(refer, limit)
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
        return Reader(data, 4 + size, resolve, keep_grad).value(tree, 0)
    except WireError:
        raise
    except RecursionError:
        raise WireError("a message is nested too deeply") from None
    except Exception as error:
        raise WireError(f"a message is no value ({type(error).__name__})") from None
