"""The link in a notebook that opens it in Google Colab.

Colab opens what lies in a public repository, by an address that only the course knows. So the link
is put into the instructor's notebook when the course is set up, as its first line; everything that
follows from that notebook, the release and the check for edits, then has it too.
"""

import re
from pathlib import Path

import nbformat

from coursehub.errors import CourseHubError

# https://colab.research.google.com/github/googlecolab/colabtools/blob/main/notebooks/colab-github-demo.ipynb
ADDRESS = "https://colab.research.google.com"
_TARGET = re.compile(r"github/[\w.-]+/[\w.-]+/blob/[\w./-]+")
_LINE = re.compile(rf"\A\[[^\]\n]*\]\({re.escape(ADDRESS)}/[^)\n]*\)\n\n?")


def link(source: Path, target: str) -> str:
    """Put the link into an assignment's notebook, in the place of an older one; return it.

    Args:
        source: the instructor's folder, named as the assignment; its notebook is rewritten.
        target: the folder that holds the release of all assignments, as Colab names it:
            ``github/ORGANISATION/REPOSITORY/blob/BRANCH/FOLDER``. Empty removes the link.

    Raises:
        CourseHubError: the target has another form, or the notebook does not begin with text.
    """
    target = target.strip("/")
    if target and not _TARGET.fullmatch(target):
        raise CourseHubError(
            f"{target!r} is no place that Colab opens",
            key="colab",
            remedy="Write it like github/ORGANISATION/REPOSITORY/blob/BRANCH/release",
        )
    path = source / f"{source.name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown":
        raise CourseHubError(
            "its first cell is no text", file=str(path), remedy="Begin the notebook with a title"
        )
    line = f"[▶ Open in Colab]({ADDRESS}/{target}/{source.name}/{path.name})" if target else ""
    text = _LINE.sub("", first.source)
    first.source = f"{line}\n\n{text}" if line else text
    nbformat.write(notebook, path)
    return line
