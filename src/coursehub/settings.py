"""The environment, read once: every `COURSEHUB_*` variable is a field of `Settings`.

Nothing else in CourseHub reads the environment. What the course *is* stands in `course.yml`; what
stands here is where things lie on this machine. `.env.example` documents the same names.
"""

import os
import sys
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from coursehub.errors import SettingsError

CHECKOUT = Path(__file__).resolve().parents[2]

# Ports inside the containers of the deployed form; docker-compose.yml and images/ name them too.
PROXY_PORT, PROXY_API_PORT, HUB_PORT, COURSE_PORT = 8000, 8001, 8081, 8082


def own_programs_first() -> None:
    """Let programs beside this Python be found by name: nbgrader and the hub start some so."""
    path = os.environ.get("PATH", os.defpath)
    own = str(Path(sys.executable).parent)
    if own not in path.split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join((own, path))


class Settings(BaseSettings):
    """Where this deployment keeps things and where it listens.

    Every path has a default below `state`, so that an embedded course needs one variable.
    """

    model_config = SettingsConfigDict(env_prefix="COURSEHUB_", frozen=True, extra="forbid")

    state: Path = Field(
        Path("var"), description="Folder that holds everything this deployment writes."
    )
    site: Path = Field(
        CHECKOUT, description="Folder with hub/, images/, source/ and nbgrader_config.py."
    )
    course: Path = Field(Path("course.yml"), description="The course file.")
    course_dir: Path | None = Field(
        None, description="nbgrader's course folder, shared by staff. Default: STATE/course."
    )
    exchange: Path | None = Field(
        None, description="nbgrader's exchange root. Default: STATE/exchange/root."
    )
    database: str | None = Field(
        None,
        description="SQLAlchemy URL of the course database (people, extensions, ledger). "
        "Default: SQLite in STATE.",
    )
    gradebook: str | None = Field(
        None, description="SQLAlchemy URL of nbgrader's gradebook. Default: SQLite in STATE."
    )
    signing_key: Path | None = Field(
        None, description="Ed25519 key that signs receipts. Default: STATE/receipts.key."
    )
    bind_url: str = Field(
        "http://127.0.0.1:8000",
        description="Where the proxy listens for browsers; in the deployed form the address "
        "that people type.",
    )
    internal_ports: int = Field(
        0,
        ge=0,
        lt=65530,
        description="First of three loopback ports: proxy API, hub, course service. "
        "0: the port of BIND_URL plus one.",
    )
    hand_in_bytes: int = Field(
        20_000_000, gt=0, description="Largest hand-in the exchange accepts, in bytes."
    )
    form: Literal["embedded", "containers"] = Field(
        "embedded",
        description="How servers run: as local processes, or as containers of a Docker engine.",
    )
    project: str = Field(
        "coursehub",
        pattern=r"[a-z0-9][a-z0-9-]{0,30}",
        description="First part of the name of every container, network and volume.",
    )
    secrets: Path | None = Field(
        None, description="Folder with one file a secret. Default: STATE/secrets."
    )
    hub_database: str | None = Field(
        None, description="SQLAlchemy URL of JupyterHub's own database. Default: SQLite in STATE."
    )
    student_image: str = Field(
        "coursehub/student:latest", description="Image of a student's server."
    )
    gpu_image: str = Field(
        "coursehub/student-gpu:latest", description="Image of a student's server with a GPU."
    )
    staff_image: str = Field(
        "coursehub/staff:latest", description="Image of a staff member's server."
    )
    student_memory: str = Field(
        "3G", description="Memory of a student's server; there is no swap beyond it."
    )
    student_cpus: float = Field(2.0, gt=0, description="Cores a student's server may use at most.")
    staff_memory: str = Field("4G", description="Memory of a staff member's server.")
    staff_cpus: float = Field(
        2.0, gt=0, description="Cores a staff member's server may use at most."
    )
    user_subnets: str = Field(
        "10.213.0.0/16",
        description="Range from which each server's own small network is taken.",
    )
    internet: bool = Field(
        False,
        description="Whether servers reach the internet, through the egress proxy that refuses "
        "private addresses.",
    )
    idle_minutes: int = Field(
        60, gt=0, description="A server in which nothing happens for so long is stopped."
    )
    starts_at_once: int = Field(
        8, gt=0, description="Servers that start at the same time; others wait their turn."
    )
    sandbox: Literal["auto", "docker", "process"] = Field(
        "auto",
        description="Where hand-ins are graded: in containers, or in confined processes, which "
        "isolate less. auto: containers where servers are containers and an engine answers.",
    )
    gradings_at_once: int = Field(2, ge=1, description="Hand-ins that the grader grades at a time.")
    visible_tests: bool = Field(
        True,
        description="Whether the visible tests are run on each hand-in at once, for the student.",
    )
    clock: bool = Field(
        True,
        description="Whether the grader does by itself what is due by course.yml. "
        "`coursehub tick` does it in any case.",
    )
    gpus: str = Field(
        "auto",
        description="GPUs to lend: auto, none, or device names such as "
        "nvidia.com/gpu=0,nvidia.com/gpu=1.",
    )
    gpu_cdi_dirs: str = Field(
        "/etc/cdi:/var/run/cdi", description="Folders with the engine's CDI specifications."
    )
    gpu_shared: int = Field(1, ge=1, description="Servers that share one GPU at most.")
    gpu_lease_minutes: int = Field(120, ge=1, description="How long a GPU is lent at a time.")
    gpu_weekly_minutes: int = Field(
        0, ge=0, description="Minutes of GPU a student may use in a week. 0: no limit."
    )

    @field_validator("state", "site", "course", "course_dir", "exchange", "signing_key", "secrets")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    def model_post_init(self, _context: object) -> None:
        """Fill in what follows from `state` and `bind_url`."""
        database = f"sqlite:///{self.state / 'course.sqlite'}"
        gradebook = f"sqlite:///{self.state / 'gradebook.db'}"
        defaults = {
            "course_dir": self.state / "course",
            "exchange": self.state / "exchange" / "root",
            "database": database,
            "gradebook": gradebook,
            "signing_key": self.state / "receipts.key",
            "secrets": self.state / "secrets",
            "hub_database": f"sqlite:///{self.state / 'hub.sqlite'}",
        }
        for name, value in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        if not self.internal_ports:
            object.__setattr__(self, "internal_ports", self.port + 1)

    def environment(self) -> dict[str, str]:
        """These settings as the environment of a child process."""
        names = type(self).model_fields
        return {f"COURSEHUB_{name.upper()}": str(getattr(self, name)) for name in names}

    def make_state(self) -> Path:
        """Make the state folder, for this user's eyes only, and return it."""
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.state

    def secret_file(self, name: str) -> Path:
        """Where the secret `name` lies."""
        return Path(str(self.secrets)) / name

    def secret(self, name: str) -> str:
        """The secret `name`, as `coursehub setup` made it.

        Raises:
            SettingsError: when it is not there.
        """
        path = self.secret_file(name)
        try:
            return path.read_text().strip()
        except OSError as error:
            raise SettingsError(
                f"the secret {path} cannot be read ({error.strerror})",
                key="COURSEHUB_SECRETS",
                remedy="Start with `make up`, which makes the secrets that are missing",
            ) from error

    @property
    def port(self) -> int:
        """The public port, from `bind_url`."""
        address = urlsplit(self.bind_url)
        return address.port or (443 if address.scheme == "https" else 80)

    @property
    def proxy_api_url(self) -> str:
        """Where the hub tells the proxy its routes."""
        if self.form == "containers":
            return f"http://proxy-api:{PROXY_API_PORT}"
        return f"http://127.0.0.1:{self.internal_ports}"

    @property
    def hub_url(self) -> str:
        """Where the hub answers the proxy, servers and services."""
        if self.form == "containers":
            return f"http://hub:{HUB_PORT}"
        return f"http://127.0.0.1:{self.internal_ports + 1}"

    @property
    def course_url(self) -> str:
        """Where the course service answers the proxy."""
        if self.form == "containers":
            return f"http://course:{COURSE_PORT}"
        return f"http://127.0.0.1:{self.internal_ports + 2}"

    @property
    def exchange_url(self) -> str:
        """Where a user's server finds the exchange: containers see the proxy only."""
        base = f"http://proxy:{PROXY_PORT}" if self.form == "containers" else self.course_url
        return f"{base}/services/course/api/"


def load_settings(**overrides: object) -> Settings:
    """Read `Settings` from the environment; keyword arguments take precedence.

    Raises:
        SettingsError: naming the variable, the problem and the remedy.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = "COURSEHUB_" + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(
            first["msg"], key=name, remedy="See .env.example for its meaning and form"
        ) from error
