"""What our plugins rely on in nbgrader's exchange; an upgrade that changes it fails here."""

import hashlib
import inspect
import re
from pathlib import Path
from unittest.mock import Mock, patch

import pytest
from nbgrader.apps.nbgraderapp import NbGraderApp
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeFactory, abc
from nbgrader.exchange.default import collect, release_feedback
from nbgrader.server_extensions import assignment_list
from nbgrader.server_extensions.assignment_list.handlers import AssignmentList
from nbgrader.utils import notebook_hash
from traitlets.config import Config

from coursehub.exchange import plugin
from coursehub.exchange.assignments import PlainAssignmentList
from coursehub.exchange.store import SECRET_FILE, TIMESTAMP_FILE

PAIRS = {
    "list": (plugin.List, abc.ExchangeList),
    "fetch_assignment": (plugin.FetchAssignment, abc.ExchangeFetchAssignment),
    "submit": (plugin.Submit, abc.ExchangeSubmit),
    "fetch_feedback": (plugin.FetchFeedback, abc.ExchangeFetchFeedback),
}


def signature(function: object) -> str:
    """A signature without annotations, which may come and go."""
    text = str(inspect.signature(function))  # type: ignore[arg-type]
    return re.sub(r": [^,)=]+|\s*->.*$", "", text).replace(" = ", "=")


@pytest.mark.parametrize(
    ("owner", "name", "expected"),
    [
        (abc.Exchange, "__init__", "(self, coursedir=None, authenticator=None, **kwargs)"),
        (abc.Exchange, "start", "(self)"),
        (abc.Exchange, "fail", "(self, msg)"),
        (abc.Exchange, "set_timestamp", "(self)"),
        (abc.Exchange, "init_src", "(self)"),
        (abc.Exchange, "init_dest", "(self)"),
        (abc.Exchange, "copy_files", "(self)"),
        (abc.ExchangeList, "start", "(self)"),
        (abc.ExchangeList, "list_files", "(self)"),
        (abc.ExchangeList, "remove_files", "(self)"),
        (AssignmentList, "list_assignments", "(self, course_id=None)"),
        (AssignmentList, "submit_assignment", "(self, course_id, assignment_id)"),
        (AssignmentList, "fetch_assignment", "(self, course_id, assignment_id)"),
        (AssignmentList, "fetch_feedback", "(self, course_id, assignment_id)"),
        (assignment_list, "load_jupyter_server_extension", "(nbapp)"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_signatures(owner: type, name: str, expected: str) -> None:
    assert signature(getattr(owner, name)) == expected


@pytest.mark.parametrize("name", PAIRS)
def test_our_plugins_are_nbgraders_own_kind_and_keep_its_signatures(name: str) -> None:
    ours, theirs = PAIRS[name]
    assert issubclass(ours, theirs)
    for method in ("start", "init_src", "init_dest", "copy_files"):
        assert signature(getattr(ours, method)) == signature(getattr(theirs, method))
        assert ours.__dict__.keys() >= {"copy_files"}


@pytest.mark.parametrize("name", PAIRS)
def test_the_factory_takes_our_plugins_from_the_configuration(name: str) -> None:
    config = Config()
    plugin.configure_student(config)
    factory = ExchangeFactory(config=config)
    assert getattr(factory, name) is PAIRS[name][0]


def test_the_factory_still_uses_nbgraders_own_classes_for_staff() -> None:
    config = Config()
    plugin.configure_student(config)
    factory = ExchangeFactory(config=config)
    assert factory.collect is collect.ExchangeCollect
    assert factory.release_feedback is release_feedback.ExchangeReleaseFeedback


def test_traits_that_the_plugins_read() -> None:
    assert {"inbound", "cached", "remove"} <= set(abc.ExchangeList.class_trait_names(config=True))
    assert "replace_missing_files" in abc.ExchangeFetchAssignment.class_trait_names(config=True)
    assert "assignment_dir" in abc.Exchange.class_trait_names(config=True)
    assert {"course_id", "assignment_id", "student_id"} <= set(CourseDirectory.class_trait_names())
    assert CourseDirectory().student_id == "*"


def test_the_name_that_receives_cached_is_in_our_class() -> None:
    """The Assignment List sets `config.ExchangeList.cached`, which traitlets resolves by name."""
    config = Config()
    config.ExchangeList.cached = True
    assert plugin.List(config=config).cached
    assert "ExchangeList" in [each.__name__ for each in plugin.List.__mro__]


def test_failing_raises_the_one_error_that_nbgraders_commands_catch() -> None:
    with pytest.raises(abc.ExchangeError, match="no"):
        plugin.Submit().fail("no")


def test_start_goes_through_the_steps_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    for name in ("set_timestamp", "init_src", "init_dest", "copy_files"):
        monkeypatch.setattr(abc.Exchange, name, lambda _self, name=name: steps.append(name))
    abc.Exchange().start()
    assert steps == ["set_timestamp", "init_src", "init_dest", "copy_files"]


def test_the_collector_reads_user_and_time_from_the_folders_name() -> None:
    collector = collect.ExchangeCollect(coursedir=CourseDirectory())
    record = collector._path_to_record("x/a.b-c@d+assignment_1+2021-02-05 15:59:59.999999 UTC+id_-")
    assert record["username"] == "a.b-c@d"
    assert str(record["timestamp"]) == "2021-02-05 15:59:59.999999"


def test_the_time_of_a_hand_in_is_read_from_the_file_we_write(tmp_path: Path) -> None:
    (tmp_path / TIMESTAMP_FILE).write_text("2021-02-05 15:59:59.999999 UTC")
    stamp = CourseDirectory().get_existing_timestamp(str(tmp_path))
    assert str(stamp) == "2021-02-05 15:59:59.999999"


def test_feedback_is_named_by_the_secret_and_the_notebooks_name() -> None:
    expected = hashlib.md5(b"secretassignment_1", usedforsecurity=False).hexdigest()
    assert notebook_hash(secret="secret", notebook_id="assignment_1") == expected
    source = inspect.getsource(release_feedback.ExchangeReleaseFeedback.copy_files)
    assert f'"{SECRET_FILE}"' in source
    assert "notebook_hash(secret=submission_secret, notebook_id=notebook_id)" in source


def test_the_assignment_list_is_one_object_that_ours_replaces() -> None:
    app = Mock(root_dir="/home/alice")
    app.web_app.settings = {"base_url": "/user/alice/"}
    with patch.object(AssignmentList, "__init__", lambda self, parent: None):
        assignment_list.load_jupyter_server_extension(app)
    assert type(app.web_app.settings["assignment_list_manager"]) is AssignmentList
    assert issubclass(PlainAssignmentList, AssignmentList)


def test_the_commands_that_students_type_exist() -> None:
    assert set(PAIRS) <= set(NbGraderApp.subcommands)
