"""`coursehub setup`: the first step of every start of the deployed form."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from coursehub.cli.course import one_line_errors
from coursehub.course.load import load_course
from coursehub.errors import SettingsError
from coursehub.exchange.receipts import SigningKey
from coursehub.lti.keys import Keys
from coursehub.settings import load_settings

app = typer.Typer()

DATABASE_ROLES = ("hub", "course", "grader")

TOKENS = (
    ("proxy_token", "proxy"),
    ("course_token", "course"),
    ("metrics_token", "course", "grader", "monitoring"),
)
"""Each that the hub knows, and who else does; `monitoring` is Prometheus, outside of containers."""


@app.command()
def setup(
    secrets_folder: Annotated[
        Path, typer.Option("--secrets", help="Folder of all services' secrets.")
    ],
    course: Annotated[Path, typer.Option(help="The course file to put in force.")],
    oidc_secret: Annotated[
        Path | None,
        typer.Option(help="File with the secret that the identity provider gave; may be empty."),
    ] = None,
    lti11: Annotated[
        Path | None,
        typer.Option(help="File with keys and secrets of LTI 1.1; may be empty."),
    ] = None,
) -> None:
    """Make the secrets that are missing, and put the course file in force if it is right.

    A secret that was made is never changed; those of the identity provider and
    of LTI 1.1 are whatever their files say. Each service mounts a folder of its
    own. A course file with a mistake is refused; the one in force stays.
    """
    with one_line_errors():
        made = make_secrets(secrets_folder)
        typer.echo(f"{len(made)} secrets made{': ' if made else ''}{', '.join(made)}")
        if oidc_secret:
            known = take_secret(oidc_secret, secrets_folder / "hub" / "oidc_secret")
            typer.echo(f"identity provider: {'its secret is known' if known else 'none'}")
        if lti11:
            known = take_secret(lti11, secrets_folder / "hub" / "lti11")
            typer.echo(f"LTI 1.1: {'its secrets are known' if known else 'none'}")
        changed = put_in_force(course, load_settings().course)
        typer.echo(f"course.yml: {'put in force' if changed else 'unchanged'}")


def make_secrets(folder: Path) -> list[str]:
    """Make what is missing in `folder`, one file a secret, mode 0600; return the new ones' names.

    The same secret in two services' folders is one file's text in both: databases know a role's
    password, clients have it in a libpq password file.
    """
    made: list[str] = []

    def keep(name: str, make: Callable[[], str] = lambda: secrets.token_hex(32)) -> str:
        path = folder / name
        if not path.exists():
            _write(path, make())
            made.append(name)
        return path.read_text()

    passwords = {role: keep(f"db/{role}_password") for role in DATABASE_ROLES}
    for service in DATABASE_ROLES:
        keep(f"{service}/pgpass", lambda service=service: _pgpass({service: passwords[service]}))
    keep("migrate/pgpass", lambda: _pgpass(passwords))
    keep("hub/cookie_secret")
    for name, *others in TOKENS:
        token = keep(f"hub/{name}")
        for other in others:
            keep(f"{other}/{name}", lambda token=token: token)
    key = folder / "course" / "receipts.key"
    if not key.exists():
        made.append("course/receipts.key")
    published = SigningKey.load(key).public_pem
    keep("grader/receipts.pub", lambda: published)
    lti_keys, *copies = lti_key_files(folder)
    if not lti_keys.exists():
        made.append("hub/lti_keys.json")
    Keys(lti_keys).jwks()
    for copy in copies:
        keep(str(copy.relative_to(folder)), lti_keys.read_text)
    return made


def lti_key_files(folder: Path) -> list[Path]:
    """Where the services' copies of the LMS connection's keys lie; the hub's comes first."""
    return [folder / service / "lti_keys.json" for service in ("hub", "course", "grader")]


def take_secret(given: Path, kept: Path) -> bool:
    """Keep what the file `given` says as the secret `kept`, mode 0600; False when it is empty.

    The setting that names the file is that of the secret's own name.

    Raises:
        SettingsError: when it cannot be read here.
    """
    try:
        text = given.read_text().strip()
    except OSError as error:
        raise SettingsError(
            f"the file with the secret cannot be read ({error.strerror})",
            key=f"COURSEHUB_{kept.name.upper()}_FILE",
            remedy="Let user id 1000 read the file, in a folder that only you may enter",
        ) from error
    kept.unlink(missing_ok=True)
    if text:
        _write(kept, text)
    return bool(text)


def put_in_force(edited: Path, deployed: Path) -> bool:
    """Replace the deployed course file by the edited one; say whether it differed.

    Raises:
        CourseFileError: when the edited file is wrong.
    """
    load_course(edited)
    text = edited.read_bytes()
    if deployed.exists() and deployed.read_bytes() == text:
        return False
    fresh = deployed.with_suffix(".new")
    fresh.write_bytes(text)
    fresh.replace(deployed)
    return True


def _pgpass(passwords: dict[str, str]) -> str:
    """Lines of a libpq password file (PostgreSQL 15, section 34.16)."""
    return "".join(f"db-data:5432:*:{role}:{password}\n" for role, password in passwords.items())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
