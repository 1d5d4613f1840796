"""The text of course.yml as plain data that remembers where it stood."""

from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from coursehub.errors import CourseFileError

Key = tuple[str | int, ...]
"""A path into the file: ``("assignments", 2, "due")``."""

_TAG = "tag:yaml.org,2002:"
_TOO_DEEP = 20  # course.yml is five deep; far below Python's own limit on recursion


class Scalar(NamedTuple):
    """A single value and the characters of the text that it takes up, quotes included."""

    text: str
    start: int
    end: int


class Document:
    """YAML 1.2 without anchors, tags or duplicate keys, with a line for each key.

    Dates and times stay text, and fractions become `Decimal`: the model reads them.

    Attributes:
        data: The content as dicts, tuples, str, int, bool, Decimal and None.
        scalars: Each single value by its key.
    """

    def __init__(self, text: str, *, file: str) -> None:
        """Read a text.

        Args:
            text: The text of the file.
            file: The file's name, for errors.

        Raises:
            CourseFileError: The text is no such YAML.
        """
        self.file = file
        self.scalars: dict[Key, Scalar] = {}
        self._lines: dict[Key, int] = {(): 1}
        try:
            root = YAML(typ="safe", pure=True).compose(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise CourseFileError(
                f"not YAML: {error.problem or error.context}",
                file=file,
                line=mark.line + 1 if mark else None,
                remedy="Mind the indentation, in spaces, and quote text that holds ': ' or '#'.",
            ) from None
        except (YAMLError, RecursionError) as error:
            raise CourseFileError(
                f"not YAML: {error}", file=file, remedy="Save it as plain text in UTF-8."
            ) from None
        if not isinstance(root, MappingNode):
            raise CourseFileError(
                "no course in it", file=file, line=1, remedy="Start from the course.yml shipped."
            )
        self.data: dict[str, Any] = self._mapping(root, ())

    def error(self, key: Key, problem: str, remedy: str) -> CourseFileError:
        """Return the error that blames `key`, at the line of it or of what should hold it."""
        return CourseFileError(
            problem, file=self.file, key=say_key(key) or None, remedy=remedy, line=self.line(key)
        )

    def line(self, key: Key) -> int:
        """Return the line of a key, counted from 1; of an absent one, its parent's."""
        while key not in self._lines:
            key = key[:-1]
        return self._lines[key]

    def _value(self, node: Node, key: Key) -> Any:
        if node.anchor:
            raise self.error(key, f"anchor &{node.anchor}", "Write the value out in each place.")
        if len(key) > _TOO_DEEP:
            raise self.error(key[:3], "nested too deep", "Remove the inner brackets.")
        if isinstance(node, MappingNode):
            return self._mapping(node, key)
        if isinstance(node, SequenceNode):
            return self._sequence(node, key)
        assert isinstance(node, ScalarNode)
        return self._scalar(node, key)

    def _mapping(self, node: MappingNode, key: Key) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for name_node, node_of_value in node.value:
            name = name_node.value if isinstance(name_node, ScalarNode) else "?"
            if name in content:
                line = name_node.start_mark.line + 1
                raise self.error(
                    (*key, name), f"written again on line {line}", "Remove one of the two."
                )
            self._lines[*key, name] = name_node.start_mark.line + 1
            content[name] = self._value(node_of_value, (*key, name))
        return content

    def _sequence(self, node: SequenceNode, key: Key) -> tuple[Any, ...]:
        for index, item in enumerate(node.value):
            self._lines[*key, index] = item.start_mark.line + 1
        return tuple(self._value(item, (*key, index)) for index, item in enumerate(node.value))

    def _scalar(self, node: ScalarNode, key: Key) -> str | int | bool | Decimal | None:
        text = str(node.value)
        self.scalars[key] = Scalar(text, node.start_mark.index, node.end_mark.index)
        match str(node.tag).removeprefix(_TAG):
            case "str" | "timestamp":
                return text
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" | "float" as kind:
                try:
                    return int(text) if kind == "int" else Decimal(text)
                except (ValueError, InvalidOperation):
                    raise self.error(
                        key, f"{text} is no plain number", "Write it in decimal digits."
                    ) from None
        raise self.error(key, f"tag {node.tag}", "Write the plain value.")


def say_key(key: Key) -> str:
    """Write a path the way people do: ``assignments[2].due``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return "".join(parts).removeprefix(".")
