"""What is in the images, and what is not."""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import docker
import pytest

from coursehub.settings import CHECKOUT
from tests.images import PARTS, locked

# `student-gpu` is looked at once: it is the student image, layer by layer.
OURS = tuple(part for part in PARTS if part != "student-gpu")
PYTHON = ("hub", "course", "grader", "student", "staff")
USERS = ("student", "staff")
BASES = {"staff": "student"}
"""Image -> the one that it is built on, whose files are looked at there."""
SITE = "/opt/coursehub/site"
TOOLS = {"c++", "cc", "cpp", "g++", "gcc", "ld", "make", "npm", "npx", "pip", "pip3", "uv"}

BYTES = {"LC_ALL": "C"}  # grep is quick in bytes

# Every module whose bytecode a Python image lacks although it compiles.
UNCOMPILED = """
import importlib.util, pathlib, site, sys, sysconfig, warnings
warnings.simplefilter("ignore")
found = 0
for folder in (sysconfig.get_path("stdlib"), *site.getsitepackages()):
    for path in pathlib.Path(folder).rglob("*.py"):
        found += 1
        if not pathlib.Path(importlib.util.cache_from_source(path)).exists():
            try:
                compile(path.read_bytes(), path, "exec")
            except (SyntaxError, ValueError):
                continue
            print(path)
assert found > 1000
"""

VERSIONS = """
import importlib.metadata as m, json
print(json.dumps({d.name.lower().replace("_", "-"): d.version for d in m.distributions()}))
"""


class Entry(NamedTuple):
    """One file or folder of an image; `stamp` is its size and when it was written."""

    kind: str
    mode: int
    stamp: str
    path: str


Run = Callable[..., str]
Contents = Callable[[str], list[Entry]]


@pytest.fixture(scope="module")
def run(engine: docker.DockerClient, images: None) -> Run:
    """Runs a command in a fresh container without network and returns what it prints."""

    def run(part: str, *command: str, **options: object) -> str:
        named = {"network_mode": "none", "entrypoint": [], "detach": True, **options}
        container = engine.containers.run(f"coursehub/{part}:latest", list(command), **named)
        try:
            code = container.wait()["StatusCode"]
            # Read once it has ended: whoever follows a log that is so short may see nothing of it.
            said = container.logs(stderr=False).decode()
            assert code == 0, f"{command} in {part}: {container.logs().decode()}"
            return said
        finally:
            container.remove(force=True)

    return run


@pytest.fixture(scope="module")
def contents(run: Run) -> Contents:
    """Everything in an image."""

    @cache
    def contents(part: str) -> list[Entry]:
        text = run(part, "find", "/", "-xdev", "-printf", r"%y %m %s/%T@ %p\n", user="0")
        rows = (line.split(" ", 3) for line in text.splitlines())
        return [Entry(kind, int(mode, 8), stamp, path) for kind, mode, stamp, path in rows]

    return contents


Matching = Callable[[str, list[str], list[str]], list[str]]


@pytest.fixture(scope="module")
def matching(run: Run, contents: Contents) -> Matching:
    """Finds an image's files with a line that matches, by options of grep, below some folders."""

    def matching(part: str, options: list[str], where: list[str]) -> list[str]:
        if part in BASES:
            added = set(contents(part)) - set(contents(BASES[part]))
            inside = tuple(f"{folder}/" for folder in where)
            where = [each.path for each in added if each.kind == "f"]
            where = [path for path in where if path.startswith(inside)]
            assert where, f"{part} adds nothing to {BASES[part]}"
        search = ["grep", "--recursive", "--files-with-matches", *options, *where]
        command = ("sh", "-c", '"$@" || test $? = 1', "-", *search)
        return run(part, *command, user="0", environment=BYTES).splitlines()

    return matching


def settings(engine: docker.DockerClient, part: str) -> dict[str, object]:
    return engine.images.get(f"coursehub/{part}:latest").attrs["Config"]


def secret_lines() -> list[str]:
    """Lines of solutions and hidden tests: what `source/` says and `release/` does not.

    The long ones: `for i in range(len(x)):` stands in many a library.
    """

    def lines(notebook: Path) -> set[str]:
        cells = json.loads(notebook.read_text())["cells"]
        return {line.strip() for cell in cells for line in "".join(cell["source"]).splitlines()}

    found = set()
    for source in (CHECKOUT / "source").glob("*/*.ipynb"):
        found |= lines(source) - lines(CHECKOUT / "release" / source.parent.name / source.name)
    return sorted(line for line in found if len(line) > 45 and not set(line) & set("\"\\'#"))


@pytest.mark.parametrize(("part", "base"), BASES.items())
def test_an_image_holds_all_of_the_one_that_it_is_built_on(
    engine: docker.DockerClient, images: None, part: str, base: str
) -> None:
    own, below = (
        engine.images.get(f"coursehub/{each}").attrs["RootFS"]["Layers"] for each in (part, base)
    )
    assert own[: len(below)] == below


@pytest.mark.parametrize("part", OURS)
def test_nobody_is_root(
    engine: docker.DockerClient, run: Run, contents: Contents, part: str
) -> None:
    assert settings(engine, part)["User"] == "coursehub"
    assert run(part, "id", "--user").strip() == "1000"
    raised = [each.path for each in contents(part) if each.kind == "f" and each.mode & 0o6000]
    assert raised == []


@pytest.mark.parametrize("part", OURS)
def test_an_init_and_a_health_check(engine: docker.DockerClient, images: None, part: str) -> None:
    assert settings(engine, part)["Entrypoint"] == ["/usr/bin/tini", "-s", "--"]
    assert settings(engine, part)["Healthcheck"]["Test"][0] == "CMD"


