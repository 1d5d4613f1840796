"""What an assignment's notebooks import, read from the instructor's text."""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from coursehub.grading.plan import kind_of, parse
from coursehub.grading.sandbox.base import Imports
from coursehub.grading.source import Source

# What takes time, and neither starts threads nor keeps what forks must not share.
WARM = {"matplotlib", "numpy", "pandas", "PIL", "scipy", "sklearn", "torch", "torchvision"}
# What IPython imports with its first shell, its first cell and its first error.
SHELL = ("IPython.core.application", "IPython.core.completerlib", "IPython.core.logger",
         "IPython.core.magics", "stack_data", "executing.executing",
         "pygments.formatters.terminal256")  # fmt: skip
# What torch imports when the first optimiser is made; it takes a second.
OPTIMISER = "torch._dynamo"
# What a notebook draws with.
DRAWING = "matplotlib.backends.backend_agg"


def modules_of(source: Source) -> Imports:
    """What the zygotes of an assignment import beforehand, once for all hand-ins.

    Only well-known packages are among them, and names that do not exist: `from a import b` may mean
    a module, `a.b`, or not.
    """
    trees = [
        parse(cell.source)
        for notebook in source.notebooks.values()
        for cell in notebook.cells
        if kind_of(cell) != "text"
    ]
    trees += [parse(content.decode(errors="replace")) for content in source.modules.values()]
    own = {PurePosixPath(name).parts[0].removesuffix(".py") for name in source.files}
    found = {
        name: None
        for tree in trees
        if tree
        for name in _imported(tree)
        if name.partition(".")[0] in WARM - own
    }
    if "matplotlib" in {name.partition(".")[0] for name in found}:
        found[DRAWING] = None
    text = "".join(cell.source for each in source.notebooks.values() for cell in each.cells)
    text += "".join(content.decode(errors="replace") for content in source.modules.values())
    trains = [OPTIMISER] if "torch" in found and "optim" in text else []
    return {"student": (*SHELL, *found, *trains), "judge": (*SHELL, *found)}


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names if each.name != "*")
