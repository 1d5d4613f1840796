"""The environment, read once: every `COURSEHUB_*` variable is a field of `Settings`.

Nothing else in CourseHub reads the environment. What the course *is* stands in `course.yml`; what
stands here is where things lie on this machine. `.env.example` documents the same names.
"""

import os
import re
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from coursehub.errors import SettingsError

CHECKOUT = Path(__file__).resolve().parents[2]

# Ports inside the containers of the deployed form; docker-compose.yml and images/ name them too.
PROXY_PORT, PROXY_API_PORT, HUB_PORT, COURSE_PORT, METRICS_PORT = 8000, 8001, 8081, 8082, 8083

WAYS = ("password", "oidc", "github", "lti13", "lti11")
"""Ways to sign in; `hub.signin` has the authenticator of each."""


def own_programs_first() -> None:
    """Let programs beside this Python be found by name: nbgrader and the hub start some so."""
    path = os.environ.get("PATH", os.defpath)
    own = str(Path(sys.executable).parent)
    if own not in path.split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join((own, path))


def size_of(text: str) -> int:
    """Bytes of a size as it is written here, such as `10G` or `512M`; 0 for an empty text.

    Raises:
        ValueError: for anything else.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if text.strip() and not found:
        raise ValueError(f"{text!r} is no size such as 10G or 512M")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " ")) if found else 0


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
    lti_keys: Path | None = Field(
        None, description="RSA keys of the connection with the LMS. Default: STATE/lti_keys.json."
    )
    bind_url: str = Field(
        "http://127.0.0.1:8000",
        description="Where the proxy listens for browsers; in the deployed form the address "
        "that people type.",
    )
    subdomains: str = Field(
        "",
        description="The hub's name where it has a wildcard beside it, such as hub.example.edu "
        "with *.hub.example.edu: every server and service then has an origin of its own. It may "
        "begin with https://; otherwise scheme and port are those of BIND_URL. Empty: one origin "
        "for all.",
    )
    front_proxies: str = Field(
        "",
        description="Addresses or ranges of the web servers in front of the proxy, with commas; "
        "what they say of a client's address is believed.",
    )
    internal_ports: int = Field(
        0,
        ge=0,
        lt=65530,
        description="First of three loopback ports: proxy API, hub, course service. "
        "0: the port of BIND_URL plus one.",
    )
    sign_in: str = Field(
        "password",
        description="Ways to sign in, by commas: password, oidc, github, lti13, lti11.",
    )
    oidc_issuer: str = Field(
        "", description="The identity provider's issuer, as its discovery document says it."
    )
    oidc_client: str = Field("", description="The client id that the provider gave this hub.")
    oidc_secret_file: Path | None = Field(
        None,
        description="File with the client's secret; in the deployed form one of this machine, "
        "which `make up` copies. Default: SECRETS/oidc_secret.",
    )
    oidc_name: str = Field(
        "your university account", description="What people sign in with, as the button says it."
    )
    oidc_scopes: str = Field(
        "openid email profile", description="Scopes to ask the provider for, by spaces."
    )
    oidc_claim: str = Field("email", description="The claim by which a person is found.")
    oidc_match: Literal["email", "username", "number"] = Field(
        "email", description="The roster's column in which the claim is looked for."
    )
    oidc_verified: str = Field(
        "email_verified",
        description="Claim that must be true where OIDC_CLAIM is email; Entra's is xms_edov.",
    )
    oidc_require: str = Field(
        "", description="Claims that must have a value, by commas, such as hd=u.nus.edu."
    )
    lti_claim: str = Field(
        "lis.person_sourcedid",
        description="What of an LMS's message tells who somebody is: lis.person_sourcedid, email, "
        "custom.NAME; nothing that students can change there.",
    )
    lti_match: Literal["email", "username", "number"] = Field(
        "number", description="The roster's column in which LTI_CLAIM is looked for."
    )
    lti_enrol: bool = Field(
        False,
        description="Whether people whom the roster does not have are entered when they come from "
        "our course of the LMS, as what they are there.",
    )
    lti_private: bool = Field(
        False, description="Whether the LMS may be on a private network, and without TLS."
    )
    lti11_file: Path | None = Field(
        None,
        description="File with keys and secrets of LTI 1.1, a pair on each line; in the deployed "
        "form one of this machine, which `make up` copies. Default: SECRETS/lti11.",
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
    version: str = Field(
        "",
        description="The version that is deployed, as `git describe` says it; whoever deploys sets "
        "it.",
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
    home_limit: str = Field(
        "10G",
        description="What a person's home may hold, such as 10G; empty: as much as the disk does. "
        "Enforced where the disk has project quotas, else measured; see docs/storage.md.",
    )
    home_limits: str = Field(
        "", description="Other limits for some, by commas, such as alice=20G,bob=15G."
    )
    user_subnets: str = Field(
        "10.213.0.0/16",
        description="Range from which each server's own small network is taken.",
    )
    swarm: bool = Field(
        False,
        description="Whether users' servers run on the machines of a Docker Swarm, of which this "
        "one is a manager: students' on its workers, staff's here.",
    )
    swarm_encrypted: bool = Field(
        True,
        description="Whether what servers send from machine to machine is encrypted; false only "
        "where the network between the machines is.",
    )
    swarm_fence_seconds: int = Field(
        150,
        ge=0,
        description="How long a machine of the swarm must have been gone before somebody's server "
        "that ran there starts elsewhere; by then it has stopped what it ran.",
    )
    shared: Path = Field(
        Path("/srv/coursehub"),
        description="With SWARM: folder of shared storage, at the same path on every machine; "
        "homes, course and hand-ins lie in it.",
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

    @field_validator("subdomains")
    @classmethod
    def _hostname(cls, name: str) -> str:
        address = urlsplit(name if "://" in name else f"//{name}")
        if name and (address.scheme not in ("", "http", "https") or not address.hostname):
            raise ValueError("is no name such as hub.example.edu")
        if name and (address.path.strip("/") or "*" in name):
            raise ValueError("is a name alone, without path and without *")
        return name.rstrip("/")

    @field_validator("home_limit")
    @classmethod
    def _size(cls, text: str) -> str:
        size_of(text)
        return text.strip()

    @field_validator("home_limits")
    @classmethod
    def _sizes(cls, text: str) -> str:
        for name, size in _pairs(text):
            if not name or not size_of(size):
                raise ValueError(f"{name}={size} is no name with a size, such as alice=20G")
        return text

    @field_validator("front_proxies")
    @classmethod
    def _networks(cls, text: str) -> str:
        for part in text.split(","):
            if part.strip():
                ip_network(part.strip())
        return text

    @field_validator("sign_in")
    @classmethod
    def _known_ways(cls, ways: str) -> str:
        wanted = [way.strip() for way in ways.split(",")]
        unknown = [way for way in wanted if way not in WAYS]
        if unknown or len(set(wanted)) < len(wanted):
            raise ValueError(f"{ways!r} is no list of some of {', '.join(WAYS)}, each once")
        if {"oidc", "github"} <= set(wanted):
            raise ValueError("oidc and github share their settings; take one of them")
        return ",".join(wanted)

    @field_validator(
        "state", "site", "course", "course_dir", "exchange", "signing_key", "lti_keys", "secrets",
        "oidc_secret_file", "lti11_file", "shared",
    )  # fmt: skip
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
            "lti_keys": self.state / "lti_keys.json",
            "secrets": self.state / "secrets",
            "oidc_secret_file": (self.secrets or self.state / "secrets") / "oidc_secret",
            "lti11_file": (self.secrets or self.state / "secrets") / "lti11",
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
    def ways(self) -> tuple[str, ...]:
        """The ways to sign in, in the order of the page."""
        return tuple(self.sign_in.split(","))

    @property
    def oidc_secret(self) -> str:
        """The client's secret, as the identity provider gave it.

        Raises:
            SettingsError: when there is none.
        """
        path = Path(str(self.oidc_secret_file))
        try:
            secret = path.read_text().strip()
        except OSError as error:
            secret, problem = "", error.strerror
        else:
            problem = "it is empty"
        if not secret:
            raise SettingsError(
                f"the secret of the identity provider's client is not in {path} ({problem})",
                key="COURSEHUB_OIDC_SECRET_FILE",
                remedy="Put it into a file of mode 0600, and name that file",
            )
        return secret

    @property
    def oidc_required(self) -> dict[str, str]:
        """Claim -> the value that it must have."""
        return dict(_pairs(self.oidc_require))

    def home_limit_of(self, username: str) -> int:
        """What this person's home may hold, in bytes; 0: no limit."""
        return size_of(dict(_pairs(self.home_limits)).get(username, self.home_limit))

    @property
    def homes(self) -> Path:
        """With `swarm`: the folder with a folder for each home."""
        return self.shared / "homes"

    @property
    def port(self) -> int:
        """The public port, from `bind_url`."""
        address = urlsplit(self.bind_url)
        return address.port or (443 if address.scheme == "https" else 80)

    @property
    def public_url(self) -> str:
        """The hub's origin as browsers know it, without a slash at the end."""
        if not self.subdomains or "://" in self.subdomains:
            return (self.subdomains or self.bind_url).rstrip("/")
        address = urlsplit(self.bind_url)
        port = f":{address.port}" if address.port and ":" not in self.subdomains else ""
        return f"{address.scheme}://{self.subdomains}{port}"

    @property
    def https(self) -> bool:
        """Whether browsers come by https."""
        return self.public_url.startswith("https://")

    @property
    def host_cookies(self) -> bool:
        """Whether cookies bear `__Host-`: by https, and where none is shared between origins."""
        return self.https and bool(self.subdomains)

    @property
    def course_host(self) -> str:
        """The name of the course pages' own origin, as JupyterHub makes it; empty without one."""
        return f"course--service.{urlsplit(self.public_url).hostname}" if self.subdomains else ""

    @property
    def course_origin(self) -> str:
        """The origin of the course pages as browsers know it."""
        if not self.subdomains:
            return self.public_url
        address = urlsplit(self.public_url)
        port = f":{address.port}" if address.port else ""
        return f"{address.scheme}://{self.course_host}{port}"

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
        proxy = f"http://{self.course_host or 'proxy'}:{PROXY_PORT}"
        base = proxy if self.form == "containers" else self.course_url
        return f"{base}/services/course/api/"


def _pairs(text: str) -> list[tuple[str, str]]:
    """The pairs of `a=b, c=d`."""
    pairs = [each.partition("=") for each in text.split(",") if each.strip()]
    return [(name.strip(), value.strip()) for name, _, value in pairs]


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
