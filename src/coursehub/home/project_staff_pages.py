"""Staff's pages of the project: teams, talks, reports, scores by rubric, and final marks."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from coursehub.course.wallclock import Fault
from coursehub.errors import CourseHubError, NotFound
from coursehub.home import project
from coursehub.home.forms import Deed, Filled, Form, FormsHandler, first_late
from coursehub.home.project_staff import field, form_rows, proposal_lines, scored
from coursehub.home.staff_pages import StaffHandler

HOME = "staff/project"

WORKS = {"presentation": "Presentation", "report": "Report"}

SAID = {
    "create": "The team is made",
    "move": "The student is moved",
    "rename": "The team has its new name",
    "dissolve": "The team is dissolved; its members are in none",
    "place": "Done as it was proposed",
    "draw": "The slots are drawn; the seed stands below",
    "slot": "The slot is changed",
    "extend": "The team has more time for its report",
    "give": "Your scores are kept",
    "withdraw": "Your scores are taken back",
}


class ProjectHandler(FormsHandler, StaffHandler):
    """A page of the project with forms, for staff alone."""

    def _said(self) -> str:
        return SAID.get(self.get_query_argument("said", ""), "")

    def show(self, template: str, **names: Any) -> None:
        """Answer with a page that has the project's own menu too."""
        super().show(template, project=project, **names)


class TeamsHandler(ProjectHandler):
    """Teams, invitations that wait, and who is left over."""

    deeds: Mapping[str, Deed] = {
        "create": lambda of, form, who, now: of.fixes.create(
            _several(form.get("who", "")), who, form.get("reason", ""), now,
            form.get("name") or None,
        ),
        "move": lambda of, form, who, now: of.fixes.move(
            form.get("who", "").lower(), form.get("to") or None, who, form.get("reason", ""), now
        ),
        "rename": lambda of, form, who, now: of.fixes.rename(
            form.get("team", ""), form.get("name", ""), who, form.get("reason", ""), now
        ),
        "dissolve": lambda of, form, who, now: of.fixes.dissolve(
            form.get("team", ""), who, form.get("reason", ""), now
        ),
        "place": lambda of, form, who, now: of.fixes.place(
            of.teams.alone(), who, form.get("reason", ""), now
        ),
    }  # fmt: skip

    async def show_page(self, filled: Filled, *where: str) -> None:
        """Show them."""
        self.show("project_teams.html", filled=filled, **await self.ask(self._found))

    def _found(self) -> dict[str, Any]:
        of = self.home.project
        teams, names, alone = of.teams.all(), of.names(), of.teams.alone()
        numbers = {team.number: team.name for team in teams}
        proposal = of.fixes.proposal(alone)
        return {
            "teams": teams, "names": names, "alone": alone, "empty": proposal.empty,
            "proposal": list(proposal_lines(proposal, numbers, names)),
        }  # fmt: skip

    def done(self, deed: str, form: Form) -> str:
        """Back to the page."""
        return f"{HOME}?said={deed}"


class TalksHandler(ProjectHandler):
    """The running order, to read and to print; the draw; slots moved by hand."""

    deeds: Mapping[str, Deed] = {
        "draw": lambda of, form, who, now: of.talks.assign(
            who, now, seed=form.get("seed") or None, anew=bool(form.get("anew")),
            reason=form.get("reason", ""),
        ),
        "slot": lambda of, form, who, now: of.talks.move(
            form.get("team", ""), _number(form.get("slot", "")), who, form.get("reason", ""), now
        ),
    }  # fmt: skip

    async def show_page(self, filled: Filled, *where: str) -> None:
        """Show them."""
        self.show("project_talks.html", filled=filled, **await self.ask(self._found))

    def _found(self) -> dict[str, Any]:
        of = self.home.project
        order = of.talks.order()
        return {
            "order": order, "rows": of.running_order(), "draws": of.talks.draws(),
            "teams": [*(team for _, team in order.slots if team), *order.waiting],
        }  # fmt: skip

    def done(self, deed: str, form: Form) -> str:
        """Back to the page."""
        return f"{HOME}/talks?said={deed}"


class ReportsHandler(ProjectHandler):
    """Every team's reports, what their check found, and more time for one team."""

    async def show_page(self, filled: Filled, *where: str) -> None:
        """Show them."""
        found = await self.ask(self.home.project.reports)
        names = await self.ask(self.home.project.names)
        self.show("project_reports.html", filled=filled, found=found, names=names)

    @property
    def deeds(self) -> Mapping[str, Deed]:  # type: ignore[override]
        """More time, by the clocks of the course as it stands."""
        course = self.course
        return {
            "extend": lambda of, form, who, now: of.extend(
                form.get("team", ""), first_late(form.get("until", ""), course),
                form.get("reason", ""), who, now,
            )
        }  # fmt: skip

    def done(self, deed: str, form: Form) -> str:
        """Back to the page."""
        return f"{HOME}/reports?said={deed}"


