"""How scores reach an LMS that fails every fifth request and dies for 20 seconds.

A platform that speaks LTI Advantage over HTTP, with real keys, takes the scores of a class of
1,000. Every fifth request fails, in turn with an error, a hang-up, or an answer that gets lost
after the score was taken. In the middle it dies for 20 seconds; meanwhile staff change every tenth
score that was sent already, so that there is an order to keep. The sender is killed once between
sending and writing down.

    python -m bench.passback [SCORES]

Bars: every score arrives, none is taken twice, of nobody is an older one taken after a newer one,
and the LMS's gradebook ends as students see it.
"""

import json
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import Any

from coursehub.exchange.database import connect
from coursehub.lti.keys import Keys
from coursehub.lti.lineitems import LineItem
from coursehub.lti.queue import SENT, Row, Score
from coursehub.lti.scores import Sender
from tests.lti.linking import linked
from tests.lti.services import Served, Services, Trouble, member, served

SCORES, EVERY, AWAY_SECONDS = 1000, 5, 20.0
DUE = datetime(2021, 2, 5, 15, 59, tzinfo=UTC)
COLUMN = LineItem("assignment_1", "coursehub", "Assignment 1", "100", DUE - timedelta(days=7), DUE)


class Killed(BaseException):
    """The sender dies between sending and writing down."""


def main() -> int:
    """Measure and print one line of JSON; 0 when every bar holds."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else SCORES
    with TemporaryDirectory(prefix="coursehub-bench-") as folder:
        keys = Keys(Path(folder) / "lti_keys.json")
        published = keys.jwks()
        services = Services("coursehub", lambda: published)
        with served(services) as server:
            figures = measured(Path(folder), keys, services, server, count)
    bars = {
        "every score arrives": figures["missing"] == 0,
        "none is taken twice": figures["twice"] == 0,
        "none is taken after a newer one": figures["out_of_order"] == 0,
        "the queue is empty": figures["unsent"] == 0,
    }
    print(json.dumps({"name": "passback", "figures": figures, "bars": bars}))
    return 0 if all(bars.values()) else 1


def measured(
    state: Path, keys: Keys, services: Services, server: Served, count: int
) -> dict[str, Any]:
    """The figures of `count` scores."""
    names = [f"student{number:04}" for number in range(count)]
    services.members = [member(f"sub-{name}") for name in names]
    engine = connect(f"sqlite:///{state / 'course.sqlite'}")
    linked(engine, services)
    seen = {name: 50 for name in names}

    def look(_course: object) -> list[Score]:
        return [
            Score("assignment_1", name, f"sub-{name}", str(points), "100", DUE)
            for name, points in seen.items()
        ]

    def dies(_row: Row) -> None:
        """The LMS, once it has half of the scores."""
        if len(services.accepted) < count // 2 or moments:
            return
        moments.append(time.monotonic())
        say(f"the LMS is dead for {AWAY_SECONDS:.0f} s")
        server.die()
        sent = [name for name, row in by_name(sender).items() if row.state == SENT]
        seen.update(dict.fromkeys(sent[::10], 60))
        Timer(AWAY_SECONDS, returns).start()

    def returns() -> None:
        server.start()
        moments.append(time.monotonic())

    moments: list[float] = []
    services.trouble = Trouble(EVERY)
    say(f"sending {count:,} scores")
    begun = time.monotonic()
    killed_after_sending(Sender(engine, keys, private=True), look)
    sender = Sender(engine, keys, private=True)
    while len(moments) < 2 or sender.queue.next_try() is not None:
        sender.send({COLUMN.assignment: COLUMN}, look, said=dies)
        time.sleep(0.2)
    ended = time.monotonic()
    sender.close()

    taken: dict[str, list[tuple[datetime, float]]] = {name: [] for name in names}
    for _, message in services.accepted:
        at = datetime.fromisoformat(message["timestamp"])
        taken[message["userId"].removeprefix("sub-")].append((at, message["scoreGiven"]))
    return {
        "scores": count,
        "changed": sum(points == 60 for points in seen.values()),
        "seconds": round(ended - begun, 1),
        "seconds_after_return": round(ended - moments[1], 1),
        "requests": services.trouble.seen,
        "failed": services.trouble.failed,
        "repeated": sum(status == 409 for status, _ in services.refused),
        "missing": sum(not each or each[-1][1] != seen[name] for name, each in taken.items()),
        "twice": sum(len(each) != len(set(each)) for each in taken.values()),
        "out_of_order": sum(each != sorted(each) for each in taken.values()),
        "unsent": sum(row.state != SENT for row in sender.queue.rows()),
    }


def killed_after_sending(sender: Sender, look: Any) -> None:
    """Let a sender die once the LMS has taken a score, before that is written down."""

    def die(_row: Row) -> None:
        raise Killed

    sender.queue.sent = die  # type: ignore[method-assign]
    with suppress(Killed):
        sender.send({COLUMN.assignment: COLUMN}, look)
    sender.close()


def by_name(sender: Sender) -> dict[str, Row]:
    """The rows of the queue by user name."""
    return {row.username: row for row in sender.queue.rows()}


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
