"""What one student costs: CPU, memory and disk of a term's work, and requests while they work.

    python -m bench.student [--only 3] [--no-browser]

A server of the student image is started as the hub starts it, and the eight solved notebooks are
run in it, one after another, each in a kernel of its own whose memory and CPU the machine counted;
they are saved with their outputs, as a student saves them. Then a real browser has the lab open
for two minutes, with a kernel that runs, and the requests are counted that reach the proxy and the
hub. The last line on stdout is JSON with the figures and the bars; the exit code is 1 when a bar is
missed. Needs a Docker engine with the project's images, and Chromium.
"""

import argparse
import gzip
import io
import json
import re
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import docker
import httpx
from docker.models.containers import Container
from playwright.sync_api import sync_playwright

from bench.spawn import (
    PREFIX,
    await_answer,
    cpu_seconds,
    memory_mb,
    server_environment,
    stand_in,
)
from coursehub.settings import load_settings
from tests.deployment import deployed, free_port, open_course
from tests.e2e.chromium import find_chromium, launch_options
from tests.engine import running_engine
from tests.submissions.cases import ASSIGNMENTS, Assignment
from tests.submissions.handin import hand_in

BROWSER_SECONDS = 120
HOME = "/home/student"
MEMORY = "3g"
MEMORY_BAR_MB = 2500

# Runs a notebook as the lab does, and tells what its kernel's process used before it ends.
RUN = """
import json, pathlib, resource, sys, time
import nbformat
from nbclient import NotebookClient

path = pathlib.Path(sys.argv[1])
notebook = nbformat.read(path, 4)
client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}})
began = time.monotonic()
with client.setup_kernel():
    for number, cell in enumerate(notebook.cells):
        client.execute_cell(cell, number)
    kernel = pathlib.Path("/proc", str(client.km.provisioner.pid))
    status = dict(line.split(":", 1) for line in (kernel / "status").read_text().splitlines())
    ticks = (kernel / "stat").read_text().rpartition(")")[2].split()[11:13]
nbformat.write(notebook, path)
print(json.dumps({
    "seconds": round(time.monotonic() - began, 1),
    "cpu": sum(map(int, ticks)) / 100,
    "peak_mb": round(int(status["VmHWM"].split()[0]) / 1024),
    "end_mb": round(int(status["VmRSS"].split()[0]) / 1024),
    "saved_kb": round(path.stat().st_size / 1000),
}))
"""
IMPORTS = "import torch; print(open('/proc/self/status').read())"

Figures = dict[str, Any]


