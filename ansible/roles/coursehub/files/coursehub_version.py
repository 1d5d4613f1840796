#!/usr/bin/env python3
"""coursehub-version: which version of the course runs here; put another one in force, or go back.

Needs Python 3.11, Docker's compose, and nothing else. All of it lies in one folder, /opt/coursehub:

    site/                     what is deployed
    versions/in-force         the name of the version that runs
    versions/VERSION/site/    a copy of what was deployed, with its settings
    versions/VERSION/databases.sql.gz    as they were when another version took its place
    versions/VERSION/state.json          when that was, the tables' revisions, how many hand-ins

The images of a version are `coursehub/PART:VERSION`; those that run have the tag of `IMAGE_TAG`,
`latest`. So going back builds nothing. Users' servers are left alone by all of it.
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

KEPT = 3
"""Versions that one can go back to."""
UNNAMED = "unnamed"
"""What runs on a machine on which no version had a name yet."""
DATABASE = "coursehub/db"
DATABASES = ("course", "gradebook", "hub")
STEPS = ("setup", "migrate")
PEOPLES_SERVICES = ("hub", "course", "grader")
UP_SECONDS = "300"
SECOND_LOOK = 30
"""Seconds after which services that were not healthy are asked again."""
# A step that waits for a lock longer than this fails, instead of holding up everybody.
PATIENCE = "PGOPTIONS=-c lock_timeout=30s"


class Refused(Exception):
    """What was asked for did not happen; the text says why, what runs now and what to do."""


@dataclass(frozen=True)
class Machine:
    """A folder with a deployed course."""

    folder: Path

    @property
    def site(self) -> Path:
        """What is deployed."""
        return self.folder / "site"

    @property
    def in_force(self) -> str | None:
        """The version that runs; None where nothing was ever deployed."""
        mark = self.folder / "versions" / "in-force"
        if mark.exists():
            return mark.read_text().strip()
        return UNNAMED if self.site.exists() and self.compose("ps", "--quiet", "db") else None

    def saved(self, version: str) -> Path:
        """Where a version is kept."""
        return self.folder / "versions" / version

    def state(self, version: str) -> dict[str, Any]:
        """What was written down when the version was replaced; empty when it never was."""
        file = self.saved(version) / "state.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def versions(self) -> list[str]:
        """Versions that were replaced, the one to go back to first."""
        found = [path.parent.name for path in self.folder.glob("versions/*/state.json")]
        return sorted(found, key=lambda each: self.state(each)["saved_at"], reverse=True)

    def images(self) -> list[str]:
        """The images of all services and of users' servers, with the tag that runs."""
        listed = self.compose("--profile", "images", "config", "--images").split()
        return sorted({image for image in listed if image.startswith("coursehub/")})

    def compose(self, *command: str, tag: str = "", text: str | None = None) -> str:
        """Run `docker compose` in the site; images with `tag` instead of those that run."""
        return run(["docker", "compose", *command], self.site, tag, text)

    def sql(self, database: str, *options: str, text: str | None = None) -> str:
        """Have the database's superuser say something; return the bare answer."""
        said = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        into = f"--dbname={database}"
        return self.compose("exec", "-T", "db", "psql", *said, into, *options, text=text).strip()


def run(command: list[str], folder: Path, tag: str = "", text: str | None = None) -> str:
    """Run a command; return what it prints.

    Raises:
        Refused: with the end of what it says, when it fails.
    """
    environment = os.environ | ({"IMAGE_TAG": tag} if tag else {})
    done = subprocess.run(
        command, cwd=folder, env=environment, input=text, capture_output=True, text=True,
        check=False, **({} if text is not None else {"stdin": subprocess.DEVNULL}),
    )  # fmt: skip
    if done.returncode:
        end = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise Refused(f"`{' '.join(command)}` failed:\n{end}")
    return done.stdout


