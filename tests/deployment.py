"""A real embedded deployment for tests and benches: real hub, real proxy, real course service."""

import random
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from coursehub.course.load import load_course
from coursehub.exchange.client import Client
from coursehub.exchange.database import connect
from coursehub.exchange.roster import Roster
from coursehub.hub.process import running_hub
from coursehub.hub.session import Session
from coursehub.settings import CHECKOUT, Settings, load_settings

PEOPLE = """username,number,name,email,role
alice,A0100000J,"Wang, Wenjie",alice@example.edu,student
bob,A0100001H,Bob Tan,bob@example.edu,student
carol,A0100002L,"Carol O'Neil <c>",carol@example.edu,student
tara,T0000001A,Tara Lim,tara@example.edu,ta
ines,T0000002B,Ines Ang,ines@example.edu,instructor
"""


def password(username: str) -> str:
    """The password that `prepare` gives to everybody."""
    return f"{username}-secret"


def free_port() -> int:
    """The first of five free neighbouring loopback ports (public, proxy API, hub, service).

    The search starts anywhere, so that test runs beside one another do not meet.
    """
    for _ in range(1000):
        port = random.randrange(18_000, 32_000, 10)
        try:
            for offset in range(5):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return port
    raise RuntimeError("no free ports")


def course_text(*, released: datetime, due: datetime, assignment: int = 1) -> str:
    """The shipped course.yml with one assignment's release and due moved.

    Args:
        released: aware; when the assignment opens.
        due: aware; its deadline, in whole seconds; the second itself is still on time.
        assignment: its number.
    """
    text = (CHECKOUT / "course.yml").read_text()
    course = load_course(CHECKOUT / "course.yml")
    line = f"  - number: {assignment}\n    week: "
    assert line in text, "course.yml no longer lists assignments by number, then week"

    def say(moment: datetime) -> str:
        return moment.astimezone(course.tz).strftime("%a %Y-%m-%d %H:%M:%S")

    times = f"    release: {say(released)}\n    due: {say(due)}\n"
    return text.replace(line, line.replace("    week: ", f"{times}    week: "))


def open_course(seconds_left: float = 7200, *, now: datetime) -> str:
    """A course.yml whose assignment 1 opened an hour ago and is due in `seconds_left`."""
    return course_text(released=now - timedelta(hours=1), due=now + timedelta(seconds=seconds_left))


@dataclass(frozen=True)
class Deployment:
    """A prepared, or running, deployment."""

    settings: Settings

    @property
    def roster(self) -> Roster:
        """Its people."""
        return Roster(connect(str(self.settings.database)))

    def session(self, username: str) -> Session:
        """Sign in."""
        return Session(self.settings.bind_url, username, password(username))

    def read_home(self, username: str, path: str) -> bytes:
        """A file of somebody's home."""
        return (self.settings.state / "homes" / username / path).read_bytes()

    def write_home(self, username: str, path: str, content: bytes) -> None:
        """Put a file into somebody's home, as they would."""
        (self.settings.state / "homes" / username / path).write_bytes(content)

    def client(self, username: str) -> Client:
        """The exchange as this person, with a token from the hub."""
        session = self.session(username)
        token = session.token()
        session.close()
        return Client(f"{self.settings.bind_url}/services/course/api/", token)


def prepare(state: Path, course: str, people: str = PEOPLE, **settings: object) -> Deployment:
    """Write course file and roster of a deployment that is not running yet.

    Nothing is done by the clock unless `clock` says so: most tests do each step themselves.
    """
    settings = {"clock": False} | settings
    state.mkdir(parents=True, exist_ok=True)
    course_file = state / "course.yml"
    course_file.write_text(course)
    made = load_settings(
        state=state, course=course_file, bind_url=f"http://127.0.0.1:{free_port()}", **settings
    )
    deployment = Deployment(made)
    for person in deployment.roster.import_csv(people):
        deployment.roster.set_password(person.username, password(person.username))
    return deployment


@contextmanager
def deployed(
    state: Path, course: str, people: str = PEOPLE, **settings: object
) -> Iterator[Deployment]:
    """A running deployment; prints its log when the test fails."""
    deployment = prepare(state, course, people, **settings)
    try:
        with running_hub(deployment.settings):
            yield deployment
    except BaseException:
        print_logs([deployment.settings.state / "hub.log"])
        raise


def print_logs(paths: Sequence[Path]) -> None:
    """Print the ends of log files, so that a failure shows the world."""
    for path in paths:
        if path.exists():
            print(f"\n----- {path} -----")
            print("\n".join(path.read_text(errors="replace").splitlines()[-80:]))
