"""What a test's expressions stand for, as far as reading tells: plain, live, or the student's."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

_LIVE = (
    "torch.nn.", "torch.optim.", "torch.Generator", "torch.utils.data.", "torch.distributions.",
    "torchvision.", "numpy.random.default_rng", "numpy.random.RandomState",
    "numpy.random.Generator", "random.Random", "pandas.",
    "datetime.", "pathlib.", "io.", "types.", "unittest.mock.", "networkx.", "sklearn.",
    "scipy.sparse.", "PIL.", "matplotlib.", "threading.", "queue.", "itertools.", "gym.",
    "gymnasium.", "functools.partial",
)  # fmt: skip
_PLAIN = ("torch.nn.functional.", "torch.nn.init.", "torch.nn.utils.", "torch.nn.Parameter",
          "sklearn.datasets.", "sklearn.metrics.", "sklearn.model_selection.")  # fmt: skip
_LIVE_BUILTINS = {"open", "iter", "zip", "map", "filter", "enumerate", "reversed",
                  "object", "memoryview"}  # fmt: skip
_GRAPHS = {"torch", "jax", "tensorflow", "autograd"}
_A_LAMBDA, _A_FUNCTION = "a lambda", "a function of the test's"
CALLBACKS = {_A_LAMBDA, _A_FUNCTION}
"""What the student's code may call back: it runs in the judge, on plain values."""
_OPERATORS = {
    f"__{kind}{name}__"
    for kind in ("", "r")
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
}
# Methods that return the object itself.
_SAME = {"to", "eval", "train", "cpu", "cuda", "double", "float", "half", "manual_seed", "apply"}