def save(machine: Machine, now: datetime) -> str | None:
    """Keep what runs, before anything is changed; return the version's name.

    Images get the version's tag, what is deployed is copied, the databases are dumped. What was
    saved earlier of the same version is replaced only once the new dump is whole.

    Args:
        machine: where.
        now: aware.
    """
    version = machine.in_force
    if version is None:
        return None
    say(f"saving {version}: images, settings, databases")
    for image in machine.images():
        if has(machine, image) and not has(machine, with_tag(image, version)):
            run(["docker", "tag", image, with_tag(image, version)], machine.folder)
    keep_site(machine, version, again=False)
    dump(machine, machine.saved(version) / "databases.sql.gz")
    state = {
        "version": version,
        "saved_at": now.isoformat(timespec="seconds"),
        "revisions": revisions(machine),
        "hand_ins": hand_ins(machine),
    }
    write(machine.saved(version) / "state.json", json.dumps(state, indent=1))
    return version


def put_in_force(machine: Machine, version: str, now: datetime) -> None:
    """Let the version whose files are in `site` and whose images are here replace what runs.

    The databases are saved and brought up to date while the version before still serves; the new
    one's tables are ones that it can use. If that fails nothing was replaced, and if services do
    not become healthy the version before is started again.

    Raises:
        Refused: saying what happened, and what runs.
    """
    before = machine.in_force
    if before is None or before == version:
        start(machine, version)
        return remember(machine, version)
    require_images(machine, version)
    save(machine, now)
    was = machine.state(before)["revisions"]
    other_database = identity(machine, DATABASE, version) != identity(machine, DATABASE, before)
    replacing = other_database
    try:
        say(f"{version}: secrets, the course file, the tables")
        step(machine, version, "setup")
        if other_database:
            start(machine, version, "db")  # with the roles that the new tables are for
        bring_up_to_date(machine, version)
        replacing = True
        start(machine, version)
    except Refused as problem:
        say(f"taking it back: {before}")
        problems = [
            str(problem),
            *attempt(take_tables_back, machine, version, was),
            *attempt(deploy, machine, before),
            *(attempt(start, machine, before) if replacing else []),
        ]
        runs = f"{before} runs, as before." if len(problems) == 1 else f"{before} runs in part."
        raise Refused("\n".join([*problems, f"{version} is not in force; {runs}"])) from None
    remember(machine, version)
    prune(machine)


def roll_back(machine: Machine, version: str | None, lose: bool, now: datetime) -> None:
    """Put a version in force that ran here before; without a name, the one before.

    What people made since stays: tables go back by steps that forget nothing. Where there is no
    such way it is refused, unless `lose`: the databases as they were then are put in place.

    Raises:
        Refused: saying what happened, and what runs.
    """
    newer = machine.in_force
    others = [each for each in machine.versions() if each != newer]
    if newer is None or not others:
        raise Refused("there is no version to go back to; `coursehub-version list` shows them")
    version = version or others[0]
    if version not in others:
        raise Refused(f"{version} is not kept; there are: {', '.join(others)}")
    require_images(machine, version)
    save(machine, now)
    was = machine.state(version)
    try:
        bring_up_to_date(machine, version)
    except Refused as problem:
        if not lose:
            raise Refused(f"{problem}\n{loss(was, machine.state(newer))}") from None
        say(f"putting the databases of {was['saved_at']} in place")
        restore(machine, machine.saved(version) / "databases.sql.gz")
    try:
        deploy(machine, version)
        start(machine, version)
    except Refused as problem:
        problems = [str(problem), *attempt(deploy, machine, newer), *attempt(start, machine, newer)]
        raise Refused("\n".join([*problems, f"{version} is not in force"])) from None
    remember(machine, version)


def loss(was: dict[str, Any], since: dict[str, Any]) -> str:
    """What going back by saved databases would lose, and how to go on."""
    count = since["hand_ins"] - was["hand_ins"]
    return (
        f"Nothing was changed; {since['version']} runs. Its tables do not go back, so that the "
        f"databases of {was['saved_at']} would be put in place. Of what was made since, grades, "
        "extensions, decisions and changes of the roster would be lost; the files of the "
        f"{count} hand-ins since stay and are entered anew, with new receipts. The newest state "
        "is kept. If you accept that: --lose-what-came-since."
    )


