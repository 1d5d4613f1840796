"""Which test cells cannot be judged outside the student's process, and why: read, never run.

The judge calls the student's functions through proxies: plain values go out, plain values come
back. A test that needs more than that is named here, on the side of caution, and with it the tests
that share its variables.
"""

from collections.abc import Iterator, Sequence

from nbformat import NotebookNode

from coursehub.grading.liveness import Scope
from coursehub.grading.plan import Step, parse, plan
from coursehub.grading.problem import Problem
from coursehub.grading.reading import Reader
from coursehub.grading.sharing import far_names
from coursehub.grading.ties import Tie, leaks, ties

__all__ = ["Problem", "problems", "unprotected"]


def problems(source: NotebookNode) -> tuple[Problem, ...]:
    """Return the problems of a source notebook's test cells, in order."""
    steps = plan(source)
    tests = [step for step in steps if step.kind == "test"]
    found = {step.cell: set(_of_test(step, steps)) for step in tests}
    _spread(found, list(ties(steps)), tests)
    return tuple(
        problem
        for step in tests
        for problem in sorted(found[step.cell], key=lambda p: (p.line, p.reason))
    )


def unprotected(source: NotebookNode) -> frozenset[str]:
    """Return the test cells that have problems, by grade id."""
    return frozenset(problem.cell for problem in problems(source))


def _of_test(step: Step, steps: Sequence[Step]) -> Iterator[Problem]:
    tree = parse(step.source)
    if tree is None:
        yield Problem(step.cell, 1, "is not valid Python", "Correct it.")
        return
    if "AUTOTEST" in step.source:
        yield Problem(
            step.cell, _line_of(step.source, "AUTOTEST"),
            "still has to be written by nbgrader (AUTOTEST)",
            "Put the asserts that `nbgrader generate_assignment` makes into the source.",
        )  # fmt: skip
    for name, user in leaks(step, steps):
        yield Problem(
            step.cell, _line_of(step.source, name),
            f"defines {name}, which {user} uses on the student's side",
            f"Define {name} in a set-up cell.",
        )  # fmt: skip
    reader = Reader(step.cell, _scope(step, steps), _blank_lines(step.source))
    reader.read(tree)
    yield from reader.found


def _spread(found: dict[str, set[Problem]], known: Sequence[Tie], tests: Sequence[Step]) -> None:
    """Add the tests that share variables with one that runs in the student's process."""
    texts = {step.cell: step.source for step in tests}
    remedies = "Define {name} in a set-up cell, or in each test that uses it."
    more = True
    while more:
        more = False
        for tie in known:
            ends = (tie.giver, tie.taker)
            if bool(found[ends[0]]) == bool(found[ends[1]]):
                continue
            protected, other = ends if found[ends[1]] else ends[::-1]
            verb, its = ("defines", "uses") if protected == tie.giver else ("uses", "defines")
            found[protected].add(
                Problem(
                    protected, _line_of(texts[protected], tie.name),
                    f"{verb} {tie.name}, which {other} {its} in the student's process",
                    remedies.format(name=tie.name),
                )
            )  # fmt: skip
            more = True


def _scope(step: Step, steps: Sequence[Step]) -> Scope:
    """What is known when a test begins."""
    scope = Scope()
    for other in steps:
        if other.kind == "text" or (other.number >= step.number and other.kind != "answer"):
            continue
        tree = parse(other.source)
        if tree and other.kind == "test":
            Reader(other.cell, scope, 0).read(tree)
        elif tree:
            far = far_names(other.source, tree) if other.kind == "setup" else ()
            scope.learn(tree, theirs=other.kind == "answer", proxied=far)
    return scope


def _line_of(text: str, word: str) -> int:
    """Return the line of a cell, from 1, where a word stands first."""
    lines = text.split("\n")
    return next((n for n, line in enumerate(lines, start=1) if word in line), 1)


def _blank_lines(text: str) -> int:
    return len(text) - len(text.lstrip("\n"))