@dataclass
class Scope:
    """The names that a cell sees.

    Attributes:
        functions_of_theirs: Functions and classes that answers define.
        variables_of_theirs: Other names that answers define.
        handles: Names of live objects on the student's side.
        proxied: Set-up functions that run on the student's side.
        helpers: Functions of set-up cells or tests, which run at the judge's.
        classes: Classes of set-up cells or tests.
        modules: Name -> the dotted path that it was imported from.
        lives: Name -> what live object at the judge's it is.
        results: Names of what the student's code returned.
        paths: Dotted paths of what answers call.
        local: The scope is a function's.
        operators: A class of the student's has operators of its own.
    """

    functions_of_theirs: set[str] = field(default_factory=set)
    variables_of_theirs: set[str] = field(default_factory=set)
    handles: set[str] = field(default_factory=set)
    proxied: set[str] = field(default_factory=set)
    helpers: dict[str, ast.FunctionDef] = field(default_factory=dict)
    classes: set[str] = field(default_factory=set)
    modules: dict[str, str] = field(default_factory=dict)
    lives: dict[str, str] = field(default_factory=dict)
    results: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    classes_of_theirs: set[str] = field(default_factory=set)
    local: bool = False
    operators: bool = False

    def learn(self, tree: ast.Module, *, theirs: bool = False, proxied: Iterable[str] = ()) -> None:
        """Learn what a cell defines; `theirs` where the student writes it."""
        self.proxied |= set(proxied)
        for node in ast.walk(tree):
            self._import(node)
        if theirs:
            self.paths |= {self.path(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
        for node in _statements(tree.body):
            match node:
                case ast.FunctionDef() if theirs:
                    self.functions_of_theirs.add(node.name)
                case ast.ClassDef() if theirs:
                    self.operators |= any(_operator(each) for each in node.body)
                    self.functions_of_theirs.add(node.name)
                    self.classes_of_theirs.add(node.name)
                case ast.FunctionDef() if node.name not in self.proxied:
                    self.helpers[node.name] = node
                case ast.ClassDef():
                    self.classes.add(node.name)
                case ast.Assign() | ast.AnnAssign() if node.value is not None:
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    for target in targets:
                        self._define(target, node.value, theirs)

    def _import(self, node: ast.AST) -> None:
        match node:
            case ast.Import():
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self.modules[name] = alias.name if alias.asname else name
            case ast.ImportFrom():
                for alias in node.names:
                    self.modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def _define(self, target: ast.expr, value: ast.expr, theirs: bool) -> None:
        if not theirs:
            self.bind(target, value)
        elif isinstance(target, ast.Name):
            self.variables_of_theirs.add(target.id)
            if isinstance(value, ast.Lambda):
                self.functions_of_theirs.add(target.id)
            elif self.live(value) or self.theirs(value):
                self.handles.add(target.id)

    def bind(self, target: ast.expr, value: ast.expr | None, outer: "Scope | None" = None) -> None:
        """Bind a name to what a value stands for in `outer`, or here."""
        outer = outer or self
        if isinstance(target, ast.Tuple | ast.List):
            values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            for number, each in enumerate(target.elts):
                result = value if value is not None and outer.returned(value) else None
                self.bind(each, values[number] if number < len(values) else result, outer)
        elif isinstance(target, ast.Name):
            self._forget(target.id)
            if value is not None:
                self._remember(target.id, value, outer)

    def _forget(self, name: str) -> None:
        for names in (self.handles, self.results, self.functions_of_theirs):
            if name not in self.variables_of_theirs or self.local:
                names.discard(name)
        self.lives.pop(name, None)
        if self.local:
            self.variables_of_theirs.discard(name)
            self.helpers.pop(name, None)

    def _remember(self, name: str, value: ast.expr, outer: "Scope") -> None:
        what = outer.live(value)
        if outer.theirs(value):
            self.handles.add(name)
        elif isinstance(value, ast.Name) and outer.answered(value):
            self.functions_of_theirs.add(name)
        elif what:
            self.lives[name] = what
        elif outer.returned(value):
            self.results.add(name)

    def inside(self, function: ast.FunctionDef) -> "Scope":
        """The scope of a function's body: its parameters hide what is outside."""
        scope = replace(
            self,
            functions_of_theirs=set(self.functions_of_theirs),
            variables_of_theirs=set(self.variables_of_theirs),
            handles=set(self.handles),
            helpers=dict(self.helpers),
            lives=dict(self.lives),
            results=set(self.results),
            local=True,
        )
        a = function.args
        for argument in (*a.posonlyargs, *a.args, *a.kwonlyargs):
            scope.bind(ast.Name(argument.arg, ast.Store()), None)
        return scope

    def path(self, node: ast.expr) -> str:
        """The dotted path that an expression names, imports resolved; empty where none."""
        if isinstance(node, ast.Name):
            return self.modules.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            root = self.path(node.value)
            return f"{root}.{node.attr}" if root else ""
        return ""

    def imported(self, node: ast.expr) -> bool:
        """Whether it is something out of a module."""
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and node.id in self.modules

    def answered(self, node: ast.expr) -> bool:
        """Whether it is a function, class or live object of the student's, or a part of one."""
        while isinstance(node, ast.Attribute):
            node = node.value
        if isinstance(node, ast.Name):
            return node.id in self.functions_of_theirs or node.id in self.handles
        return self.theirs(node)

    def theirs(self, node: ast.expr) -> bool:
        """Whether it is a live object on the student's side."""
        match node:
            case ast.Name():
                return node.id in self.handles
            case ast.Call(func=ast.Name(id=name)):
                return name in self.classes_of_theirs
        return False

    def returned(self, node: ast.expr) -> bool:
        """Whether it is what the student's code returned, or something computed from it."""
        match node:
            case ast.Name():
                return node.id in self.results
            case ast.Call():
                method = isinstance(node.func, ast.Attribute) and self.returned(node.func.value)
                return self.answered(node.func) or method
            case ast.BinOp():
                return self.returned(node.left) or self.returned(node.right)
        return False

    def without_graphs(self) -> bool:
        """Whether nothing that comes back from a call can be meant to be differentiated."""
        return not any(path.partition(".")[0] in _GRAPHS for path in self.modules.values())

    def draws(self, prefixes: tuple[str, ...]) -> bool:
        """Whether answers call something whose path begins so."""
        return any(path.startswith(prefixes) for path in self.paths)

    def live(self, node: ast.expr | None, depth: int = 4) -> str:
        """What live object at the judge's an expression is; empty where it may be plain."""
        match node:
            case ast.Name():
                return self._live_name(node.id)
            case ast.Lambda():
                return _A_LAMBDA
            case ast.GeneratorExp():
                return "a generator"
            case ast.Call():
                return self._live_call(node, depth)
            case ast.Tuple() | ast.List():
                return next((w for e in node.elts if (w := self.live(e, depth))), "")
            case ast.Dict():
                return next((w for e in node.values if (w := self.live(e, depth))), "")
            case ast.Starred():
                return self.live(node.value, depth)
            case ast.IfExp():
                return self.live(node.body, depth) or self.live(node.orelse, depth)
        return ""

    def _live_name(self, name: str) -> str:
        if name in self.functions_of_theirs or name in self.handles or name in self.proxied:
            return ""
        if name in self.lives:
            return self.lives[name]
        if name in self.helpers:
            return _A_FUNCTION
        if name in self.classes:
            return "a class"
        return "a module" if "." not in self.modules.get(name, ".") else ""

    def _live_call(self, node: ast.Call, depth: int) -> str:
        path = self.path(node.func)
        if self.answered(node.func) or path in self.proxied:
            return ""
        if path in self.classes:
            return f"an object of class {path}"
        if path in self.helpers:
            return self._live_result(self.helpers[path], depth)
        if path in _LIVE_BUILTINS:
            return f"a {path} object"
        if path.startswith(_LIVE) and not path.startswith(_PLAIN) and self.imported(node.func):
            return f"a {path} object"
        if isinstance(node.func, ast.Attribute) and node.func.attr in _SAME:
            return self.live(node.func.value, depth)
        return ""

    def _live_result(self, function: ast.FunctionDef, depth: int) -> str:
        if depth == 0:
            return ""
        scope = self.inside(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    scope.bind(target, node.value)
        returns = [n.value for n in ast.walk(function) if isinstance(n, ast.Return)]
        return next((w for value in returns if (w := scope.live(value, depth - 1))), "")


def _operator(node: ast.stmt) -> bool:
    """Whether a method is one for an operator of arithmetic."""
    return isinstance(node, ast.FunctionDef) and node.name in _OPERATORS


def _statements(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a body and of the blocks in it, functions and classes not entered."""
    found: list[ast.stmt] = []
    for statement in body:
        found.append(statement)
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for name in ("body", "orelse", "finalbody"):
                found += _statements(getattr(statement, name, []))
    return found
