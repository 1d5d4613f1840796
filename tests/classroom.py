"""A class in the middle of a term: people, hand-ins, grades and feedback of any size, at once.

Written straight into the databases and folders, as the real steps would leave them; what has to be
real in a test (a hand-in, a verdict) is done by the real steps instead.
"""

import hashlib
import json
import random
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import nbformat
from nbformat.v4 import new_notebook
from nbgrader import api
from sqlalchemy import Table, create_engine

from coursehub.course.load import load_course
from coursehub.course.model import Assignment, Course
from coursehub.course.rebase import rebase
from coursehub.course.schedule import window
from coursehub.exchange.database import connect, fetches, ledger, people
from coursehub.exchange.store import SECRET_FILE, TIMESTAMP_FILE, lay_out, nbgrader_timestamp
from coursehub.gradebook import edits
from coursehub.settings import CHECKOUT, Settings
from coursehub.similarity.compare import compare
from coursehub.similarity.document import HandIn, Text
from coursehub.similarity.table import Run, Similarities

CELLS = (
    *((f"t{task}_test{test}", 5.0) for task in range(1, 6) for test in ("", "_2", "_3", "_4")),
    ("plot", 5.0),
    ("written", 10.0),
)
"""Grade ids, without the assignment, and what they are worth."""

ATTACK = """
x_adv = x.clone().detach()
for step in range(steps):
    x_adv.requires_grad_(True)
    loss = F.cross_entropy(model(x_adv), y)
    grad = torch.autograd.grad(loss, x_adv)[0]
    x_adv = x_adv.detach() + alpha * grad.sign()  # uphill
    x_adv = torch.clamp(x_adv, 0.0, 1.0)
return x_adv.detach()
"""

CERTIFY = """
counts = torch.zeros(classes)
for noisy in (x + sigma * torch.randn_like(x) for _ in range(n)):
    counts[model(noisy).argmax(dim=1)] += 1
top = counts.argmax().item()
lower = beta.ppf(alpha, counts[top].item(), n - counts[top].item() + 1)
return (top, sigma * norm.ppf(lower)) if lower > 0.5 else (-1, 0.0)
"""

EDIT = {"kind": "edited", "cell": "setup", "text": "A cell that is not yours was edited.\n-a\n+b"}


def course_in_week(number: int, today: date) -> str:
    """The shipped course, moved so that `today` lies in the week of that number."""
    shipped = CHECKOUT / "course.yml"
    weeks = {week.number: week.date for week in load_course(shipped).weeks}
    friday = today + timedelta(days=4 - today.weekday())
    text, _ = rebase(shipped.read_text(), friday - (weeks[number] - weeks[1]), file="course.yml")
    return text


