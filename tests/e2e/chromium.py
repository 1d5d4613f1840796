"""A Chromium for the end-to-end tests, without root and without installing anything.

`find_chromium()` takes the browser that the machine has. On a machine without one it unpacks
Debian's package, and the packages it needs that are missing, into a private cache folder. Apt
does the work with state of its own, so any user can run it and the system stays as it was.

What the cache folder holds:

    lock       held while the folder is being filled
    work/      apt's private state, the downloads and a log; removed when done
    root/      the unpacked packages
    fonts.conf where fonts are: the unpacked ones and the system's
    chromium   the script that starts the browser with its libraries and fonts
    ready      written last: without it, or with another text in it, the next run starts over
"""

import fcntl
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "chromium"
PACKAGES = ("chromium", "fonts-dejavu-core", "libatomic1")  # the last for Playwright's own Node
COMMANDS = ("chromium", "chromium-browser", "google-chrome")
REMEDY = "install Chromium, e.g. apt-get install chromium"
RECIPE = "2"  # raise it when the way of unpacking changes: folders made before are made anew

# The names that Chromium may look up; without this it asks for its maker's servers all the same.
LOOPBACK = "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.*, EXCLUDE [::1]"

# Hooks are cleared because the system's may touch the system, e.g. empty its package cache.
APT_CONF = """\
Dir::State "{work}/state";
Dir::State::Lists "{work}/state/lists";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "{work}/cache";
APT::Sandbox::User "root";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""

FONTS_CONF = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>{folder}/root/usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{folder}/root/fontcache</cachedir>
  <match><edit name="family" mode="append_last"><string>DejaVu Sans</string></edit></match>
  <alias><family>serif</family><prefer><family>DejaVu Serif</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
"""

STARTER = """\
#!/bin/sh
LD_LIBRARY_PATH={libraries}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}
FONTCONFIG_FILE={fonts}
export LD_LIBRARY_PATH FONTCONFIG_FILE
exec {browser} "$@"
"""


def find_chromium(cache: Path = CACHE) -> Path:
    """The Chromium to drive: the machine's own, or else one unpacked into `cache`, once.

    Raises RuntimeError, with the problem and its remedy, when there is none to be had.
    """
    for command in COMMANDS:
        if found := shutil.which(command):
            return Path(found)
    folder = cache.resolve()
    if not _is_ready(folder):  # first without the lock: a finished folder may be read-only
        with _locked(folder):
            if not _is_ready(folder):
                _unpack_chromium(folder)
    return folder / "chromium"


def unpacked_libraries(cache: Path = CACHE) -> str:
    """The folders of unpacked libraries, as LD_LIBRARY_PATH has them; empty where none are."""
    found = {path.parent for path in (cache.resolve() / "root").glob("**/*-linux-gnu*/**/lib*.so*")}
    return ":".join(map(str, sorted(found)))


def launch_options(path: Path) -> dict[str, Any]:
    """Keyword arguments for Playwright's `chromium.launch` that start the browser at `path`."""
    root = os.geteuid() == 0
    args = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    args += ["--disable-background-networking", "--disable-component-update"]
    args += ["--disable-dev-shm-usage", f"--host-resolver-rules={LOOPBACK}"]
    if root:  # Chromium refuses to run as root inside its sandbox
        args += ["--no-sandbox"]
    # Playwright passes --no-sandbox to everybody unless it is told that there is a sandbox.
    return {
        "executable_path": str(path),
        "headless": True,
        "chromium_sandbox": not root,
        "args": args,
    }


def _unpack_chromium(folder: Path) -> None:
    """Fill the folder: learn what is missing, download it, unpack it, try it, mark it ready."""
    start = time.monotonic()
    _say(f"not on this machine; unpacking Debian's package into {folder} (about a minute, once)")
    _start_over(folder)
    packages = _missing_packages(folder)
    _download(folder, packages)
    _unpack(folder)
    _write_starter(folder)
    version = _run(folder, "start the unpacked Chromium", str(folder / "chromium"), "--version")
    shutil.rmtree(folder / "work")
    (folder / "ready").write_text(_ready_text(folder))
    _say(f"{version.strip()} ready after {time.monotonic() - start:.0f} s")


