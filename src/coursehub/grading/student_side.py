"""The student's side of a trial: runs set-up cells and answers, and serves the judge's calls.

Nothing here is believed by anybody: whatever this process says is one value that the judge compares
with its own. No test, expected value or other student's work ever enters it.
"""

import contextlib
import importlib
import operator
import sys
import types
from typing import Any

from coursehub.grading import wire
from coursehub.grading.generators import reseed, restore, state
from coursehub.grading.given import Given
from coursehub.grading.shell import Ran, Shell, deadline

HANDLES = 20_000
_MUTABLE = (list, dict, set, bytearray)
_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor")
_OTHERS = ("lshift", "rshift", "eq", "lt", "le", "gt", "ge", "neg", "pos", "abs", "invert")
_OPERATORS = {name: getattr(operator, name) for name in (*_BINARY, *_OTHERS)}
_CONVERSIONS = {each.__name__: each for each in (bool, int, float, complex, str, repr, len)}


def main(channel: Any) -> None:
    """Serve the host until it wants nothing more."""
    Student(channel).serve()


class Student:
    """What the judge can reach in this process: the notebook's names, and objects by number."""

    def __init__(self, channel: Any) -> None:
        """Wait for the host's first message, which sets the limits."""
        self._channel = channel
        start = wire.decode(channel.receive())
        self._limits = start
        self._shell = Shell(start["output"])
        self._given = Given(self._shell.names)
        self._objects: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self._count = 0
        self._kept: dict[str, dict[str, Any]] = {}
        self._carried: dict[str, Any] = {}
        reseed(0)
        self._drawn = state()  # where set-up cells stand with their random numbers

    def serve(self) -> None:
        """Answer message after message; returns when the host is gone."""
        with contextlib.suppress(EOFError):
            while True:
                self._serve_one(wire.decode(self._channel.receive()))

    def _serve_one(self, message: dict[str, Any]) -> None:
        if message["op"] == "exec":
            self._execute(message)
        elif message["op"] == "keep":
            self._kept[message["cell"]] = dict(self._shell.names)
        elif message["op"] == "recall":
            self._recall(self._kept.pop(message["cell"]))
        elif message["op"] == "ask":  # what returns to a call that was given up is nobody's
            self._reply(message)

    def _execute(self, message: dict[str, Any]) -> None:
        if message["locked"]:
            self._as_in_the_judge(message["chance"])
        try:
            with deadline(self._limits["cell_seconds"]):
                ran = self._shell.run(message["source"])
        except BaseException as late:
            ran = Ran(late, None, [], 0.0, 0.0)
        if message["locked"]:
            self._drawn = state()
            self._given.take(message["defines"], message["far"])
        else:
            self._given.give_up(message["defines"])
        names = self._shell.names
        self._carried |= {name: names[name] for name in message["carried"] if name in names}
        report = {
            "op": "ran",
            "id": message["id"],
            "outputs": ran.outputs,
            "error": None if ran.error is None else [type(ran.error).__name__, _text(ran.error)],
            "value": _plain_number(ran.value),
            "peak": ran.peak_mb,
        }
        try:
            self._channel.send(wire.encode(report, limit=self._limits["frame"]))
        except wire.WireError:
            self._channel.send(wire.encode({**report, "outputs": []}))

    def _as_in_the_judge(self, chance: int | None) -> None:
        """Draw on as set-up cells do there: from a new seed, or from where the last one ended."""
        if chance is None:
            restore(self._drawn)
        else:
            reseed(chance)

    def _recall(self, names: dict[str, Any]) -> None:
        self._shell.names.clear()
        self._shell.names.update({**self._carried, **names})

    def _reply(self, message: dict[str, Any]) -> None:
        try:
            with deadline(self._limits["call_seconds"]), self._shell.quiet():
                answer = self._answer(message["body"])
        except BaseException as error:
            if isinstance(error, EOFError) and error.args == ("the host closed the channel",):
                raise
            answer = self._raised(error)
        self._channel.send(wire.encode({"op": "reply", "id": message["id"], "body": answer}))

    def _answer(self, body: bytes) -> bytes:
        what, arguments, released = wire.decode(body, self._resolve, keep_grad=True)
        for number in released:
            self._numbers.pop(id(self._objects.pop(number, None)), None)
        if what == "call":
            return self._call(*arguments)
        return self._encode(["ok", getattr(self, f"_do_{what}")(*arguments), []])

    def _call(self, function: Any, arguments: list[Any], options: dict[str, Any]) -> bytes:
        passed = [*arguments, *options.values()]
        before = [self._print(value) for value in passed]
        result = function(*arguments, **options)
        changes = []
        for place, (value, printed) in enumerate(zip(passed, before, strict=True)):
            if printed is not None and self._print(value) != printed:
                changes.append([place, value])
        return self._encode(["ok", result, changes])

    def _print(self, value: Any) -> bytes | None:
        kind = type(value)
        if not (isinstance(value, (*_MUTABLE, tuple)) or kind.__name__ in ("ndarray", "Tensor")):
            return None
        try:
            return self._encode(value)
        except wire.WireError:
            return None

    def _raised(self, error: BaseException) -> bytes:
        kind = type(error)
        base = next(k for k in kind.__mro__ if k.__module__ == "builtins")
        own = self._number(kind) if kind is not base else 0
        try:
            arguments = wire.encode(list(error.args), limit=1 << 20)
        except BaseException:
            arguments = wire.encode([_text(error)])
        told = [kind.__name__[:200], _text(error)[:20_000], base.__name__, own, arguments]
        return wire.encode(["raised", told, []])

    # What the judge may ask, one method a question.

    def _do_fetch(self, name: str) -> Any:
        if name not in self._shell.names:
            raise NameError(f"name {name!r} is not defined")
        return self._given.value(name)

    def _do_import(self, name: str) -> Any:
        return importlib.import_module(name)

    def _do_get(self, target: Any, name: str) -> Any:
        return getattr(target, name)

    def _do_set(self, target: Any, name: str, value: Any) -> None:
        setattr(target, name, value)

    def _do_delete(self, target: Any, name: str) -> None:
        delattr(target, name)

    def _do_item(self, target: Any, key: Any) -> Any:
        return target[key]

    def _do_setitem(self, target: Any, key: Any, value: Any) -> None:
        target[key] = value

    def _do_delitem(self, target: Any, key: Any) -> None:
        del target[key]

    def _do_iter(self, target: Any) -> Any:
        return Opaque(iter(target))

    def _do_next(self, target: Any) -> Any:
        return next(target.value)

    def _do_convert(self, target: Any, name: str) -> Any:
        return _CONVERSIONS[name](target)

    def _do_operate(self, name: str, operands: list[Any]) -> Any:
        return _OPERATORS[name](*operands)

    def _do_isinstance(self, target: Any, kind: Any) -> bool:
        return isinstance(target, kind)

    def _do_issubclass(self, target: Any, kind: Any) -> bool:
        return issubclass(target, kind)

    def _do_dir(self, target: Any) -> list[str]:
        return dir(target)

    # References.

    def _encode(self, value: Any) -> bytes:
        return wire.encode(value, self._refer, self._limits["frame"] - 4096)

    def _refer(self, value: Any) -> list[Any]:
        if type(value) is types.ModuleType and sys.modules.get(value.__name__) is value:
            return ["m", value.__name__, self._number(value)]
        kind = type(value)
        if isinstance(value, type) and issubclass(value, BaseException):
            base = next(k for k in value.__mro__ if k.__module__ == "builtins")
            if value is not base:
                return ["x", self._number(value), value.__name__[:200], base.__name__]
        base = next(k for k in kind.__mro__ if k.__module__ != "__main__")
        called = bool(callable(value))
        names = [kind.__name__[:200], str(base.__module__), base.__qualname__]
        return ["o", self._number(value), called, *names]

    def _number(self, value: Any) -> int:
        number = self._numbers.get(id(value))
        if number is None:
            if len(self._objects) >= HANDLES:
                raise RuntimeError(f"more than {HANDLES:,} objects were handed to the tests")
            self._count += 1
            number = self._numbers[id(value)] = self._count
            self._objects[number] = value
        return number

    def _resolve(self, reference: list[Any]) -> Any:
        match reference:
            case ["o", number]:
                return self._objects[number]
            case ["g", name]:
                return self._given.value(name)
            case ["m", module, path]:
                found: Any = importlib.import_module(module)
                for name in path.split(".") if path else ():
                    found = getattr(found, name)
                return found
            case ["k", number, name]:
                return self._callback(number, name)
        raise wire.WireError("an unknown reference")

    def _callback(self, number: int, name: str) -> Any:
        def callback(*arguments: Any, **options: Any) -> Any:
            body = self._encode([number, list(arguments), options])
            self._channel.send(wire.encode({"op": "callback", "id": 0, "body": body}))
            while (message := wire.decode(self._channel.receive()))["op"] != "returned":
                self._serve_one(message)
            status, value, _ = wire.decode(message["body"], self._resolve)
            if status == "ok":
                return value
            raise _local(*value)

        callback.__name__ = callback.__qualname__ = name
        return callback


class Opaque:
    """Holds a value that shall not cross, plain or not."""

    def __init__(self, value: Any) -> None:
        """Hold it."""
        self.value = value


def _local(name: str, text: str) -> BaseException:
    import builtins

    kind = getattr(builtins, name, None)
    fits = isinstance(kind, type) and issubclass(kind, Exception)
    try:
        return kind(text) if fits else RuntimeError(f"{name}: {text}")  # type: ignore[misc]
    except TypeError:
        return RuntimeError(f"{name}: {text}")


def _plain_number(value: Any) -> float | None:
    """A number or truth value, as partial credit is; of an array without dimensions its value."""
    if type(value).__module__ in ("numpy", "torch") and getattr(value, "shape", None) == ():
        value = value.item()
    return value if type(value) in (int, float, bool) else None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:
        return "(its text cannot be shown)"
