"""Reading a test: what in it needs more than plain values."""

import ast
from collections.abc import Iterable

from coursehub.grading.liveness import CALLBACKS, Scope
from coursehub.grading.places import harmless_magic, why_in_place
from coursehub.grading.problem import Problem

_PEEKING = {
    "__annotations__", "__bases__", "__class__", "__closure__", "__code__", "__defaults__",
    "__dict__", "__doc__", "__func__", "__globals__", "__kwdefaults__", "__module__", "__mro__",
    "__self__", "__subclasses__", "__wrapped__",
}  # fmt: skip
# What looks at an object itself; what asks it for a value (len, list, str, ...) gets that value.
_BY_VALUE = {"hash", "round", "type", "vars", "dir", "id", "reversed", "dict", "bytes"}


class Reader(ast.NodeVisitor):
    """Reads a test in order, and notes what needs more than plain values."""

    def __init__(self, cell: str, scope: Scope, offset: int, at: int | None = None) -> None:
        """Read a test called `cell`, knowing `scope`.

        Args:
            cell: Its grade id.
            scope: What is known when it begins; it learns what the test defines.
            offset: Lines above what is parsed.
            at: The line to name; by default where something stands.
        """
        self.cell, self.scope, self.offset, self.at = cell, scope, offset, at
        self.found: list[Problem] = []
        self.given: dict[str, ast.Call] = {}  # variable -> call that may change it in place

    def read(self, tree: ast.Module | ast.FunctionDef) -> None:
        """Read a test, or a function that it calls."""
        for statement in tree.body:
            self.visit(statement)

    def note(self, node: ast.AST, reason: str, remedy: str) -> None:
        """Note a problem where the node stands, or where the function at hand is called."""
        line = self.at or getattr(node, "lineno", 1) + self.offset
        self.found.append(Problem(self.cell, line, reason, remedy))

    # What binds names, in the order of execution.

    def visit_Assign(self, node: ast.Assign) -> None:
        """Read the value, then bind."""
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)
            self.scope.bind(target, node.value)

    def visit_For(self, node: ast.For) -> None:
        """Read the loop's body with the variable bound to what may be in it."""
        self.visit(node.iter)
        items = node.iter.elts if isinstance(node.iter, ast.Tuple | ast.List) else []
        for item in sorted(items, key=lambda item: bool(self.scope.live(item))):
            self.scope.bind(node.target, item)
        if not items:
            self.scope.bind(node.target, None)
        for statement in (*node.body, *node.orelse):
            self.visit(statement)

    def visit_With(self, node: ast.With) -> None:
        """Bind what `as` names."""
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars:
                self.scope.bind(item.optional_vars, item.context_expr)
        for statement in node.body:
            self.visit(statement)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Learn a function of the test's; its body is read too."""
        self._redefined(node, node.name)
        self.scope.learn(ast.Module([node], []))
        inner = Reader(self.cell, self.scope.inside(node), self.offset, self.at)
        inner.read(node)
        self.found += inner.found

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A class of the test's; not one that builds on the student's."""
        self._redefined(node, node.name)
        for base in node.bases:
            if self.scope.answered(base):
                self.note(
                    node, f"derives a class from {ast.unparse(base)}",
                    "Make the class in a set-up function named fixture_...",
                )  # fmt: skip
        self.scope.learn(ast.Module([node], []))
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        """Learn what is imported."""
        self.scope.learn(ast.Module([node], []))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Learn what is imported."""
        self.scope.learn(ast.Module([node], []))

    # What needs more than plain values.

    def visit_Expr(self, node: ast.Expr) -> None:
        """A call whose result nobody takes is there for what it changes."""
        self.visit(node.value)
        call = node.value
        if isinstance(call, ast.Call) and self.scope.answered(call.func):
            for argument in (*call.args, *(k.value for k in call.keywords)):
                if isinstance(argument, ast.Name) and not self.scope.theirs(argument):
                    self.given[argument.id] = call

    def visit_Name(self, node: ast.Name) -> None:
        """A variable that is read after the student's code was to change it."""
        if isinstance(node.ctx, ast.Load):
            call = self.given.pop(node.id, None)
            if call is not None:
                self.note(
                    node, f"expects {ast.unparse(call.func)} to change its argument {node.id}",
                    "Let a set-up function named probe_... call it and return the argument.",
                )  # fmt: skip
        else:
            self._redefined(node, node.id)

    def visit_Call(self, node: ast.Call) -> None:
        """A call: of the student's, of one that looks into the student's, of a helper."""
        if harmless_magic(node):
            return
        self.generic_visit(node)
        path = self.scope.path(node.func)
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        theirs = [a for a in arguments if self.scope.answered(a)]
        if path != "get_ipython" and self.scope.answered(node.func):
            self._passed(node, arguments)
        elif path in ("isinstance", "issubclass"):
            self._class_asked(node)
        elif path.startswith(("unittest.mock", "mock.")) or path in ("setattr", "delattr"):
            self._patched(node)
        elif why := why_in_place(node, path, theirs, self.scope):
            self.note(node, *why)
        elif path in _BY_VALUE or self.scope.imported(node.func):
            for argument in arguments:
                self._by_value(node, argument, path)
        self._graph(node)
        if theirs and path:
            self._read_helper(node, path)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """An attribute that only the object itself has, or one that is set from outside."""
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Store | ast.Del):
            if self.scope.answered(node.value) or self.scope.imported(node.value):
                self._patched(node)
        elif node.attr in _PEEKING and self.scope.answered(node.value):
            self.note(
                node, f"reads {ast.unparse(node)}, which is the proxy's own",
                "Test what it returns, or read it in a set-up function named probe_...",
            )  # fmt: skip

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """Arithmetic; with a plain value it may give a plain one, which only the student's saw."""
        self.generic_visit(node)
        if not (self.scope.theirs(node.left) and self.scope.theirs(node.right)):
            for side in (node.left, node.right):
                self._by_value(node, side, "arithmetic")
                if self.scope.operators and self.scope.returned(side):
                    self.note(
                        node, f"computes with {_short(side)}, which may be of the student's class",
                        "Reduce it to plain values in a set-up function named probe_...",
                    )  # fmt: skip

    def visit_Compare(self, node: ast.Compare) -> None:
        """A comparison: by identity it says nothing about what has travelled."""
        self.generic_visit(node)
        sides = [node.left, *node.comparators]
        constant = any(isinstance(side, ast.Constant) for side in sides)
        if all(isinstance(operator, ast.Is | ast.IsNot) for operator in node.ops):
            if not constant and any(self.scope.returned(side) for side in sides):
                self.note(
                    node, f"compares identity ({_short(node)}); values arrive as copies",
                    "Compare values, or compare in a set-up function named probe_...",
                )  # fmt: skip
            return
        for side in sides:
            self._by_value(node, side, "a comparison")

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        """Catching an exception class of the student's."""
        if node.type and any(self.scope.answered(each) for each in _alternatives(node.type)):
            self.note(
                node, f"catches {ast.unparse(node.type)}, a class of the student's",
                "Let a set-up function named probe_... catch it and return its name.",
            )  # fmt: skip
        self.generic_visit(node)

    # How a problem is told.

    def _passed(self, node: ast.Call, arguments: Iterable[ast.expr]) -> None:
        for argument in arguments:
            what = self.scope.live(argument)
            if what and not (what in CALLBACKS and self.scope.without_graphs()):
                self.note(
                    node,
                    f"passes {_short(argument)} ({what}) to {_short(node.func)}",
                    "Pass plain values, or make it in a set-up function named fixture_...",
                )

    def _class_asked(self, node: ast.Call) -> None:
        if len(node.args) != 2:
            return
        thing, kind = node.args
        if any(self.scope.answered(each) for each in _alternatives(kind)) or (
            self.scope.answered(thing)
        ):
            self.note(
                node, f"asks for the class of a live object ({_short(node)})",
                "Test how it behaves, or ask in a set-up function named probe_...",
            )  # fmt: skip

    def _patched(self, node: ast.AST) -> None:
        self.note(
            node, f"replaces something in its own process ({_short(node)})",
            "Replace it in a set-up function named probe_... that makes the call.",
        )  # fmt: skip

    def _redefined(self, node: ast.AST, name: str) -> None:
        if name in self.scope.functions_of_theirs and not self.scope.local:
            self.note(
                node, f"redefines the student's {name}",
                "Use another name; to replace it for other functions, use a probe_... function.",
            )  # fmt: skip

    def _by_value(self, node: ast.AST, thing: ast.expr, how: str) -> None:
        if self.scope.theirs(thing):
            self.note(
                node, f"uses {_short(thing)}, a live object of the student's, in {how}",
                "Reduce it to plain values in a set-up function named probe_...",
            )  # fmt: skip

    def _graph(self, node: ast.Call) -> None:
        match node:
            case ast.Call(func=ast.Attribute(value=of, attr="backward")):
                pass
            case ast.Call(args=[of, *_]) if self.scope.path(node.func) == "torch.autograd.grad":
                pass
            case _:
                return
        if self.scope.returned(of):
            self.note(
                node, "differentiates a result of the student's, which arrives without graph",
                "Take gradients in a set-up function named probe_... and return them.",
            )  # fmt: skip

    def _read_helper(self, node: ast.Call, path: str) -> None:
        """Read a helper function with the student's functions in the place of its arguments."""
        helper = self.scope.helpers.get(path)
        if helper is None or self.at is not None:
            return
        scope = self.scope.inside(helper)
        names = [argument.arg for argument in helper.args.args]
        pairs = [*zip(names, node.args, strict=False)]
        pairs += [(keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg]
        for name, value in pairs:
            scope.bind(ast.Name(name, ast.Store()), value, self.scope)
        line = node.lineno + self.offset
        inner = Reader(self.cell, scope, self.offset, line)
        inner.read(helper)
        self.found += inner.found


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 50 else f"{text[:47]}..."


def _alternatives(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]
