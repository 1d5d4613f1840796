"""`make status`: whether all is right, in plain words; the exit code says it too.

It runs on the machine itself, also where nothing else runs any more, and so needs Python alone:
nothing of CourseHub's or of anybody else's. Where Prometheus watches the machine
(docs/monitoring.md) its alerts are what is wrong; without it this looks for itself, at less.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

PROMETHEUS = "http://127.0.0.1:9090"
FREE = 0.05
"""How much of a disk is to be free; the alert DiskFull says the same."""

_SECONDS = 10
_SERVERS = 'table {{.Label "coursehub.user"}}\t{{.Label "coursehub.role"}}\t{{.Label "coursehub.gpu"}}\t{{.Status}}'  # noqa: E501
_MACHINES = "table {{.Hostname}}\t{{.Status}}\t{{.Availability}}"
_TASKS = "table {{.Name}}\t{{.Node}}\t{{.CurrentState}}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print how things stand, then what is wrong; return how many things are, at most 100."""
    parser = argparse.ArgumentParser(description="Say whether all is right on this machine.")
    parser.add_argument("--prometheus", default=PROMETHEUS, help="Where Prometheus answers.")
    prometheus = parser.parse_args(arguments).prometheus
    course = composed()
    name, swarm = str(course.get("name")), is_swarm(course)
    ours = ("--filter", f"label=coursehub.project={name}", "--filter", "label=coursehub.user")
    show(*_inside("hub"), "--version")
    wrong = list(services())
    if swarm:
        wrong += [*machines(), *graders(name)]
        places(ours)
    else:
        show("docker", "ps", *ours, "--format", _SERVERS)
    show(*_inside("hub"), "gpus")
    # On a manager no grader runs: this one looks at the same database, and ends.
    asks = ("run", "--rm", "--no-deps", "-T") if swarm else ("exec", "-T")
    grades = show("docker", "compose", *asks, "grader", "coursehub", "desk")
    alerts = ask(prometheus)
    if alerts is None:
        wrong += [] if grades else ["Nothing is graded."]
        wrong += disks()
        watched = f"Prometheus does not answer at {prometheus}: less was looked at"
    else:
        wrong += firing(alerts)
        watched = "Prometheus watches"
    return verdict(wrong, watched)


def verdict(wrong: Sequence[str], watched: str) -> int:
    """Print what is wrong and return how much, at most 100."""
    print(f"\n{watched}.")
    print("\n".join(f"WRONG  {each}" for each in wrong) or "Nothing is wrong.", flush=True)
    return min(len(wrong), 100)


def services() -> Iterator[str]:
    """Print how the services are; yield what is wrong with them."""
    show("docker", "compose", "ps", "--all", "--format", "table {{.Service}}\t{{.Status}}")
    found = _objects(_run("docker", "compose", "ps", "--all", "--format", "json"))
    if not found:
        yield "No service of the course is there. Start them with `make up`."
    for each in found:
        if not is_well(each):
            yield f"The service {each['Service']} {_how(each)}; `make logs` says more."


def is_well(service: Mapping[str, Any]) -> bool:
    """Whether a service, as compose lists it, runs and is healthy; steps have ended well."""
    if service["State"] == "exited":
        return service["ExitCode"] == 0
    return service["State"] == "running" and service["Health"] in ("", "healthy")


def _how(service: Mapping[str, Any]) -> str:
    if service["State"] == "exited":
        return f"has ended (exit code {service['ExitCode']})"
    return f"is {service['Health'] if service['State'] == 'running' else service['State']}"


def machines() -> Iterator[str]:
    """Print how a swarm's machines are; yield what is wrong with them."""
    show("docker", "node", "ls", "--format", _MACHINES)
    for each in _objects(_run("docker", "node", "ls", "--format", "json")):
        if each["Status"] != "Ready":
            yield (
                f"The machine {each['Hostname']} does not answer the swarm ({each['Status']}); "
                "docs/swarm.md says what happens then."
            )


def graders(project: str) -> Iterator[str]:
    """Yield what is wrong with what runs on a swarm's workers for the course."""
    ours = f"label=com.docker.stack.namespace={project}"
    found = _objects(_run("docker", "service", "ls", "--filter", ours, "--format", "json"))
    if not found:
        yield "No grader is on the workers. Start them with `make stack`."
    for each in found:
        running, wanted = each["Replicas"].split()[0].split("/")
        if running != wanted:
            yield (
                f"Of {each['Name']} {running} run, where {wanted} should; "
                f"`docker service ps --no-trunc {each['Name']}` says more."
            )


def places(ours: Sequence[str]) -> None:
    """Print on which machines of a swarm users' servers are."""
    found = _run("docker", "service", "ls", "--quiet", *ours).split()
    if found:
        show("docker", "service", "ps", *found, "--format", _TASKS)


def ask(prometheus: str) -> list[dict[str, Any]] | None:
    """Prometheus' alerts; None where it does not answer."""
    try:
        # On this machine itself: never by a proxy.
        with build_opener(ProxyHandler({})).open(
            f"{prometheus}/api/v1/alerts", timeout=_SECONDS
        ) as answer:
            return list(json.load(answer)["data"]["alerts"])
    except (URLError, OSError, ValueError, KeyError):
        return None


def firing(alerts: Sequence[Mapping[str, Any]]) -> list[str]:
    """What alerts that fire say, the critical ones first, with where help stands."""
    order = {"critical": 0, "warning": 1}
    loud = [alert for alert in alerts if alert["state"] == "firing"]
    loud.sort(key=lambda alert: (order.get(alert["labels"]["severity"], 2), alert["activeAt"]))
    return [f"{_text(each, 'summary')}\n       See {_text(each, 'help')}" for each in loud]


def disks() -> Iterator[str]:
    """What is wrong with the disks of the engine and of this folder."""
    root = _run("docker", "info", "--format", "{{.DockerRootDir}}").strip()
    for path in dict.fromkeys([root, str(Path.cwd())]):
        if not path or not Path(path).exists():
            continue
        usage = shutil.disk_usage(path)
        if usage.free < FREE * usage.total:
            yield f"{usage.free / usage.total:.0%} of the disk with {path} is left."


def composed() -> dict[str, Any]:
    """What docker compose makes of this folder; nothing where it cannot."""
    return dict(json.loads(_run("docker", "compose", "config", "--format", "json") or "{}"))


def is_swarm(course: Mapping[str, Any]) -> bool:
    """Whether graders are elsewhere: docker-compose.swarm.yml takes them from this machine."""
    return "hub" in course.get("services", {}) and "grader" not in course["services"]


def show(*command: str) -> bool:
    """Run a command that prints for itself; say whether it succeeded."""
    sys.stdout.flush()
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 0


def _inside(service: str) -> tuple[str, ...]:
    return ("docker", "compose", "exec", "-T", service, "coursehub")


def _run(*command: str) -> str:
    """What a command prints; nothing where it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else ""


def _objects(text: str) -> list[dict[str, Any]]:
    """A list of objects as compose prints it: as one, or one a line."""
    if text.startswith("["):
        return list(json.loads(text))
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _text(alert: Mapping[str, Any], name: str) -> str:
    return str(alert["annotations"].get(name, ""))


if __name__ == "__main__":
    sys.exit(main())
