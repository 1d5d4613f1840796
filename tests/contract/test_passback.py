"""Scores go to an LMS over real HTTP with real keys, however it fails; on SQLite and PostgreSQL."""

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import chain, repeat
from pathlib import Path

import pytest
from hypothesis import settings as options
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine

from coursehub.errors import PassbackError
from coursehub.exchange import migrations
from coursehub.exchange.database import connect
from coursehub.lti.courses import LmsCourse, LmsCourses
from coursehub.lti.keys import Key, Keys
from coursehub.lti.lineitems import LineItem
from coursehub.lti.queue import PARKED, SENT, WAITING, Queue, Row, Score
from coursehub.lti.scores import Sender, scores_url
from coursehub.lti.services import Services as RealServices
from coursehub.lti.turns import LEASE
from tests.lti.linking import linked
from tests.lti.services import (
    ERRORS,
    HANG_UP,
    INSTRUCTOR,
    LOSE_ANSWER,
    Served,
    Services,
    Trouble,
    member,
    served,
)
from tests.postgres import Postgres

RELEASE = datetime(2021, 1, 29, 12, 30, tzinfo=UTC)
DUE = datetime(2021, 2, 5, 15, 59, tzinfo=UTC)
STUDENTS = ("alice", "bob", "carol")
COLUMNS = {
    f"assignment_{number}": LineItem(
        f"assignment_{number}", "cs5260", f"Assignment {number}: Tensors", "10", RELEASE, DUE
    )
    for number in (1, 2)
}


on_both = pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return Keys(tmp_path_factory.mktemp("keys") / "lti_keys.json").current


@pytest.fixture
def lms(keys: Key) -> Iterator[Services]:
    services = Services("coursehub-7", lambda: {"keys": [keys.public_jwk]})
    services.members = [member(f"sub-{name}") for name in STUDENTS]
    with served(services) as found:
        services.server = found  # type: ignore[attr-defined]
        yield services


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A course database; `on_both` says for which tests also PostgreSQL's."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield connect(f"sqlite:///{tmp_path / 'course.sqlite'}")
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    engine = connect(postgres.url("course", postgres.database("course")))
    migrations.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def course(engine: Engine, lms: Services) -> LmsCourse:
    return linked(engine, lms)


@pytest.fixture
def sender(engine: Engine, course: LmsCourse, keys: Key) -> Iterator[Sender]:
    found = Sender(engine, keys, "Feedback is on the course page.", private=True)
    yield found
    found.close()


def score(username: str, points: str, assignment: str = "assignment_1") -> Score:
    return Score(assignment, username, f"sub-{username}", points, "10", DUE)


def send(sender: Sender, *scores: Score) -> int:
    """What a round of the grader does while students see these scores."""
    return sender.send(COLUMNS, lambda _course: scores)


def given(lms: Services, username: str, assignment: str = "assignment_1") -> list[float]:
    """Every score that the LMS took of somebody, in order."""
    return [
        message["scoreGiven"]
        for number, message in lms.accepted
        if lms.items[number]["resourceId"] == assignment and message["userId"] == f"sub-{username}"
    ]


def again(sender: Sender) -> int:
    """Try everything at once, as `passback retry` does."""
    sender.turns.resume()
    return sender.queue.retry()


def one(sender: Sender) -> Row:
    (row,) = sender.queue.rows()
    return row


@on_both
def test_a_score_arrives_as_the_specification_has_it(sender: Sender, lms: Services) -> None:
    assert send(sender, score("alice", "7.35")) == 1
    ((number, message),) = lms.accepted
    assert message.pop("timestamp").endswith("+00:00")
    assert message == {
        "userId": "sub-alice", "scoreGiven": 7.35, "scoreMaximum": 10,
        "activityProgress": "Completed", "gradingProgress": "FullyGraded",
        "comment": "Feedback is on the course page.",
        "submission": {"submittedAt": "2021-02-05T15:59:00.000+00:00"},
    }  # fmt: skip
    item = lms.items[number]
    assert (item["label"], item["scoreMaximum"]) == ("Assignment 1: Tensors", 10)
    assert item["endDateTime"] == "2021-02-05T15:59:00+00:00"
    assert one(sender).state == SENT
    assert lms.refused == []


