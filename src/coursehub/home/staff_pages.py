"""Staff's pages. Who asks must be a TA or an instructor by the roster as it is at that moment."""

import re
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from coursehub.course.schedule import say_short
from coursehub.course.wallclock import Fault
from coursehub.errors import CourseHubError, NotAllowed
from coursehub.home import staff
from coursehub.home.approval import before_feedback
from coursehub.home.chart import histogram
from coursehub.home.forms import first_late
from coursehub.home.web import PageHandler
from coursehub.home.words import count

JOURNAL_PAGE = 200


class StaffHandler(PageHandler):
    """A page for staff alone."""

    def admit(self) -> None:
        """Refuse students, whatever page it is."""
        if not self.person.staff:
            raise NotAllowed("this page is for the course staff")

    def show(self, template: str, **names: Any) -> None:
        """Answer with a page that has staff's menu."""
        super().show(template, said=self._said(), here=self.request.path, **names)

    def _said(self) -> str:
        """What was just done, in our words: an address must not put others on the page."""
        did = self.get_query_argument("did_now", "")
        many = _whole(self.get_query_argument("many", "1"))
        return {
            "extended": f"{count(many, 'student')} got more time",
            "answered": "Answered; the student sees it now",
            "decided": "Decided; the student reads it in the feedback",
            "approved": "Approved; feedback goes out by itself",
            "looked": "Noted that you have looked at it",
        }.get(did, "")


class OverviewHandler(StaffHandler):
    """All assignments: how the class stands, and what there is to do."""

    async def get(self) -> None:
        """Show it."""
        classes = await self.ask(self.home.classes, self.now)
        grader = await self.ask(self.home.staffroom.grader, self.now)
        todo = await self.ask(self.home.clock.waiting, self.now)
        regrades = await self.ask(self.home.regrades.waiting)
        progress = await self.ask(self.home.progress, self.now)
        self.show(
            "overview.html", classes=classes, grader=grader, todo=todo,
            regrades=len(regrades), progress=progress, states=staff.STATES,
        )  # fmt: skip


class ProgressHandler(StaffHandler):
    """How far grading is, for the script that asks again and again."""

    for_people = False

    async def get(self) -> None:
        """Say it."""
        grader = await self.ask(self.home.staffroom.grader, self.now)
        progress = await self.ask(self.home.progress, self.now)
        self.finish(
            {
                "assignments": {
                    name: {"graded": each.graded, "of": each.of, "text": each.text}
                    for name, each in progress.items()
                },
                "grader": say_grader(grader),
            }
        )


class ClassHandler(StaffHandler):
    """The list of a class for one assignment."""

    async def get(self, name: str) -> None:
        """Show what is wanted of it."""
        assignment = self.course.assignment(name)
        wanted = staff.Wanted(
            self.get_query_argument("state", ""),
            self.get_query_argument("q", "").strip()[:100],
            self.get_query_argument("order", "name"),
            _whole(self.get_query_argument("page", "1")),
        )
        everybody = await self.ask(self.home.class_rows, assignment, self.now)
        found = staff.class_list(everybody, wanted)
        self.show(
            "class.html", assignment=assignment, found=found, wanted=wanted, states=staff.STATES,
            link=lambda **changed: "?" + urlencode(_changed(wanted, changed)),
        )  # fmt: skip


class FeedbackHandler(StaffHandler):
    """Where staff approve an assignment's feedback, knowing what of it still needs a person."""

    async def get(self, name: str) -> None:
        """Show what that is."""
        await self._show(name)

    async def post(self, name: str) -> None:
        """Approve what was seen; where that is something else by now, show it again."""
        clock = self.home.clock
        if not self.course.feedback.approve:
            raise CourseHubError("nobody needs to approve feedback in this course")
        if await self.ask(clock.is_approved, self.course.assignment(name).name):
            raise CourseHubError("somebody has approved it already", remedy="See the journal")
        pending = await self.ask(self._pending, name)
        if self.get_body_argument("seen", "") != "; ".join(pending):
            self.set_status(409)
            await self._show(name, problem="It is no longer as you saw it. Look at it once more.")
            return
        await self.ask(clock.approve, name, pending, self.person.username, self.now)
        self.go("staff/?did_now=approved")

    def _pending(self, name: str) -> list[str]:
        course, clock = self.course, self.home.clock
        rows = self.home.class_rows(course.assignment(name), self.now)
        say = partial(say_short, course=course)
        return before_feedback(rows, clock.last(name), self.now, say)

    async def _show(self, name: str, problem: str = "") -> None:
        clock = self.home.clock
        self.show(
            "feedback.html",
            assignment=self.course.assignment(name),
            pending=await self.ask(self._pending, name),
            approved=await self.ask(clock.is_approved, name),
            last=await self.ask(clock.last, name),
            problem=problem,
        )


