"""The exchange's whole domain on PostgreSQL: the unit tests of ledger, store and roster once more.

The server's time zone is neither UTC nor the course's.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine

from coursehub.exchange import migrations
from coursehub.exchange.database import connect
from coursehub.exchange.exchange import Exchange
from coursehub.exchange.roster import Roster
from coursehub.settings import Settings, load_settings
from tests.postgres import Postgres
from tests.unit.test_exchange_desk import (  # noqa: F401, run here once more
    desk,
    test_a_dead_services_row_is_taken_again_and_its_late_answer_refused,
    test_a_newer_hand_in_takes_the_place_of_one_that_waits,
    test_a_problem_may_hold_anything,
    test_a_request_that_is_sent_twice_asks_once,
    test_many_takers_share_the_queue_without_a_row_twice,
    test_old_requests_of_staff_are_forgotten_and_students_results_kept,
    test_staff_go_first_and_then_who_asked_first,
    test_what_is_given_back_was_not_tried,
    test_what_staff_ask_for_is_taken_and_answered_once,
    test_whether_somebody_grades,
    test_who_kills_every_service_gets_a_problem_and_holds_up_nobody,
)
from tests.unit.test_exchange_ledger import (  # noqa: F401, run here once more
    book,
    test_a_changed_row_is_found,
    test_a_key_gets_one_row,
    test_a_receipt_that_cannot_be_written_leaves_no_row,
    test_a_removed_row_is_found,
    test_each_row_seals_the_one_before,
    test_threads_append_to_one_gapless_chain,
    test_what_is_read_back_is_what_was_appended,
    test_writers_that_know_nothing_of_one_another_take_turns,
)
from tests.unit.test_exchange_roster import (  # noqa: F401, run here once more
    test_a_number_that_is_somebody_elses_undoes_the_whole_import,
    test_hostile_names_are_kept_to_the_letter,
    test_import_adds_and_updates_and_leaves_others_alone,
    test_only_the_right_password_opens,
    test_the_latest_extension_counts_for_its_student_and_assignment_alone,
    test_who_left_is_not_found_and_comes_back_with_an_import,
)
from tests.unit.test_exchange_store import (  # noqa: F401, run here once more
    COURSE_FILE,
    clock,
    collected,
    exchange,
    gradebook,
    hand_in,
    opened,
    test_a_hand_in_lies_in_nbgraders_layout_and_its_receipt_verifies,
    test_a_key_is_its_owners_and_its_assignments,
    test_after_a_failing_step_a_retry_gives_exactly_one_row,
    test_an_extension_counts_before_and_after_the_hand_ins,
    test_an_interrupted_hand_in_on_time_is_not_displaced_by_a_late_one,
    test_check_finds_what_is_not_as_receipted,
    test_the_same_key_gives_the_same_row,
    test_the_whole_last_minute_is_on_time_to_the_microsecond,
)

THREADS = 8


@pytest.fixture
def engine(postgres: Postgres) -> Iterator[Engine]:
    engine = connect(postgres.url("course", postgres.database("course")))
    migrations.upgrade(engine)
    yield engine
    engine.dispose()  # a server has so many connections, and each test a database of its own


@pytest.fixture
def roster(engine: Engine) -> Roster:
    return Roster(engine)


@pytest.fixture
def settings(engine: Engine, tmp_path: Path) -> Settings:
    url = engine.url.render_as_string()
    return load_settings(state=tmp_path / "state", course=COURSE_FILE, database=url)


def test_hand_ins_at_once_by_two_services_make_one_gapless_chain(settings: Settings) -> None:
    url = f"{settings.database}?application_name=another"  # with connections of its own
    another = load_settings(
        state=settings.state, course=COURSE_FILE, database=url, exchange=settings.exchange
    )
    services = [opened(settings), Exchange(another)]
    names = [f"student{number}" for number in range(6 * THREADS)]

    def hand_in_as(number: int) -> int:
        return hand_in(services[number % 2], username=names[number]).number

    with ThreadPoolExecutor(2 * THREADS) as pool:
        numbers = list(pool.map(hand_in_as, range(len(names))))
    assert sorted(numbers) == list(range(1, len(names) + 1))
    assert services[0].store.check() == len(names)
