"""GPUs for hand-ins: the grader waits among students, has one for itself, and gives it back.

The engine's GPUs are entries of a CDI specification (`tests.engine`), the database is PostgreSQL,
and hub and grader come to it in roles of their own.
"""

import asyncio
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest
from docker.models.containers import Container
from sqlalchemy import Engine, update
from typer.testing import CliRunner

from coursehub.cli.asking import Asking
from coursehub.cli.gpus import app
from coursehub.cli.lending import GpuLender
from coursehub.errors import NoGpu, SandboxError
from coursehub.exchange import migrations
from coursehub.exchange.database import connect
from coursehub.exchange.desk import Desk
from coursehub.grading.sandbox import Gpu, Sandbox, open_sandbox
from coursehub.hub.clock import remove_orphans, serve_grading, start_clock
from coursehub.hub.gpus import GpuPool
from coursehub.hub.labels import GPU, GRADING
from coursehub.hub.leases import for_grading
from coursehub.hub.networks import PROJECT
from coursehub.hub.requests import gpu_requests
from coursehub.settings import CHECKOUT, Settings
from tests.contract.bombs import SCRIPT
from tests.contract.miniature import ASSIGNMENT, Miniature
from tests.contract.pool import NAMES, World, asking, run, until
from tests.deployment import open_course, prepare, print_logs
from tests.engine import cdi_folder
from tests.images import ensure_base_image
from tests.postgres import Postgres

pytestmark = pytest.mark.usefixtures("images")

OTHER = "assignment_2"
PATIENCE = 120
ON_GPU = """import os
def double(x):
    assert [name for name in os.listdir("/dev") if name.startswith("nvidia")] == ["nvidia0"]
    return 2 * x"""
ENDLESS = "import time\ntime.sleep(600)\ndef double(x):\n    return 2 * x"


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Engine]:
    """The course database, by its owner."""
    engine = connect(postgres.url("course", postgres.database("course")))
    migrations.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def world(tmp_path: Path, engine: docker.DockerClient, database: Engine) -> Iterator[World]:
    ensure_base_image(engine)
    hubs = connect(in_role("hub", database))
    made = World(engine, tmp_path, cdi_folder(engine), hubs)
    yield made
    made.remove_all()
    hubs.dispose()


@pytest.fixture
def as_grader(world: World, database: Engine) -> Settings:
    """The grader's settings."""
    return world.settings(database=in_role("grader", database), form="containers")


@pytest.fixture
def sandbox(images: None) -> Iterator[Sandbox]:
    with open_sandbox("docker") as opened:
        yield opened


def in_role(role: str, database: Engine) -> str:
    return database.url.set(username=role).render_as_string()


@asynccontextmanager
async def hub(world: World, **settings: object) -> AsyncIterator[GpuPool]:
    """What of a hub lends GPUs; at the end it is gone as if killed."""
    pool = world.pool(**settings)
    clock = start_clock(stand_in(), [serve_grading(pool, world.requests)], 0.1)
    try:
        yield pool
    finally:
        clock.cancel()


def stand_in() -> Any:
    return SimpleNamespace(log=logging.getLogger("hub"))


@asynccontextmanager
async def lent(lend: GpuLender) -> AsyncIterator[tuple[Gpu, ExitStack]]:
    """A GPU for grading, and where to open what has it."""
    with ExitStack() as stack:
        gpu = await asyncio.to_thread(stack.enter_context, lend())
        yield gpu, stack
        await asyncio.to_thread(stack.close)


def in_queue(world: World, pool: GpuPool) -> int:
    """How many gradings wait in the pool's queue."""
    waiting = world.requests.waiting(datetime.now(UTC))
    return sum(pool.place(for_grading(number)) is not None for number in waiting)


def with_a_gpu(world: World) -> list[Container]:
    """The containers that run hand-ins with a GPU."""
    labels = [f"{PROJECT}={world.project}", GRADING]
    found: list[Container] = world.client.containers.list(filters={"label": labels})
    return found


def worker(sandbox: Sandbox, gpu: Gpu, stack: ExitStack) -> None:
    stack.enter_context(sandbox.worker(student=SCRIPT, judge=SCRIPT, gpu=gpu))


# The grader, its sandbox, and what students see of it.


@pytest.fixture
def course(world: World, database: Engine) -> Miniature:
    """A course with a notebook that needs a GPU, and the same without."""
    first = "  - number: 1\n"
    text = open_course(now=datetime.now(UTC))
    text = text.replace(f"{first}    release", f"{first}    limits: {{gpu: true}}\n    release")
    url = database.url.render_as_string()
    more = {"database": url, "project": world.project, "gradings_at_once": 1}
    made = Miniature(prepare(world.state, text, **more))
    source = made.folder / "source"
    shutil.copytree(source / ASSIGNMENT, source / OTHER)
    (source / OTHER / f"{ASSIGNMENT}.ipynb").rename(source / OTHER / f"{OTHER}.ipynb")
    return made


