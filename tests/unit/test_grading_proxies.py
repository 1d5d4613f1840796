"""Stand-ins never let the student's side decide a comparison with a value of the judge's."""

import operator
from typing import Any

import pytest

from coursehub.grading.proxies import (
    CallableHandle,
    Handle,
    NotJudgeable,
    StudentEnded,
    base_class,
    exception_class,
    library,
)


class YesSayer:
    """Answers whatever helps a cheat most."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, what: str, *arguments: Any) -> Any:
        self.asked.append(what)
        return True


@pytest.fixture
def liar() -> Handle:
    return Handle(YesSayer(), 1, "Liar", None)


def test_equal_to_no_value_of_the_judges(liar: Handle) -> None:
    assert liar != 9
    assert operator.eq(liar, 9) is False and operator.eq(9, liar) is False
    assert liar not in [9] and [liar] != [9] and liar == liar
    assert liar._far_ask.asked == []


@pytest.mark.parametrize("name", ["sub", "add", "lt", "le", "gt", "ge", "mul", "and_", "mod"])
def test_an_operator_with_a_value_gives_no_value(name: str, liar: Handle) -> None:
    for operands in ((liar, 9), (9, liar)):
        with pytest.raises(NotJudgeable, match="Liar"):
            getattr(operator, name)(*operands)


def test_containment_is_by_the_judges_comparison() -> None:
    items = iter([4, 5])

    def ask(what: str, *arguments: Any) -> Any:
        return next(items) if what == "next" else True

    assert 5 in Handle(ask, 1, "Bag", None)
    items = iter([4, 5])
    assert 6 not in Handle(ask, 1, "Bag", None)


def test_what_may_pass_for_a_class() -> None:
    import torch

    assert base_class("torch.nn.modules.module", "Module") is torch.nn.Module
    for plain in (("torch", "Tensor"), ("numpy", "ndarray"), ("builtins", "float"),
                  ("numpy", "float64"), ("builtins", "int"), ("builtins", "str")):  # fmt: skip
        assert base_class(*plain) is None
    assert library("coursehub.grading.wire", "encode") is None
    assert library("math", "sqrt") is __import__("math").sqrt


def test_exceptions() -> None:
    assert issubclass(exception_class("Mine", "KeyError"), KeyError)
    assert issubclass(exception_class("Mine", "Exception"), RuntimeError)
    assert issubclass(exception_class("Mine", "SystemExit"), RuntimeError)
    assert issubclass(exception_class("no name", "object"), RuntimeError)
    assert not issubclass(StudentEnded, Exception)


def test_only_what_is_callable_is() -> None:
    assert callable(CallableHandle(YesSayer(), 1, "f", None))
    assert not callable(Handle(YesSayer(), 1, "x", None))