@on_both
def test_what_is_the_same_is_not_sent_again_and_what_changed_is(
    sender: Sender, lms: Services
) -> None:
    for points in ("7", "7", "4.5", "4.5", "10/3"):
        send(sender, score("alice", points))
    assert given(lms, "alice") == [7, 4.5, 10 / 3]
    assert lms.refused == []


def test_one_token_a_scope_is_asked_for_and_kept_until_shortly_before_its_end(
    sender: Sender, lms: Services
) -> None:
    send(sender, score("alice", "7"), score("bob", "8"))
    assert len(lms.tokens) == 2
    send(sender, score("carol", "8"))
    assert len(lms.tokens) == 2


def test_a_token_that_the_lms_forgot_is_asked_for_anew(sender: Sender, lms: Services) -> None:
    send(sender, score("alice", "7"))
    lms.tokens.clear()
    assert send(sender, score("alice", "8")) == 1
    assert given(lms, "alice") == [7, 8]


def test_columns_are_found_before_one_is_made(
    sender: Sender, lms: Services, course: LmsCourse
) -> None:
    """Also on a later page, and although others use the same resource or tag."""
    lms.page = 2
    other = {"label": "x", "scoreMaximum": 1}
    for resource, tag in [("assignment_1", "else"), ("z", "cs5260"), ("a", "b")]:
        number = len(lms.items) + 1
        lms.items[number] = {
            **other, "id": lms.item_url(number), "resourceId": resource, "tag": tag,
        }  # fmt: skip
    lms.items[4] = {
        "id": lms.item_url(4), "label": "by hand", "scoreMaximum": 100, "tag": "cs5260",
        "resourceId": "assignment_1", "gradesReleased": True,
    }  # fmt: skip
    send(sender, score("alice", "7"))
    assert [number for number, _ in lms.accepted] == [4]
    assert lms.items[4]["label"] == "Assignment 1: Tensors"
    assert lms.items[4]["gradesReleased"] is True
    assert len(lms.items) == 5  # and one made for assignment 2, which is released as well


@on_both
def test_a_column_follows_course_yml_and_is_left_alone_otherwise(
    sender: Sender, lms: Services
) -> None:
    send(sender)
    seen = lms.trouble.seen
    send(sender)
    assert lms.trouble.seen == seen
    later = replace(COLUMNS["assignment_1"], ends=DUE + timedelta(days=7))
    sender.send({"assignment_1": later})
    assert lms.items[1]["endDateTime"] == "2021-02-12T15:59:00+00:00"


def test_a_column_that_was_removed_in_the_lms_is_made_again(sender: Sender, lms: Services) -> None:
    send(sender, score("alice", "7"))
    first = lms.accepted[0][0]
    removed = lms.items.pop(first)
    lms.items[99] = {**removed, "resourceId": "something else", "id": lms.item_url(99)}
    assert send(sender, score("alice", "8")) == 1
    made, message = lms.accepted[-1]
    assert (lms.items[made]["resourceId"], message["scoreGiven"]) == ("assignment_1", 8)


@pytest.mark.parametrize("how", [*ERRORS, HANG_UP, LOSE_ANSWER])
def test_a_failure_is_tried_again_and_counted_once(
    sender: Sender, lms: Services, how: object
) -> None:
    bob = score("bob", "5")
    send(sender, bob)  # so that columns and tokens are there
    lms.trouble = Trouble(1, chain([how], repeat(None)))
    assert send(sender, score("alice", "7"), bob) == 0
    assert given(lms, "alice") == ([7] if how is LOSE_ANSWER else [])
    row = sender.queue.rows()[0]
    assert (row.username, row.state, row.tries) == ("alice", WAITING, 1)
    assert row.next_try and row.next_try > datetime.now(UTC)
    again(sender)
    assert send(sender, score("alice", "7"), bob) == 1
    assert given(lms, "alice") == [7]


