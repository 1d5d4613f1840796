"""Whether a page is accessible, as far as axe-core can tell.

axe-core is one file of JavaScript; the tests take it from the wheel of the package that wraps it,
fetched once into the tests' cache and checked against its hash.
"""

import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page

from tests.debian import CACHE

WHEEL = (
    "axe-playwright-python==0.1.7 "
    "--hash=sha256:8699e904466cc2206fa2fa414b4d59aab68e34ba8449c6d082896ca1950440e2"
)
SCRIPT = "axe_playwright_python/axe.min.js"  # axe-core 4.11.0
GRAVE = {"serious", "critical"}

RUN = """
(part) => axe.run(part || document, {resultTypes: ["violations"]}).then((found) =>
  found.violations.map(({id, impact, help, nodes}) =>
    ({id, impact, help, where: nodes.slice(0, 5).map((node) => node.html.slice(0, 160))})))
"""


def is_accessible(page: Page, part: str | None = None) -> None:
    """See that axe-core finds nothing serious on the page, or a part of it, as it is now."""
    page.evaluate(script())
    found = page.evaluate(RUN, part)
    grave = [each for each in found if each["impact"] in GRAVE]
    assert not grave, f"{page.url}: {grave}"


@cache
def script() -> str:
    """axe-core's source.

    Raises RuntimeError, with what pip said, when it is not to be had.
    """
    place = CACHE / "axe" / "axe.min.js"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=place.parent) as folder:
            fresh = Path(folder, place.name)
            fresh.write_bytes(_fetched(Path(folder)))
            fresh.replace(place)
    return place.read_text(encoding="utf-8")


def _fetched(folder: Path) -> bytes:
    wanted = folder / "wanted.txt"
    wanted.write_text(WHEEL)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder,
         "--requirement", wanted],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"axe-core cannot be fetched:\n{done.stdout}{done.stderr}")
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(SCRIPT)
