"""Stand-ins, in the judge, for objects of the student's process.

A test uses them as it would the objects. Two rules keep them from deciding a test: a value of the
judge's is never compared with a stand-in on the student's side (they are simply not equal), and no
operator takes a stand-in and a plain value: what it gave would be the student's word, not a value.
"""

import builtins
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, Protocol

MOST_ITEMS = 200_000
_LIBRARIES = sys.stdlib_module_names | {
    "IPython", "matplotlib", "mlxtend", "networkx", "numpy", "pandas", "PIL", "scipy", "seaborn",
    "skimage", "sklearn", "sympy", "torch", "torchvision", "tqdm", "transformers",
}  # fmt: skip
_PLAIN = ("ndarray", "Tensor", "generic", "Number", "object", "dtype")
_CODE = {
    each.__name__: each
    for each in (type, types.FunctionType, types.GeneratorType, types.BuiltinFunctionType,
                 types.MethodType)
}  # fmt: skip
_UNREADABLE = "the source text of an answer is not the judge's to read: test what it does"
_READ_DUNDERS = {
    "__name__", "__qualname__", "__doc__", "__annotations__", "__defaults__", "__kwdefaults__",
    "__dict__", "__code__", "__closure__", "__bases__", "__mro__", "__slots__", "__version__",
}  # fmt: skip


class NotJudgeable(TypeError):
    """A test asks for what the judge cannot have, since it never shares a process with answers."""


class StudentEnded(BaseException):
    """The student's process is no more, or took too long; no test catches it by `Exception`."""


class FarError(RuntimeError):
    """The student's code raised something that is no built-in exception."""


class Ask(Protocol):
    """How a stand-in reaches the object it stands for."""

    def __call__(self, what: str, *arguments: Any) -> Any:
        """Ask the student's side; raise what it raised."""


class Handle:
    """Stands for one object of the student's."""

    __slots__ = ("__weakref__", "_far_ask", "_far_base", "_far_kind", "_far_number")

    def __init__(self, ask: Ask, number: int, kind: str, base: type | None) -> None:
        """Stand for object `number`, an instance of a class called `kind` and derived of `base`."""
        for name, value in (("ask", ask), ("number", number), ("kind", kind), ("base", base)):
            object.__setattr__(self, f"_far_{name}", value)

    @property
    def __class__(self) -> type:
        """What `isinstance` shall think: the library's class that the object's derives from."""
        return self._far_base or type(self)

    def __getattr__(self, name: str) -> Any:
        hidden = name[:2] == name[-2:] == "__" and name not in _READ_DUNDERS
        if hidden or name.startswith(("_far_", "_repr_", "_ipython_")):
            raise AttributeError(name)
        return self._far_ask("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._far_ask("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        self._far_ask("delete", self, name)

    def __getitem__(self, key: Any) -> Any:
        return self._far_ask("item", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._far_ask("setitem", self, key, value)

    def __delitem__(self, key: Any) -> None:
        self._far_ask("delitem", self, key)

    def __iter__(self) -> Iterator[Any]:
        return _items(self._far_ask, self._far_ask("iter", self))

    def __next__(self) -> Any:
        return self._far_ask("call", next, [self], {})

    def __contains__(self, value: Any) -> bool:
        # By the judge's own comparison: `__contains__` of the student's could always say yes.
        return any(value is each or value == each for each in self)

    def __enter__(self) -> Any:
        return self._far_ask("get", self, "__enter__")()

    def __exit__(self, *details: Any) -> Any:
        return self._far_ask("get", self, "__exit__")(None, None, None)

    def __eq__(self, other: object) -> Any:
        if self is other or not is_handle(other):
            return self is other
        return self._far_ask("operate", "eq", [self, other]) is True

    def __ne__(self, other: object) -> Any:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._far_number)

    def __dir__(self) -> list[str]:
        return [str(name) for name in self._far_ask("dir", self)]

    def __instancecheck__(self, instance: Any) -> bool:
        return is_handle(instance) and self._far_ask("isinstance", instance, self) is True

    def __subclasscheck__(self, kind: Any) -> bool:
        return is_handle(kind) and self._far_ask("issubclass", kind, self) is True

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class CallableHandle(Handle):
    """Stands for a function, a class, or anything else that can be called."""

    __slots__ = ()

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call it, on the student's side."""
        return self._far_ask("call", self, list(arguments), options)


class FarModule(types.ModuleType):
    """Stands for a module that only the student's side has."""

    def __init__(self, name: str, handle: Handle) -> None:
        """Stand for the module behind `handle`."""
        super().__init__(name)
        self.__dict__["_far_module"] = handle

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__dict__["_far_module"], name)