def _start_over(folder: Path) -> None:
    """Remove what an interrupted or older run left, and lay out apt's private folders."""
    (folder / "ready").unlink(missing_ok=True)
    for name in ("root", "work"):
        if (folder / name).exists():
            shutil.rmtree(folder / name)
    for name in ("state/lists/partial", "cache/archives/partial", "debs"):
        (folder / "work" / name).mkdir(parents=True)
    (folder / "work/apt.conf").write_text(APT_CONF.format(work=folder / "work"))


def _missing_packages(folder: Path) -> list[str]:
    """What an install would add to this machine, as name=version, by simulating it."""
    _say("asking apt which packages are missing")
    _apt(folder, "update")
    plan = _apt(folder, "install", "--simulate", "--no-install-recommends", *PACKAGES)
    # Inst NAME [INSTALLED VERSION] (NEW VERSION ORIGIN [ARCHITECTURE])
    lines = re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+)", plan, re.MULTILINE)
    return [f"{name}={version}" for name, version in lines]


def _download(folder: Path, packages: list[str]) -> None:
    """Download exactly these packages."""
    _say(f"downloading {len(packages)} packages")
    _apt(folder, "download", *packages)


def _unpack(folder: Path) -> None:
    """Unpack every downloaded package into root/; nothing of theirs is run."""
    debs = sorted((folder / "work/debs").glob("*.deb"))
    _say(f"unpacking {sum(deb.stat().st_size for deb in debs) / 1e6:.0f} MB")
    for deb in debs:
        _run(folder, f"unpack {deb.name}", "dpkg-deb", "-x", str(deb), str(folder / "root"))


def _write_starter(folder: Path) -> None:
    """Write the script that starts the unpacked browser with its libraries and fonts."""
    fonts = folder / "fonts.conf"
    fonts.write_text(FONTS_CONF.format(folder=escape(str(folder))))
    starter = folder / "chromium"
    starter.write_text(
        STARTER.format(
            libraries=shlex.quote(unpacked_libraries(folder)),
            fonts=shlex.quote(str(fonts)),
            browser=shlex.quote(str(folder / "root/usr/lib/chromium/chromium")),
        )
    )
    starter.chmod(0o755)


def _ready_text(folder: Path) -> str:
    """What a finished folder's marker says; the path, because the files name each other by it."""
    return f"recipe {RECIPE} at {folder}\n"


def _is_ready(folder: Path) -> bool:
    """Whether an earlier run filled this folder to the end."""
    marker = folder / "ready"
    return marker.exists() and marker.read_text() == _ready_text(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system lets go even of a killed process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another run is unpacking it; waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _apt(folder: Path, *words: str) -> str:
    """Run apt-get with the private configuration; downloads land in work/debs."""
    conf = str(folder / "work/apt.conf")
    return _run(folder, f"run apt-get {words[0]}", "apt-get", "-q", "-c", conf, *words)


def _run(folder: Path, task: str, *command: str) -> str:
    """Run a command in work/debs and return what it prints; its messages go to the log."""
    done = subprocess.run(  # env tells of a command that is not there in the same way: status 127
        ["env", "LC_ALL=C", *command],
        cwd=folder / "work/debs",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    with (folder / "work/log").open("a") as log:
        log.write(done.stderr if done.returncode == 0 else done.stdout + done.stderr)
    if done.returncode:
        tail = "\n".join((folder / "work/log").read_text().splitlines()[-15:])
        raise RuntimeError(
            f"no Chromium: could not {task} (status {done.returncode}). Remedy: {REMEDY}.\n{tail}"
        )
    return done.stdout


def _say(what: str) -> None:
    """Tell the person who is waiting why."""
    print(f"chromium: {what}", flush=True)