def test_pauses_grow_and_are_never_the_same_for_all(engine: Engine, course: LmsCourse) -> None:
    queue = Queue(engine)
    queue.put(course.number, [score("alice", "7"), score("bob", "7")], datetime.now(UTC))
    waits = {}
    for tries in range(16):
        for row in queue.rows():
            now = datetime.now(UTC)
            queue.postpone(row, now, "no answer")
            row = next(each for each in queue.rows() if each.key == row.key)
            assert row.next_try is not None
            waits[row.username, tries] = (row.next_try - now).total_seconds()
    assert waits["alice", 3] != waits["bob", 3]
    assert all(0.5 * 2 * 2**n <= waits["bob", n] <= 1.5 * 2 * 2**n for n in range(8))
    assert waits["bob", 15] <= 1.5 * 3600


@pytest.mark.parametrize("form", ["seconds", "a date"])
def test_the_lms_is_left_alone_for_as_long_as_it_says(
    sender: Sender, lms: Services, form: str
) -> None:
    send(sender)
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
    wish = "120" if form == "seconds" else date
    lms.trouble = Trouble(1, repeat((429, {"Retry-After": wish})))
    send(sender, *(score(name, "7") for name in STUDENTS))
    assert lms.trouble.seen == 1  # nothing more is asked of it
    send(sender, *(score(name, "7") for name in STUDENTS))
    assert lms.trouble.seen == 1
    (pause,) = sender.turns.pauses(datetime.now(UTC)).values()
    left = (pause.until - datetime.now(UTC)).total_seconds()
    assert math.isclose(left, 120, abs_tol=15)
    assert "429" in pause.problem


@on_both
def test_what_the_lms_refuses_is_parked_with_its_reason_until_somebody_says_so(
    sender: Sender, lms: Services
) -> None:
    lms.members = lms.members[1:]
    send(sender, score("alice", "7"), score("bob", "8"))
    assert (given(lms, "alice"), given(lms, "bob")) == ([], [8])
    row = next(row for row in sender.queue.rows() if row.username == "alice")
    assert row.state == PARKED
    assert "userId is no learner's" in (row.problem or "")
    requests = lms.trouble.seen
    send(sender, score("alice", "7"), score("bob", "8"))
    assert lms.trouble.seen == requests
    lms.members.append(member("sub-alice"))
    assert sender.queue.retry("assignment_1", "alice") == 1
    assert send(sender) == 1


def test_a_newer_score_is_tried_although_the_last_one_is_parked(
    sender: Sender, lms: Services
) -> None:
    lms.members = [member("sub-alice", roles=(INSTRUCTOR,))]
    send(sender, score("alice", "7"))
    lms.members = [member("sub-alice")]
    assert send(sender, score("alice", "8")) == 1


def test_a_tool_that_gets_no_token_loses_no_score(sender: Sender, lms: Services) -> None:
    granted, lms.granted = lms.granted, frozenset()
    send(sender, score("alice", "7"))
    assert one(sender).state == WAITING
    assert "gives no access token" in (one(sender).problem or "")
    lms.granted = granted
    again(sender)
    assert send(sender) == 1


@on_both
def test_an_old_view_of_the_gradebook_takes_no_newer_ones_place(
    engine: Engine, course: LmsCourse
) -> None:
    queue, now = Queue(engine), datetime.now(UTC)
    queue.put(course.number, [score("alice", "9")], now)
    assert queue.put(course.number, [score("alice", "5")], now - timedelta(seconds=1)) == 0
    assert queue.rows()[0].score == "9"


@on_both
def test_a_newer_score_that_comes_while_the_old_one_is_sent_is_sent_after_it(
    engine: Engine, course: LmsCourse
) -> None:
    queue, now = Queue(engine), datetime.now(UTC)
    queue.put(course.number, [score("alice", "5")], now)
    old = queue.next(course.number, now)
    assert old is not None
    queue.put(course.number, [score("alice", "9")], now + timedelta(seconds=1))
    queue.sent(old)
    row = queue.next(course.number, now + timedelta(seconds=1))
    assert row is not None
    assert (row.score, row.sent_score) == ("9", "5")


