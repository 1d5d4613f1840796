"""What is late, what it earns, and which hand-in counts."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from coursehub.course.late import counting, credit, lateness
from coursehub.course.load import load_course
from coursehub.course.model import Band, Course, LatePolicy
from coursehub.course.schedule import window
from coursehub.course.wallclock import ClockTime, Fault, Moment

COURSE = load_course(Path(__file__).parents[2] / "course.yml")
WINDOW = window(COURSE, COURSE.assignment("assignment_1"))
CLOSE = WINDOW.on_time_before
GRAIN = timedelta.resolution
NEVER = LatePolicy()
BANDS = LatePolicy(
    bands=(Band(within="24h", credit=Decimal("0.8")), Band(within="72h", credit=Decimal("0.5")))
)

around = st.timedeltas(-timedelta(days=9), timedelta(days=9))


def earned(policy: LatePolicy, received: datetime) -> Decimal:
    return credit(policy, lateness(WINDOW, received))


def test_the_last_minute_counts_whole() -> None:
    last = datetime(2021, 2, 5, 15, 59, 59, 999999, tzinfo=UTC)
    assert lateness(WINDOW, last) == timedelta(0)
    assert earned(NEVER, last) == 1
    assert lateness(WINDOW, last + GRAIN) == GRAIN
    assert earned(NEVER, last + GRAIN) == 0


def test_bands_end_with_the_whole_minute_too() -> None:
    assert earned(BANDS, CLOSE) == Decimal("0.8")
    assert earned(BANDS, CLOSE + timedelta(hours=24) - GRAIN) == Decimal("0.8")
    assert earned(BANDS, CLOSE + timedelta(hours=24)) == Decimal("0.5")
    assert earned(BANDS, CLOSE + timedelta(hours=72) - GRAIN) == Decimal("0.5")
    assert earned(BANDS, CLOSE + timedelta(hours=72)) == 0


def test_lateness_is_elapsed_time_where_clocks_change() -> None:
    tz = COURSE.model_copy(update={"timezone": "Europe/London"}).tz
    close = datetime(2021, 10, 31, 0, 30, tzinfo=tz)
    shown_an_hour_later = datetime(2021, 10, 31, 1, 30, tzinfo=tz, fold=1)
    closed = WINDOW._replace(on_time_before=close)
    assert lateness(closed, shown_an_hour_later) == timedelta(hours=2) + GRAIN


@st.composite
def policies(draw: st.DrawFn) -> LatePolicy:
    hours = draw(st.lists(st.integers(1, 200), unique=True, max_size=5).map(sorted))
    count = len(hours)
    shares = draw(st.lists(st.integers(0, 100), unique=True, min_size=count, max_size=count))
    return LatePolicy(
        bands=tuple(
            Band(within=f"{hour}h", credit=Decimal(share) / 100)
            for hour, share in zip(hours, sorted(shares, reverse=True), strict=True)
        )
    )


@given(policies(), around, around)
def test_credit_never_grows_with_lateness(
    policy: LatePolicy, one: timedelta, other: timedelta
) -> None:
    early, late = sorted((one, other))
    assert 1 >= earned(policy, CLOSE + early) >= earned(policy, CLOSE + late) >= 0


@given(policies(), around, around)
def test_an_extension_never_costs_credit(
    policy: LatePolicy, received: timedelta, until: timedelta
) -> None:
    extended = window(COURSE, COURSE.assignment("assignment_1"), CLOSE + until)
    stamp = CLOSE + received
    assert credit(policy, lateness(extended, stamp)) >= earned(policy, stamp)


zones = st.sampled_from(
    ["Asia/Singapore", "Europe/London", "America/New_York", "Australia/Lord_Howe",
     "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Apia", "UTC"]
)  # fmt: skip
clock_times = st.builds(
    lambda at, unit: ClockTime(at.replace(microsecond=0), timedelta(seconds=unit)),
    st.times(),
    st.sampled_from([1, 60]),
).map(
    lambda at: at if at.unit < timedelta(minutes=1) else replace(at, time=at.time.replace(second=0))
)
moments = st.builds(Moment, st.dates(date(2011, 1, 1), date(2030, 12, 31)), clock_times)


def closing(moment: Moment, zone: str) -> Course:
    """The course in another timezone, its first assignment due at a moment of its own."""
    first, *others = COURSE.assignments
    first = first.model_copy(update={"due": moment})
    return COURSE.model_copy(update={"timezone": zone, "assignments": (first, *others)})


@given(zones, moments, st.timedeltas(-timedelta(days=400), timedelta(days=400)))
def test_the_boundary_holds_in_every_timezone_where_the_deadline_exists(
    zone: str, moment: Moment, offset: timedelta
) -> None:
    course = closing(moment, zone)
    try:
        own = window(course, course.assignments[0])
    except Fault:  # the clocks skip it, or show it twice: `coursehub check` refuses the file
        return
    close = own.on_time_before.astimezone(UTC)
    assert own.due.astimezone(UTC) + moment.clock.unit == close
    local = own.due.astimezone(course.tz)
    assert (local.date(), local.time()) == (moment.date, moment.clock.time)
    assert lateness(own, close - GRAIN) == timedelta(0)
    assert lateness(own, close) == GRAIN
    late = lateness(own, close + offset)
    assert late == max(offset + GRAIN, timedelta(0)), "elapsed time, whatever clocks show"
    for other in ("Asia/Tokyo", "America/New_York"):
        assert lateness(own, (close + offset).astimezone(ZoneInfo(other))) == late


@given(zones, moments, around, around, policies())
def test_in_no_timezone_does_an_extension_cost_anything(
    zone: str, moment: Moment, received: timedelta, until: timedelta, policy: LatePolicy
) -> None:
    course = closing(moment, zone)
    assignment = course.assignments[0]
    try:
        own = window(course, assignment)
    except Fault:
        return
    close = own.on_time_before.astimezone(UTC)
    extended = window(course, assignment, close + until)
    stamp = close + received
    assert lateness(extended, stamp) <= lateness(own, stamp)
    assert credit(policy, lateness(extended, stamp)) >= credit(policy, lateness(own, stamp))
    longer = window(course, assignment, close + until + timedelta(hours=1))
    assert lateness(longer, stamp) <= lateness(extended, stamp)


@given(policies(), st.lists(around, min_size=1, max_size=6), around)
def test_with_an_extension_the_hand_in_that_counts_keeps_at_least_as_much(
    policy: LatePolicy, offsets: list[timedelta], until: timedelta
) -> None:
    received = [CLOSE + offset for offset in offsets]
    extended = window(COURSE, COURSE.assignment("assignment_1"), CLOSE + until)
    before = counting(received, CLOSE)
    after = counting(received, extended.on_time_before)
    assert before is not None and after is not None
    kept = credit(policy, lateness(extended, received[after]))
    assert kept >= earned(policy, received[before])


@given(policies(), st.integers(0, 4))
def test_a_band_ends_after_its_last_instant(policy: LatePolicy, index: int) -> None:
    if index >= len(policy.bands):
        return
    band = policy.bands[index]
    after = [each.credit for each in policy.bands[index + 1 :]] + [Decimal(0)]
    assert earned(policy, CLOSE + band.within - GRAIN) == band.credit
    assert earned(policy, CLOSE + band.within) == after[0]


def test_which_hand_in_counts() -> None:
    early, last, late, later = (CLOSE + timedelta(hours=hours) for hours in (-5, -1, 1, 2))
    assert counting([], CLOSE) is None
    assert counting([early, last, late, later], CLOSE) == 1
    assert counting([later, late, last, early], CLOSE) == 2
    assert counting([late, later], CLOSE) == 0
    assert counting([CLOSE, CLOSE - GRAIN], CLOSE) == 1
    assert counting([last, last], CLOSE) == 1, "of equal stamps the later one replaces"
    assert counting([late, late], CLOSE) == 0


@given(st.lists(around, max_size=8))
def test_the_policy_in_its_own_words(offsets: list[timedelta]) -> None:
    received = [CLOSE.astimezone(UTC) + offset for offset in offsets]
    index = counting(received, CLOSE)
    on_time = [stamp for stamp in received if stamp < CLOSE]
    if not received:
        assert index is None
    else:
        assert index is not None
        assert received[index] == (max(on_time) if on_time else min(received))


@given(st.lists(around, min_size=1, max_size=8), around)
def test_handing_in_late_never_displaces_what_was_on_time(
    offsets: list[timedelta], more: timedelta
) -> None:
    received = [CLOSE + offset for offset in offsets]
    index = counting(received, CLOSE)
    assert index is not None
    if received[index] < CLOSE:
        assert counting([*received, CLOSE + abs(more)], CLOSE) == index