class ScoresHandler(ProjectHandler):
    """What talks and reports were given so far."""

    async def show_page(self, filled: Filled, *where: str) -> None:
        """Show it."""
        self.show("project_scores.html", works=WORKS, rows=await self.ask(self._found))

    def _found(self) -> Sequence[tuple[Any, Mapping[str, Any], bool]]:
        of = self.home.project
        names = of.names()
        given = {work: of.scores.all(work) for work in WORKS}
        return [
            (
                team,
                {work: scored(given[work].get(team.number), names) for work in WORKS},
                bool(reports),
            )
            for team, _, reports in of.reports()
        ]


class ScoreHandler(ProjectHandler):
    """The form of the grader who is signed in, for one team's talk or report."""

    async def show_page(self, filled: Filled, *where: str) -> None:
        """Show it, with what others gave."""
        work, number = where
        found = await self.ask(self._found, work, int(number), filled)
        self.show("project_score.html", work=work, filled=filled, field=field, **found)

    async def post(self, work: str, number: str, deed: str) -> None:  # type: ignore[override]
        """Keep the scores, or take them back."""
        form = self.form()
        step = {"give": self._give, "withdraw": self._withdraw}[deed]
        try:
            await self.ask(step, work, number, form)
        except (CourseHubError, Fault) as error:
            await self.refuse(deed, error, form, work, number)
            return
        self.go(f"{HOME}/scores/{work}/{number}?said={deed}")

    def _found(self, work: str, number: int, filled: Filled) -> dict[str, Any]:
        of, grader = self.home.project, self.person.username
        team = of.teams.find(str(number))
        names, given = of.names(), of.scores.given(work, number)
        combined = of.scores.all(work, number).get(number)
        typed = filled.form if filled.deed == "give" else {}
        reports = next((reports for each, _, reports in of.reports() if each == team), ())
        return {
            "team": team, "names": names, "title": WORKS[work], "mine": grader in given,
            "scored": scored(combined, names),
            "report": next((each for each in reports if each.counts), None),
            "rows": form_rows(
                of.scores.rubric(work), given, grader, names,
                combined.apart if combined else {}, typed,
            ),
        }  # fmt: skip

    def _give(self, work: str, number: str, form: Form) -> None:
        of, grader = self.home.project, self.person.username
        criteria = [each.criterion for each in of.scores.rubric(work)]
        given = {name: form[field(name)] for name in criteria if form.get(field(name))}
        kept = of.scores.given(work, int(number)).get(grader, {})
        if gone := [name for name in criteria if name in kept and name not in given]:
            raise CourseHubError(
                f"{', '.join(gone)}: you have given a score, and the field is empty",
                remedy="Write another one, or take all of yours back",
            )
        of.scores.give(work, number, given, grader, self.now)

    def _withdraw(self, work: str, number: str, form: Form) -> None:
        self.home.project.scores.withdraw(work, number, self.person.username, self.now)


class MarksHandler(ProjectHandler):
    """The final marks of the class, on a page or as a file."""

    async def show_page(self, filled: Filled, *where: str) -> None:
        """Show them."""
        found = await self.ask(self.home.project.class_marks, self.now)
        self.show("project_marks.html", found=found, filled=filled)

    async def post(self, form: str) -> None:
        """Send them as a file; what changed since the last time is written into the journal."""
        table = await self.ask(self.home.project.export, form, self.person.username, self.now)
        kinds = {
            "csv": "text/csv; charset=utf-8",
            "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
        self.set_header("Content-Type", kinds[form])
        name = re.sub(r"[^A-Za-z0-9 _-]", "", self.course.code)
        self.set_header("Content-Disposition", f'attachment; filename="{name} marks.{form}"')
        self.finish(table)


_WORK = rf"({'|'.join(WORKS)})/(\d{{1,9}})"

ROUTES = (
    (HOME, TeamsHandler),
    (rf"{HOME}/({'|'.join(TeamsHandler.deeds)})", TeamsHandler),
    (f"{HOME}/talks", TalksHandler),
    (rf"{HOME}/talks/({'|'.join(TalksHandler.deeds)})", TalksHandler),
    (f"{HOME}/reports", ReportsHandler),
    (f"{HOME}/reports/(extend)", ReportsHandler),
    (f"{HOME}/scores", ScoresHandler),
    (f"{HOME}/scores/{_WORK}", ScoreHandler),
    (f"{HOME}/scores/{_WORK}/(give|withdraw)", ScoreHandler),
    (f"{HOME}/marks", MarksHandler),
    (f"{HOME}/marks/(csv|xlsx)", MarksHandler),
)
"""The pages' addresses, below the course pages', and who answers."""


def _several(text: str) -> list[str]:
    """User names with a space, a comma or a new line between them."""
    return list(dict.fromkeys(name for name in re.split(r"[\s,;]+", text.lower()) if name))


def _number(text: str) -> int:
    if not (text.isdecimal() and len(text) < 6):
        raise NotFound(f"{text!r} is no slot", remedy="Write its number")
    return int(text)