@pytest.mark.parametrize("part", OURS)
def test_nothing_of_the_build_is_left(contents: Contents, part: str) -> None:
    paths = [each.path for each in contents(part) if each.kind != "d"]
    tools = [path for path in paths if re.search(r"/s?bin/[^/]+$", path)]
    assert [path for path in tools if Path(path).name in TOOLS] == []
    left = ("/root/.", "/run/secrets/", "/build/", "/context/", "/wheels/", "/opt/uv/", "/tmp/",
            "/var/lib/apt/lists/", "/var/cache/apt/", "/etc/apt/apt.conf.d/99ca")  # fmt: skip
    ours = [path for path in paths if path.startswith(left)]
    assert [path for path in ours if Path(path).name not in (".bashrc", ".profile")] == []
    assert [path for path in paths if path.endswith((".whl", ".deb", "package-lock.json"))
            and "/ensurepip/" not in path and "/opt/proxy/" not in path] == []  # fmt: skip


@pytest.mark.parametrize("part", OURS)
def test_solutions_and_hidden_tests_are_the_graders_alone(
    matching: Matching, contents: Contents, part: str
) -> None:
    folders = {each.path for each in contents(part) if each.path.startswith(f"{SITE}/")}
    assert (f"{SITE}/source" in folders) == (part == "grader")
    lines = secret_lines()
    assert len(lines) > 10
    patterns = [f"--regexp={line}" for line in lines]
    where = ["/etc", "/home", "/opt", "/root", "/srv", "/usr/local"]
    found = matching(part, ["--fixed-strings", *patterns], where)
    if part == "grader":
        assert any(path.startswith(f"{SITE}/source/") for path in found)
        assert [path for path in found if not path.startswith(f"{SITE}/source/")] == []
    else:
        assert found == []


@pytest.mark.parametrize("part", OURS)
def test_certificates_given_to_the_build_are_not_in_it(
    engine: docker.DockerClient, run: Run, matching: Matching, part: str
) -> None:
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    form = r"-----BEGIN CERTIFICATE-----\n(.*?)-----END"
    given = re.findall(form, bundle.read_text(), re.S) if bundle.exists() else []
    own = run(part, "cat", "/etc/ssl/certs/ca-certificates.crt")
    foreign = [text for text in given if text not in own]
    # One line of each, which no certificate of the image's own has, is enough to know it by.
    lines = [next(line for line in text.splitlines() if line not in own) for text in foreign]
    patterns = [f"--regexp={line}" for line in lines] or ["--regexp=^no such$"]
    where = ["/etc", "/home", "/root", "/run", "/srv", "/usr/local", "/usr/share", "/var"]
    assert matching(part, patterns, where) == []
    history = json.dumps(engine.images.get(f"coursehub/{part}:latest").history())
    assert "BEGIN CERTIFICATE" not in history


@pytest.mark.parametrize("part", PYTHON)
def test_every_module_is_compiled(run: Run, part: str) -> None:
    assert run(part, "python", "-c", UNCOMPILED).splitlines() == []


@pytest.mark.parametrize("part", PYTHON)
def test_packages_are_those_of_the_lock(run: Run, part: str) -> None:
    versions = json.loads(run(part, "python", "-c", VERSIONS))
    assert versions.pop("coursehub")
    assert len(versions) > 20
    assert {name: version.partition("+")[0] for name, version in versions.items()} == {
        name: locked(name) for name in versions
    }


def test_the_gpu_image_is_the_student_image_built_for_a_gpu(
    engine: docker.DockerClient, images: None
) -> None:
    layers = [engine.images.get(f"coursehub/{part}").attrs["RootFS"]["Layers"] for part in
              ("student", "student-gpu")]  # fmt: skip
    assert layers[0] == layers[1]


def test_the_proxy_is_the_one_of_its_lock(run: Run) -> None:
    package = json.loads((CHECKOUT / "images/proxy/package.json").read_text())
    path = "/opt/proxy/node_modules/configurable-http-proxy/package.json"
    inside = json.loads(run("proxy", "cat", path))
    wanted = package["dependencies"]["configurable-http-proxy"]
    assert inside["version"] == wanted
    assert int(wanted.partition(".")[0]) >= 5
    node = int(run("proxy", "node", "--version").lstrip("v").partition(".")[0])
    assert node >= int(re.search(r"\d+", inside["engines"]["node"])[0])  # type: ignore[index]


def test_images_and_makefile_build_with_one_uv() -> None:
    version = re.search(r"^UV_VERSION := (\S+)", (CHECKOUT / "Makefile").read_text(), re.M)
    assert version
    assert f"ARG UV_VERSION={version[1]}\n" in (CHECKOUT / "images/Dockerfile").read_text()


@pytest.mark.parametrize("part", USERS)
def test_students_packages_work_without_any_right(run: Run, part: str) -> None:
    script = (
        "import pathlib, torch, nbgrader, jupyterlab, mlxtend, sklearn, matplotlib.pyplot\n"
        "print(torch.ones(2, 2).sum().item(), pathlib.Path.home())\n"
        "for folder in ('/', '/opt/coursehub', '/home'):\n"
        "    try: pathlib.Path(folder, 'x').write_text('x'); print('writable:', folder)\n"
        "    except OSError: pass"
    )
    said = run(
        part, "python", "-c", script, read_only=True, cap_drop=["ALL"], tmpfs={"/tmp": ""},
        security_opt=["no-new-privileges"],
    )  # fmt: skip
    assert said == "4.0 /home/student\n"


def test_git_and_an_editor_are_there(run: Run) -> None:
    assert run("student", "git", "--version").startswith("git version")
    assert "GNU nano" in run("student", "nano", "--version")
