"""The project's rules: slots, the draw, leftovers, scores, and what course.yml may say of them."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursehub.course.leftovers import propose
from coursehub.course.load import load_course, read_course
from coursehub.course.project import Breaks, Criterion, Teams
from coursehub.course.rubric import APART, combine, read_score
from coursehub.course.schedule import window
from coursehub.course.slots import draw, slots
from coursehub.course.wallclock import Fault, Moment
from coursehub.errors import CourseFileError

FILE = Path(__file__).parents[2] / "course.yml"
TEXT = FILE.read_text(encoding="utf-8")
COURSE = load_course(FILE)


def edited(old: str, new: str) -> str:
    assert old in TEXT, f"the shipped course.yml no longer holds {old!r}"
    return TEXT.replace(old, new, 1)


# --- course.yml


def test_a_file_from_before_these_keys_is_right() -> None:
    kept = TEXT[: TEXT.index("# Students to a team.")]
    course = read_course(
        kept + "teams: {smallest: 2, largest: 4}\n"
        "presentation: {kinds: [talk, poster], minutes: 5}\n"
        "report: {format: NeurIPS, max_pages: 9, due: Fri 2021-04-30 23:59}\n"
    )
    assert course.teams.until is None
    assert [each.criterion for each in course.presentation.rubric] == ["Overall"]
    assert not course.report.references_beyond
    assert len(slots(course)) == 30


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("week: 13\n  breaks", "week: 14\n  breaks", "presentation.week: unknown week 14"),
        ("week: 13\n  breaks", "week: 11\n  breaks", "week 11 is a holiday, Good Friday"),
        ("minutes: 5", "minutes: 121", "121 minutes do not fit into week 13's class"),
        ("Idea, weight: 30", "Idea, weight: 31", "rubric: the weights sum to 101, not to 100"),
        ("criterion: Results", "criterion: Idea", "rubric: two criteria have one name"),
        ("until: Fri 2021-03-12", "until: Sat 2021-03-12", "teams.until: .* is a Friday"),
    ],
)
def test_what_cannot_be_is_refused_by_name(old: str, new: str, problem: str) -> None:
    with pytest.raises(CourseFileError, match=problem):
        read_course(edited(old, new))


def test_a_deadline_that_the_clocks_skip_is_refused() -> None:
    text = edited("until: Fri 2021-03-12 23:59", "until: Sun 2021-03-28 01:30")
    with pytest.raises(CourseFileError, match=r"teams\.until: .* does not exist"):
        read_course(text.replace("Asia/Singapore", "Europe/London"))


def test_the_report_is_open_from_the_first_lecture_and_may_be_extended() -> None:
    usual = window(COURSE, COURSE.report)
    assert usual.release.isoformat() == "2021-01-15T18:30:00+08:00"
    assert usual.on_time_before.isoformat() == "2021-05-01T00:00:00+08:00"
    more = usual.on_time_before + timedelta(days=1)
    assert window(COURSE, COURSE.report, more).on_time_before == more
    assert COURSE.work("report") is COURSE.report
    assert COURSE.work("assignment_1") == COURSE.assignments[0]


# --- slots


def test_the_shipped_slots() -> None:
    times = [f"{slot.starts:%H:%M}" for slot in slots(COURSE)]
    assert len(times) == 30
    assert times[:2] == ["18:30", "18:35"]
    assert times[9:11] == ["19:15", "19:30"]  # a pause after ten
    assert times[19:21] == ["20:15", "20:30"]  # the tutorial begins anew
    assert times[-1] == "21:15"
    assert {slot.starts.date() for slot in slots(COURSE)} == {COURSE.weeks[12].date}


@given(
    minutes=st.integers(1, 130),
    after=st.integers(1, 12),
    pause=st.integers(1, 60),
    week=st.sampled_from([1, 2, 3, 13]),
)
def test_slots_never_overlap_and_stay_within_class(
    minutes: int, after: int, pause: int, week: int
) -> None:
    breaks = Breaks(after=after, minutes=pause)
    changes = {"minutes": minutes, "breaks": breaks, "week": week}
    presentation = COURSE.presentation.model_copy(update=changes)
    course = COURSE.model_copy(update={"presentation": presentation})
    found = slots(course)
    assert [slot.number for slot in found] == list(range(1, len(found) + 1))
    assert all(slot.ends - slot.starts == timedelta(minutes=minutes) for slot in found)
    assert all(before.ends <= after.starts for before, after in pairwise(found))
    classes = [
        tuple(Moment(COURSE.weeks[week - 1].date, clock).starts(course.tz) for clock in times)
        for meeting in (course.meetings.lecture, course.meetings.tutorial)
        if meeting and week >= meeting.from_week
        for times in [(meeting.start, meeting.end)]
    ]
    assert all(any(a <= slot.starts and slot.ends <= b for a, b in classes) for slot in found)
    for a, b in classes:
        within = [slot for slot in found if a <= slot.starts < b]
        for count, (before, later) in enumerate(pairwise(within), start=1):
            assert later.starts - before.ends == timedelta(minutes=0 if count % after else pause)


numbers = st.lists(st.integers(1, 10_000), unique=True, max_size=40)


@given(numbers, st.text(max_size=20), st.randoms())
def test_the_draw_depends_on_seed_and_teams_alone(teams: list[int], seed: str, shuffle) -> None:
    drawn = draw(seed, teams)
    assert sorted(drawn) == sorted(teams)
    shuffled = list(teams)
    shuffle.shuffle(shuffled)
    assert draw(seed, shuffled) == drawn
    assert draw(seed, teams[1:]) == [team for team in drawn if team not in teams[:1]]


def test_the_draw_is_fair() -> None:
    teams, draws = range(1, 7), 6000
    places = [Counter[int]() for _ in teams]
    for seed in range(draws):
        for place, team in enumerate(draw(str(seed), teams)):
            places[place][team] += 1
    expected = draws / len(teams)
    for counts in places:  # chi-squared with 5 degrees of freedom: 25.7 is one in ten thousand
        assert sum((counts[team] - expected) ** 2 / expected for team in teams) < 25.7


# --- leftovers


def rule(smallest: int = 2, largest: int = 4) -> Teams:
    return Teams(smallest=smallest, largest=largest)


def test_leftovers_make_teams_of_like_size() -> None:
    assert propose({}, list("abcdef"), rule()).new == (("a", "c", "e"), ("b", "d", "f"))
    assert propose({1: 4}, list("ab"), rule()).new == (("a", "b"),)


def test_the_last_one_joins_the_smallest_team_with_room() -> None:
    assert propose({1: 3, 2: 2, 3: 4}, ["a"], rule()).grow == {2: ("a",)}
    assert propose({3: 4}, ["a"], rule()).left == ("a",)


def test_a_team_that_is_too_small_is_filled_or_joins_another() -> None:
    assert propose({1: 1, 2: 4}, ["a"], rule()).grow == {1: ("a",)}
    assert propose({1: 1, 2: 1, 3: 4}, [], rule()).merge == {1: 2}
    assert propose({1: 1, 2: 4}, [], rule()).short == (1,)


@st.composite
def situations(draw_from: st.DrawFn) -> tuple[dict[int, int], list[str], Teams]:
    smallest = draw_from(st.integers(1, 4))
    largest = draw_from(st.integers(smallest, 6))
    sizes = draw_from(st.lists(st.integers(1, largest), max_size=8))
    count = draw_from(st.integers(0, 15))
    alone = [f"s{number}" for number in range(count)]
    return dict(enumerate(sizes, start=1)), alone, rule(smallest, largest)


@settings(max_examples=300)
@given(situations())
def test_a_proposal_loses_nobody_and_breaks_no_team(situation) -> None:
    teams, alone, wanted = situation
    proposal = propose(teams, alone, wanted)
    placed = [s for students in proposal.grow.values() for s in students]
    placed += [s for team in proposal.new for s in team]
    assert sorted([*placed, *proposal.left]) == sorted(alone)

    sizes = dict(teams)
    for team, students in proposal.grow.items():
        sizes[team] += len(students)
    for team, host in proposal.merge.items():
        assert teams[team] < wanted.smallest
        sizes[host] += sizes.pop(team)
    assert all(sizes[team] >= size for team, size in teams.items() if team in sizes)
    assert proposal.short == tuple(
        sorted(team for team, size in sizes.items() if size < wanted.smallest)
    )
    assert all(size <= wanted.largest for size in sizes.values())
    assert all(wanted.smallest <= len(team) <= wanted.largest for team in proposal.new)
    lengths = [len(team) for team in proposal.new]
    assert not lengths or max(lengths) - min(lengths) <= 1
    if proposal.left:
        assert all(size == wanted.largest for size in sizes.values())


# --- scores

RUBRIC = (Criterion(criterion="Idea", weight=60), Criterion(criterion="Talk", weight=40))


def test_a_score_is_the_mean_over_graders_who_are_done() -> None:
    one = {"Idea": Decimal(10), "Talk": Decimal(5)}
    two = {"Idea": Decimal(6), "Talk": Decimal("7.5")}
    found = combine(RUBRIC, {"tara": one, "ines": two, "theo": {"Idea": Decimal(1)}})
    assert found.graders == {"tara": Decimal("0.8"), "ines": Decimal("0.66")}
    assert found.share == Decimal("0.73")
    assert found.incomplete == {"theo": ("Talk",)}
    assert found.apart == {"Idea": (Decimal(1), Decimal(10))}
    assert combine(RUBRIC, {}).share is None
    assert combine(RUBRIC, {"tara": {"Idea": Decimal(1), "Gone": Decimal(1)}}).share is None


scores = st.decimals(0, 10, places=1)
complete = st.fixed_dictionaries({"Idea": scores, "Talk": scores})
graders = st.dictionaries(st.sampled_from("abcdef"), complete, min_size=1)


@given(graders)
def test_a_share_lies_between_its_graders_and_all_count_alike(given_scores) -> None:
    found = combine(RUBRIC, given_scores)
    shares = found.graders.values()
    tiny = Decimal("1e-20")
    assert found.share is not None
    assert min(shares) - tiny <= found.share <= max(shares) + tiny
    assert 0 <= found.share <= 1
    renamed = {f"{name}{name}": each for name, each in reversed(given_scores.items())}
    assert abs(combine(RUBRIC, renamed).share - found.share) < tiny  # type: ignore[operator]


@given(graders, st.sampled_from(["Idea", "Talk"]), scores)
def test_a_better_score_is_never_worse(given_scores, criterion: str, score: Decimal) -> None:
    name = min(given_scores)
    better = max(score, given_scores[name][criterion])
    changed = {**given_scores, name: {**given_scores[name], criterion: better}}
    before, after = combine(RUBRIC, given_scores).share, combine(RUBRIC, changed).share
    assert before is not None and after is not None and after >= before


@given(graders)
def test_who_disagrees_is_listed(given_scores) -> None:
    apart = combine(RUBRIC, given_scores).apart
    for name in ("Idea", "Talk"):
        marks = [each[name] for each in given_scores.values()]
        assert (name in apart) == (max(marks) - min(marks) >= APART)


@pytest.mark.parametrize("text", ["0", "7", "7.5", "10", " 10.0 "])
def test_scores_that_are_read(text: str) -> None:
    assert read_score(text) == Decimal(text.strip())


@pytest.mark.parametrize(
    "text", ["", "-1", "10.1", "11", "7.25", "7.", ".5", "NaN", "1e1", "seven", "\u0667", "07.5.1"]
)
def test_scores_that_are_refused(text: str) -> None:
    with pytest.raises(Fault, match="is no score"):
        read_score(text)
