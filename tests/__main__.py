"""`python -m tests`: every test but those that need a real GPU, in two runs beside one another.

Most tests of the deployed form wait: for containers, for a browser. Meanwhile the others compute.
Both runs share one Docker engine and the images on it.
"""

import subprocess
import sys
import time
from pathlib import Path

from tests.engine import running_engine
from tests.images import build_images

OUTPUT = Path(__file__).parent / "output"
# So that both take as long.
MOVED = (
    "tests/contract/test_exchange_service.py",
    "tests/contract/test_gradebook_postgres.py",
    "tests/contract/test_term.py",
)
RUNS = {
    "browser": ("tests/e2e", "tests/deployed", *MOVED),
    "parts": (
        "tests/unit",
        "tests/contract",
        "tests/submissions",
        *map("--ignore={}".format, MOVED),
    ),
}


def main() -> int:
    """Run all; the exit code is 0 when both runs passed."""
    OUTPUT.mkdir(exist_ok=True)
    with running_engine() as engine:
        build_images(engine)
        runs = {name: start(name, folders) for name, folders in RUNS.items()}
        return max([finish(name, process) for name, process in runs.items()])


def start(name: str, folders: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Start one run; what it says goes to tests/output/NAME.log."""
    command = [sys.executable, "-m", "pytest", "-m", "not gpu", "--durations=25", *folders]
    with (OUTPUT / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def finish(name: str, process: subprocess.Popen[bytes]) -> int:
    """Wait for a run, with a sign of life a minute, and print what it said."""
    begun = time.monotonic()
    while True:
        try:
            code = process.wait(60)
            break
        except subprocess.TimeoutExpired:
            minutes = (time.monotonic() - begun) // 60
            lines = (OUTPUT / f"{name}.log").read_text(errors="replace").splitlines()
            print(f"{name}, {minutes:.0f} min: {lines[-1] if lines else ''}", flush=True)
    print(f"\n===== {name} =====")
    print((OUTPUT / f"{name}.log").read_text(errors="replace"), flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
