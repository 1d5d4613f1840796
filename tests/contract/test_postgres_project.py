"""Teams, slots, reports and scores on PostgreSQL: their unit tests once more."""

# ruff: noqa: F401
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from coursehub.exchange import migrations
from coursehub.exchange.database import connect
from coursehub.settings import Settings, load_settings
from tests.postgres import Postgres
from tests.unit.test_project_reports import (
    clock,
    test_any_member_hands_in_and_has_a_receipt,
    test_scores_come_from_several_graders,
    test_shares_are_what_is_there_and_nothing_else,
    test_the_last_on_time_counts_whoever_handed_it_in,
    test_what_fails_the_check_is_kept_and_named,
    test_what_was_kept_but_not_entered_is_entered_later,
    test_who_has_more_time_has_it_for_the_team,
)
from tests.unit.test_project_talks import (
    six,
    test_a_slot_is_one_teams,
    test_agreeing_at_once_swaps_once,
    test_staff_move_with_a_reason,
    test_two_teams_swap_when_both_want_it,
    test_whatever_is_swapped_or_moved_each_team_keeps_one_slot,
    test_who_comes_later_is_drawn_into_what_is_free,
)
from tests.unit.test_project_teams import (
    COURSE_FILE,
    project,
    test_leftovers_are_placed_as_proposed,
    test_many_who_accept_the_last_place_at_once_leave_a_right_team,
    test_one_who_accepts_many_teams_at_once_is_in_one,
    test_staff_create_move_rename_and_dissolve_with_a_reason,
    test_the_database_itself_knows_one_team_a_student,
    test_two_who_invite_each_other_at_once_end_in_no_more_than_one_team_each,
    test_who_declines_may_be_asked_again_and_who_leaves_last_closes,
)


@pytest.fixture
def engine(postgres: Postgres) -> Iterator[Engine]:
    engine = connect(postgres.url("course", postgres.database("course")))
    migrations.upgrade(engine)
    yield engine
    engine.dispose()  # a server has so many connections, and each test a database of its own


@pytest.fixture
def settings(engine: Engine, tmp_path: Path) -> Settings:
    url = engine.url.render_as_string()
    return load_settings(state=tmp_path / "state", course=COURSE_FILE, database=url)
