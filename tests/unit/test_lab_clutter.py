"""What may go from a full home: never work, never anything outside."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursehub.errors import CourseHubError
from coursehub.lab.clutter import is_work, large_work, offers, remove, remove_below
from coursehub.lab.room import Weight, room_of, say_size, weigh

MB = 1024**2


def weight_of(files: dict[str, int]) -> Weight:
    """A home with these files, in bytes."""
    folders: dict[str, int] = {"": 0}
    for path, size in files.items():
        folders[""] += size
        while path := path.rpartition("/")[0]:
            folders[path] = folders.get(path, 0) + size
    return Weight(folders[""], True, folders, files)


def test_what_comes_again_stands_first_and_then_the_largest() -> None:
    found = offers(weight_of({
        "assignment_1/a1.ipynb": 30 * MB,
        "assignment_1/.ipynb_checkpoints/a1-checkpoint.ipynb": 2 * MB,
        "assignment_1/model.pt": 90 * MB,
        "assignment_1/data/train/1.png": 5 * MB,
        ".cache/torch/x.bin": 3 * MB,
        ".local/share/Trash/files/old.ipynb": 40 * MB,
        "data/mnist.npz": 50 * MB,
        "notes.txt": 1,
        "receipts/assignment_1 receipt 1.txt": 9 * MB,
        "repo/.git/objects/pack": 70 * MB,
        "repo/weights.bin": 20 * MB,
    }))  # fmt: skip
    assert [(each.path, each.again, each.beside) for each in found] == [
        (".local/share/Trash", True, ""),
        (".cache", True, ""),
        ("assignment_1/.ipynb_checkpoints", True, ""),
        ("assignment_1/model.pt", False, "assignment_1"),
        ("data", False, ""),
        ("repo/weights.bin", False, "repo"),
        ("assignment_1/data", False, "assignment_1"),
    ]


def test_large_work_is_shown_and_not_offered() -> None:
    home = weight_of({"a.ipynb": 300 * MB, "b.py": 1, "data.csv": 30 * MB})
    assert large_work(home) == [("a.ipynb", 300 * MB)]
    assert [each.path for each in offers(home)] == ["data.csv"]


NAMES = st.sampled_from(
    ["a", "data", ".cache", ".local", "share", "Trash", "receipts", ".git", "__pycache__",
     ".ipynb_checkpoints", "a.ipynb", "b.py", "model.pt", "x.bin", ".saving-1"]
)  # fmt: skip
TREES = st.lists(st.lists(NAMES, min_size=1, max_size=4).map("/".join), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_whoever_deletes_all_that_is_offered_keeps_all_work(paths: list[str]) -> None:
    """But for copies in what comes again by itself: caches, trash, checkpoints."""
    with TemporaryDirectory() as top:
        home, outside = Path(top, "home"), Path(top, "outside")
        outside.mkdir()
        (outside / "model.pt").write_bytes(bytes(400_000))
        home.mkdir()
        (home / "link").symlink_to(outside, target_is_directory=True)
        for path in paths:
            place = home / path
            if place.exists() or any((home / p).is_file() for p in _above(path)):
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(bytes(300_000))
        found = weigh(home)
        offered = offers(found)
        again = {each.path for each in offered if each.again}
        work = {
            path for path in found.files
            if is_work(path) and not any(p in again for p in (path, *_above(path)))
        }  # fmt: skip
        freed = remove(home, [each.path for each in offered], offered)
        left = weigh(home)
        assert work <= set(left.files)
        assert left.used == found.used - freed
        assert (outside / "model.pt").exists() and (home / "link").is_symlink()


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "a/../../outside", "..", "", "."])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "outside").write_text("x")
    with pytest.raises(CourseHubError):
        remove_below(tmp_path / "home", path)
    assert (tmp_path / "outside").exists() and (tmp_path / "home").exists()


def test_a_link_is_removed_and_never_followed(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    home.mkdir()
    (home / "link").symlink_to(outside, target_is_directory=True)
    with pytest.raises(CourseHubError):
        remove_below(home, "link/kept")
    remove_below(home, "link")
    assert not (home / "link").is_symlink() and (outside / "kept").exists()


def test_what_is_not_offered_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(300_000))
    (tmp_path / "a.ipynb").write_bytes(bytes(300_000))
    with pytest.raises(CourseHubError, match=r"^a\.ipynb is not on the list"):
        remove(tmp_path, ["big", "a.ipynb"], offers(weigh(tmp_path)))
    assert (tmp_path / "big").exists()


def test_a_file_of_two_names_weighs_once_and_a_link_nothing(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(bytes(MB))
    before = weigh(tmp_path).used
    os.link(tmp_path / "one", tmp_path / "two")
    (tmp_path / "three").symlink_to(tmp_path / "one")
    assert before >= MB and weigh(tmp_path).used < before + MB // 4
    assert not weigh(tmp_path, seconds=-1).complete


def test_without_quotas_a_home_counts_by_what_it_holds(tmp_path: Path) -> None:
    limit = 100 * MB
    assert not room_of(tmp_path, limit).enforced, "this disk is larger than a home's limit"
    levels = {share: room_of(tmp_path, limit, share * MB).level for share in (79, 80, 90, 96, 120)}
    assert levels == {79: "fine", 80: "nearly", 90: "almost", 96: "full", 120: "full"}
    assert room_of(tmp_path, 0).level == "fine"


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 KB"), (3 * MB // 2, "1.5 MB"),
     (10 * 1024 * MB, "10 GB"), (5_000 * 1024 * MB, "4.9 TB")],
)  # fmt: skip
def test_sizes_are_said_as_people_write_them(size: int, said: str) -> None:
    assert say_size(size) == said
