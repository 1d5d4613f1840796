"""Which versions a machine keeps, and what it says when there is none to go back to."""

import importlib.util
import json
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from coursehub.cli.warm_up import shortages
from coursehub.settings import CHECKOUT

NOON = datetime(2021, 2, 5, 12, tzinfo=UTC)
REVISIONS = {"course": "0012", "gradebook": "a", "hub": "b"}


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, which says `docker ...` to nobody."""
    path = CHECKOUT / "ansible/roles/coursehub/files/coursehub_version.py"
    spec = importlib.util.spec_from_file_location("coursehub_version", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "coursehub_version", module)
    spec.loader.exec_module(module)
    said: list[str] = []

    def run(command: list[str], *_: object) -> str:
        said.append(" ".join(command))
        if "--images" in command:
            return "coursehub/hub:latest\ncoursehub/db:latest\nprom/prometheus:3\n"
        return "there" if command[:3] == ["docker", "image", "ls"] else ""

    monkeypatch.setattr(module, "run", run)
    module.said = said
    return module


def machine(program: ModuleType, folder: Path, *versions: str, in_force: str) -> object:
    """A machine on which versions ran one after another, an hour each."""
    for name in ("site", "versions"):
        (folder / name).mkdir(parents=True)
    for hour, version in enumerate(versions):
        kept = folder / "versions" / version
        (kept / "site").mkdir(parents=True)
        at = NOON.replace(hour=hour).isoformat()
        state = {"version": version, "saved_at": at, "revisions": REVISIONS, "hand_ins": hour}
        (kept / "state.json").write_text(json.dumps(state))
    (folder / "versions" / "in-force").write_text(f"{in_force}\n")
    return program.Machine(folder)


def test_the_last_three_and_the_one_in_force_are_kept(program: ModuleType, tmp_path: Path) -> None:
    found = machine(program, tmp_path, *"abcde", in_force="a")
    program.prune(found)
    assert sorted(each.name for each in (tmp_path / "versions").iterdir()) == [
        "a", "c", "d", "e", "in-force",
    ]  # fmt: skip
    removed = [line for line in program.said if line.startswith("docker image rm")]
    assert removed == [f"docker image rm coursehub/{part}:b" for part in ("db", "hub")]


def test_versions_are_listed_newest_first(program: ModuleType, tmp_path: Path) -> None:
    found = machine(program, tmp_path, "old", "older-name-newer", in_force="now")
    lines = program.listing(found).splitlines()
    assert lines[0] == "now  in force"
    assert [line.split()[0] for line in lines[1:]] == ["older-name-newer", "old"]


def test_there_may_be_no_way_back(program: ModuleType, tmp_path: Path) -> None:
    found = machine(program, tmp_path, in_force="now")
    with pytest.raises(program.Refused, match="no version to go back to"):
        program.roll_back(found, None, False, NOON)
    found = machine(program, tmp_path / "other", "a", in_force="b")
    with pytest.raises(program.Refused, match="c is not kept; there are: a"):
        program.roll_back(found, "c", False, NOON)


def test_settings_alone_save_nothing_and_start_anew(program: ModuleType, tmp_path: Path) -> None:
    found = machine(program, tmp_path, in_force="now")
    program.put_in_force(found, "now", NOON)
    assert not any("pg_dumpall" in line or " run " in line for line in program.said)
    assert any(line.startswith("docker compose up --detach --wait") for line in program.said)


def test_what_going_back_would_lose_is_named(program: ModuleType) -> None:
    was = {"version": "a", "saved_at": "Fri", "hand_ins": 4}
    said = program.loss(was, {"version": "b", "saved_at": "Sat", "hand_ins": 9})
    for part in ("b runs", "Fri", "grades", "files of the 5 hand-ins", "--lose-what-came-since"):
        assert part in said


@pytest.mark.parametrize(
    ("servers", "total", "free", "problem"),
    [(20, 16_000, 50, ""), (40, 16_000, 50, "need 20000 MB"), (1, 16_000, 3, "3 GB are free")],
)
def test_a_machine_is_large_enough_or_it_is_said(
    servers: int, total: int, free: int, problem: str
) -> None:
    found = shortages(servers, total, free)
    assert (problem in found[0]) if problem else not found
