"""When an idle server is stopped."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traitlets.config import Config

from coursehub.course.idle import NEAR, idle_limit
from coursehub.course.load import load_course
from coursehub.course.schedule import window
from coursehub.errors import CourseFileError
from coursehub.hub.cull import arbiter, culler_role, culler_service, report_environment
from coursehub.lab import activity
from coursehub.lab.activity import Activity, gpu_users
from coursehub.settings import CHECKOUT, load_settings
from tests.deployment import course_text

COURSE = load_course(CHECKOUT / "course.yml")
DEADLINES = [window(COURSE, each).on_time_before for each in COURSE.assignments]
HOUR = timedelta(hours=1)

moments = st.timedeltas(-60 * 24 * HOUR, 60 * 24 * HOUR).map(DEADLINES[4].__add__)
limits = st.timedeltas(timedelta(minutes=1), timedelta(days=2))


@given(moments, limits)
def test_a_limit_is_never_shorter_than_usual(now: datetime, usual: timedelta) -> None:
    assert idle_limit(COURSE, now, usual) >= usual


@given(st.sampled_from(DEADLINES), st.timedeltas(timedelta(0), NEAR), limits)
def test_it_is_longer_before_every_deadline(
    deadline: datetime, left: timedelta, usual: timedelta
) -> None:
    assert idle_limit(COURSE, deadline - left, usual) == 2 * usual


@given(moments, limits)
def test_it_is_usual_when_no_deadline_is_near(now: datetime, usual: timedelta) -> None:
    near = any(timedelta(0) <= deadline - now <= NEAR for deadline in DEADLINES)
    assert (idle_limit(COURSE, now, usual) == usual) is not near


@pytest.mark.parametrize(
    ("due_in", "idle", "over"),
    [
        (30 * HOUR, 59 / 60 * HOUR, False),
        (30 * HOUR, HOUR, True),
        (20 * HOUR, HOUR, False),
        (20 * HOUR, 2 * HOUR, True),
        (-1 * HOUR, HOUR, True),
    ],
)
def test_the_arbiter_reads_the_course_file_as_it_is_now(
    tmp_path: Path, due_in: timedelta, idle: timedelta, over: bool
) -> None:
    course = tmp_path / "course.yml"
    is_over = arbiter(load_settings(state=tmp_path, course=course))
    now = datetime.now(UTC)
    course.write_text(course_text(released=now - 48 * HOUR, due=now + due_in))
    assert is_over(inactive=idle, inactive_limit=3600, server={}) is over


def test_a_broken_course_file_stops_nobody(tmp_path: Path) -> None:
    course = tmp_path / "course.yml"
    course.write_text("code: [")
    is_over = arbiter(load_settings(state=tmp_path, course=course))
    assert is_over(inactive=59 / 60 * HOUR, inactive_limit=3600, server={}) is False
    with pytest.raises(CourseFileError):
        is_over(inactive=HOUR, inactive_limit=3600, server={})


def test_the_service_is_stock_with_our_hook_and_no_more_rights_than_it_needs() -> None:
    service = culler_service(load_settings(idle_minutes=45))
    assert service["command"][1:4] == ["-m", "jupyterhub_idle_culler", "--timeout=2700"]
    config = next(each for each in service["command"] if each.startswith("--config="))
    assert Path(config.partition("=")[2]).is_file()
    role = culler_role()
    assert role["services"] == [service["name"]]
    assert set(role["scopes"]) == {
        "list:users", "read:users:activity", "read:servers", "delete:servers",
    }  # fmt: skip


@given(st.integers(1, 10_000))
def test_servers_report_several_times_before_they_would_be_stopped(minutes: int) -> None:
    [seconds] = report_environment(load_settings(idle_minutes=minutes)).values()
    assert 0 < int(seconds) * 1.1 * 3 < minutes * 60


def fake_process(proc: Path, pid: int, command: str, *opened: str) -> None:
    """A process as /proc shows it."""
    (proc / str(pid) / "fd").mkdir(parents=True)
    (proc / str(pid) / "cmdline").write_bytes(command.replace(" ", "\0").encode())
    for number, target in enumerate(opened):
        (proc / str(pid) / "fd" / str(number)).symlink_to(target)


def test_who_uses_a_gpu(tmp_path: Path) -> None:
    fake_process(tmp_path, 1, "python train.py", "/dev/null", "/dev/nvidiactl", "/dev/nvidia0")
    fake_process(tmp_path, 2, "python kernel-1.json", "/dev/nvidia1", "/dev/nvidia1")
    fake_process(tmp_path, 3, "nvidia-smi", "/dev/nvidiactl", "/dev/nvidia-uvm")
    fake_process(tmp_path, 4, "bash", "/dev/pts/0")
    (tmp_path / "self").mkdir()
    (tmp_path / "5").mkdir()  # has just ended
    assert sorted(gpu_users(tmp_path)) == [b"python\0kernel-1.json", b"python\0train.py"]


@pytest.mark.parametrize(
    ("state", "other", "active"),
    [("idle", False, False), ("busy", False, True), ("idle", True, True), ("starting", True, True)],
)
def test_a_gpu_that_an_idle_kernel_holds_is_idle(
    monkeypatch: pytest.MonkeyPatch, state: str, other: bool, active: bool
) -> None:
    """This process plays the kernel, which holds a GPU; `other` does too, or not."""
    own = Path("/proc/self/cmdline").read_bytes()
    users = [own, b"python\0train.py"] if other else [own]
    monkeypatch.setattr(activity, "gpu_users", lambda: iter(users))
    kernel = SimpleNamespace(execution_state=state, provisioner=SimpleNamespace(pid=os.getpid()))
    kernels = SimpleNamespace(list_kernel_ids=lambda: ["1"], get_kernel={"1": kernel}.get)
    app = SimpleNamespace(
        config=Config(), web_app=SimpleNamespace(settings={}), kernel_manager=kernels
    )
    Activity(app).look()
    assert bool(app.web_app.settings) is active
