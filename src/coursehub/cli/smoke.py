"""`coursehub smoke`: what a student does, done once, to try a deployment that nobody uses."""

import secrets
import time
from typing import Annotated, Any

import typer

from coursehub.cli.course import one_line_errors
from coursehub.errors import CourseHubError, SpawnError
from coursehub.exchange.client import Client
from coursehub.exchange.database import connect
from coursehub.exchange.person import Person
from coursehub.exchange.receipts import verify
from coursehub.exchange.roster import Roster
from coursehub.hub.kernel import Kernel
from coursehub.hub.session import Session
from coursehub.settings import load_settings

app = typer.Typer()

SMOKE = Person("smoke", "A9999999X", "Smoke Test", "smoke@example.edu", "student")
CELL = "import torch; print(int(torch.arange(4).sum()))"
PATIENCE_SECONDS = 180


@app.command()
def smoke(
    url: Annotated[str, typer.Option(help="The deployment's address, as seen from here.")],
) -> None:
    """Spawn a user, run a cell, hand in and verify the receipt; every step is a line.

    The user `smoke` and the hand-in stay, in the ledger too: run it on a
    deployment made for it. An assignment must be open. Exit code 2 when a
    step fails.
    """
    with one_line_errors():
        session = _sign_in(url)
        typer.echo("signed in")
        spawn(session)
        typer.echo("the server runs")
        answer = Kernel.start(session).run(CELL)
        if answer != "6":
            raise SpawnError(
                f"a cell printed {answer!r} instead of 6", remedy="See the server's log"
            )
        typer.echo("a cell ran")
        with Client(f"{url}/services/course/api/", session.token()) as client:
            assignment = await_open(client)
            record = client.hand_in(assignment, client.files(assignment))
            fields = dict(verify(record.receipt, client.public_key()))
        typer.echo(f"handed in {assignment}; the receipt is true, by key {fields['signed by key']}")


def _sign_in(url: str) -> Session:
    """Enter the user with a password that nobody knows, and sign in."""
    roster = Roster(connect(str(load_settings().database)))
    if roster.find(SMOKE.username) is None:
        header = "username,number,name,email,role"
        roster.import_csv(f"{header}\n{','.join(vars(SMOKE).values())}\n")
    password = secrets.token_urlsafe()
    roster.set_password(SMOKE.username, password)
    return Session(url, SMOKE.username, password)


def spawn(session: Session) -> None:
    """Have the own server running.

    Raises:
        SpawnError: with what the hub says, when it fails or takes too long.
    """
    if not _server(session):
        asked = session.api("POST", f"users/{session.username}/server", json={})
        if asked.status_code not in (201, 202):
            raise SpawnError(
                f"the hub starts no server: {asked.text}", remedy="See the log of the service hub"
            )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        server = _server(session)
        if server.get("ready"):
            return
        if not server.get("pending"):
            break
        time.sleep(0.5)
    raise SpawnError(
        f"the server of {session.username} did not start", remedy="See the log of the service hub"
    )


def _server(session: Session) -> dict[str, Any]:
    """What the hub says of it; nothing when there is none."""
    model = session.http.get(f"/hub/api/users/{session.username}").json()
    return dict(model["servers"].get("", {}))


def await_open(client: Client) -> str:
    """The first assignment that can be handed in: the grader may be about to release it.

    Raises:
        CourseHubError: when there is none.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := [each.assignment for each in client.assignments().assignments if each.open]:
            return found[0]
        time.sleep(0.5)
    raise CourseHubError(
        "no assignment is open", remedy="See the log of the service grader, which releases it"
    )