class Classroom:
    """Fills a deployment that is not running yet."""

    def __init__(self, settings: Settings, students: Sequence[str], seed: int = 1) -> None:
        """Be a class of `students`, whose luck follows from `seed`."""
        self.settings = settings
        self.course: Course = load_course(settings.course)
        self.students = students
        self.random = random.Random(seed)
        self.engine = connect(str(settings.database))
        self.folder = lay_out(Path(str(settings.exchange)), self.course.id)
        self._number = 0

    def enrol(self) -> None:
        """Put everybody on the roster who is not on it yet."""
        known = {person.username for person in _roster(self)}
        rows = [
            {
                "username": name, "number": f"A{index:07}X", "name": f"Student {name}",
                "email": f"{name}@example.edu", "role": "student", "active": True,
            }
            for index, name in enumerate(self.students, start=2_000_000)
            if name not in known
        ]  # fmt: skip
        with self.engine.begin() as connection:
            if rows:
                connection.execute(people.insert(), rows)

    def release(self, assignment: Assignment) -> None:
        """Put it into the exchange, and let everybody fetch it but the last in twenty."""
        folder = self.folder / "outbound" / assignment.name
        folder.mkdir(parents=True, exist_ok=True)
        for name in assignment.files:
            folder.joinpath(name).write_text(nbformat.writes(new_notebook()))
        opened = window(self.course, assignment).release
        rows = [
            {"username": name, "assignment": assignment.name, "at": opened}
            for name in self.students[: len(self.students) * 19 // 20]
        ]
        with self.engine.begin() as connection:
            connection.execute(fetches.insert(), rows)

    def hand_in(self, assignment: Assignment, share: float = 0.9) -> dict[str, datetime]:
        """Let a share of the class hand in, one in twenty of them late; return when."""
        due = window(self.course, assignment).on_time_before
        received, rows = {}, []
        for index, name in enumerate(self.students[: int(len(self.students) * share)]):
            late = index % 20 == 19
            away = timedelta(seconds=self.random.randrange(60, 2 * 86_400), microseconds=index)
            received[name] = at = (due + away if late else due - away).astimezone(UTC)
            rows.append(self._row(name, assignment, at))
        with self.engine.begin() as connection:
            connection.execute(ledger.insert(), rows)
        return received

    def _row(self, name: str, assignment: Assignment, at: datetime) -> dict[str, object]:
        self._number += 1
        stamp = nbgrader_timestamp(at)
        folder = f"{name}+{assignment.name}+{stamp}+{self._number:012}"
        place = self.folder / "inbound" / folder
        place.mkdir()
        place.joinpath(SECRET_FILE).write_text(f"secret {self._number}")
        place.joinpath(TIMESTAMP_FILE).write_text(stamp)
        place.joinpath(assignment.notebook).write_text("{}")
        file = {"name": assignment.notebook, "sent_as": assignment.notebook, "bytes": 2}
        return {
            "number": self._number, "username": name, "assignment": assignment.name,
            "received": at, "folder": folder, "key": f"key-{self._number}",
            "files": [{**file, "sha256": hashlib.sha256(b"{}").hexdigest()}],
            "previous": "0" * 64, "hash": f"{self._number:064}",
            "receipt": f"CourseHub receipt.\n{name}\n",
        }  # fmt: skip

    def grade(
        self, assignment: Assignment, received: dict[str, datetime], *, by_hand: bool = True
    ) -> None:
        """Give points to all that was handed in; written answers too, or leave them open."""
        with api.Gradebook(self.settings.gradebook, self.course.id) as gradebook:
            edits.create_tables(gradebook.engine)
            gradebook.update_or_create_assignment(assignment.name)
        number = assignment.number
        notebook = {"id": _id(), "name": assignment.notebook.removesuffix(".ipynb")}
        cells = {name: _id() for name, _ in CELLS}
        engine = create_engine(str(self.settings.gradebook))
        with engine.begin() as db:
            assignments, students = _table(api.Assignment), _table(api.Student)
            named = assignments.c.name == assignment.name
            of = db.execute(assignments.select().where(named)).one()
            db.execute(_table(api.Notebook).insert().values(**notebook, assignment_id=of.id))
            for name, most in CELLS:
                base = {"id": cells[name], "name": f"a{number}_{name}", "type": "GradeCell"}
                db.execute(_table(api.BaseCell).insert().values(**base, notebook_id=notebook["id"]))
                kind = "code" if name.startswith("t") else "markdown"
                graded = {"id": cells[name], "max_score": most, "cell_type": kind}
                db.execute(_table(api.GradeCell).insert().values(graded))
            known = {row.id for row in db.execute(students.select())}
            if new := [{"id": name} for name in received if name not in known]:
                db.execute(students.insert(), new)
            hand_ins = [
                {
                    "id": _id(), "assignment_id": of.id, "student_id": name,
                    "timestamp": at.replace(tzinfo=None),
                }
                for name, at in received.items()
            ]  # fmt: skip
            notebooks = [
                {"id": _id(), "assignment_id": each["id"], "notebook_id": notebook["id"]}
                for each in hand_ins
            ]
            grades = [grade for each in notebooks for grade in self._grades(each, cells, by_hand)]
            db.execute(_table(api.SubmittedAssignment).insert(), hand_ins)
            db.execute(_table(api.SubmittedNotebook).insert(), notebooks)
            db.execute(_table(api.Grade).insert(), grades)
            reports = [
                {
                    "assignment": assignment.name, "notebook": notebook["name"], "student": name,
                    "answers": "x", "edits": json.dumps([EDIT] if index % 10 == 3 else []),
                }
                for index, name in enumerate(received)
            ]  # fmt: skip
            db.execute(edits.hand_in_report.insert(), reports)
        engine.dispose()

    def _grades(
        self, notebook: dict[str, str], cells: dict[str, str], by_hand: bool
    ) -> list[dict[str, object]]:
        skill = self.random.betavariate(4, 1.5)
        rows = []
        for name, most in CELLS:
            tested = name.startswith("t")
            hard = int(name[1]) / 10 if tested else 0.2
            right = self.random.random() < skill + 0.3 - hard
            rows.append(
                {
                    "id": _id(), "cell_id": cells[name], "notebook_id": notebook["id"],
                    "auto_score": (most if right else 0.0) if tested else None,
                    "manual_score": round(most * skill, 1) if not tested and by_hand else None,
                    "extra_credit": None,
                    "needs_manual_grade": not tested and not by_hand,
                }
            )  # fmt: skip
        return rows

    def compare(self, assignment: Assignment, now: datetime, remark: str = "") -> None:
        """Let the first two students, and one of an earlier term, have written the same."""
        number = assignment.number
        answers = {
            f"a{number}_t1": Text(f"{remark}{ATTACK}"),
            f"a{number}_t3": Text(f"total = 0\n{CERTIFY}"),
            f"a{number}_written": Text("Because it is. " * 3, prose=True),
        }
        renamed = {
            name: Text(each.text.replace("x_adv", "image").replace("# ", "# so: "), each.prose)
            for name, each in answers.items()
        }
        first, second = self.students[:2]
        hand_ins = [
            HandIn(who, texts, earlier, frozenset({who}))
            for who, texts, earlier in (
                (first, answers, ""),
                (second, renamed, ""),
                ("a0900000X Old-Student", {f"a{number}_t1": answers[f"a{number}_t1"]}, "2020"),
            )
        ]
        run = Run(now, "test", len(self.students), {"/srv/2020": 1}, unread={"bob": "is empty"})
        Similarities(self.engine).replace(assignment.name, run, compare(hand_ins, []))

    def give_feedback(self, assignment: Assignment, page: str = "<p>Well done.</p>") -> None:
        """Release a page of feedback for everything handed in."""
        notebook = assignment.notebook.removesuffix(".ipynb")
        for folder in (self.folder / "inbound").glob(f"*+{assignment.name}+*"):
            secret = folder.joinpath(SECRET_FILE).read_text()
            name = hashlib.md5(f"{secret}{notebook}".encode(), usedforsecurity=False).hexdigest()
            (self.folder / "feedback" / f"{name}.html").write_text(page)


def _roster(classroom: Classroom) -> Sequence[object]:
    from coursehub.exchange.roster import Roster

    return Roster(classroom.engine).everyone()


def _id() -> str:
    return uuid.uuid4().hex


def _table(of: type) -> Table:
    table: Table = of.__table__  # type: ignore[attr-defined]
    return table
