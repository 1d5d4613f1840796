"""A real PostgreSQL for the tests: on loopback, with data of its own, gone when the tests end.

`running_postgres()` takes the server that the machine has, or else one unpacked from Debian's
package into a private cache folder (see `tests.debian`). Its roles are made by the db image's own
script. Its time zone is an odd one, since nothing may depend on it.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import sql

from tests import debian
from tests.debian import Unpacked

CACHE = debian.CACHE / "postgresql"
PROGRAMS = "usr/lib/postgresql/*/bin/postgres"
UNPACKED = ("postgresql", "postgresql-common")
USER = "nobody"  # PostgreSQL refuses to run as root
RECIPE = "1"

ROLES = Path(__file__).resolve().parents[1] / "images" / "db" / "roles.sql"
SERVICES = ("hub", "course", "grader")

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "Asia/Kathmandu",
    "log_timezone": "UTC",
    "log_statement": "all",  # so that tests can see what reaches the log
    "fsync": "off",
    "shared_buffers": "32MB",
    "jit": "off",
}


class Postgres:
    """A running server. Passwords lie in libpq's password file, which `PGPASSFILE` names."""

    def __init__(self, folder: Path, programs: Path, **settings: str) -> None:
        """Initialise a server in `folder`, which USER owns if this is root, and start it."""
        self.folder = folder
        self._settings = SETTINGS | settings
        self.log = folder / "log"
        self._programs = programs
        self._passwords = {role: secrets.token_hex() for role in ("postgres", *SERVICES)}
        self._names = count(1)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._initialise()
        self.start()
        self.make_roles()

    @property
    def passfile(self) -> Path:
        """libpq's password file for all roles."""
        return self.folder / "pgpass"

    def database(self, owner: str) -> str:
        """Make a fresh database that belongs to `owner`; return its name."""
        name = f"{owner}_{next(self._names)}"
        with self.superuser() as connection:
            names = (sql.Identifier(name), sql.Identifier(owner))
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
        return name

    def url(self, role: str, database: str) -> str:
        """SQLAlchemy URL, without a password."""
        return f"postgresql+psycopg://{role}@127.0.0.1:{self.port}/{database}"

    def superuser(self, database: str = "postgres") -> psycopg.Connection:
        """A connection that may do everything, in autocommit mode."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            password=self._passwords["postgres"],
            dbname=database,
            autocommit=True,
        )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [
            word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")
        ]
        # Even if the tests are killed, the server ends.
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                [*_as_user(), "--pdeathsig", "INT", self._programs / "postgres",
                 "-D", self.folder / "data", "-p", str(self.port), *options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=_environment(),
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while True:
            try:
                self.superuser().close()
            except psycopg.OperationalError:
                if self._server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start:\n{self._tail()}") from None
                time.sleep(0.05)
            else:
                return

    def make_roles(self) -> None:
        """Make the services' roles and databases, as the db image does at every start."""
        for role in SERVICES:
            (self.folder / f"{role}_password").write_text(self._passwords[role])
        subprocess.run(
            [self._programs / "psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1",
             "--host=127.0.0.1", f"--port={self.port}", "--username=postgres", f"--file={ROLES}"],
            check=True, stdin=subprocess.DEVNULL,
            env=_environment() | {"COURSEHUB_SECRETS": str(self.folder),
                                  "PGPASSWORD": self._passwords["postgres"],
                                  "PGOPTIONS": "-c client_min_messages=warning"},
        )  # fmt: skip

    def stop(self) -> None:
        """Stop the server at once; clients lose their connections."""
        self._server.send_signal(signal.SIGINT)
        self._server.wait(60)

    def _initialise(self) -> None:
        initial = self.folder / "password"
        initial.write_text(self._passwords["postgres"])
        self.passfile.touch(0o600)
        self.passfile.write_text("".join(f"*:*:*:{r}:{p}\n" for r, p in self._passwords.items()))
        if os.geteuid() == 0:
            for path in (self.folder, initial):
                shutil.chown(path, USER)
        done = subprocess.run(
            [*_as_user(), self._programs / "initdb", "-D", self.folder / "data", "-U", "postgres",
             "--auth=scram-sha-256", f"--pwfile={initial}", "--locale=C.UTF-8", "--no-sync"],
            capture_output=True, text=True, env=_environment(), cwd=self.folder, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"PostgreSQL cannot be initialised:\n{done.stdout}{done.stderr}")

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])


@contextmanager
def running_postgres(**settings: str) -> Iterator[Postgres]:
    """A running server, for as long as the context lasts; `PGPASSFILE` is not set by this.

    Args:
        settings: those that differ from SETTINGS.
    """
    with TemporaryDirectory(prefix="coursehub-postgres-") as folder:
        server = Postgres(Path(folder), find_programs(), **settings)
        try:
            yield server
        finally:
            server.stop()


def find_programs(cache: Path = CACHE, machine: Path = Path("/")) -> Path:
    """The folder of PostgreSQL's programs: the machine's own, or unpacked into `cache`, once.

    Raises RuntimeError, with the problem and its remedy, when there are none to be had.
    """
    found = sorted(machine.glob(PROGRAMS))
    if not found:
        unpacked = Unpacked("PostgreSQL", UNPACKED, RECIPE, _finish).folder(cache)
        found = sorted((unpacked / "root").glob(PROGRAMS))
    return found[-1].parent


def _finish(unpacked: Unpacked, folder: Path) -> str:
    program = next((folder / "root").glob(PROGRAMS))
    library_path = f"LD_LIBRARY_PATH={debian.libraries(folder)}"
    return unpacked.run(folder, "start PostgreSQL", "env", library_path, str(program), "--version")


def _environment() -> dict[str, str]:
    """The server's environment: the machine's, and where unpacked libraries are."""
    libraries = debian.libraries(CACHE.resolve())
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "LD_LIBRARY_PATH": libraries}


def _as_user() -> list[str]:
    as_nobody = ["--reuid", USER, "--regid", "nogroup", "--clear-groups"]
    return ["setpriv", *(as_nobody if os.geteuid() == 0 else [])]
