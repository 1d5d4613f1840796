"""Which files lie beside the answers, and which beside the tests."""

from collections.abc import Collection

from coursehub.grading.intake import Submission
from coursehub.grading.source import Source

# nbgrader's own files beside a hand-in: no business of the student's process.
_PRIVATE = {"timestamp.txt", "submission_secret.txt"}
# What a module that students complete says where they do.
_STUBS = (b"NotImplementedError", b"YOUR CODE HERE", b"your code starts here")


def course_files(source: Source, modules: Collection[str]) -> dict[str, bytes]:
    """The files beside the tests and beside the answers: the course's own.

    Not among them is the instructor's version of a module that students write: the judge reaches
    theirs through their process, as it does answers, and who hands none in has none.
    """
    return {
        name: content
        for name, content in source.files.items()
        if not _is_answer(name, content, modules)
    }


def own_files(source: Source, submission: Submission) -> dict[str, bytes]:
    """What the student handed in beside the notebook; data of the course's stays the course's."""
    return {
        name: content
        for name, content in submission.files.items()
        if name not in _PRIVATE and (name not in source.files or name.endswith(".py"))
    }


def _is_answer(name: str, content: bytes, modules: Collection[str]) -> bool:
    """Whether students write in this module: course.yml lists it, or it says so itself."""
    return name.endswith(".py") and (name in modules or any(stub in content for stub in _STUBS))
