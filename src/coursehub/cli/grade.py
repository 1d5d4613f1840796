"""`coursehub grade`: hand-ins to verdicts, outside any hub or gradebook; nothing is written."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from coursehub.cli.course import one_line_errors
from coursehub.course.load import load_course
from coursehub.errors import CourseHubError, SandboxError
from coursehub.grading.marking import Marking, kind_of_sandbox, open_real
from coursehub.grading.pipeline import Grader, caveat
from coursehub.grading.sandbox import Sandbox
from coursehub.grading.source import Source, load_source
from coursehub.grading.verdict import Verdict
from coursehub.settings import Settings, load_settings

app = typer.Typer()

NOT_REAL = 3
"""The exit code when the sandbox that was asked for does not hold what it promises."""

FAILED = 1
"""The exit code when grading itself failed for a hand-in."""


class SandboxKind(StrEnum):
    """Where hand-ins are run."""

    docker = "docker"
    process = "process"


@app.command()
def grade(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE_DIR", help="The instructor's folder, as in source/.")
    ],
    submissions: Annotated[
        list[Path], typer.Argument(metavar="SUBMISSION_DIR...", help="One folder a hand-in.")
    ],
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Hand-ins graded at a time; by default one a core.")
    ] = None,
    sandbox: Annotated[
        SandboxKind | None,
        typer.Option(help="Containers, or confined processes, which isolate less."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a hand-in and line.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Draw the tests' inputs as in an earlier run.")
    ] = None,
) -> None:
    """Grade hand-ins of any nbgrader assignment and print their verdicts, in this order.

    SOURCE_DIR holds the instructor's notebooks, with solutions and hidden tests;
    each SUBMISSION_DIR what one student handed in. No hub, course or gradebook is
    needed, and nothing but the output is written. Limits and what edits cost are
    those of course.yml where it has the assignment.

    Exit code 0 when every hand-in got a verdict, 1 when grading itself failed for
    one, 2 when something asked for is wrong, 3 when the sandbox is not real.
    """
    with one_line_errors():
        assignment = load_source(source)
        for folder in submissions:
            if not os.path.lexists(folder):  # a file or a link gets its verdict: rejected
                raise CourseHubError("is not there", file=str(folder), remedy="Name folders.")
        settings = load_settings()
        kind = sandbox.value if sandbox else kind_of_sandbox(settings)
        options = _options(settings, assignment.name)
    options["seed"] = secrets.randbits(31) if seed is None else seed
    err = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        with ExitStack() as stack:
            opened = stack.enter_context(open_real(kind))
            if not opened.real:
                err.print(" ".join([caveat(opened), *opened.missing()]), markup=False)
            err.print(f"Inputs of the tests are drawn with --seed {options['seed']}.")
            failed = 0
            outcomes = _graded(stack, opened, assignment, submissions, jobs, options, err)
            for folder, outcome in outcomes:
                failed += isinstance(outcome, SandboxError)
                _print(folder, outcome, as_json, err)
    except SandboxError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(NOT_REAL) from None
    if failed:
        raise typer.Exit(FAILED)


def _graded(
    stack: ExitStack,
    sandbox: Sandbox,
    source: Source,
    submissions: Sequence[Path],
    jobs: int | None,
    options: Mapping[str, Any],
    err: Console,
) -> Iterator[tuple[Path, Verdict | SandboxError]]:
    """Grade several at a time; yield in the order of the arguments."""
    workers = min(jobs or os.cpu_count() or 1, len(submissions))
    graders: SimpleQueue[Grader] = SimpleQueue()
    for _ in range(workers):
        graders.put(stack.enter_context(Grader(sandbox)))
    columns = (TextColumn("Grading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = stack.enter_context(
        Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
    )
    task = progress.add_task("", total=len(submissions))

    def one(folder: Path) -> Verdict | SandboxError:
        grader = graders.get()
        try:
            return grader.grade(source, folder, **options).verdict
        except SandboxError as error:
            return error
        finally:
            graders.put(grader)
            progress.advance(task)

    pool = ThreadPoolExecutor(workers)
    stack.callback(pool.shutdown, wait=False, cancel_futures=True)
    yield from zip(submissions, pool.map(one, submissions), strict=True)


def _options(settings: Settings, assignment: str) -> dict[str, Any]:
    """Limits and edit policy, where there is a course file.

    Raises:
        CourseFileError: there is one, and it is wrong.
    """
    if not settings.course.exists():
        return {}
    return Marking(load_course(settings.course), settings).options(assignment)


def _print(folder: Path, outcome: Verdict | SandboxError, as_json: bool, err: Console) -> None:
    if isinstance(outcome, SandboxError):
        err.print(f"{folder}: not graded: {outcome}", markup=False)
    elif as_json:
        typer.echo(json.dumps(outcome.as_json(), allow_nan=False))
    else:
        points, most = sum(outcome.points.values()), sum(outcome.max_points.values())
        state = outcome.status.replace("_", " ")
        typer.echo(f"{folder}: {state}, {points:g} of {most:g} points. {outcome.reason}".rstrip())
        for finding in outcome.findings:
            typer.echo(f"  {finding.kind}: {finding.text.partition(chr(10))[0]}")