@on_both
def test_killed_between_sending_and_writing_it_down_the_same_message_is_sent_again(
    sender: Sender, lms: Services, engine: Engine, keys: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_row: Row) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sender.queue, "sent", killed)
    with pytest.raises(KeyboardInterrupt):
        send(sender, score("alice", "7"))
    assert given(lms, "alice") == [7]
    another = Sender(engine, keys, private=True)
    assert send(another, score("alice", "7")) == 1
    another.close()
    assert given(lms, "alice") == [7]
    assert [status for status, _ in lms.refused] == [409]
    assert one(another).state == SENT


@on_both
def test_one_sender_has_the_turn_and_a_dead_ones_lease_ends(
    sender: Sender, course: LmsCourse, lms: Services
) -> None:
    dead = datetime.now(UTC) - LEASE + timedelta(seconds=0.5)
    assert sender.turns._take(course.number, "dead", dead)
    assert send(sender, score("alice", "7")) == 0
    ends = time.monotonic() + 10
    while not send(sender, score("alice", "7")) and time.monotonic() < ends:
        time.sleep(0.1)
    assert given(lms, "alice") == [7]


@on_both
def test_senders_at_once_send_everything_once(
    engine: Engine, course: LmsCourse, lms: Services, keys: Key
) -> None:
    names = [f"student{number}" for number in range(20)]
    lms.members = [member(f"sub-{name}") for name in names]
    scores = [score(name, "7") for name in names]
    senders = [Sender(engine, keys, private=True) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda each: send(each, *scores), senders))
    assert sum(counts) == len(names)
    assert sorted(each["userId"] for _, each in lms.accepted) == sorted(f"sub-{n}" for n in names)
    assert lms.refused == []


def test_a_link_to_elsewhere_gets_no_token(
    sender: Sender, lms: Services, course: LmsCourse
) -> None:
    lms.items[1] = {
        "id": "https://evil.example/1", "label": "x", "scoreMaximum": 1, "tag": "cs5260",
        "resourceId": "assignment_1",
    }  # fmt: skip
    send(sender, score("alice", "7"))
    assert "address that is not its own" in (one(sender).problem or "")
    assert one(sender).state == PARKED


def test_a_line_items_own_query_stays_behind_the_path_of_its_scores() -> None:
    assert scores_url("https://lms.example/1/lineitem?a=b") == (
        "https://lms.example/1/lineitem/scores?a=b"
    )


def test_a_column_that_the_lms_refuses_is_not_asked_for_at_every_round(
    sender: Sender, lms: Services, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = replace(COLUMNS["assignment_1"], label=" ")
    for _ in range(3):
        sender.send({"assignment_1": wrong})
    assert [reason for _, reason in lms.refused] == ["label"]
    assert "no column for assignment_1" in caplog.text
    sender.send(COLUMNS)
    assert len(lms.items) == 2


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://lms.example/token", "no https address"),
        ("https://127.0.0.1/token", "private network"),
        ("https://169.254.169.254/token", "private network"),
    ],
)
def test_requests_leave_by_tls_and_never_into_our_own_networks(
    course: LmsCourse, keys: Key, url: str, problem: str
) -> None:
    services = RealServices(replace(course.platform, token_url=url), keys)
    with pytest.raises(PassbackError, match=problem):
        services.get(f"{course.platform.issuer}/x", "scope", "application/json")
    services.close()


def test_without_a_linked_course_nothing_is_asked(tmp_path: Path, keys: Key) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'course.sqlite'}")
    sender = Sender(engine, keys, private=True)
    assert not LmsCourses(engine).any()

    def look(_course: LmsCourse) -> list[Score]:
        raise AssertionError("nobody needs to know")

    assert sender.send(COLUMNS, look) == 0


# Whatever happens, in whatever order.

