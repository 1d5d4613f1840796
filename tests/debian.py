"""Debian packages for the tests, without root and without installing anything.

`Unpacked.folder()` unpacks packages, and the packages they need that this machine lacks, into a
private cache folder, once. Apt does the work with state of its own, so any user can run it and the
system stays as it was.

What the cache folder holds:

    lock       held while the folder is being filled
    work/      apt's private state, the downloads and a log; removed when done
    root/      the unpacked packages
    ready      written last: without it, or with another text in it, the next run starts over

and whatever `finish` puts beside them.
"""

import fcntl
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache"

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


@dataclass(frozen=True)
class Unpacked:
    """A program unpacked from Debian packages.

    Args:
        name: what people call it, in messages.
        packages: what to unpack, with what they need.
        recipe: raise it when the way of unpacking changes: folders made before are made anew.
        finish: called with this object and the folder when root/ is there; completes it, tries
            the program and returns its version.
    """

    name: str
    packages: tuple[str, ...]
    recipe: str
    finish: "Callable[[Unpacked, Path], str]"

    def folder(self, cache: Path) -> Path:
        """The folder with the program, filled now if it was not yet.

        Raises RuntimeError, with the problem and its remedy, when that cannot be done.
        """
        folder = cache.resolve()
        if not self._is_ready(folder):  # first without the lock: a finished one may be read-only
            with self._locked(folder):
                if not self._is_ready(folder):
                    self._fill(folder)
        return folder

    def run(self, folder: Path, task: str, *command: str) -> str:
        """Run a command in work/debs and return what it prints; its messages go to the log."""
        done = subprocess.run(  # env tells of a command that is not there too: status 127
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
                f"no {self.name}: could not {task} (status {done.returncode}). "
                f"Remedy: install {self.name}, e.g. apt-get install {self.packages[0]}.\n{tail}"
            )
        return done.stdout

    def _fill(self, folder: Path) -> None:
        """Learn what is missing, download it, unpack it, complete and try it, mark it ready."""
        start = time.monotonic()
        self._say(f"not on this machine; unpacking Debian's package into {folder} (once)")
        _start_over(folder)
        packages = self._missing_packages(folder)
        self._say(f"downloading {len(packages)} packages")
        self._apt(folder, "download", *packages)
        self._unpack(folder)
        version = self.finish(self, folder)
        shutil.rmtree(folder / "work")
        (folder / "ready").write_text(self._ready_text(folder))
        self._say(f"{version.strip()} ready after {time.monotonic() - start:.0f} s")

    def _missing_packages(self, folder: Path) -> list[str]:
        """What an install would add to this machine, as name=version, by simulating it."""
        self._say("asking apt which packages are missing")
        self._apt(folder, "update")
        install = ("install", "--simulate", "--no-install-recommends")
        plan = self._apt(folder, *install, *self.packages)
        # Inst NAME [INSTALLED VERSION] (NEW VERSION ORIGIN [ARCHITECTURE])
        lines = re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+)", plan, re.MULTILINE)
        return [f"{name}={version}" for name, version in lines]

    def _unpack(self, folder: Path) -> None:
        """Unpack every downloaded package into root/; nothing of theirs is run."""
        debs = sorted((folder / "work/debs").glob("*.deb"))
        self._say(f"unpacking {sum(deb.stat().st_size for deb in debs) / 1e6:.0f} MB")
        for deb in debs:
            self.run(folder, f"unpack {deb.name}", "dpkg-deb", "-x", str(deb), str(folder / "root"))

    def _apt(self, folder: Path, *words: str) -> str:
        """Run apt-get with the private configuration; downloads land in work/debs."""
        conf = str(folder / "work/apt.conf")
        return self.run(folder, f"run apt-get {words[0]}", "apt-get", "-q", "-c", conf, *words)

    def _ready_text(self, folder: Path) -> str:
        """What a finished folder's marker says; the path, because files may name others by it."""
        return f"recipe {self.recipe} at {folder}\n"

    def _is_ready(self, folder: Path) -> bool:
        """Whether an earlier run filled this folder to the end."""
        marker = folder / "ready"
        return marker.exists() and marker.read_text() == self._ready_text(folder)

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        """Hold the folder's lock, which the system lets go even of a killed process."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say("another run is unpacking it; waiting")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _say(self, what: str) -> None:
        """Tell the person who is waiting why."""
        print(f"{self.name}: {what}", flush=True)


def libraries(folder: Path) -> str:
    """The folders of unpacked libraries, as LD_LIBRARY_PATH has them; empty where none are."""
    found = {path.parent for path in (folder / "root").glob("**/*-linux-gnu*/**/lib*.so*")}
    return ":".join(map(str, sorted(found)))


def _start_over(folder: Path) -> None:
    """Remove what an interrupted or older run left, and lay out apt's private folders."""
    (folder / "ready").unlink(missing_ok=True)
    for name in ("root", "work"):
        if (folder / name).exists():
            shutil.rmtree(folder / name)
    for name in ("state/lists/partial", "cache/archives/partial", "debs"):
        (folder / "work" / name).mkdir(parents=True)
    (folder / "work/apt.conf").write_text(APT_CONF.format(work=folder / "work"))