def bring_up_to_date(machine: Machine, version: str) -> None:
    """The version's tables, by its own steps; or, where it is older than they are, back to them."""
    try:
        say(step(machine, version, "migrate"))
    except Refused:
        state = machine.state(version)
        if not state:
            raise
        take_tables_back(machine, str(machine.in_force), state["revisions"])


def take_tables_back(machine: Machine, by: str, to: dict[str, str]) -> None:
    """Take databases to older revisions, by steps of the version that brought the newer ones."""
    now = revisions(machine)
    aims = [f"--to={name}={to[name]}" for name in DATABASES if to[name] and now[name] != to[name]]
    if aims:
        say(step(machine, by, "migrate", "coursehub", "migrate", *aims))


def step(machine: Machine, version: str, service: str, *command: str) -> str:
    """Run one of the start's steps with a version's images."""
    options = ["--rm", "--no-deps", "-T", f"--env={PATIENCE}"]
    return machine.compose("run", *options, service, *command, tag=version).strip()


def start(machine: Machine, version: str, *services: str) -> None:
    """Let the version's images be those that run, and replace the services that differ.

    Args:
        machine: where.
        version: whose images.
        services: these alone; all unless named.
    """
    for image in machine.images():
        part = image.rpartition(":")[0].rpartition("/")[2]
        if (not services or part in services) and has(machine, with_tag(image, version)):
            run(["docker", "tag", with_tag(image, version), image], machine.folder)
    say(f"starting {version}{': ' if services else ''}{', '.join(services)}")
    # A step that is replaced takes along whatever depends on it, proxy and database too; where it
    # is not there it is made, and they run on.
    machine.compose("rm", "--force", "--stop", *STEPS)
    options = ["--no-deps"] if services else ["--remove-orphans"]
    command = ["up", "--detach", "--wait", "--wait-timeout", UP_SECONDS, *options, *services]
    try:
        machine.compose(*command)
    except Refused:  # a busy machine takes what is slow for unhealthy: it gets a second look
        time.sleep(SECOND_LOOK)
        machine.compose(*command)


def deploy(machine: Machine, version: str) -> None:
    """Put the kept copy of what a version deployed in place."""
    fresh = machine.folder / "site.new"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(machine.saved(version) / "site", fresh, symlinks=True)
    shutil.rmtree(machine.site)
    fresh.rename(machine.site)


def remember(machine: Machine, version: str) -> None:
    """Write down what runs now, and keep a copy of it."""
    keep_site(machine, version, again=True)
    write(machine.folder / "versions" / "in-force", f"{version}\n")
    # The playbook's own note of what it had put in force.
    (machine.folder / "in-force").unlink(missing_ok=True)
    say(f"{version} is in force")


def keep_site(machine: Machine, version: str, again: bool) -> None:
    """Copy what is deployed; it holds no secrets, but settings are nobody else's business."""
    kept = machine.saved(version)
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    if again:
        shutil.rmtree(kept / "site", ignore_errors=True)
    if not (kept / "site").exists():
        wheels = shutil.ignore_patterns("wheels")
        shutil.copytree(machine.site, kept / "site", symlinks=True, ignore=wheels)


def dump(machine: Machine, file: Path) -> None:
    """Write all databases into a file, whole or not at all."""
    fresh = file.with_suffix(".new")
    command = ["docker", "compose", "exec", "-T", "db", "pg_dumpall"]
    with subprocess.Popen(command, cwd=machine.site, stdout=subprocess.PIPE) as process:
        assert process.stdout
        with gzip.open(fresh, "wb", compresslevel=3) as out:
            fresh.chmod(0o600)
            shutil.copyfileobj(process.stdout, out)
    if process.returncode:
        fresh.unlink()
        raise Refused("the databases cannot be saved, so nothing was changed; see above")
    fresh.replace(file)


