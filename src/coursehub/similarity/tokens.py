"""A text as the tokens that are compared: what a copy keeps when names and layout are changed.

Of Python, comments, docstrings, white space and the contents of strings do not count, and all names
that a student may choose are one token. What comes after a dot is mostly a library's and counts, as
do builtins, keywords, numbers and operators: they tell solutions apart. Of prose the words count.
"""

import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Name, String, Whitespace, _TokenType

_KEPT = (
    Name.Builtin, Name.Decorator, Name.Exception, Name.Namespace, Name.Function.Magic,
    Name.Variable.Magic,
)  # fmt: skip
_ATTRIBUTE_SET = re.compile(r"\.([^\W\d]\w*)[ \t]*(?:[-+*/@%&|^]|//|\*\*|<<|>>)?=(?!=)")
_WORD = re.compile(r"\w+")
_LEXER = PythonLexer()


class Token(NamedTuple):
    """One token: a number that is the same in every process, and the characters it stands for."""

    code: int
    start: int
    end: int


def tokens_of(text: str, *, prose: bool = False) -> list[Token]:
    """The tokens of a text, in order; a text that is no Python has some too.

    Args:
        text: What a student wrote.
        prose: Whether it is prose rather than Python.
    """
    words = _words(text) if prose else _code(text)
    return [Token(_number(word), start, end) for word, start, end in words]


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    for match in _WORD.finditer(text):
        yield match[0].casefold(), match.start(), match.end()


def _code(text: str) -> Iterator[tuple[str, int, int]]:
    own = set(_ATTRIBUTE_SET.findall(text))  # attributes that the student named
    before, string_at, string_end = "", -1, -1
    for start, kind, value in _LEXER.get_tokens_unprocessed(text):
        end = start + len(value)
        if kind in String and kind not in String.Doc:
            string_at = start if string_at < 0 else string_at
            string_end = end
            continue
        if string_at >= 0:  # its quotes and parts are one
            yield "S", string_at, string_end
            string_at = -1
        if not value.strip() or kind in Comment or kind in Whitespace or kind in String.Doc:
            continue
        word = _name(kind, value, before == "." and value not in own) if kind in Name else value
        yield word, start, end
        before = value
    if string_at >= 0:
        yield "S", string_at, string_end


def _name(kind: _TokenType, value: str, attribute: bool) -> str:
    return value if attribute or any(kind in each for each in _KEPT) else "N"


@lru_cache(maxsize=50_000)
def _number(word: str) -> int:
    """Python's own hash differs from process to process."""
    return zlib.crc32(word.encode("utf-8", "replace")) + 1
