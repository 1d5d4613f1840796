"""A Chromium for the end-to-end tests, without root and without installing anything.

`find_chromium()` takes the browser that the machine has. On a machine without one it unpacks
Debian's package into a private cache folder (see `tests.debian`), and adds to it:

    fonts.conf where fonts are: the unpacked ones and the system's
    chromium   the script that starts the browser with its libraries and fonts
"""

import os
import shlex
import shutil
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tests import debian
from tests.debian import Unpacked

CACHE = debian.CACHE / "chromium"
# The browser without its windows, which compute too; a font; what Playwright's own Node needs.
PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core", "libatomic1")
COMMANDS = ("chromium", "chromium-browser", "google-chrome")
RECIPE = "3"

# The names that Chromium may look up; without this it asks for its maker's servers all the same.
LOOPBACK = "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.*, EXCLUDE [::1]"

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
    return Unpacked("Chromium", PACKAGES, RECIPE, _finish).folder(cache) / "chromium"


def unpacked_libraries(cache: Path = CACHE) -> str:
    """The folders of unpacked libraries, as LD_LIBRARY_PATH has them; empty where none are."""
    return debian.libraries(cache.resolve())


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


def _finish(unpacked: Unpacked, folder: Path) -> str:
    """Write the script that starts the unpacked browser with its libraries and fonts; try it."""
    fonts = folder / "fonts.conf"
    fonts.write_text(FONTS_CONF.format(folder=escape(str(folder))))
    starter = folder / "chromium"
    starter.write_text(
        STARTER.format(
            libraries=shlex.quote(debian.libraries(folder)),
            fonts=shlex.quote(str(fonts)),
            browser=shlex.quote(str(folder / "root/usr/lib/chromium/chromium-headless-shell")),
        )
    )
    starter.chmod(0o755)
    return unpacked.run(folder, "start the unpacked Chromium", str(starter), "--version")
