"""A server whose home is really full: it starts, says what to delete, and then starts as usual."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from coursehub.hub.homes import has_project_quotas
from coursehub.lab.contents import replacing
from coursehub.lab.room import look, room_of
from tests.contract.test_lab_start import Server, served

MB = 1024**2
SIZE = 40 * MB


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home on a small filesystem of its own, as full as it gets, with a notebook and a cache."""
    place = tmp_path / "alice"
    place.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(place)], check=True
    )
    try:
        write_notebook(place / "small.ipynb", "as it was")
        (place / ".cache").mkdir()
        (place / ".cache" / "downloads").write_bytes(bytes(20 * MB))
        fill(place / "data.bin")
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def write_notebook(path: Path, text: str) -> None:
    cells = [new_markdown_cell(text), new_code_cell("import matplotlib; 1 + 1")]
    nbformat.write(new_notebook(cells=cells), path)


def fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_full_home_starts_says_what_may_go_and_then_starts_as_usual(home: Path) -> None:
    with served(home) as server:
        assert "is full: 0 bytes left" in server.log.read_text()
        page = ask(server, "GET", "")
        assert "Your home is full" in page.text and "small.ipynb" not in page.text
        assert ".cache/" in page.text and "data.bin" in page.text
        saved = save(server, "small.ipynb", "a new text")
        assert saved.status_code == 507
        assert "small.ipynb was not saved, and is on the disk as it was before" in saved.text
        assert "as it was" in (home / "small.ipynb").read_text()
        assert save(server, "other.ipynb", "new").status_code == 507
        assert {path.name for path in home.iterdir()} == {".cache", "data.bin", "small.ipynb"}, (
            "the server wrote into the home"
        )
        assert runs(server, "small.ipynb")["success"], "no kernel starts"

        assert others_are_refused(server) and (home / ".cache").exists()
        sure = ask(server, "POST", "", path=".cache")
        assert "Delete this for good?" in sure.text and (home / ".cache").exists()
        not_offered = ask(server, "POST", "", path="small.ipynb", sure="yes")
        assert "not on the list" in not_offered.text and (home / "small.ipynb").exists()
        assert "still full" in ask(server, "POST", "/again").text
        done = ask(server, "POST", "", path=".cache", sure="yes")
        assert "Deleted: 20 MB" in done.text and not (home / ".cache").exists()
        started = status(server)["started"]
        assert "JupyterLab starts" in ask(server, "POST", "/again").text
        await_next(server, started)
        assert status(server)["rescue"] is False
        landing = server.get("", "of-alice")
        assert landing.headers["location"].startswith("/user/alice/lab")
        assert save(server, "small.ipynb", "a new text").status_code == 200
        assert "a new text" in (home / "small.ipynb").read_text()


def others_are_refused(server: Server) -> bool:
    """Whether nobody else may delete there."""
    body = {"path": ".cache", "sure": "yes"}
    tokens = [{}, {"Authorization": "token of-bob"}]
    answers = [
        server.http.post("/user/alice/coursehub/room", headers=token, data=body)
        for token in tokens
    ]  # fmt: skip
    return all(answer.status_code in (302, 403) for answer in answers)


def ask(server: Server, method: str, page: str, **fields: str) -> httpx.Response:
    """Use the page as alice."""
    return server.http.request(
        method, f"/user/alice/coursehub/room{page}", data=fields, follow_redirects=True,
        headers={"Authorization": "token of-alice"},
    )  # fmt: skip


def save(server: Server, path: str, text: str) -> httpx.Response:
    """Save a notebook as JupyterLab does."""
    notebook = json.loads(nbformat.writes(new_notebook(cells=[new_markdown_cell(text)])))
    return server.http.put(
        f"/user/alice/api/contents/{path}", headers={"Authorization": "token of-alice"},
        json={"type": "notebook", "format": "json", "content": notebook},
    )  # fmt: skip


def runs(server: Server, path: str) -> dict[str, object]:
    """Run a notebook as nbgrader's Validate does."""
    return server.http.post(
        "/user/alice/assignments/validate", json={"path": path},
        headers={"Authorization": "token of-alice"},
    ).json()  # fmt: skip


def status(server: Server) -> dict[str, object]:
    return server.get("coursehub/room/status", "of-alice").json()


def await_next(server: Server, started: object) -> None:
    """Wait until the next start answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError, ValueError):
            if status(server)["started"] != started:
                return
        time.sleep(0.2)
    raise AssertionError(server.log.read_text())


def test_a_file_that_grows_beyond_the_room_is_as_it_was(home: Path) -> None:
    """Where a copy of it still fits: Jupyter's own way then cuts it short."""
    file = home / "small.ipynb"
    os.truncate(home / "data.bin", (home / "data.bin").stat().st_size - 4096)
    before = file.read_text()
    with pytest.raises(OSError, match="No space left"), replacing(str(file)) as new:
        new.write("n" * 7000)
    assert file.read_text() == before
    assert {path.name for path in home.iterdir()} == {".cache", "data.bin", "small.ipynb"}


def test_the_filesystems_own_limit_counts_where_it_has_one(home: Path) -> None:
    assert room_of(home, SIZE).enforced and room_of(home, SIZE).full
    (home / "data.bin").unlink()
    room = look(home, SIZE)
    assert (room.enforced, room.full, room.limit) == (True, False, SIZE)
    assert room.used == pytest.approx(20 * MB, rel=0.02)
    by_sum = look(home, SIZE // 2)
    assert not by_sum.enforced and by_sum.full


def test_a_home_without_room_for_files_is_full(tmp_path: Path) -> None:
    place = tmp_path / "few"
    place.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},nr_inodes=3", "tmpfs", place], check=True
    )
    try:
        for name in "ab":
            (place / name).touch()
        assert look(place, 0).full
    finally:
        subprocess.run(["umount", place], check=True)


MOUNTS = """\
21 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 21 8:16 /volumes/hub/_data /srv/state rw - ext4 /dev/sdb rw,prjquota
31 21 8:16 /x /srv/state-of-others rw - ext4 /dev/sdb rw
"""


def test_the_hub_sees_whether_its_disk_has_quotas(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert has_project_quotas(Path("/srv/state"), mounts)
    assert not has_project_quotas(Path("/srv/state-of-others"), mounts)
    assert not has_project_quotas(Path("/var"), mounts)
