"""How long a bare machine takes to become the course's, and a second run on it.

    python -m bench.provision

A fresh machine (a container with systemd, see tests/provision/hosts.py) is provisioned up to the
passed smoke test, with the images shipped from here; then once more. Packages come from wherever
they come on this machine: whatever lies in between is warm when this ran before. The last line on
stdout is JSON with the figures, seconds a role, and the bars; the exit code is 1 when a bar is
missed. Needs a Docker engine and `ansible/.venv` (`make ansible/.venv/ready`).
"""

import json
import sys
import tempfile
from pathlib import Path

from tests.engine import running_engine
from tests.images import build_images
from tests.provision.hosts import fresh_host
from tests.provision.playbooks import Admin, Run
from tests.provision.test_provision import RELEASE, answers

FIRST_SECONDS = 600
SECOND_SECONDS = 60


def main() -> int:
    """Measure, print the line of JSON and return the exit code."""
    with running_engine() as engine, tempfile.TemporaryDirectory() as folder:
        build_images(engine)
        with fresh_host(engine, RELEASE) as host:
            admin = Admin(Path(folder))
            admin.write([host], *answers(Path(folder)))
            first = say("from nothing", admin.play("site.yml", host.name))
            second = say("again", admin.play("site.yml", host.name))
    figures = {
        "release": RELEASE,
        "first": round(first.seconds, 1),
        "first_roles": first.roles,
        "second": round(second.seconds, 1),
        "second_changed": sum(second.changed.values()),
    }
    bars = {
        "smoke test passed": "the receipt is true" in first.text,
        "from nothing in 10 minutes": first.seconds < FIRST_SECONDS,
        "again in 60 s": second.seconds < SECOND_SECONDS,
        "again changes nothing": figures["second_changed"] == 0,
    }
    print(json.dumps({"name": "provision", "figures": figures, "bars": bars}))
    return 0 if all(bars.values()) else 1


def say(title: str, run: Run) -> Run:
    """Tell the person who waits."""
    roles = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in run.roles.items())
    print(f"{title}: {run.seconds:.0f} s ({roles})", flush=True)
    return run


if __name__ == "__main__":
    sys.exit(main())
