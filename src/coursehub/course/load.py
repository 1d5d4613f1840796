"""From course.yml to `Course`, or to one line that says what to correct."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from coursehub.course.checks import findings
from coursehub.course.document import Document, Key
from coursehub.course.model import Course
from coursehub.course.wallclock import Fault
from coursehub.errors import CourseFileError


def load_course(path: Path) -> Course:
    """Read a course file.

    Args:
        path: The file, usually ``course.yml``.

    Raises:
        CourseFileError: It cannot be read, or is wrong; names the first mistake.
    """
    return read_course(read_text(path), file=str(path))


def read_text(path: Path) -> str:
    """Read the text of a course file, its line ends as they are.

    Raises:
        CourseFileError: It cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise CourseFileError(
            "no such file", file=str(path), remedy="Name the course's file with --course FILE."
        ) from None
    except OSError as error:
        raise CourseFileError(
            f"cannot be read: {error.strerror}", file=str(path), remedy="Check its permissions."
        ) from None
    except UnicodeDecodeError:
        raise CourseFileError(
            "not in UTF-8", file=str(path), remedy="Save it as plain text in UTF-8."
        ) from None


def read_course(text: str, *, file: str = "course.yml") -> Course:
    """Read a course from the text of its file.

    Args:
        text: YAML 1.2.
        file: The name that errors give the file.

    Raises:
        CourseFileError: The text is wrong; names the first mistake.
    """
    document = Document(text, file=file)
    try:
        course = Course.model_validate(document.data)
    except ValidationError as invalid:
        # A misspelt key is also a missing one: the misspelling says more.
        first = min(
            invalid.errors(),
            key=lambda error: (error["type"] == "missing", document.line(error["loc"])),
        )
        problem, remedy = _problem_and_remedy(first)
        raise document.error(first["loc"], problem, remedy) from None
    for key, fault in findings(course):
        raise document.error(key, fault.problem, fault.remedy)
    return course


_WANTED = {
    "bool_type": ("true or false", "Write one of the two, without quotes."),
    "int_type": ("a whole number", "Write it in digits, without quotes or a unit."),
    "string_type": ("text", "Put it in quotes."),
    "tuple_type": ("a list", "Write `- ` before each item, or [one, two]."),
    "model_type": ("a section of keys", "Write `key: value` lines below it."),
}
"""What was wanted, and the remedy, by pydantic's name for getting another type.

https://docs.pydantic.dev/latest/errors/validation_errors/
"""

_LIMITS = {"greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le")}


def _problem_and_remedy(error: ErrorDetails) -> tuple[str, str]:
    """Say one of pydantic's errors in the words of this project."""
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    fault = context.get("error")
    if isinstance(fault, Fault):
        return fault.problem, fault.remedy
    if kind == "missing":
        return "is missing", f"Add `{error['loc'][-1]}:`."
    if kind == "extra_forbidden":
        return "unknown key", _nearest_key(error["loc"])
    if given is None or kind in ("too_short", "string_too_short"):
        return "is empty", "Write a value, or remove the key if it may be left out."
    if kind in _LIMITS:
        words, limit = _LIMITS[kind]
        return f"is {given}", f"Write {words} {context[limit]}."
    if kind == "literal_error":
        return f"{_say(given)} is not a choice", f"Write {context['expected']}."
    if kind in _WANTED:
        wanted, remedy = _WANTED[kind]
        return f"wants {wanted}, not {_say(given)}", remedy
    return error["msg"], "Compare with the course.yml shipped."


def _nearest_key(loc: Key) -> str:
    """Suggest the key that was meant, or list those that there are."""
    section = _section(loc[:-1])
    keys = list(section.model_fields)
    nearest = get_close_matches(str(loc[-1]), keys, n=1)
    return f"Did you mean `{nearest[0]}`?" if nearest else f"Known here: {', '.join(keys)}."


def _section(key: Key) -> type[BaseModel]:
    """Return the model that reads the section at `key`."""
    model: type[BaseModel] = Course
    for part in key:
        if isinstance(part, str):
            model = _model_within(model.model_fields[part].annotation) or model
    return model


def _model_within(annotation: Any) -> type[BaseModel] | None:
    """Find the model in an annotation such as ``tuple[Week, ...]`` or ``Meeting | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_within(argument) for argument in getattr(annotation, "__args__", ()))
    return next(filter(None, inner), None)


def _say(value: object) -> str:
    """Show a value as it stands in the file, shortened."""
    if isinstance(value, dict):
        return "a section of keys"
    if isinstance(value, tuple):
        return "a list"
    shown = repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."