def is_handle(value: Any) -> bool:
    """Whether a value stands for an object of the student's."""
    return issubclass(type(value), Handle)


def library(module: str, path: str) -> Any:
    """Return what a library of this process has under a path; None where it is not a library's."""
    if module.partition(".")[0] not in _LIBRARIES:
        return None
    try:
        found: Any = sys.modules[module]  # nothing is loaded because a student says its name
        for name in path.split(".") if path else ():
            found = getattr(found, name)
    except Exception:
        return None
    return found


def base_class(module: str, path: str) -> type | None:
    """Return the class that a stand-in may pass for; never that of a plain value."""
    if module == "builtins":  # a float of the student's own making shall not pass for a float
        return _CODE.get(path)
    found = library(module, path)
    if not isinstance(found, type):
        return None
    return None if any(each.__name__ in _PLAIN for each in found.__mro__[:-1]) else found


def exception_class(name: str, base: str) -> type[BaseException]:
    """Return a class for an exception of the student's, `name`, derived of the builtin `base`."""
    kind = getattr(builtins, base, RuntimeError)
    fits = isinstance(kind, type) and issubclass(kind, Exception)
    bases = (kind,) if fits and kind is not Exception else (FarError,)
    return type(name if name.isidentifier() else "FarError", bases, {"__module__": "student"})


def guard_inspect() -> None:
    """Make `inspect.getsource` of a stand-in say why it is not to be had."""
    for name in ("getsource", "getsourcelines", "getsourcefile", "getfile"):
        usual = getattr(inspect, name)

        def guarded(value: Any, _usual: Any = usual) -> Any:
            if is_handle(value):
                raise NotJudgeable(_UNREADABLE)
            return _usual(value)

        setattr(inspect, name, guarded)


def _items(ask: Ask, source: Any) -> Iterator[Any]:
    for _ in range(MOST_ITEMS):
        try:
            item = ask("next", source)
        except StopIteration:
            return
        yield item
    raise RuntimeError(f"more than {MOST_ITEMS:,} items were returned; is there no end?")


def _converting(name: str) -> Callable[[Handle], Any]:
    def convert(self: Handle) -> Any:
        return self._far_ask("convert", self, name)

    return convert


def _operating(name: str, swapped: bool = False) -> Callable[..., Any]:
    def operate(self: Handle, *other: Any) -> Any:
        operands = [*other, self] if swapped else [self, *other]
        if not all(is_handle(each) for each in operands):
            raise NotJudgeable(
                f"got an object of type {self._far_kind} where the test needs a plain value"
            )
        return self._far_ask("operate", name, operands)

    return operate


for _name in ("bool", "int", "float", "complex", "str", "repr", "len"):
    setattr(Handle, f"__{_name}__", _converting(_name))
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lshift",
              "rshift", "xor", "and", "or"):  # fmt: skip
    _far_name = f"{_name}_" if _name in ("and", "or") else _name
    setattr(Handle, f"__{_name}__", _operating(_far_name))
    setattr(Handle, f"__r{_name}__", _operating(_far_name, swapped=True))
for _name in ("lt", "le", "gt", "ge", "neg", "pos", "abs", "invert"):
    setattr(Handle, f"__{_name}__", _operating(_name))
