"""How long pages, export of marks and the clock take for a class of 1,000 and eight assignments.

The pages are asked over HTTP, signed in, one after the other: a student's own page for many
students, and staff's list of one assignment in many ways. In the same run, on the same gradebook,
stock formgrader's list of the same assignment is asked of the very code that its page asks
(`NbGraderAPI.get_submissions`), without any HTTP around it. Both sides take turns.

All marks are exported by `coursehub marks --export`, as CSV and as XLSX, each in a process of its
own from its start to its end. A round of the clock is looked at where nothing is due, though every
student has an extension.

    python -m bench.pages [STUDENTS]

Bars: staff's list under 200 ms at the 95th percentile and at least ten times faster than stock's;
a student's page under 150 ms; an export under 30 s and 500 MB; a round of the clock under 1 s.
"""

import asyncio
import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from jupyterhub.services.auth import HubOAuth
from nbgrader.apps.api import NbGraderAPI
from tornado.web import create_signed_value

from coursehub.cli import tick
from coursehub.cli.compose import nbgrader_config
from coursehub.cli.pages import course_pages, home_of
from coursehub.cli.steps import Steps
from coursehub.course.due import own_close
from coursehub.exchange.database import connect, extensions
from coursehub.exchange.deadlines import CourseFile
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.service import make_server
from coursehub.settings import Settings
from tests.classroom import Classroom, course_in_week
from tests.deployment import prepare

SIZE = 1000
ROUNDS = 5
WEEK = 13
LIST_BAR, STUDENT_BAR, RATIO_BAR = 0.200, 0.150, 10.0
EXPORT_BAR, EXPORT_MB_BAR, TICK_BAR = 30.0, 500.0, 1.0
WAYS = ("", "?state=review", "?state=late", "?q=student01", "?order=score&page=5", "?page=10")
KINDS = ("csv", "xlsx")
# What the system counts for a child begins with what its parent had: it says itself what it took.
EXPORT = """
import sys
from pathlib import Path
from coursehub.cli import app
app(["marks", "--export", sys.argv[1]], standalone_mode=False)
print(Path("/proc/self/status").read_text())
"""
HOME = "/services/course/"


