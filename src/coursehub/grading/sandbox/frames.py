"""What the host and a zygote say to each other: kind, length, payload.

A frame from inside a hand-in's process is always the payload of a `DATA` frame; every other kind is
the zygote's own word, so no student can forge it.
"""

import json
import struct
from typing import Any

# From the host.
START = b"S"  # JSON head, then the files' bytes
END = b"E"  # kill what is left
# Both ways.
DATA = b"D"  # to or from the process
# From the zygote.
READY = b"R"  # warm: JSON facts
UP = b"U"  # the process is confined and runs: JSON facts
EXIT = b"X"  # it ended: JSON report
GONE = b"G"  # and nothing of it is left
FAILED = b"!"  # it could not be confined, or the zygote could not start: JSON

_HEAD = struct.Struct(">cI")
HEAD_BYTES = _HEAD.size
LENGTH = struct.Struct(">I")


def pack(kind: bytes, payload: bytes = b"") -> bytes:
    """One frame as bytes."""
    return _HEAD.pack(kind, len(payload)) + payload


def pack_json(kind: bytes, **facts: Any) -> bytes:
    """One frame with JSON as bytes."""
    return pack(kind, json.dumps(facts).encode())


def head(data: bytes) -> tuple[bytes, int]:
    """Kind and length of the payload, from a frame's first `HEAD_BYTES`."""
    return _HEAD.unpack(data)


def pack_start(facts: dict[str, Any], files: dict[str, bytes]) -> bytes:
    """The frame that asks for a process."""
    sizes = [[name, len(content)] for name, content in files.items()]
    text = json.dumps({**facts, "files": sizes}).encode()
    return pack(START, LENGTH.pack(len(text)) + text + b"".join(files.values()))


def unpack_start(payload: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The facts and files of `pack_start`."""
    (length,) = LENGTH.unpack_from(payload)
    position = LENGTH.size + length
    facts = json.loads(payload[LENGTH.size : position])
    files = {}
    for name, size in facts.pop("files"):
        files[name] = payload[position : position + size]
        position += size
    return facts, files
