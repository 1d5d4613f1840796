"""What the source's set-up gave the student's process, kept apart from what answers rebind.

It keeps an honest slip (a `generator` of the student's own) from breaking the probes, and makes
tampering harder; a probe's report is still worth no more than the process that it comes from.
"""

import builtins
import functools
import types
from collections.abc import Iterable
from typing import Any


class _Globals(dict[str, Any]):
    """Globals of a given function: what was given, then the notebook's own names."""

    def __init__(self, names: dict[str, Any]) -> None:
        super().__init__(__name__="__main__", __builtins__=dict(vars(builtins)))
        self._names = names

    def __missing__(self, name: str) -> Any:
        return self._names[name]


class Given:
    """The values of names that locked cells defined."""

    def __init__(self, names: dict[str, Any]) -> None:
        """Watch over `names`, the notebook's namespace."""
        self._names = names
        self._globals = _Globals(names)
        self._far: set[str] = set()

    def take(self, defines: Iterable[str], far: Iterable[str]) -> None:
        """Note what a locked cell has just defined; `far` are its fixtures and probes."""
        for name in far:
            if name in self._names:
                self._names[name] = self._pinned(self._names[name])
                self._far.add(name)
        for name in defines:
            if name in self._names:
                self._globals[name] = self._names[name]
        self._restore()

    def give_up(self, defines: Iterable[str]) -> None:
        """Note that an answer was run; what it was to define is the student's from now on."""
        for name in defines:
            self._globals.pop(name, None)
            self._far.discard(name)
        self._restore()

    def value(self, name: str) -> Any:
        """Return what was given under a name, else the student's.

        Raises:
            KeyError: when there is neither.
        """
        return self._globals[name]

    def _restore(self) -> None:
        for name in self._far:
            self._names[name] = self._globals[name]

    def _pinned(self, value: Any) -> Any:
        if type(value) is functools._lru_cache_wrapper:
            again = functools.lru_cache(**value.cache_parameters())
            return functools.update_wrapper(again(self._pinned(value.__wrapped__)), value)
        if type(value) is not types.FunctionType or value.__globals__ is not self._names:
            return value
        copy = types.FunctionType(
            value.__code__, self._globals, value.__name__, value.__defaults__, value.__closure__
        )
        copy.__kwdefaults__ = value.__kwdefaults__
        return functools.update_wrapper(copy, value)