def main() -> int:
    """Measure and print one line of JSON; 0 when every bar holds."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else SIZE
    with TemporaryDirectory(prefix="coursehub-bench-") as folder:
        settings, names = classroom(Path(folder), size)
        figures = measured(settings, names) | exports(settings) | ticks(settings, names)
    exported = [figures[f"export_{kind}"] for kind in KINDS]
    peaks = [figures[f"export_{kind}_peak_mb"] for kind in KINDS]
    bars = {
        f"staff's list under {LIST_BAR * 1000:.0f} ms": figures["list_p95"] < LIST_BAR,
        f"at least {RATIO_BAR:.0f} times faster than stock's": figures["ratio"] >= RATIO_BAR,
        f"a student's page under {STUDENT_BAR * 1000:.0f} ms": figures["student_p95"] < STUDENT_BAR,
        f"an export of all marks under {EXPORT_BAR:.0f} s": max(exported) < EXPORT_BAR,
        f"an export of all marks under {EXPORT_MB_BAR:.0f} MB": max(peaks) < EXPORT_MB_BAR,
        f"a round of the clock under {TICK_BAR:.0f} s": figures["tick_worst"] < TICK_BAR,
    }
    print(json.dumps({"name": "pages", "figures": figures, "bars": bars}))
    return 0 if all(bars.values()) else 1


def classroom(state: Path, size: int) -> tuple[Settings, list[str]]:
    """A whole term, all of it graded, the last assignment without points by hand."""
    deployment = prepare(state, course_in_week(WEEK, datetime.now(UTC).date()))
    names = [f"student{index:04}" for index in range(size)]
    room = Classroom(deployment.settings, [*names, "tara"])
    room.students = names
    room.enrol()
    say(f"filling a class of {size:,}")
    for assignment in room.course.assignments:
        room.release(assignment)
        received = room.hand_in(assignment)
        last = assignment is room.course.assignments[-1]
        room.grade(assignment, received, by_hand=not last)
        if not last:
            room.give_feedback(assignment)
        # Stock looks for folders of what was collected and graded.
        for step in ("submitted", "autograded"):
            for name in received:
                place = Path(str(deployment.settings.course_dir), step, name, assignment.name)
                place.mkdir(parents=True)
                (place / assignment.notebook).touch()
    return deployment.settings, names


def measured(settings: Settings, names: list[str]) -> dict[str, float]:
    """The figures, in seconds and their ratio."""
    stock = stocks_list(settings)
    lists, students, stocks = [], [], []
    with serving(settings) as ask:
        ask("tara", "staff/assignments/assignment_8")
        ask(names[0], "")
        for round_ in range(ROUNDS):
            say(f"round {round_ + 1} of {ROUNDS}")
            stocks.append(timed(stock))
            lists += [timed(ask, "tara", f"staff/assignments/assignment_8{way}") for way in WAYS]
            # Others each time: nothing of theirs was asked for before.
            some = names[round_ :: max(1, len(names) // 40)]
            students += [timed(ask, name, "") for name in some]
        overview = timed(ask, "tara", "staff/")
    return {
        "list_p95": p95(lists),
        "list_median": median(lists),
        "student_p95": p95(students),
        "student_median": median(students),
        "overview": overview,
        "stock_median": median(stocks),
        "ratio": median(stocks) / p95(lists),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def exports(settings: Settings) -> dict[str, float]:
    """Seconds and peak memory of an export of all marks, by kind; the first writes the history."""
    figures = {}
    for kind in KINDS:
        say(f"exporting marks as {kind}")
        file = settings.state / f"marks.{kind}"
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", EXPORT, str(file)],
            env=os.environ | settings.environment(), capture_output=True, text=True, check=True,
        )  # fmt: skip
        figures[f"export_{kind}"] = time.perf_counter() - began
        [peak] = re.findall(r"VmHWM:\s+(\d+) kB", done.stdout)
        figures[f"export_{kind}_peak_mb"] = int(peak) / 1024
        assert file.stat().st_size
    return figures


def ticks(settings: Settings, names: list[str]) -> dict[str, float]:
    """Seconds of a round of the clock where nothing is due, and everybody has an extension."""
    steps = Steps(settings, CourseFile(settings.course))
    close = own_close(steps.course, steps.course.assignments[0])
    granted = {"assignment": steps.course.assignments[0].name, "granted_by": "tara", "reason": "-"}
    with connect(str(settings.database)).begin() as connection:
        rows = [
            {**granted, "username": name, "until": close + timedelta(hours=index % 24),
             "granted_at": close}
            for index, name in enumerate(names)
        ]  # fmt: skip
        connection.execute(extensions.insert(), rows)
    while found := tick.due(steps):
        now = datetime.now(UTC)
        for action in found:
            steps.clock.take(action.key, "bench", now)
            assert steps.clock.finish(action, "bench", now, {})

    def a_round() -> None:
        assert tick.run(steps) == []
        tick.coming(steps)

    seconds = [timed(a_round) for _ in range(10)]
    return {"tick_median": median(seconds), "tick_worst": max(seconds)}


def stocks_list(settings: Settings) -> Callable[[], Any]:
    """What stock formgrader's list of an assignment asks, on the same gradebook."""
    api = NbGraderAPI(config=nbgrader_config(settings))
    return lambda: api.get_submissions("assignment_8")


class Known(HubOAuth):
    """A hub that knows everybody by the token that is their user name."""

    def user_for_token(self, token: str, *_: Any, sync: bool = True, **__: Any) -> Any:
        """The user of that name."""
        user = {"name": token, "kind": "user", "scopes": ["access:services!service=course"]}

        async def answer() -> dict[str, Any]:
            return user

        return user if sync else answer()


@contextmanager
def serving(settings: Settings) -> Iterator[Callable[[str, str], None]]:
    """The course service in a thread; gives what asks it for a page as somebody."""
    auth = Known(
        api_token="bench",
        base_url=HOME,
        oauth_client_id="service-course",
        access_scopes={"access:services!service=course"},
    )
    exchange = Exchange(settings)
    pages = course_pages(home_of(exchange, settings), settings, auth)
    loop, ports, up, over = asyncio.new_event_loop(), [], threading.Event(), asyncio.Event()

    async def serve() -> None:
        server = make_server(exchange, auth, pages)
        server.listen(0, "127.0.0.1")
        ports.append(next(iter(server._sockets.values())).getsockname()[1])
        up.set()
        await over.wait()
        server.stop()
        await server.close_all_connections()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    up.wait()
    secret = pages.settings["cookie_secret"]
    with httpx.Client(base_url=f"http://127.0.0.1:{ports[0]}", trust_env=False) as http:

        def ask(username: str, path: str) -> None:
            cookie = create_signed_value(secret, auth.cookie_name, username).decode()
            headers = {"Cookie": f"{auth.cookie_name}={cookie}", "Sec-Fetch-Mode": "navigate"}
            answer = http.get(HOME + path, headers=headers)
            assert answer.status_code == 200, answer.text
            assert "</html>" in answer.text

        yield ask
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


def timed(step: Callable[..., Any], *arguments: Any) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    step(*arguments)
    return time.perf_counter() - began


def p95(seconds: list[float]) -> float:
    """The 95th percentile."""
    return quantiles(seconds, n=20, method="inclusive")[-1]


def say(text: str) -> None:
    """Say where the bench is."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