HOWS = [*ERRORS, HANG_UP, LOSE_ANSWER]
Of = tuple[str, str]
OF = st.tuples(st.sampled_from(sorted(COLUMNS)), st.sampled_from(STUDENTS))


class Killed(BaseException):
    """The sender dies."""


class Deliveries(RuleBasedStateMachine):
    """Scores only ever grow, so that an old one after a newer one is seen at once."""

    engine: Engine
    keys: Key
    services: Services
    server: Served

    @initialize()
    def begin(self) -> None:
        self.services.accepted.clear()
        self.services.items.clear()
        self.services.trouble = Trouble()
        self.course = linked(self.engine, self.services, str(time.monotonic_ns()))
        self.sender, self.seen, self.given = Sender(self.engine, self.keys, private=True), {}, 0
        self.up, self.kill = True, False

    @rule(of=OF)
    def staff_give_points(self, of: Of) -> None:
        self.give(of)
        self.round()

    @rule(of=OF, failures=st.lists(st.sampled_from([*HOWS, None]), min_size=1, max_size=6))
    def the_lms_fails(self, of: Of, failures: list[object]) -> None:
        self.give(of)
        self.services.trouble = Trouble(1, chain(failures, repeat(None)))
        again(self.sender)
        self.round()

    @rule(of=OF)
    def the_lms_dies(self, of: Of) -> None:
        self.give(of)
        self.server.die()
        self.round()
        self.up = False

    @rule()
    def the_lms_comes_back(self) -> None:
        if not self.up:
            self.server.start()
        self.up = True
        again(self.sender)
        self.round()

    @rule(of=OF)
    def the_sender_dies_after_sending(self, of: Of) -> None:
        self.give(of)

        def killed(_row: Row) -> None:
            raise Killed

        self.sender.queue.sent = killed  # type: ignore[method-assign]
        again(self.sender)
        self.round()
        self.sender.close()
        self.sender = Sender(self.engine, self.keys, private=True)

    @rule()
    def somebody_tells_what_was_seen_long_ago(self) -> None:
        known = {(row.assignment, row.username) for row in self.rows()}
        old = [replace(each, score="0") for key, each in self.seen.items() if key in known]
        self.sender.queue.put(self.course.number, old, RELEASE)

    @invariant()
    def nothing_is_lowered_or_taken_twice(self) -> None:
        for what in COLUMNS:
            for who in STUDENTS:
                points = given(self.services, who, what)
                assert points == sorted(set(points))

    def teardown(self) -> None:
        if not hasattr(self, "course"):
            return
        self.the_lms_comes_back()
        self.services.trouble = Trouble()
        for _ in range(3):  # two looks within a millisecond are one
            again(self.sender)
            self.round()
        shown = {
            (what, user.removeprefix("sub-")): message["scoreGiven"]
            for (what, user), message in self.services.results().items()
        }
        assert shown == {key: int(each.score) for key, each in self.seen.items()}
        assert all(row.state == SENT for row in self.rows())
        self.nothing_is_lowered_or_taken_twice()
        self.sender.close()
        with self.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE lti_contexts SET ours = 0")

    def give(self, of: Of) -> None:
        self.given += 1
        self.seen[of] = score(of[1], str(self.given), of[0])

    def rows(self) -> list[Row]:
        return self.sender.queue.rows(self.course.number)

    def round(self) -> None:
        with suppress(Killed):
            self.sender.send(COLUMNS, lambda _course: list(self.seen.values()))


def test_every_score_arrives_once_and_in_order_whatever_happens(
    tmp_path: Path, lms: Services, keys: Key
) -> None:
    class OnThisLms(Deliveries):
        pass

    OnThisLms.engine = connect(f"sqlite:///{tmp_path / 'course.sqlite'}")
    OnThisLms.keys, OnThisLms.services = keys, lms
    OnThisLms.server = lms.server  # type: ignore[attr-defined]
    run_state_machine_as_test(
        OnThisLms, settings=options(max_examples=10, stateful_step_count=10, deadline=None)
    )