class FiguresHandler(StaffHandler):
    """How scores are distributed, and how hard each task was."""

    async def get(self, name: str) -> None:
        """Show it."""
        assignment = self.course.assignment(name)
        everybody = await self.ask(self.home.class_rows, assignment, self.now)
        points = [row.points for row in everybody if row.points]
        most = max((each.most for each in points), default=0)
        figure = histogram([each.score for each in points], most) if most > 0 else None
        cells = await self.ask(self.home.scores.of_cells, name)
        self.show(
            "figures.html", assignment=assignment, figure=figure, tasks=staff.task_figures(cells)
        )


class EditsHandler(StaffHandler):
    """Edits outside the answers: what was found and proposed, and what staff decide."""

    async def get(self, name: str) -> None:
        """Show them, with a form for each hand-in."""
        await self._show(name)

    async def post(self, name: str) -> None:
        """Decide about one hand-in; what is wrong is said above, and what was written stays."""
        fields = ("student", "edits", "verb", "amount", "unit", "reason")
        filled = {each: self.get_body_argument(each, "") for each in fields}
        try:
            await self.ask(self._decide, name, filled)
        except CourseHubError as error:
            self.set_status(409)
            await self._show(name, problem=str(error), tried=filled)
            return
        student = quote(filled["student"])
        self.go(f"staff/assignments/{name}/edits?did_now=decided#{student}")

    async def _show(self, name: str, problem: str = "", tried: Any = None) -> None:
        assignment = self.course.assignment(name)
        edited = await self.ask(self._edited, name)
        edited.sort(key=lambda row: (not staff.undecided(self.course, row.edits), row.person.name))
        self.show(
            "edits.html", assignment=assignment, edited=edited,
            proposal=lambda edits: self.course.edits.deduction(len(edits.found)),
            problem=problem, tried=tried or {"student": ""},
        )  # fmt: skip

    def _edited(self, name: str) -> list[staff.Row]:
        rows = self.home.class_rows(self.course.assignment(name), self.now)
        return [row for row in rows if row.edits]

    def _decide(self, name: str, filled: dict[str, str]) -> None:
        student, verb = filled["student"], filled["verb"]
        found = next((row for row in self._edited(name) if row.person.username == student), None)
        if found is None:
            raise CourseHubError(f"{student} has no edits outside the answers in {name}")
        percent = (
            staff.percent_of(filled["amount"], filled["unit"], found) if verb == "other" else 0
        )
        self.home.staffroom.decide(
            name, student, filled["edits"], verb, percent, filled["reason"].strip()[:2000],
            self.person.username, self.now,
        )  # fmt: skip


class ExtensionsHandler(StaffHandler):
    """More time for one student, several, a team or all."""

    FIELDS = ("who", "team", "assignment", "until", "reason", "all")

    async def get(self) -> None:
        """Show the form, and what was granted."""
        await self.show_form(
            who=" ".join(self.get_query_arguments("who")),
            assignment=self.get_query_argument("assignment", ""),
        )

    async def show_form(self, **filled: Any) -> None:
        """Show the form as it was filled."""
        granted = await self.ask(self.home.staffroom.journal, did="extend", limit=50)
        teams = sorted(set((await self.ask(self.home.staffroom.teams)).values()))
        form = dict.fromkeys((*self.FIELDS, "problem"), "")
        self.show("extensions.html", granted=granted, teams=teams, form=form | filled)

    async def post(self) -> None:
        """Grant it; what is wrong with it is said above the form, which keeps what was written."""
        filled = {name: self.get_body_argument(name, "") for name in self.FIELDS}
        try:
            many = await self.ask(self._grant, filled)
        except (CourseHubError, Fault) as error:
            self.set_status(409)
            await self.show_form(**filled, problem=str(error))
            return
        self.go(f"staff/extensions?did_now=extended&many={many}")

    def _grant(self, filled: dict[str, str]) -> int:
        room = self.home.staffroom
        everybody = [person.username for person in room.students()]
        named = [name for name in re.split(r"[\s,;]+", filled["who"].lower()) if name]
        if filled["team"]:
            named += [who for who, team in room.teams().items() if team == filled["team"]]
        whom = everybody if filled["all"] else list(dict.fromkeys(named))
        if not whom:
            raise CourseHubError(
                "nobody is named", remedy="Name students, or choose a team or all of them"
            )
        if strangers := sorted(set(whom) - set(everybody)):
            raise CourseHubError(
                f"{', '.join(strangers)}: no student of that name", remedy="Check the spelling"
            )
        assignment = self.course.assignment(filled["assignment"])
        if not filled["reason"].strip():
            raise CourseHubError("an extension needs a reason", remedy="Say why, in a few words")
        until = first_late(filled["until"], self.course)
        room.extend(
            whom, assignment.name, until, filled["reason"].strip(), self.person.username, self.now
        )
        return len(whom)


