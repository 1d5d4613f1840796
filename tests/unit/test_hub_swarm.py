"""Servers as services of a swarm: what is asked of it, and what its answers mean."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from docker.errors import NotFound

from coursehub.errors import SpawnError
from coursehub.hub.devices import offered_by
from coursehub.hub.failures import why_not_placed, why_task_ended
from coursehub.hub.isolation import host_config
from coursehub.hub.nodes import Nodes
from coursehub.hub.task import RESERVED, Wanted, task
from coursehub.settings import load_settings

GB = 1024**3
NEWS = datetime(2021, 1, 22, 12, 0, tzinfo=UTC)


def wanted(**other: Any) -> Wanted:
    own: dict[str, Any] = {
        "image": "sha256:1", "command": ["lab"], "environment": {"A": "1"}, "labels": {"l": "1"},
        "memory": 3 * GB, "cpus": 2.0, "mounts": [], "network": "n", "constraints": ["c"],
    }  # fmt: skip
    return Wanted(**own | other)


def test_a_service_may_no_more_than_a_container() -> None:
    """Each word of `isolation` has its counterpart, or stands in the table of `task`."""
    agreed = host_config(3 * GB, None)
    made = task(wanted())
    container, limits = made["ContainerSpec"], made["Resources"]["Limits"]
    mounts = {mount["Target"]: mount for mount in container["Mounts"]}
    counterparts = {
        "cap_drop": container["CapabilityDrop"],
        "security_opt": [
            f"no-new-privileges:{str(container['Privileges']['NoNewPrivileges']).lower()}"
        ],
        "read_only": container["ReadOnly"],
        "init": container["Init"],
        "mem_limit": limits["MemoryBytes"],
        "pids_limit": limits["Pids"],
        "ulimits": container["Ulimits"],
        "shm_size": mounts["/dev/shm"]["TmpfsOptions"]["SizeBytes"],
    }
    assert counterparts.items() <= agreed.items()
    elsewhere = {"tmpfs", "memswap_limit", "oom_score_adj", "cpu_shares", "ipc_mode", "cgroupns"}
    assert set(agreed) - set(counterparts) - elsewhere == {"auto_remove", "log_config"}
    assert made["LogDriver"] == {"Name": "json-file", "Options": agreed["log_config"]["Config"]}
    assert container["User"] == "1000:1000"
    assert made["RestartPolicy"]["Condition"] == "none"


def test_a_machine_must_have_room_for_one_more() -> None:
    assert task(wanted())["Resources"]["Reservations"]["MemoryBytes"] == RESERVED
    small = task(wanted(memory=RESERVED // 2))["Resources"]["Reservations"]
    assert small["MemoryBytes"] == RESERVED // 2


def test_a_gpu_is_the_one_that_was_lent_and_no_other() -> None:
    def variable(made: dict[str, Any]) -> set[str]:
        return {each for each in made["ContainerSpec"]["Env"] if "VISIBLE" in each}

    without, alone = task(wanted()), task(wanted(gpu="GPU-1"))
    shared = task(wanted(gpu="GPU-1", gpu_alone=False))
    assert variable(without) == {"NVIDIA_VISIBLE_DEVICES=void"}
    assert variable(alone) == variable(shared) == {"NVIDIA_VISIBLE_DEVICES=GPU-1"}
    one = [{"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": 1}}]
    assert alone["Resources"]["Reservations"]["GenericResources"] == one
    assert "GenericResources" not in shared["Resources"]["Reservations"]


def test_gpus_are_what_nodes_offer_by_name() -> None:
    offers = [
        {"NamedResourceSpec": {"Kind": "NVIDIA-GPU", "Value": "GPU-1"}},
        {"NamedResourceSpec": {"Kind": "FPGA", "Value": "F"}},
        {"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": 4}},
    ]
    assert offered_by({"Description": {"Resources": {"GenericResources": offers}}}) == ["GPU-1"]
    assert offered_by({"Description": {}}) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("no suitable node (insufficient resources on 2 nodes)", "All machines are full."),
        ("no suitable node (scheduling constraints not satisfied on 1 node)", "No machine takes"),
        ("No such image: sha256:1", "is not on the machine w1. Ask staff"),
        (
            'invalid mount config for type "bind": bind source path does not exist: /srv/x',
            "Your home is not to be had on the machine w1.",
        ),
        ("mkdir /var/lib/docker/x: no space left on device", "disk is nearly full"),
    ],
)
def test_why_a_swarm_does_not_start_a_server_is_said_in_words(said: str, words: str) -> None:
    failure = why_not_placed(said, "w1")
    assert failure and words in str(failure.jupyterhub_message)
    assert "/srv" not in str(failure.jupyterhub_message)


def test_what_nobody_foresaw_of_a_swarm_is_left_to_others() -> None:
    assert why_not_placed("context deadline exceeded", "w1") is None


@pytest.mark.parametrize(
    ("state", "code", "gone", "words"),
    [
        ("running", 0, True, "does not answer any more. Your files are kept"),
        ("failed", 137, False, "most often that is because it used up its 3 GB"),
        ("failed", 3, False, "ended with an error (exit code 3)"),
        ("complete", 0, False, "ended by itself"),
        ("shutdown", 0, False, "stopped from outside"),
    ],
)
def test_why_a_server_ended_is_said(state: str, code: int, gone: bool, words: str) -> None:
    ended = {"Status": {"State": state, "ContainerStatus": {"ExitCode": code}}}
    assert words in why_task_ended(ended, 3 * GB, machine_gone=gone)


# Machines.


class Swarm:
    """What a manager's API answers."""

    def __init__(self, state: str = "ready", version: str = "26.1.5+dfsg1") -> None:
        engine = {"EngineVersion": version}
        self.row = {
            "ID": "n1", "UpdatedAt": NEWS.isoformat(), "Status": {"State": state},
            "Description": {"Hostname": "w1", "Engine": engine},
        }  # fmt: skip

    def inspect_node(self, number: str) -> dict[str, Any]:
        if number != "n1":
            raise NotFound("no such node")
        return self.row

    def nodes(self) -> list[dict[str, Any]]:
        return [self.row]


def nodes(swarm: Swarm, **settings: Any) -> Nodes:
    return Nodes(swarm, load_settings(swarm=True, **settings))  # type: ignore[arg-type]


def test_a_home_is_free_once_the_machine_that_is_gone_has_stopped_its_servers() -> None:
    gone = nodes(Swarm("down"), swarm_fence_seconds=90)
    assert gone.fenced_at({"NodeID": "n1"}) == NEWS + timedelta(seconds=90)


@pytest.mark.parametrize("state", ["ready", "unknown", "disconnected"])
def test_while_its_machine_answers_or_may_a_server_counts_as_running(state: str) -> None:
    assert nodes(Swarm(state)).fenced_at({"NodeID": "n1"}) is None


@pytest.mark.parametrize("task", [{"NodeID": "n2"}, {}], ids=["machine taken out", "not placed"])
def test_what_never_ran_or_whose_machine_was_taken_out_holds_nothing(task: dict[str, Any]) -> None:
    fenced = nodes(Swarm()).fenced_at(task)
    assert fenced and fenced < NEWS


def test_an_engine_that_would_not_set_all_limits_is_refused() -> None:
    nodes(Swarm(version="26.0.0")).require_engines()
    with pytest.raises(SpawnError, match=r"machine w1 is too old \(25\.0\.5\)"):
        nodes(Swarm(version="25.0.5")).require_engines()