def main() -> int:
    """Measure, print the line of JSON and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.student")
    parser.add_argument("--only", type=int, action="append", help="the number of an assignment")
    parser.add_argument("--no-browser", action="store_true")
    told = parser.parse_args()
    wanted = [
        each
        for each in ASSIGNMENTS
        if not told.only or int(each.name.removeprefix("assignment_")) in told.only
    ]
    with running_engine():
        figures = work(wanted)
    if not told.no_browser:
        figures |= browse()
    bars = {
        f"no kernel beyond {MEMORY_BAR_MB} MB": all(
            each["peak_mb"] < MEMORY_BAR_MB for each in figures["notebooks"].values()
        )
    }
    print(json.dumps({"name": "student", "figures": figures, "bars": bars}))
    return 0 if all(bars.values()) else 1


def work(assignments: list[Assignment]) -> Figures:
    """A server, and these solved notebooks in it."""
    engine = docker.from_env()
    image = load_settings().student_image
    with stand_in(engine, image) as network, server(engine, network.name, image) as container:
        figures: Figures = {"start_cpu": round(cpu_seconds(container), 2)}
        time.sleep(3)
        figures["idle_mb"] = round(memory_mb(container))
        before = cpu_seconds(container)
        time.sleep(30)
        figures["idle_cpu_share"] = round((cpu_seconds(container) - before) / 30, 4)
        figures["torch_mb"] = resident_mb(inside(container, "python", "-c", IMPORTS))
        figures["notebooks"] = {}
        for assignment in assignments:
            put(container, assignment)
            path = f"{HOME}/{assignment.name}/{assignment.name}.ipynb"
            said = inside(container, "python", "-c", RUN, path)
            figures["notebooks"][assignment.name] = json.loads(said.splitlines()[-1])
            say(f"{assignment.name}: {figures['notebooks'][assignment.name]}")
        figures |= disk(container, assignments)
    return figures


@contextmanager
def server(engine: docker.DockerClient, network: str, image: str) -> Iterator[Container]:
    """A student's server that answers, with an empty home."""
    port = free_port()
    container = engine.containers.run(
        image,
        detach=True,
        network=network,
        ports={"8888/tcp": ("127.0.0.1", port)},
        environment=server_environment() | {"OMP_NUM_THREADS": "2"},
        mem_limit=MEMORY,
        nano_cpus=2 * 10**9,
        read_only=True,
        tmpfs={"/tmp": "exec", HOME: "uid=1000,gid=1000"},
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            await_answer(http, container)
            # What JupyterLab's page and the first list make the server load.
            http.headers["Authorization"] = "token bench"
            http.get(f"{PREFIX}lab", timeout=60)
            http.get(f"{PREFIX}assignments", params={"course_id": ""}, timeout=60)
        yield container
    finally:
        container.remove(force=True, v=True)


def put(container: Container, assignment: Assignment) -> None:
    """Put an assignment into the home, solved."""
    reference = next(case for case in assignment.cases if case.kind == "reference")
    with TemporaryDirectory(prefix="coursehub-bench-") as scratch:
        place = Path(scratch, assignment.name)
        hand_in(
            reference.folder, assignment.source, assignment.release, assignment.solutions, place
        )
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as packed:
            packed.add(place, arcname=assignment.name)
    subprocess.run(
        ["docker", "exec", "-i", str(container.id), "tar", "-x", "-C", HOME],
        input=archive.getvalue(), check=True,
    )  # fmt: skip


def disk(container: Container, assignments: list[Assignment]) -> Figures:
    """What lies in the home, and how small a backup's compression makes it."""
    sizes = inside(container, "du", "-s", "--block-size=1000", HOME).split()[0]
    files = inside(container, "find", HOME, "-type", "f", "-printf", "%s %P\\n").splitlines()
    say(f"largest: {sorted(files, key=lambda line: -int(line.split()[0]))[:8]}")
    packed = subprocess.run(
        ["docker", "exec", str(container.id), "tar", "-c", "-C", HOME, "."],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    return {
        "assignments": len(assignments),
        "home_kb": int(sizes),
        "home_files": len(files),
        "home_packed_kb": round(len(gzip.compress(packed, 6)) / 1000),
    }


def browse() -> Figures:
    """Requests while a student works: the lab is open, the list too, and a kernel runs."""
    people = "username,number,name,email,role\nann,A1,Ann,ann@example.edu,student\n"
    with TemporaryDirectory(prefix="coursehub-bench-") as folder:
        text = open_course(now=datetime.now(UTC))
        with deployed(Path(folder, "state"), text, people) as deployment, sync_playwright() as play:
            chromium = play.chromium.launch(**launch_options(find_chromium()))
            page = chromium.new_page(base_url=deployment.settings.bind_url)
            seen: Counter[str] = Counter()
            page.on("request", lambda request: seen.update([_kind(request.url)]))
            page.goto("/hub/login")
            page.fill("input[name=username]", "ann")
            page.fill("input[name=password]", "ann-secret")
            page.click("input[type=submit], button[type=submit]")
            page.goto("/hub/spawn")
            page.wait_for_url("**/user/ann/lab**", timeout=120_000)
            page.wait_for_selector(".jp-Launcher", timeout=120_000)
            opening = dict(seen)
            page.click(".jp-LauncherCard[title*='Python 3']")
            page.wait_for_selector(".jp-NotebookPanel", timeout=120_000)
            seen.clear()
            log = deployment.settings.state / "hub.log"
            before = len(_hub_lines(log))
            page.wait_for_timeout(BROWSER_SECONDS * 1000)
            asked = Counter(_hub_lines(log)[before:])
            chromium.close()
    minutes = BROWSER_SECONDS / 60
    return {
        "browser_opening": sum(opening.values()),
        "browser_a_minute": {kind: count / minutes for kind, count in seen.items()},
        "hub_a_minute": {kind: count / minutes for kind, count in asked.items()},
    }


def _kind(url: str) -> str:
    """Who answers: the own server, the course service or the hub."""
    found = re.match(r"https?://[^/]+/(user|services|hub)/", url)
    return found[1] if found else "other"


def _hub_lines(log: Path) -> list[str]:
    """The requests that the hub wrote down, without what differs."""
    found = re.findall(r"log:\d+\] \d+ (\w+) (/hub/[^ ?]*)", log.read_text(errors="replace"))
    return [f"{method} {path}".replace("ann", "NAME") for method, path in found]


def resident_mb(status: str) -> int:
    """Resident memory by a /proc/PID/status, in MB."""
    kilobytes = re.search(r"VmRSS:\s+(\d+)", status)
    return round(int(kilobytes[1]) / 1024) if kilobytes else 0


def inside(container: Container, *command: str) -> str:
    """What a command in the server prints.

    Raises:
        RuntimeError: with what it prints, when it fails.
    """
    done = container.exec_run(list(command), workdir=HOME)
    text = done.output.decode(errors="replace")
    if done.exit_code:
        raise RuntimeError(f"{command[0]} failed in the server:\n{text}")
    return text


def say(text: str) -> None:
    """Tell whoever watches."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
