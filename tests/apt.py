"""Debian packages for what has to be installed: an engine does not run from a private folder.

Apt works with lists and preferences of its own, from the sources that this machine has; nothing
but the packages is added to the system, and no service starts.
"""

import fnmatch
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

CONFIGURATION = Path("/etc/apt")
_POLICY = Path("/usr/sbin/policy-rc.d")

APT_CONF = """\
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::PreferencesParts "{folder}/preferences.d";
Dir::State::Lists "{folder}/lists";
APT::Sandbox::User "root";
Acquire::Retries "3";
"""

# Of the newer release nothing but what was asked for.
PREFERENCES = """\
Package: *
Pin: release n={release}
Pin-Priority: -1

Package: {packages}
Pin: release n={release}
Pin-Priority: 990
"""


@dataclass(frozen=True)
class Source:
    """One suite of an archive, as a line of sources.list has it."""

    uri: str
    suite: str
    key: str

    def line(self, suite: str = "") -> str:
        """The line for this suite, or for another of the same archive."""
        key = f"[signed-by={self.key}] " if self.key else ""
        return f"deb {key}{self.uri} {suite or self.suite} main"


def sources(configuration: Path = CONFIGURATION) -> list[Source]:
    """The suites with a component `main` that this machine's apt knows, in both formats."""
    found = []
    for path in sorted((configuration / "sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text()):
            found += _stanza(stanza)
    for path in [configuration / "sources.list", *configuration.glob("sources.list.d/*.list")]:
        if path.exists():
            found += [each for line in path.read_text().splitlines() for each in _line(line)]
    return found


def suites(pattern: str, found: list[Source] | None = None) -> list[Source]:
    """Those whose suite matches, such as `bookworm*`."""
    return [each for each in found or sources() if fnmatch.fnmatch(each.suite, pattern)]


def own_release() -> str:
    """The code name of this machine's Debian, such as `bookworm`; empty where it has none."""
    words = dict(re.findall(r"^(\w+)=\"?([^\"\n]*)", Path("/etc/os-release").read_text(), re.M))
    return words.get("VERSION_CODENAME", "") if words.get("ID") == "debian" else ""


def install(packages: list[str], *, newer: tuple[str, ...] = (), release: str = "") -> None:
    """Install packages with what they need, without anything they merely recommend.

    Args:
        packages: their names.
        newer: those of them that come from `release`, everything else being this machine's own.
        release: code name of a Debian release.

    Raises:
        RuntimeError: with what apt says, when this is not root or not Debian or apt fails.
    """
    archive = suites(own_release()) if own_release() else []
    if os.geteuid() != 0 or not archive:
        raise RuntimeError(f"installing {' '.join(packages)} needs root on a Debian machine")
    lines = {each.line() for each in suites(f"{own_release()}*")} | {archive[0].line(release)}
    with TemporaryDirectory(prefix="apt-") as name, _no_services():
        folder = Path(name)
        for part in ("lists/partial", "preferences.d"):
            (folder / part).mkdir(parents=True)
        (folder / "sources.list").write_text("\n".join(sorted(lines)) + "\n")
        (folder / "apt.conf").write_text(APT_CONF.format(folder=folder))
        if release not in ("", own_release()):
            text = PREFERENCES.format(release=release, packages=" ".join(newer))
            (folder / "preferences.d/newer").write_text(text)
        _apt(folder, "update")
        _apt(folder, "install", "--yes", "--no-install-recommends", *packages)


def _stanza(text: str) -> Iterator[Source]:
    fields = dict(re.findall(r"^([\w-]+):\s*(.*)$", text, re.M))
    wanted = "deb" in fields.get("Types", "").split() and "main" in fields.get("Components", "")
    if wanted and fields.get("Enabled", "yes").strip() != "no":
        key = fields.get("Signed-By", "").strip()
        for uri in fields.get("URIs", "").split():
            for suite in fields.get("Suites", "").split():
                yield Source(uri, suite, key if key.startswith("/") else "")


def _line(text: str) -> Iterator[Source]:
    form = r"deb\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(.*\bmain\b)"
    if found := re.match(form, text.strip()):
        key = re.search(r"signed-by=(\S+)", found["options"] or "")
        yield Source(found["uri"], found["suite"], key[1] if key else "")


@contextmanager
def _no_services() -> Iterator[None]:
    """Debian's own way to install services without starting them."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _apt(folder: Path, *words: str) -> None:
    command = ["apt-get", "-q", "-o", "Dpkg::Use-Pty=0", *words]
    done = subprocess.run(
        command,
        env=os.environ
        | {"APT_CONFIG": str(folder / "apt.conf"), "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise RuntimeError(f"apt-get {words[0]} failed (status {done.returncode})\n{tail}")
