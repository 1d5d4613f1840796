"""`coursehub similar`: which hand-ins of an assignment are alike, for staff to look at."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from coursehub.cli.course import answering, one_line_errors
from coursehub.cli.earlier import Earlier, earlier_term, label
from coursehub.cli.progress import progress
from coursehub.course.load import load_course
from coursehub.course.model import Assignment, Course
from coursehub.errors import BadSubmission, CourseHubError, NotFound
from coursehub.exchange.database import connect
from coursehub.exchange.roster import Roster
from coursehub.grading import runner
from coursehub.grading.intake import Submission, read_submission
from coursehub.grading.source import Source, load_source
from coursehub.grading.writing import given, written
from coursehub.settings import Settings, load_settings
from coursehub.similarity.compare import RULES, compare
from coursehub.similarity.document import HandIn, Text
from coursehub.similarity.table import Run, Similarities

app = typer.Typer()


@app.command()
def similar(
    assignment: Annotated[str, typer.Argument(help="The assignment, e.g. assignment_1.")],
    earlier: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER|FILE.zip",
            help="Hand-ins of an earlier term, as `export-lms` writes them, or nbgrader's folder; "
            "may be given several times. Without it, those of the last time.",
        ),
    ] = None,
) -> None:
    """Find hand-ins of an assignment that are alike; staff see them on the course pages.

    Compared is what was collected: the text inside the answers, without what
    students were given and without what many wrote alike. Hand-ins of earlier
    terms are compared with this term's, not with one another. Nothing is
    executed. The grader does this by itself whenever it has autograded.

    What is found is a reason to look, and never a verdict.
    """
    with one_line_errors(), answering():
        settings = load_settings()
        course = load_course(settings.course)
        with gathered(settings, course, assignment) as material:
            material.bring_known() if earlier is None else material.bring(earlier)
            with progress(f"Comparing {assignment}", material.size, Console(stderr=True)) as batch:
                pairs = material.compare(datetime.now(UTC), batch.start, batch.finish)
    for who, problem in material.unread.items():
        typer.echo(f"{who}: not compared: {problem}", err=True)
    many = material.compared
    typer.echo(f"{assignment}: {many} hand-ins compared, {pairs} pairs for staff to look at")


def compare_again(settings: Settings, course: Course, assignment: str, now: datetime) -> int | None:
    """Compare what is collected, unless it is what was compared last; return how many pairs.

    Raises:
        CourseHubError: There is no source.
    """
    with gathered(settings, course, assignment) as material:
        known = material.table.run(assignment)
        if known and known.basis == material.basis(known.earlier):
            return None
        material.bring_known()
        return material.compare(now)


@dataclass
class Material:
    """All that is compared of one assignment.

    Attributes:
        settings: The deployment's.
        course: Its course.
        assignment: Which.
        scratch: An empty folder.
        stack: Keeps archives open.
        terms: Folder or archive of an earlier term -> its hand-ins.
        unread: Whose hand-in could not be read -> why.
        compared: How many could be.
    """

    settings: Settings
    course: Course
    assignment: Assignment
    scratch: Path
    stack: ExitStack
    terms: dict[str, list[Earlier]] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    compared: int = 0

    def __post_init__(self) -> None:
        """Open the course database."""
        self.engine = connect(str(self.settings.database))
        self.table = Similarities(self.engine)
        self.people = {each.username: each for each in Roster(self.engine).everyone()}

    def bring_known(self) -> None:
        """Open the earlier terms that were compared with last, as far as they can be read."""
        known = self.table.run(self.assignment.name)
        for path in known.earlier if known else ():
            try:
                self.bring([Path(path)])
            except CourseHubError as error:
                self.terms[path], self.unread[path] = [], str(error)

    def bring(self, earlier: Sequence[Path]) -> None:
        """Open hand-ins of earlier terms.

        Raises:
            CourseHubError: They cannot be read.
        """
        limit = self.settings.hand_in_bytes
        for path in earlier:
            if not path.exists():
                raise NotFound(
                    f"{path} is not there", remedy="Name folders of earlier terms with --earlier"
                )
            found = earlier_term(path.resolve(), self.assignment, self.course.tz, limit)
            self.terms[str(path.resolve())] = self.stack.enter_context(found)

    @property
    def collected(self) -> dict[str, Path]:
        """Student -> what was collected, which is what counts; staff's own tries are none."""
        folders = (self._course_dir / "submitted").glob(f"*/{self.assignment.name}")
        staff = {each.username for each in self.people.values() if each.staff}
        return {each.parent.name: each for each in sorted(folders) if each.parent.name not in staff}

    @property
    def size(self) -> int:
        """How many hand-ins there are."""
        return len(self.collected) + sum(len(each) for each in self.terms.values())

    def basis(self, earlier: Iterable[str]) -> str:
        """Follows from what is compared, and how."""
        terms = [(path, Path(path).exists()) for path in sorted(earlier)]
        stamps = {who: runner.stamp(folder) for who, folder in self.collected.items()}
        told = json.dumps([RULES, stamps, terms], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()

    def compare(
        self,
        now: datetime,
        on_start: Callable[[str], None] = lambda who: None,
        on_done: Callable[[str], None] = lambda who: None,
    ) -> int:
        """Compare them all and keep the result; return how many pairs there are."""
        basis = self.basis(self.terms)
        source = load_source(self._course_dir / "source" / self.assignment.name)
        released = [Text(*each) for each in given(source)]
        found = compare(self._hand_ins(source, on_start, on_done), released)
        terms = {path: len(hand_ins) for path, hand_ins in self.terms.items()}
        run = Run(now, basis, len(self.collected), terms, unread=self.unread)
        self.table.replace(self.assignment.name, run, found)
        return len(found.pairs) + found.more

    def _hand_ins(
        self, source: Source, on_start: Callable[[str], None], on_done: Callable[[str], None]
    ) -> Iterator[HandIn]:
        for who, folder in self.collected.items():
            person = self.people.get(who)
            known = {who.casefold(), *([person.number.casefold()] if person else [])}
            on_start(who)
            read = partial(read_submission, folder, source)
            yield from self._read(who, frozenset(known), "", source, read)
            on_done(who)
        for path, term in self.terms.items():
            name = label(Path(path), self.assignment)
            for each in term:
                on_start(each.who)
                read = partial(each.read, source, self.scratch)
                yield from self._read(each.who, each.known_as, name, source, read)
                on_done(each.who)

    def _read(
        self,
        who: str,
        known_as: frozenset[str],
        earlier: str,
        source: Source,
        read: Callable[[], Submission],
    ) -> Iterator[HandIn]:
        """The texts of a hand-in; one that cannot be read stops no other."""
        try:
            answers = written(source, read())
        except BadSubmission as error:
            self.unread[f"{who} ({earlier})" if earlier else who] = str(error)
            return
        self.compared += 1
        texts = {name: Text(*each) for name, each in answers.items()}
        yield HandIn(who, texts, earlier, known_as)

    @property
    def _course_dir(self) -> Path:
        return Path(str(self.settings.course_dir))


@contextmanager
def gathered(settings: Settings, course: Course, assignment: str) -> Iterator[Material]:
    """What is to be compared of an assignment, as long as the context lasts.

    Raises:
        NotFound: There is no such assignment.
    """
    with TemporaryDirectory(dir=settings.make_state()) as scratch, ExitStack() as stack:
        yield Material(settings, course, course.assignment(assignment), Path(scratch), stack)