def restore(machine: Machine, file: Path) -> None:
    """Put saved databases in place of those that are there; nobody may work meanwhile."""
    machine.compose("stop", *PEOPLES_SERVICES)
    for name in DATABASES:
        machine.sql("postgres", "--command", f"DROP DATABASE {name} WITH (FORCE)")
    roles = machine.sql("postgres", "--command", "SELECT rolname FROM pg_roles").split()
    there = {f"CREATE ROLE {quote}{role}{quote};" for role in roles for quote in ("", '"')}
    with gzip.open(file, "rt") as dumped:
        lines = [line for line in dumped if line.strip() not in there]
    machine.sql("postgres", text="".join(lines))


def revisions(machine: Machine) -> dict[str, str]:
    """Each database's revision, as Alembic wrote it down; empty where it did not."""
    ask = "SELECT version_num FROM alembic_version"
    there = "SELECT to_regclass('alembic_version') IS NOT NULL"
    return {
        name: machine.sql(name, "--command", ask)
        if machine.sql(name, "--command", there) == "t"
        else ""
        for name in DATABASES
    }


def hand_ins(machine: Machine) -> int:
    """How many hand-ins the ledger has."""
    return int(machine.sql("course", "--command", "SELECT count(*) FROM ledger"))


def prune(machine: Machine) -> None:
    """Forget the oldest versions, but for the last `KEPT` and the one that runs."""
    others = [each for each in machine.versions() if each != machine.in_force]
    for version in others[KEPT:]:
        say(f"forgetting {version}")
        for image in machine.images():
            if has(machine, with_tag(image, version)):
                run(["docker", "image", "rm", with_tag(image, version)], machine.folder)
        shutil.rmtree(machine.saved(version))


def require_images(machine: Machine, version: str) -> None:
    """Refuse a version whose images are not all here."""
    wanted = [with_tag(image, version) for image in machine.images()]
    if missing := [image for image in wanted if not has(machine, image)]:
        raise Refused(f"nothing was changed: there is no image {', '.join(missing)}")


def has(machine: Machine, image: str) -> bool:
    """Whether the engine has an image."""
    return bool(run(["docker", "image", "ls", "--quiet", image], machine.folder).strip())


def identity(machine: Machine, image: str, tag: str) -> str:
    """What the engine calls an image, whatever its names."""
    name = f"{image}:{tag}"
    return run(["docker", "image", "inspect", "--format={{.Id}}", name], machine.folder).strip()


def with_tag(image: str, tag: str) -> str:
    """The same image's name with another tag."""
    return f"{image.rpartition(':')[0]}:{tag}"


def write(file: Path, text: str) -> None:
    """Write a small file, whole or not at all."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(text)
    fresh.replace(file)


def attempt(action: Callable[..., None], *arguments: Any) -> list[str]:
    """Do something that may fail too; what it says then."""
    try:
        action(*arguments)
    except Refused as problem:
        return [f"And then: {problem}"]
    return []


def say(what: str) -> None:
    """Tell the person who is waiting."""
    print(what, flush=True)


def listing(machine: Machine) -> str:
    """Which versions are here, as a table."""
    lines = [f"{machine.in_force or 'nothing'}  in force"]
    for version in machine.versions():
        if version != machine.in_force:
            state = machine.state(version)
            lines.append(f"{version}  until {state['saved_at']}, {state['hand_ins']} hand-ins")
    return "\n".join(lines)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("/opt/coursehub"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="which versions are here")
    commands.add_parser("save", help="save what runs")
    up = commands.add_parser("put-in-force", help="let what lies in site/ replace what runs")
    up.add_argument("version")
    back = commands.add_parser("roll-back", help="put a version in force that ran here before")
    back.add_argument("version", nargs="?")
    back.add_argument("--lose-what-came-since", action="store_true")
    asked = parser.parse_args()
    machine, now = Machine(asked.folder), datetime.now(UTC)
    try:
        if asked.command == "list":
            say(listing(machine))
        elif asked.command == "save":
            save(machine, now)
        elif asked.command == "put-in-force":
            put_in_force(machine, asked.version, now)
        else:
            roll_back(machine, asked.version, asked.lose_what_came_since, now)
    except Refused as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