@contextmanager
def service(course: Miniature, as_grader: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """`coursehub grader` as in its container, where there is nothing to release."""
    mine = {"database": as_grader.database, "form": "containers", "site": as_grader.state / "none"}
    settings = course.settings.model_copy(update=mine)
    secrets = settings.state / "secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / "metrics_token").write_text("of whoever looks at figures")
    path = settings.state / "grader.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "coursehub.cli", "grader"],
            env=os.environ | settings.environment(), stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield process
    except BaseException:
        print_logs([path])
        raise
    finally:
        process.terminate()
        process.wait(30)


def places(course: Miniature, student: str, assignment: str = ASSIGNMENT) -> tuple[Path, Path]:
    return course.folder / "source" / assignment, course.folder / "submitted" / student / assignment


def test_a_grading_waits_its_turn_has_that_very_gpu_and_gives_it_back(
    world: World, course: Miniature, as_grader: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.collected("alice", answer=ON_GPU)
    course.collected("bob")
    theirs, other = (places(course, "bob", each)[1] for each in (ASSIGNMENT, OTHER))
    theirs.rename(other)
    (other / f"{ASSIGNMENT}.ipynb").rename(other / f"{OTHER}.ipynb")
    ask = Asking(course.settings, patience=timedelta(seconds=PATIENCE))

    async def test() -> None:
        async with hub(world, gpus=NAMES[0]) as pool, asking(world) as people:
            people.ask(pool, "ann")
            await people.served("ann")
            alices = asyncio.create_task(asyncio.to_thread(ask, *places(course, "alice")))
            await until(lambda: in_queue(world, pool) == 1, PATIENCE)
            people.ask(pool, "ben")
            await until(lambda: pool.place("ben") is not None)
            place = pool.place("ben")
            assert place and (place.number, place.of) == (2, 2), "the grading came first"
            bobs = await asyncio.to_thread(ask, *places(course, "bob", OTHER))
            assert sum(bobs.verdict.points.values()) == 5, "it needs no GPU, and waits for none"
            assert not alices.done() and not with_a_gpu(world)

            await asyncio.to_thread(world.container("ann").remove, force=True)
            graded = await alices
            assert sum(graded.verdict.points.values()) == 5, graded.verdict
            [container] = with_a_gpu(world)
            [request] = container.attrs["HostConfig"]["DeviceRequests"]
            assert (request["Driver"], request["DeviceIDs"]) == ("cdi", [NAMES[0]])
            assert container.attrs["Config"]["Image"] == as_grader.gpu_image
            assert pool.place("ben") is not None and await pool.free() == 0
            [line] = [line for line in shown() if NAMES[0] in line]
            assert line.split()[1] == "grading"

            async with asyncio.timeout(PATIENCE):
                await people.tasks["ben"]
            assert people.device("ben") == NAMES[0]
            assert not with_a_gpu(world), "the GPU was given back before"

    def shown() -> list[str]:
        return CliRunner().invoke(app).stdout.splitlines()

    settings = world.settings(course=CHECKOUT / "course.yml")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    with service(course, as_grader):
        run(test())


def test_a_grader_that_is_killed_loses_its_gpu(
    world: World, course: Miniature, as_grader: Settings, database: Engine
) -> None:
    course.collected("alice", answer=ENDLESS)
    now = datetime.now(UTC)

    async def test(grader: subprocess.Popen[bytes]) -> None:
        async with hub(world, gpus=NAMES[0]) as pool, asking(world) as people:
            await until(lambda: bool(with_a_gpu(world)), PATIENCE)
            grader.send_signal(signal.SIGKILL)
            grader.wait()
            people.ask(pool, "ben")
            await until(lambda: not with_a_gpu(world))
            assert await pool.free() == 0, "another container could have come within the minute"
            assert pool.place("ben") is not None
            end_the_minute(database)
            await people.served("ben")
            assert people.device("ben") == NAMES[0]

    Desk(database).ask(ASSIGNMENT, "alice", now, now + timedelta(hours=1))
    with service(course, as_grader) as grader:
        run(test(grader))


def end_the_minute(database: Engine) -> None:
    """What a minute without a word would do."""
    with database.begin() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(update(gpu_requests).values(awaited_until=past))


# The lender, without a service.


def test_two_gradings_never_have_the_same_gpu(world: World, as_grader: Settings) -> None:
    async def test() -> None:
        one, two = GpuLender(as_grader, "one"), GpuLender(as_grader, "two")
        async with hub(world, gpus=",".join(NAMES[:2])) as pool:
            async with lent(one) as (first, _), lent(one) as (second, stack):
                assert {each.labels[GPU] for each in (first, second)} == set(NAMES[:2])
                third = asyncio.create_task(asyncio.to_thread(stack_of, two))
                await until(lambda: in_queue(world, pool) == 1)
                assert await pool.free() == 0 and not third.done()
                await asyncio.to_thread(stack.close)
                gpu, opened = await third
                assert gpu.labels[GPU] == second.labels[GPU]
                assert first.held() and gpu.held() and not second.held()
                await asyncio.to_thread(opened.close)
            assert await pool.free() == 2

    run(test())


def stack_of(lend: GpuLender) -> tuple[Gpu, ExitStack]:
    stack = ExitStack()
    return stack.enter_context(lend()), stack


def test_a_hub_that_starts_anew_lends_no_gpu_that_a_grading_has(
    world: World, as_grader: Settings, sandbox: Sandbox
) -> None:
    async def test() -> None:
        async with hub(world, gpus=NAMES[0]):
            context = lent(GpuLender(as_grader, "one"))
            gpu, stack = await context.__aenter__()
        number = int(gpu.labels[GRADING])
        assert await world.pool(gpus=NAMES[0]).free() == 0, "the row alone holds it"

        await asyncio.to_thread(worker, sandbox, gpu, stack)
        assert len(with_a_gpu(world)) == 1
        world.requests.withdraw(number)
        anew = world.pool(gpus=NAMES[0])
        assert await anew.free() == 0, "the container alone holds it"
        [lease] = await anew.expired(datetime.now(UTC) + timedelta(days=1))
        assert (lease.username, lease.holder) == (for_grading(number), "grading")

        orphans = remove_orphans(world.client, world.settings())
        for _ in range(3):
            await orphans(stand_in())
        assert len(with_a_gpu(world)) == 1, "it is no orphan"
        await asyncio.to_thread(stack.close)
        assert await anew.free() == 1

    run(test())


def test_a_container_is_not_started_with_a_gpu_that_is_lent_no_longer(
    world: World, as_grader: Settings, sandbox: Sandbox, database: Engine
) -> None:
    async def test() -> None:
        async with hub(world), lent(GpuLender(as_grader, "one")) as (gpu, stack):
            end_the_minute(database)
            with pytest.raises(SandboxError, match="no longer"):
                await asyncio.to_thread(worker, sandbox, gpu, stack)
            labels = {"label": f"{PROJECT}={world.project}"}
            assert world.client.containers.list(all=True, filters=labels) == []

    run(test())


def test_a_grading_shares_its_gpu_with_nobody_and_is_not_overtaken(
    world: World, as_grader: Settings
) -> None:
    async def test() -> None:
        shared = hub(world, gpus=NAMES[0], gpu_shared=2)
        async with shared as pool, asking(world) as people:
            people.ask(pool, "ann")
            await people.served("ann")
            waiting = asyncio.create_task(asyncio.to_thread(stack_of, GpuLender(as_grader, "one")))
            await until(lambda: in_queue(world, pool) == 1)
            people.ask(pool, "ben")
            await until(lambda: pool.place("ben") is not None)
            assert await pool.free() == 1 and not waiting.done(), "half a GPU is none"

            await asyncio.to_thread(world.container("ann").remove, force=True)
            _, opened = await waiting
            assert await pool.free() == 0 and pool.place("ben") is not None
            await asyncio.to_thread(opened.close)
            await people.served("ben")

    run(test())


def test_where_there_is_no_gpu_or_no_hub_a_sentence_says_so(
    world: World, as_grader: Settings
) -> None:
    async def refused(lend: GpuLender) -> str:
        with pytest.raises(NoGpu) as said:
            await asyncio.to_thread(stack_of, lend)
        assert world.requests.waiting(datetime.now(UTC)) == [], "it does not wait any more"
        return str(said.value)

    async def test() -> None:
        briefly = timedelta(seconds=1)
        alone = await refused(GpuLender(as_grader, "one", patience=briefly))
        assert "no hub answers" in alone and "make up" in alone
        clock = start_clock(stand_in(), [serve_grading(None, world.requests)], 0.1)
        none = await refused(GpuLender(as_grader, "one"))
        assert "no GPU to lend" in none and "gpu: true" in none
        clock.cancel()
        async with hub(world, gpus=NAMES[0]) as pool, asking(world) as people:
            people.ask(pool, "ann")
            await people.served("ann")
            late = await refused(GpuLender(as_grader, "one", waits_for=briefly))
            assert "no GPU became free" in late and "coursehub gpus" in late
            await until(lambda: in_queue(world, pool) == 0)

            lend = GpuLender(as_grader, "one")
            waiting = asyncio.create_task(asyncio.to_thread(stack_of, lend))
            await until(lambda: in_queue(world, pool) == 1)
            lend.close()
            with pytest.raises(SandboxError, match="stopped"):
                await waiting

    run(test())
