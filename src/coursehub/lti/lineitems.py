"""Columns of an LMS's gradebook: one for each assignment, found before one is made (AGS 2.0, §3.2).

What was last said of a column is noted, so that the LMS is only asked again when course.yml says
something else by now.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

import httpx
from sqlalchemy import Engine, and_, delete, insert, select

from coursehub.errors import PlatformRefused
from coursehub.lti.courses import LmsCourse, LmsCourses
from coursehub.lti.services import Services
from coursehub.lti.tables import line_items

log = logging.getLogger(__name__)

SCOPE = "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem"
ONE = "application/vnd.ims.lis.v2.lineitem+json"
MANY = "application/vnd.ims.lis.v2.lineitemcontainer+json"

_PAGE = 100


@dataclass(frozen=True)
class LineItem:
    """What an assignment's column should say.

    Attributes:
        assignment: Its name, which is the column's `resourceId`.
        tag: What marks columns of ours.
        label: The heading.
        most: The points that can be earned, in decimals.
        starts: The release.
        ends: The deadline.
    """

    assignment: str
    tag: str
    label: str
    most: str
    starts: datetime
    ends: datetime

    def fields(self) -> dict[str, Any]:
        """As the LMS is told."""
        return {
            "label": self.label,
            "scoreMaximum": number(self.most),
            "resourceId": self.assignment,
            "tag": self.tag,
            "startDateTime": self.starts.isoformat(timespec="seconds"),
            "endDateTime": self.ends.isoformat(timespec="seconds"),
        }


class LineItems:
    """The columns of one tool, in the LMS and in the table `lti_line_items`."""

    def __init__(self, engine: Engine) -> None:
        """Work on the database behind `engine`."""
        self._engine = engine
        self._courses = LmsCourses(engine)

    def url(self, course: LmsCourse, services: Services, wanted: LineItem) -> str:
        """Where an assignment's column is; found, corrected or made if need be.

        Only the holder of the course's turn may ask, or two columns are made at once.

        Raises:
            PlatformRefused: The LMS lets us have none.
            PlatformAway: It does not answer now.
        """
        noted = self._noted(course, wanted.assignment)
        if noted and _told(noted) == _says(wanted):
            return str(noted["url"])
        url = self._in_lms(course, services, wanted, noted and noted["url"])
        row = {
            "context": course.number, "assignment": wanted.assignment, "url": url,
            "label": wanted.label, "most": wanted.most, "starts": wanted.starts,
            "ends": wanted.ends,
        }  # fmt: skip
        with self._engine.begin() as connection:
            connection.execute(delete(line_items).where(_is(course, wanted.assignment)))
            connection.execute(insert(line_items).values(row))
        return url

    def forget(self, course: LmsCourse, assignment: str) -> None:
        """Look in the LMS the next time: the column is there no longer."""
        with self._engine.begin() as connection:
            connection.execute(delete(line_items).where(_is(course, assignment)))

    def _in_lms(
        self, course: LmsCourse, services: Services, wanted: LineItem, known: str | None
    ) -> str:
        made_by_lms = self._courses.item_of_link(course.number, wanted.assignment)
        if SCOPE not in course.scopes or course.lineitems_url is None:
            if made_by_lms:  # all that we may do there is to send scores
                return made_by_lms
            raise PlatformRefused(
                f"{course.platform.name} lets us make no columns in the gradebook of "
                f"{course.title}",
                remedy="Allow the tool to manage line items there, and open the course from it",
            )
        there = self._find(course, services, wanted, known, made_by_lms)
        if there is None:
            made = services.send("POST", course.lineitems_url, SCOPE, ONE, wanted.fields()).value
            return services.own(_field(made, "id"), course.lineitems_url)
        url = services.own(there.get("id"), course.lineitems_url)
        if _differs(there, wanted):
            try:
                services.send("PUT", url, SCOPE, ONE, {**there, **wanted.fields()})
            except PlatformRefused as error:  # scores fit in as it is
                log.warning("the column of %s stays as it is: %s", wanted.assignment, error)
        return url

    def _find(
        self, course: LmsCourse, services: Services, wanted: LineItem, *urls: str | None
    ) -> dict[str, Any] | None:
        """The column as the LMS has it: at a known URL, or by resource and tag."""
        assert course.lineitems_url is not None
        for url in urls:
            try:
                found = url and services.get(url, SCOPE, ONE).value
            except PlatformRefused as error:
                if error.status != httpx.codes.NOT_FOUND:
                    raise
                continue
            if isinstance(found, dict):
                return {**found, "id": found.get("id", url)}
        query = {"resource_id": wanted.assignment, "tag": wanted.tag, "limit": str(_PAGE)}
        url = str(httpx.URL(course.lineitems_url).copy_merge_params(query))
        for page in services.pages(url, SCOPE, MANY):
            for each in page if isinstance(page, list) else ():
                ours = (_field(each, "resourceId"), _field(each, "tag"))
                if ours == (wanted.assignment, wanted.tag):  # not every LMS filters
                    return dict(each)
        return None

    def _noted(self, course: LmsCourse, assignment: str) -> dict[str, Any] | None:
        with self._engine.connect() as connection:
            row = connection.execute(select(line_items).where(_is(course, assignment))).first()
        return dict(row._mapping) if row else None


def number(text: str) -> int | float:
    """A number of JSON from decimals, or from a fraction."""
    value = Fraction(text)
    return value.numerator if value.denominator == 1 else float(value)


def _is(course: LmsCourse, assignment: str) -> Any:
    return and_(line_items.c.context == course.number, line_items.c.assignment == assignment)


def _told(noted: dict[str, Any]) -> tuple[Any, ...]:
    return noted["label"], noted["most"], noted["starts"], noted["ends"]


def _says(wanted: LineItem) -> tuple[Any, ...]:
    return wanted.label, wanted.most, wanted.starts, wanted.ends


def _field(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _differs(there: dict[str, Any], wanted: LineItem) -> bool:
    """Whether a column says something else; the same moment may be written in many ways."""
    for name, value in wanted.fields().items():
        has = there.get(name)
        if name.endswith("DateTime"):
            if _moment(has) != _moment(value):
                return True
        elif has != value:
            return True
    return False


def _moment(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None
