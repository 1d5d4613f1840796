"""The deployed form's images for tests and benches, built as `make images` builds them."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import docker

from coursehub.settings import CHECKOUT
from tests import apt

RELEASE = "bookworm"
BASE = f"debian:{RELEASE}-slim"
WHEELS = CHECKOUT / "images" / "wheels"
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
PARTS = ("hub", "course", "grader", "proxy", "db", "egress", "student", "student-gpu", "staff")
PULL_SECONDS = 120

# What Debian's own slim image leaves out.
SLIM = [
    f"--dpkgopt=path-{way}=/usr/share/{folder}/*"
    for way, folder in (
        ("exclude", "doc"),
        ("exclude", "info"),
        ("exclude", "locale"),
        ("exclude", "man"),
    )
] + ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]


def build_images(engine: docker.DockerClient, checkout: Path = CHECKOUT, tag: str = "") -> None:
    """Have every image of `PARTS` on the engine, as a checkout says.

    Args:
        engine: where.
        checkout: which; this one unless named.
        tag: what they are tagged; unless given, what IMAGE_TAG says, or `latest`.

    Raises:
        RuntimeError: with the end of what the build says, when it fails.
    """
    start = time.monotonic()
    ensure_base_image(engine)
    _fetch_wheel()
    _compose_build(checkout, tag)
    _say(f"all {len(PARTS)} ready after {time.monotonic() - start:.0f} s")


def ensure_base_image(engine: docker.DockerClient, release: str = RELEASE) -> str:
    """Have a release of Debian on the engine: found, made from Debian's packages, or pulled.

    Returns:
        The image's name, `BASE` for the release of all images.

    Raises:
        RuntimeError: with every reason, when none of these is possible.
    """
    name = f"debian:{release}-slim"
    if engine.images.list(name):
        return name
    reasons = []
    for way in (_make_base_image, _pull_base_image):
        try:
            way(name, release)
            return name
        except (RuntimeError, subprocess.SubprocessError) as error:
            reasons.append(str(error))
    raise RuntimeError(f"no {name}; remedy: docker pull {name}\n" + "\n".join(reasons))


def locked(name: str) -> str:
    """The version of a package in requirements.lock, by its name however written."""
    lock = (CHECKOUT / "requirements.lock").read_text()
    versions = dict(re.findall(r"^(\S+?)==(\S+)", lock, re.MULTILINE))
    return versions[re.sub(r"[-_.]+", "-", name).lower()]


def _make_base_image(name: str, release: str) -> None:
    """The release, minimal and with its updates, from where this machine gets its packages."""
    if not shutil.which("mmdebstrap"):
        apt.install(["mmdebstrap"])
    lines = {each.line() for each in apt.suites(f"{release}*")}
    if not lines and (own := apt.own_release()):
        lines = {each.line(each.suite.replace(own, release)) for each in apt.suites(f"{own}*")}
    _say(f"making {name} from Debian's packages (half a minute, once)")
    with TemporaryDirectory(prefix="base-") as folder:
        tarball = str(Path(folder, "base.tar"))
        command = ["mmdebstrap", "--quiet", "--variant=minbase", *SLIM, release, tarball]
        _run([*command, *sorted(lines)])
        _run(["docker", "import", "--change", 'CMD ["bash"]', tarball, name])


def _pull_base_image(name: str, _release: str) -> None:
    _say(f"pulling {name}")
    _run(["docker", "pull", "--quiet", name], timeout=PULL_SECONDS)


def _fetch_wheel() -> None:
    """Torch for the images where pip's own settings name a folder with it; else uv downloads it."""
    version = f"{locked('torch')}+cpu"
    if list(WHEELS.glob(f"torch-{version}-*.whl")):
        return
    WHEELS.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--dest", str(WHEELS), f"torch=={version}"], capture_output=True)


def _compose_build(checkout: Path, tag: str) -> None:
    """Build, telling each step that has something to run, once."""
    bundle = BUNDLE if BUNDLE.exists() else Path("/dev/null")
    environment = os.environ | {
        "IMAGE_TAG": tag or os.environ.get("IMAGE_TAG", "latest"),
        "BUILDKIT_PROGRESS": "plain",
        "BASE_IMAGE": BASE,
        "CA_BUNDLE": os.environ.get("CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or str(bundle),
    }
    lines, told = [], set()
    with subprocess.Popen(
        ["docker", "compose", "--profile", "images", "build"],
        cwd=checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout
        for line in process.stdout:
            lines.append(line.rstrip())
            # "#12 [TARGET STAGE 1/3] RUN ...", for every target that needs the stage
            step = re.match(r"#\d+ \[(?:\S+ )?(\S+ \d+/\d+)\] RUN", line)
            if step and step[1] not in told:
                told.add(step[1])
                _say(step[1])
    if process.returncode:
        raise RuntimeError("the images do not build:\n" + "\n".join(lines[-40:]))


def _run(command: list[str], timeout: float | None = None) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-10:])
        raise RuntimeError(f"{command[0]} {command[1]} failed (status {done.returncode})\n{tail}")


def _say(what: str) -> None:
    """Tell the person who is waiting why."""
    print(f"images: {what}", flush=True)
