"""Machines for a class of any size: plain arithmetic over measured costs and named assumptions.

    python -m bench.plan

prints the tables of docs/scaling.md, which a test compares with it. `Costs` holds what benches
measured, each with the bench; `Habits` what nobody can measure beforehand, to be replaced by what a
course knows of its own class.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from coursehub.hub.deployed import POLLS_A_SECOND

SIZES = (100, 1_000, 10_000)
MOST = 0.5
"""Share of its one core up to which hub and proxy are filled: beyond it people wait for others."""


@dataclass(frozen=True)
class Costs:
    """What one of each costs, as measured; CPU in seconds of one core.

    Attributes:
        start_cpu: a server's start, page and first list included (bench.spawn).
        server_mb: a server that was used (bench.spawn).
        kernel_mb: a kernel that has run an assignment, the mean of the eight (bench.student).
        home_mb: a home after the eight assignments (bench.student).
        hand_in_mb: a hand-in with its copies for grading and feedback (bench.student).
        grade_cpu: grading one hand-in, the mean of the eight (bench.notebooks).
        grading_mb: one grading at work (bench.autograde).
        hub_cpu: the hub by itself, share of a core; hub_cpu_a_server: for each server that runs.
        hub_mb, hub_mb_a_server: its memory; hub, culler and proxy together (bench.scaling).
        hub_start_cpu, hub_start_cpu_a_server: what a server's start costs hub and proxy, and for
            each that runs already (bench.scaling).
        hub_open_cpu: what opening the lab costs them; hub_check_cpu: what checking a token does.
        poll_cpu: asking the engine about one server.
        pass_cpu: a request that the proxy passes on; requests_a_minute: of one open lab
            (bench.student).
        services_mb: course service, grader at rest, database, egress.
        images_gb: all images and the system.
    """

    start_cpu: float = 0.96
    server_mb: float = 95
    kernel_mb: float = 440
    home_mb: float = 20
    hand_in_mb: float = 0.6
    grade_cpu: float = 10.9
    grading_mb: float = 500
    hub_cpu: float = 0.07
    hub_cpu_a_server: float = 0.00009
    hub_mb: float = 285
    hub_mb_a_server: float = 0.065
    hub_start_cpu: float = 0.07
    hub_start_cpu_a_server: float = 0.000065
    hub_open_cpu: float = 0.05
    hub_check_cpu: float = 0.002
    poll_cpu: float = 0.0015
    pass_cpu: float = 0.0006
    requests_a_minute: float = 47
    services_mb: float = 1_500
    images_gb: float = 20


@dataclass(frozen=True)
class Habits:
    """How a class works, at its busiest: the evening of a deadline.

    Attributes:
        running: share of the class whose server runs.
        computing: share of those in which a cell runs, one core each.
        kernels: kernels with torch that a running server has.
        starting: share of the class that starts its server within `starting_minutes`.
        in_front: share of running servers whose lab is in front in a browser; a tab that is hidden
            asks next to nothing.
        opens_an_hour: how often somebody opens the lab's page anew.
        late_hand_ins: share of the class that hands in within the last ten minutes.
        graded_hours: by when all must be graded.
        on_gpu: share of those computing who have a GPU; per_gpu: how many share one.
        assignments: in a term.
    """

    running: float = 0.30
    computing: float = 0.25
    kernels: float = 1.0
    starting: float = 0.20
    starting_minutes: float = 10
    in_front: float = 0.5
    opens_an_hour: float = 2
    late_hand_ins: float = 0.25
    graded_hours: float = 8
    on_gpu: float = 0.25
    per_gpu: float = 2
    assignments: int = 8


@dataclass(frozen=True)
class Machine:
    """What one machine has, of which an eighth stays free."""

    cores: int = 32
    memory_gb: int = 128
    free: float = 1 / 8

    @property
    def usable_cores(self) -> float:
        """Cores that the plan fills."""
        return self.cores * (1 - self.free)

    @property
    def usable_gb(self) -> float:
        """Memory that the plan fills, in GB."""
        return self.memory_gb * (1 - self.free)


@dataclass(frozen=True)
class Need:
    """What a class needs at its busiest.

    Attributes:
        students: size of the class.
        running: servers that run.
        cores: for servers and gradings, all that compute at once.
        memory_gb: of servers, gradings and services.
        disk_gb: homes, hand-ins, images.
        gpus: devices.
        hub_share: of the one core that a hub can use; proxy_share: of the proxy's.
        grading_cores: of `cores`, those that grade the class in time.
        wait_minutes: until the last hand-in of the last ten minutes has its visible tests' outcome.
        starts_a_second: servers that start.
    """

    students: int
    running: float
    cores: float
    memory_gb: float
    disk_gb: float
    gpus: int
    hub_share: float
    proxy_share: float
    grading_cores: float
    wait_minutes: float
    starts_a_second: float

    def machines(self, machine: Machine) -> int:
        """How many of these."""
        return max(
            math.ceil(self.cores / machine.usable_cores),
            math.ceil(self.memory_gb / machine.usable_gb),
        )

    def hubs(self, most: float = MOST) -> int:
        """How many hubs with a proxy each, neither at more than that share of its core."""
        return math.ceil(max(self.hub_share, self.proxy_share) / most)

    def first(self, machine: Machine) -> str:
        """What gives way first: a core that no further machine relieves, else of one machine."""
        alone = {"the hub's core": self.hub_share, "the proxy's core": self.proxy_share}
        of_machine = {
            "memory": self.memory_gb / machine.usable_gb,
            "cores": self.cores / machine.usable_cores,
        }
        shares = alone if max(alone.values()) > MOST else of_machine
        return max(shares, key=lambda name: shares[name])


def need(students: int, costs: Costs = Costs(), habits: Habits = Habits()) -> Need:
    """What a class of that size needs at its busiest."""
    running = students * habits.running
    starts = students * habits.starting / (habits.starting_minutes * 60)
    grading_cores = students * costs.grade_cpu / (habits.graded_hours * 3600)
    at_once = max(2, math.ceil(grading_cores))
    backlog = students * habits.late_hand_ins * costs.grade_cpu / at_once
    hub = (
        costs.hub_cpu
        + running * costs.hub_cpu_a_server
        + starts * (costs.hub_start_cpu + running * costs.hub_start_cpu_a_server)
        + running * habits.opens_an_hour / 3600 * costs.hub_open_cpu
        + running / 300 * costs.hub_check_cpu
        + min(running / 30, habits.running * POLLS_A_SECOND) * costs.poll_cpu
    )
    memory = (
        running * (costs.server_mb + habits.kernels * costs.kernel_mb)
        + at_once * costs.grading_mb
        + costs.hub_mb
        + running * costs.hub_mb_a_server
        + costs.services_mb
    )
    return Need(
        students=students,
        running=running,
        cores=running * habits.computing + starts * costs.start_cpu + at_once + 1,
        memory_gb=memory / 1000,
        disk_gb=costs.images_gb
        + students * (costs.home_mb + habits.assignments * costs.hand_in_mb) / 1000,
        gpus=math.ceil(running * habits.computing * habits.on_gpu / habits.per_gpu),
        hub_share=hub,
        proxy_share=running * habits.in_front * costs.requests_a_minute / 60 * costs.pass_cpu,
        grading_cores=at_once,
        wait_minutes=max(0.0, backlog / 60 - 10),
        starts_a_second=starts,
    )


def servers_of_a_hub(costs: Costs = Costs(), habits: Habits = Habits()) -> tuple[int, int]:
    """How many running servers one hub carries, and how many one proxy, at `MOST` of a core."""
    sizes = [need(size, costs, habits) for size in range(0, 100_000, 100)]
    hub = max(each.running for each in sizes if each.hub_share <= MOST)
    proxy = max(each.running for each in sizes if each.proxy_share <= MOST)
    return int(hub), int(proxy)


def table(sizes: Sequence[int] = SIZES, machine: Machine = Machine()) -> str:
    """The needs of such classes, as Markdown."""
    needs = [need(size) for size in sizes]
    rows = {
        "servers that run": [f"{each.running:,.0f}" for each in needs],
        "starts a second": [f"{each.starts_a_second:.2g}" for each in needs],
        "cores": [f"{each.cores:,.0f}" for each in needs],
        "of these, for grading": [f"{each.grading_cores:.0f}" for each in needs],
        "memory": [f"{each.memory_gb:,.0f} GB" for each in needs],
        "disk": [f"{each.disk_gb:,.0f} GB" for each in needs],
        "GPUs, for a quarter of those who compute": [f"{each.gpus}" for each in needs],
        "share of one hub's core": [f"{each.hub_share:.2f}" for each in needs],
        "share of one proxy's core": [f"{each.proxy_share:.2f}" for each in needs],
        f"machines of {machine.cores} cores, {machine.memory_gb} GB": [
            f"{each.machines(machine)}" for each in needs
        ],
        "hubs": [f"{each.hubs()}" for each in needs],
        "visible tests' outcome after the deadline": [
            f"{each.wait_minutes:.0f} min" for each in needs
        ],
        "first bottleneck": [each.first(machine) for each in needs],
    }
    head = ["students", *(f"{size:,}" for size in sizes)]
    lines = [head, ["---"] * len(head), *([name, *cells] for name, cells in rows.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def summary() -> str:
    """How many running servers one hub and one proxy carry, in a sentence."""
    hub, proxy = (each // 100 * 100 for each in servers_of_a_hub())
    return f"One hub carries {hub:,} running servers at half a core, one proxy {proxy:,}."


if __name__ == "__main__":
    print(table())
    print(f"\n{summary()}")