class RegradesHandler(StaffHandler):
    """Requests to look at a grade once more."""

    async def get(self) -> None:
        """Show those that wait, and the last ones that were answered."""
        self.show("regrades.html", **await self.ask(self._found))

    def _found(self) -> dict[str, Any]:
        home = self.home
        waiting = home.regrades.waiting()
        standings = {each.username: home.scores.of(each.username) for each in waiting}
        return {
            "waiting": [
                (
                    each,
                    home.staffroom.name(each.username),
                    standings[each.username].get(each.assignment),
                    home.staffroom.rerun_result(each.rerun) if each.rerun else None,
                )
                for each in waiting
            ],
            "answered": home.regrades.answered(),
        }


class RerunHandler(StaffHandler):
    """Where staff have a hand-in graded once more because of a request."""

    async def post(self, number: str) -> None:
        """Ask for it."""
        await self.ask(self._rerun, int(number))
        self.go(f"staff/regrades#request-{number}")

    def _rerun(self, number: int) -> None:
        request, who = self.home.regrades.find(number), self.person.username
        grading = self.home.staffroom.rerun(request.assignment, request.username, who, self.now)
        self.home.regrades.note_rerun(number, grading, who, self.now)


class AnswerHandler(StaffHandler):
    """Where staff answer a request."""

    async def post(self, number: str) -> None:
        """Close it."""
        await self.ask(
            self.home.regrades.answer,
            int(number),
            self.get_body_argument("answer", "", strip=False),
            self.get_body_argument("changed", "") == "yes",
            self.person.username,
            self.now,
        )
        self.go("staff/regrades?did_now=answered")


class ClockHandler(StaffHandler):
    """What happens by itself."""

    async def get(self) -> None:
        """Show what comes, what waits for a person, and what was done."""
        clock = self.home.clock
        self.show(
            "clock.html",
            coming=await self.ask(clock.coming, self.now),
            waiting=await self.ask(clock.waiting, self.now),
            done=await self.ask(clock.done),
        )


class GpusHandler(StaffHandler):
    """Who has a GPU."""

    async def get(self) -> None:
        """Show it."""
        room = self.home.staffroom
        leases = await self.ask(room.leases, self.now)
        names = await self.ask(lambda: [room.name(lease.username) for lease in leases])
        self.show("gpus.html", leases=list(zip(leases, names, strict=True)))


class JournalHandler(StaffHandler):
    """Who changed what, when and why."""

    async def get(self) -> None:
        """Show the newest entries of what is wanted."""
        wanted = {
            name: self.get_query_argument(name, "").strip()[:128]
            for name in ("did", "assignment", "about")
        }
        named = {name: value for name, value in wanted.items() if value}
        found = await self.ask(self.home.staffroom.journal, **named, limit=JOURNAL_PAGE)
        self.show("journal.html", entries=found, wanted=wanted, most=JOURNAL_PAGE)


def say_grader(grader: Any) -> str:
    """How it stands with grading, in a sentence (`sources.Grader`)."""
    waiting = ", ".join(
        f"{number} {kind}" for kind, number in grader.waiting.items() if number
    )  # fmt: skip
    if grader.obstacle:
        return f"Nothing is graded now: {grader.obstacle}."
    return f"Waiting to be graded: {waiting}." if waiting else "Nothing waits to be graded."


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 6 else 1


def _changed(wanted: staff.Wanted, changed: dict[str, Any]) -> dict[str, Any]:
    """The address of the list with other wishes; a new wish begins at the first page."""
    now = {"state": wanted.state, "q": wanted.text, "order": wanted.order, "page": 1} | changed
    usual = {"state": "", "q": "", "order": "name", "page": 1}
    return {name: value for name, value in now.items() if value != usual[name]}
