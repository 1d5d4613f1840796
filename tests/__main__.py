"""`python -m tests`: every test but those that need a real GPU, and drills; two runs at a time.

Most tests of the deployed form wait: for containers, for a browser. Meanwhile the others compute.
What needs no image begins while the images are built. All share one Docker engine and the images
on it; one fresh machine at a time.
"""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.engine import running_engine
from tests.images import build_images

OUTPUT = Path(__file__).parent / "output"
# Run with the browser, so that two runs that are side by side take as long.
MOVED = (
    "tests/contract/test_exchange_service.py",
    "tests/contract/test_gradebook_postgres.py",
    "tests/contract/test_term.py",
)
RUNS = {
    "units": ("tests/unit",),
    "browser": ("tests/e2e", "tests/deployed", *MOVED),
    "machine": ("tests/provision/test_provision.py",),
    "contract": ("tests/contract", *map("--ignore={}".format, MOVED)),
    "submissions": ("tests/submissions",),
}
AT_A_TIME = 2


def main() -> int:
    """Run all; the exit code is 0 when every run passed."""
    OUTPUT.mkdir(exist_ok=True)
    with running_engine() as engine, ThreadPoolExecutor(AT_A_TIME) as pool:
        first, *others = RUNS
        codes = [pool.submit(run, first)]
        build_images(engine)
        codes += [pool.submit(run, name) for name in others]
        # A run that was killed has a negative code.
        return int(any([code.result() for code in codes]))


def run(name: str) -> int:
    """Run some, with a sign of life a minute; print what they said, which NAME.log keeps."""
    command = [sys.executable, "-m", "pytest", "-m", "not gpu and not drill", "--durations=25"]
    path, begun = OUTPUT / f"{name}.log", time.monotonic()
    with path.open("wb") as log:
        process = subprocess.Popen([*command, *RUNS[name]], stdout=log, stderr=subprocess.STDOUT)
    while True:
        try:
            code = process.wait(60)
            break
        except subprocess.TimeoutExpired:
            minutes = (time.monotonic() - begun) // 60
            lines = path.read_text(errors="replace").splitlines()
            print(f"{name}, {minutes:.0f} min: {lines[-1] if lines else ''}", flush=True)
    print(f"\n===== {name} =====\n{path.read_text(errors='replace')}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
