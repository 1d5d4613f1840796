"""JupyterHub's configuration: `coursehub.hub` decides; here it meets the course's other parts."""

from datetime import UTC, datetime

from sqlalchemy import make_url

from coursehub.course.load import load_course
from coursehub.exchange.database import connect
from coursehub.exchange.deadlines import CourseFile, Deadlines
from coursehub.exchange.ledger import Ledger
from coursehub.exchange.roster import Roster
from coursehub.gradebook.access import Access
from coursehub.hub.configure import configure_hub
from coursehub.hub.leases import LeaseHistory
from coursehub.hub.requests import GpuRequests
from coursehub.lti.tool import Tool
from coursehub.settings import load_settings


class Surroundings:
    """What the hub asks the exchange and the gradebook."""

    def __init__(self) -> None:
        """Use the course's own database and file."""
        self.history = LeaseHistory(engine, course.tz)
        self.requests = GpuRequests(engine)
        self._deadlines = Deadlines(CourseFile(settings.course), roster)
        self._ledger = Ledger(engine)
        # The database has another name on staff's networks than here.
        staff_host = make_url(settings.gradebook).host
        database = make_url(settings.database).set(host=staff_host)
        self._access = Access(
            settings.hub_database, settings.gradebook, database.render_as_string()
        )

    def favours(self, username: str) -> bool:
        """In the night before a deadline: who has not handed in."""
        pressing = self._deadlines.pressing(username, datetime.now(UTC))
        return any(not self._ledger.of(username, assignment.name) for assignment in pressing)

    def staff_environment(self, username: str) -> dict[str, str]:
        """Where the course is in a staff container, and a role of one's own in the gradebook."""
        return self._access.admit(username)

    def tidy(self) -> None:
        """Close the gradebook to whoever is no longer staff."""
        self._access.keep_only([person.username for person in roster.everyone() if person.staff])


c = get_config()  # noqa: F821
settings = load_settings()
course = load_course(settings.course)
engine = connect(settings.database)
roster = Roster(engine)
course_file = CourseFile(settings.course)
tool = Tool(
    engine, settings.lti_keys, lambda: course_file.course, settings.bind_url,
    private=settings.lti_private,
)  # fmt: skip
configure_hub(c, settings, course, roster, Surroundings(), tool)
