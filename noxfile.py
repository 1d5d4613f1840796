"""What `make test`, `make lint` and the like run, in the project's own environment."""

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.default_venv_backend = "none"

PYTHON_FOLDERS = (
    "src", "tests", "bench", "hub", "images", "ansible/roles", "noxfile.py", "nbgrader_config.py",
)  # fmt: skip


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, layering."""
    session.run("ruff", "check", *PYTHON_FOLDERS)
    session.run("ruff", "format", "--check", *PYTHON_FOLDERS)
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def tests(session: nox.Session) -> None:
    """Every test but drills and those of a real GPU; with arguments, what pytest makes of them."""
    if session.posargs:
        session.run("pytest", "-m", "not gpu", *session.posargs)
    else:
        session.run("python", "-m", "tests")


@nox.session
def notebooks(session: nox.Session) -> None:
    """Every test hand-in of every assignment; what that shows goes into docs/notebooks.md."""
    session.run("python", "-m", "tests.submissions", *session.posargs)


@nox.session
def provision(session: nox.Session) -> None:
    """The playbooks: their linter, then fresh machines, with every drill."""
    with session.chdir("ansible"):
        session.run(".venv/bin/ansible-lint", external=True)
    session.run("pytest", "tests/provision", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Every program that measures what is claimed about speed."""
    for name in (
        "exchange",
        "spawn",
        "notebooks",
        "autograde",
        "pages",
        "similar",
        "passback",
        "login",
        "student",
        "scaling",
        "provision",
    ):
        session.run("python", "-m", f"bench.{name}")
