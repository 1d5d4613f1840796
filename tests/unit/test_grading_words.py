"""Which texts of failed hidden tests are the author's."""

import linecache
from pathlib import Path

import pytest

from coursehub.grading.words import gives_away

HIDDEN = "### BEGIN HIDDEN TESTS\n{}\n### END HIDDEN TESTS"
IMPORTS = "import numpy as np, operator, json, course_checks\n"


def failed(source: str, name: str = "<ipython-input-7-abc>") -> BaseException:
    """Run a cell as the judge does; return what it raised."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    try:
        exec(compile(source, name, "exec"), {})
    except BaseException as error:
        return error
    raise RuntimeError("it did not fail")


@pytest.fixture(autouse=True)
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder of the judge, with the course's own module in it."""
    text = "def check(got, want):\n    if got != want:\n        raise ValueError('too small')\n"
    (tmp_path / "course_checks.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "course_checks", raising=False)


@pytest.mark.parametrize(
    "line",
    [
        "assert 1 == 2, 'Task 1: one is expected'",
        "assert (\n    1 == 2\n), (\n    'Task 1'\n)",
        "raise ValueError(f'Task 1: got {1 + 1}')",
        "def check(x):\n    assert x, 'Task 1'\ncheck(0)",
        "course_checks.check(1, 2)",
        "try:\n    np.testing.assert_equal(1, 42)\n"
        "except AssertionError as error:\n    raise AssertionError('Task 1') from error",
    ],
)
def test_what_the_author_wrote_is_told(line: str) -> None:
    assert not gives_away(failed(IMPORTS + HIDDEN.format(line)))


@pytest.mark.parametrize(
    "line",
    [
        "assert 1 == 2",
        "np.testing.assert_equal(1, 42)",
        "np.testing.assert_allclose([1.0], [42.0], err_msg='Task 1')",
        "import unittest; unittest.TestCase().assertEqual(1, 42)",
        "{}['the secret key']",
        "json.loads('the secret input')",
        "try:\n    np.testing.assert_equal(1, 42)\nexcept AssertionError:\n    raise",
    ],
)
def test_what_a_library_or_python_says_is_not(line: str) -> None:
    error = failed(IMPORTS + HIDDEN.format(line))
    assert gives_away(error)


def test_what_fails_before_the_hidden_lines_is_told() -> None:
    visible = "np.testing.assert_equal(1, 42)\n"
    assert not gives_away(failed(IMPORTS + visible + HIDDEN.format("pass")))
    after = HIDDEN.format("pass") + "\n{}['a']"
    assert not gives_away(failed(after))


def test_a_function_of_hidden_lines_is_hidden_where_it_is_called_too() -> None:
    cell = HIDDEN.format("def check(got):\n    np.testing.assert_equal(got, 42)") + "\ncheck(1)"
    assert gives_away(failed(IMPORTS + cell))
