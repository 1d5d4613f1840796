"""Calls that mean the process that makes them: its files, figures, prints, random numbers."""

import ast
from collections.abc import Sequence

from coursehub.grading.liveness import Scope

_READERS = ("inspect", "dis", "pickle", "copy", "doctest", "cloudpickle", "dill", "gc")
_SEEDS = {"random.seed", "numpy.random.seed", "torch.manual_seed", "torch.random.manual_seed"}
_DRAWS = ("random.", "numpy.random.", "torch.rand", "torch.normal", "torch.bernoulli",
          "torch.multinomial", "torch.nn.")  # fmt: skip
_FIGURES = {"gcf", "gca", "get_fignums", "get_figlabels", "figure"}
_MAGICS = {"matplotlib", "config", "load_ext", "autoreload", "precision", "time", "timeit"}
_FILES = (
    "open", "os.path.exists", "os.path.isfile", "os.listdir", "os.stat", "glob.glob",
    "pathlib.Path", "numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "torch.load",
)  # fmt: skip
_WRITES = ("tempfile.", "os.mkdir", "os.makedirs", "os.remove", "os.rename", "os.chdir", "shutil.",
           "numpy.save", "torch.save", "matplotlib.pyplot.savefig")  # fmt: skip


def why_in_place(
    node: ast.Call, path: str, theirs: Sequence[ast.expr], scope: Scope
) -> tuple[str, str] | None:
    """Return why a call has to be made in the student's process, and the remedy; None if not.

    Args:
        node: The call.
        path: The dotted path of what is called.
        theirs: Those of its arguments that are the student's.
        scope: What is known where it stands.
    """
    if path == "get_ipython":
        return "uses a magic or a shell command", "Write plain Python, or use a set-up cell."
    if path.split(".")[0] in _READERS and theirs:
        what = f"looks into the student's {ast.unparse(theirs[0])} by {path}"
        return what, "Test what it returns, or look in a set-up function named probe_..."
    if path in ("contextlib.redirect_stdout", "contextlib.redirect_stderr"):
        return (
            "captures what is printed, which happens in the student's process",
            "Let a set-up function named probe_... capture it and return the text.",
        )
    if path in _SEEDS and scope.draws(_DRAWS):
        return (
            f"seeds its own process by {path}, not the student's",
            "Seed in a set-up function named probe_... that makes the call, "
            "or pass the seed as a number.",
        )
    if path.startswith("matplotlib.") and path.rpartition(".")[2] in _FIGURES:
        return (
            "looks at figures, which are in the student's process",
            "Let a set-up function named probe_... read the figure into plain values.",
        )
    apart = _writes(node, path) or (path in _FILES and scope.draws((*_FILES, *_WRITES)))
    if apart:
        return (
            f"uses files by {path}, and the student's process has its own",
            "Use files in a set-up function named probe_... that makes the call.",
        )
    return None


def _writes(node: ast.Call, path: str) -> bool:
    """Whether a call changes files; of a path nothing is known."""
    modes = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "mode")]
    mode = modes[0].value if modes and isinstance(modes[0], ast.Constant) else "r"
    return path.startswith(_WRITES) or (path == "open" and not set("wax+").isdisjoint(str(mode)))


def harmless_magic(node: ast.Call) -> bool:
    """Whether it is a magic that does the same in the judge."""
    match node:
        case ast.Call(
            func=ast.Attribute(attr="run_line_magic" | "run_cell_magic"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            return name in _MAGICS
    return False
