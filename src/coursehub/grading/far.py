"""How the judge reaches the student's side: questions over the host, values and stand-ins back."""

import builtins
import importlib.util
import signal
import sys
import types
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from coursehub.grading import wire
from coursehub.grading.inplace import is_view_of, mutate, overwrite
from coursehub.grading.proxies import (
    CallableHandle,
    FarError,
    FarModule,
    Handle,
    StudentEnded,
    base_class,
    exception_class,
    guard_inspect,
    is_handle,
    library,
)


class Far:
    """The student's side, as one object."""

    def __init__(self, channel: Any, names: dict[str, Any], frame: int) -> None:
        """Ask over `channel`; `names` is the judge's namespace, `frame` the most bytes at a time.

        From now on nothing in this process reads the source of a stand-in.
        """
        self._channel = channel
        self._names = names
        self._frame = frame
        self._known: weakref.WeakValueDictionary[int, Handle] = weakref.WeakValueDictionary()
        self._kinds: dict[int, type[BaseException]] = {}
        self._modules: dict[str, FarModule] = {}
        self._released: list[int] = []
        self._callbacks: dict[int, Any] = {}
        self._undo: list[tuple[Any, Any]] = []
        self._errors: list[BaseException] = []
        self._gentle: set[int] = set()
        self._generators: set[int] = set()
        self.given: set[str] = set()
        self.gentle: set[str] = set()  # functions whose arguments the source's version leaves alone
        self.copies = False  # whether what the student's version does to them stays there
        self.meddled = False  # whether it did something to them
        self.ended = ""
        guard_inspect()

    def ask(self, what: str, *arguments: Any) -> Any:
        """Ask the student's side for one thing; raises what it raised."""
        released = [number for number in self._released if number not in self._known]
        self._released.clear()
        body = wire.encode([what, list(arguments), released], self._refer, self._frame - 4096)
        status, value, changes = self._read(self._exchange(body))
        if status == "raised":
            raise self._ending_no_loop(self._local(*value), what, arguments)
        if what == "get" and arguments[1] in ("send", "throw") and is_handle(value):
            self._generators.add(value._far_number)
        if what == "call" and self._may_change(arguments[0], bool(changes)):
            self._apply(changes, [*arguments[1], *arguments[2].values()])
        return value

    def _ending_no_loop(
        self, error: BaseException, what: str, arguments: tuple[Any, ...]
    ) -> BaseException:
        """Let no answer end a loop of the test's, as StopIteration does in `map`."""
        function = arguments[0] if what == "call" else None
        if function is None or not is_handle(function):
            return error
        if function._far_number in self._generators or not isinstance(error, StopIteration):
            return error
        return self._noted(RuntimeError("your function raised StopIteration"))  # type: ignore[no-any-return]

    def _may_change(self, function: Any, changes: bool) -> bool:
        """Whether what a call did to its arguments is done to the judge's."""
        if not changes or not is_handle(function) or function._far_number not in self._gentle:
            return changes
        self.meddled = True
        return not self.copies

    def _read(self, answer: bytes) -> tuple[str, Any, list[Any]]:
        try:
            status, value, changes = wire.decode(answer, self._resolve)
            if status == "raised":
                name, text, base, own, arguments = value
                value = [str(name), str(text), str(base), int(own), bytes(arguments)]
            changes = [(int(place), after) for place, after in changes]
        except (wire.WireError, TypeError, ValueError, KeyError) as error:
            told = f"your process gave no proper answer ({error})"
            raise self._noted(FarError(told)) from None
        return status, value, changes

    def fetch(self, name: str, here: Any) -> Any:
        """Return what a name means on the student's side; `here` is what it means in the judge."""
        if isinstance(here, types.ModuleType) and not isinstance(here, FarModule):
            return here  # a library, whatever an answer has made of its name
        value = self.ask("fetch", name)
        if name in self.gentle and is_handle(value):
            self._gentle.add(value._far_number)
        return value

    def is_live(self, value: Any) -> bool:
        """Whether a value is neither plain, nor code, nor absent: it has a twin that may differ."""
        if value is None or isinstance(value, types.ModuleType | type) or callable_code(value):
            return False
        try:
            wire.encode(value)
        except wire.WireError:
            return True
        return False

    def raised_there(self, error: BaseException) -> bool:
        """Whether an error came from the student's side."""
        return any(each is error for each in self._errors)

    def end_of_cell(self) -> None:
        """Forget the cell's callbacks, and give back to set-up's values what calls changed."""
        owned = {id(self._names.get(name)) for name in self.given}
        for changed, before in reversed(self._undo):
            if id(changed) in owned or is_view_of(changed, self._names, self.given):
                overwrite(changed, before)
        self._undo.clear()
        self._callbacks.clear()
        self._errors.clear()
        self.ended = ""

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Within it the notebook's own imports find modules that only the student's side has."""
        usual = builtins.__import__

        def importing(
            name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
        ) -> Any:
            top, _, below = name.partition(".")
            ours = globals is not self._names or level or top in sys.modules
            if ours or importlib.util.find_spec(top) is not None:
                return usual(name, globals, locals, fromlist, level)
            return self._module(name if fromlist and below else top)

        builtins.__import__ = importing
        try:
            yield
        finally:
            builtins.__import__ = usual

    def _module(self, name: str) -> FarModule:
        if name not in self._modules:
            found = self.ask("import", name)
            if not isinstance(found, FarModule):
                raise ModuleNotFoundError(f"No module named {name!r}")
            self._modules[name] = found
        return self._modules[name]

    def _exchange(self, body: bytes) -> bytes:
        with _no_alarm(
            signal.SIG_BLOCK
        ):  # cut off in the middle, nobody would know whose turn it is
            return self._until_answered(body)

    def _until_answered(self, body: bytes) -> bytes:
        self._channel.send(wire.encode({"op": "ask", "body": body}))
        while True:
            message = wire.decode(self._channel.receive())
            if message["op"] == "answer":
                return bytes(message["body"])
            if message["op"] == "ended":
                self.ended = message["text"]
                raise self._noted(StudentEnded(self.ended))
            with _no_alarm(signal.SIG_UNBLOCK):
                returned = self._call_back(message["body"])
            self._channel.send(wire.encode({"op": "returned", "body": returned}))

    def _call_back(self, body: bytes) -> bytes:
        try:
            number, arguments, options = wire.decode(body, self._resolve)
            function = self._callbacks[number]
            result = function(*arguments, **options)
            return wire.encode(["ok", result, []], self._refer, self._frame - 4096)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                self.ended = f"the test {error}"
            return wire.encode(["raised", [type(error).__name__, str(error)[:20_000]], []])

    def _apply(self, changes: Any, passed: list[Any]) -> None:
        for place, after in changes:
            target = passed[place] if place in range(len(passed)) else None
            if type(target) is type(after):
                mutate(target, after, self._undo)

    def _local(self, name: str, text: str, base: str, own: int, arguments: bytes) -> BaseException:
        """Make an exception of the student's side into one of this process."""
        if name == "OutOfTime":
            self.ended = f"your code {text}"
            return self._noted(StudentEnded(self.ended))
        kind = self._kind(own, name, base) if own else getattr(builtins, base, None)
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            kind = exception_class(name, base)
        try:
            error = kind(*wire.decode(arguments))
        except Exception:
            try:
                error = kind(text)
            except Exception:
                error = RuntimeError(f"{name}: {text}")
        return self._noted(error)

    def _noted(self, error: BaseException) -> Any:
        self._errors.append(error)
        del self._errors[:-1000]
        return error

    def _kind(self, number: int, name: str, base: str) -> type[BaseException]:
        if number not in self._kinds:
            kind = self._kinds[number] = exception_class(name, base)
            kind._far_number = number  # type: ignore[attr-defined]
        return self._kinds[number]

    # References.

    def _refer(self, value: Any) -> list[Any] | None:
        if is_handle(value):
            return ["o", value._far_number]
        if isinstance(value, FarModule):
            return ["o", value.__dict__["_far_module"]._far_number]
        if isinstance(value, type) and (number := value.__dict__.get("_far_number")):
            return ["o", number]
        if name := self._name_of(value):
            return ["g", name]
        if path := _importable(value):
            return ["m", *path]
        if callable(value):
            self._callbacks[id(value)] = value
            return ["k", id(value), str(getattr(value, "__name__", "callback"))]
        return None

    def _name_of(self, value: Any) -> str | None:
        for name in self.given:
            if self._names.get(name) is value:
                return name
        return None

    def _resolve(self, reference: list[Any]) -> Any:
        match reference:
            case ["m", str(name), int(number)]:
                module = library(name, "")
                if isinstance(module, types.ModuleType):
                    return module
                return FarModule(name, self._handle(number, False, "module", None))
            case ["x", int(number), str(name), str(base)]:
                return self._kind(number, name, base)
            case ["o", int(number), bool(called), str(kind), str(module), str(path)]:
                return self._handle(number, called, kind, base_class(module, path))
            case ["o", int(number)]:
                return self._known[number]
        raise wire.WireError("an unknown reference")

    def _handle(self, number: int, called: bool, kind: str, base: type | None) -> Handle:
        handle = self._known.get(number)
        if handle is None:
            handle = (CallableHandle if called else Handle)(self.ask, number, kind, base)
            self._known[number] = handle
            weakref.finalize(handle, self._released.append, number)
        return handle


@contextmanager
def _no_alarm(how: int) -> Iterator[None]:
    before = signal.pthread_sigmask(how, {signal.SIGALRM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def callable_code(value: Any) -> bool:
    """Whether a value is a function of some kind."""
    return isinstance(value, types.FunctionType | types.BuiltinFunctionType | types.MethodType)


def _importable(value: Any) -> tuple[str, str] | None:
    """The module and path of a library's function or class; of None else."""
    if isinstance(value, types.ModuleType):
        return (value.__name__, "") if library(value.__name__, "") is value else None
    path = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    module = getattr(value, "__module__", None) or "numpy"
    if not isinstance(path, str) or not isinstance(module, str) or "<" in path:
        return None
    return (module, path) if library(module, path) is value else None
