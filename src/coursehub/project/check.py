"""Checks a report's PDF, whatever it is, within limits of time and memory."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

from coursehub.course.layout import Page, Run, findings
from coursehub.course.project import Report
from coursehub.errors import CourseHubError

SECONDS = 60
"""Processor time for one file; a report takes a few."""
MEMORY = 1_000_000_000
"""Bytes of memory for one file."""

_LOOK = Path(__file__).with_name("look.py")


def check(report: Report, content: bytes, *, seconds: int = SECONDS) -> tuple[str, ...]:
    """Return what is wrong with a report, a sentence each; nothing if all is right.

    Args:
        report: What course.yml wants of it.
        content: The file. It is read in a process of its own, and need not be a PDF.
        seconds: Processor time for reading it.

    Raises:
        CourseHubError: The checker itself is broken.
    """
    seen = _look(content, seconds)
    if isinstance(seen, str):
        return (seen,)
    return tuple(findings(report, seen))


def _look(content: bytes, seconds: int) -> list[Page] | str:
    """Return the file's pages, or why they cannot be seen."""
    command = [sys.executable, "-I", str(_LOOK), str(seconds), str(MEMORY)]
    with TemporaryFile() as output:
        try:
            ended = subprocess.run(
                command,
                input=content,
                stdout=output,
                stderr=subprocess.DEVNULL,
                env={},
                timeout=2 * seconds,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            ended = -signal.SIGXCPU
        output.seek(0)
        said = output.read()
    if ended < 0:
        return (
            f"It could not be read within {seconds} seconds and {MEMORY // 1_000_000_000} GB of "
            "memory. If it has very large drawings, put them in as images."
        )
    if ended:
        raise CourseHubError(
            f"reports cannot be checked here: {_LOOK} ended with {ended}",
            remedy="See whether pdfminer.six is installed; what was handed in is kept",
        )
    seen = json.loads(said)
    if problem := seen.get("problem"):
        return str(problem)
    return [
        Page(
            page["width"],
            page["height"],
            tuple(Run(*run) for run in page["runs"]),
            tuple(page["not_embedded"]),
        )
        for page in seen["pages"]
    ]
