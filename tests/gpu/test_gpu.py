"""What only a real GPU of NVIDIA's can show: `.venv/bin/pytest -m gpu`; `make test` leaves it out.

The first two tests need PyTorch's CUDA build in this environment, and no Docker. The others need a
Docker engine that knows the GPU, and images whose TORCH_BACKEND is a CUDA (see .env.example).
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker
import pytest

from coursehub.hub.devices import Device, find_devices, listed_devices
from coursehub.hub.labels import Lease
from coursehub.settings import load_settings
from tests.compose import composed
from tests.deployment import open_course
from tests.submissions.cases import ASSIGNMENTS, Assignment, printed, stderr
from tests.submissions.grading import grade

pytestmark = pytest.mark.gpu

SEED = 5260  # as in the tests of the notebooks without a GPU

# Takes the share of the GPU's memory that its argument says.
TAKE = (
    "import sys, torch\n"
    "total = torch.cuda.mem_get_info()[1]\n"
    "torch.empty(int(float(sys.argv[1]) * total), dtype=torch.uint8, device='cuda')\n"
)


@pytest.fixture(scope="session")
def gpus() -> tuple[Device, ...]:
    """The GPUs of this machine, as NVIDIA's driver lists them."""
    if not shutil.which("nvidia-smi"):
        pytest.fail("No GPU here: there is no nvidia-smi. Run this where one is.", pytrace=False)
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    if not (found := listed_devices(listed.stdout)):
        said = (listed.stdout + listed.stderr).strip()
        pytest.fail(f"No GPU here: nvidia-smi lists none ({said}).", pytrace=False)
    return found


@pytest.fixture(scope="session")
def cuda(gpus: tuple[Device, ...]) -> None:
    """PyTorch in this environment uses the GPU."""
    if run("import torch; assert torch.cuda.is_available()").returncode:
        pytest.fail("PyTorch here sees no GPU: install its CUDA build.", pytrace=False)


def run(
    script: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python apart: CUDA stays out of this process, which forks."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=os.environ | (environment or {}), capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("assignment", ASSIGNMENTS, ids=lambda each: each.name)
def test_the_reference_answers_earn_every_point_on_the_gpu(
    cuda: None, assignment: Assignment
) -> None:
    reference = [case for case in assignment.cases if case.kind == "reference"]
    ((_, _, verdict),) = grade(assignment, reference, [SEED])
    assert stderr(verdict) == {}
    assert verdict.points == assignment.worth
    said = "\n".join(printed(cell) for cell in verdict.cells)
    assert re.search(r"^GPU: (?!none)", said, re.MULTILINE), "it ran without the GPU"


def test_who_shares_a_gpu_gets_no_more_than_their_share(cuda: None) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    shared = Lease(Device("any"), "alice", until, shared=2).environment
    less, more = "0.40", "0.55"  # of a share that is a little under one half
    assert run(TAKE, less, environment=shared).returncode == 0
    assert run(TAKE, more).returncode == 0, "the GPU must be free for this test"
    refused = run(TAKE, more, environment=shared)
    assert refused.returncode != 0
    assert "OutOfMemoryError" in refused.stderr, refused.stderr


def test_discovery_sees_every_gpu(
    gpus: tuple[Device, ...], engine: docker.DockerClient, images: None
) -> None:
    found = find_devices(engine, load_settings(gpus="auto"))
    assert len(found.devices) == len(gpus), found.looked


def test_a_server_with_a_lease_has_exactly_one_gpu(
    gpus: tuple[Device, ...], images: None, tmp_path: Path
) -> None:
    script = "import torch; print(torch.cuda.is_available(), torch.cuda.device_count())"
    course = open_course(now=datetime.now(UTC))
    with composed(tmp_path, course, COURSEHUB_GPUS="auto") as running:
        running.start("alice", profile="gpu").close()
        assert "coursehub.gpu" in running.server("alice").labels
        code, said = running.inside("alice", "python", "-c", script)
        assert code == 0, said
        assert said.split() == ["True", "1"], "is TORCH_BACKEND a CUDA build? See .env.example"
        running.start("bob", profile="cpu").close()
        code, said = running.inside("bob", "python", "-c", script)
        assert (code, said.split()) == (0, ["False", "0"])
