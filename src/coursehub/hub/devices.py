"""Which GPUs the engine has to lend, found when the hub starts.

An engine knows devices by CDI names (`nvidia.com/gpu=0`) or, without CDI, through NVIDIA's runtime
by UUID. One physical device often has several names; it counts once. A GPU cut into MIG slices
(`0:1`) is lent by the slice, and then not as a whole.
"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import docker
from docker.errors import APIError, ContainerError, DockerException, ImageNotFound
from docker.types import DeviceRequest
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from coursehub.errors import SettingsError
from coursehub.settings import Settings

# https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md: kind is vendor/class
_GPU_CLASS = "gpu"

GENERIC = "NVIDIA-GPU"
"""Kind of the generic resources that are GPUs, as the nodes of a swarm offer them."""

_CDI_NAME = re.compile(r"[\w.-]+/[\w-]+=\w[\w.:-]*", re.ASCII)
_UUID = re.compile(r"(GPU|MIG)-[0-9A-Za-z/-]+")
_INDEX = re.compile(r"\d+(:\d+)?")
_WHOLE_GPU_NODE = re.compile(r"/dev/nvidia\d+")
_LISTED = re.compile(r"^(?P<slice>\s+)?.*\(UUID: (?P<uuid>[^)]+)\)", re.MULTILINE)


class Device(NamedTuple):
    """A GPU, or a slice of one, by the name that the engine gives it."""

    name: str

    @property
    def request(self) -> DeviceRequest:
        """What to ask the engine for so that a container gets this device and no other."""
        if "=" in self.name:
            return DeviceRequest(driver="cdi", device_ids=[self.name])
        return DeviceRequest(driver="nvidia", device_ids=[self.name], capabilities=[["gpu"]])


class Found(NamedTuple):
    """The devices, and where they were looked for, for the person who misses one."""

    devices: tuple[Device, ...]
    looked: tuple[str, ...]


class Entry(NamedTuple):
    """One name in a CDI specification, with the device nodes it stands for."""

    kind: str
    name: str
    nodes: frozenset[str]


def find_devices(client: docker.DockerClient, settings: Settings) -> Found:
    """Look for GPUs where `Settings.gpus` says (blocking).

    Raises:
        SettingsError: when `Settings.gpus` names something that cannot be a device.
    """
    if settings.gpus == "none":
        return Found((), ("COURSEHUB_GPUS is none",))
    if settings.gpus != "auto":
        return Found(named_devices(settings.gpus), ("COURSEHUB_GPUS names them",))
    try:
        return _offered(client) if settings.swarm else _discovered(client, settings)
    except DockerException as error:
        return Found((), (f"the Docker engine does not answer ({error})",))


def named_devices(names: str) -> tuple[Device, ...]:
    """The devices of a comma-separated list, each once.

    Raises:
        SettingsError: naming the first part that is neither a CDI name nor an NVIDIA UUID.
    """
    parts = list(dict.fromkeys(part.strip() for part in names.split(",") if part.strip()))
    for part in parts:
        if not (_CDI_NAME.fullmatch(part) or _UUID.fullmatch(part)) or part.endswith("=all"):
            raise SettingsError(
                f"{part!r} is no device",
                key="COURSEHUB_GPUS",
                remedy="Write auto, none, or names like nvidia.com/gpu=0 or GPU-8a5f…, with commas",
            )
    return tuple(Device(part) for part in parts)


def _offered(client: docker.DockerClient) -> Found:
    """What the machines of a swarm offer as generic resources, by name."""
    offers = [name for node in client.api.nodes() for name in offered_by(node)]
    looked = ("the generic resources of the swarm's machines",)
    return Found(tuple(map(Device, sorted(offers))), looked)


def offered_by(node: dict[str, Any]) -> list[str]:
    """UUIDs of the GPUs that a node offers (`node-generic-resources` in its daemon.json)."""
    resources = node.get("Description", {}).get("Resources", {}).get("GenericResources") or ()
    named = [each["NamedResourceSpec"] for each in resources if "NamedResourceSpec" in each]
    return [each["Value"] for each in named if each["Kind"] == GENERIC]


def _discovered(client: docker.DockerClient, settings: Settings) -> Found:
    """Ask the engine, read its CDI specifications, ask NVIDIA's runtime: the first that has any."""
    info = client.info()
    looked = ["the engine's own list of devices"]
    entries = engine_entries(info)
    if not entries:
        folders = [Path(folder) for folder in settings.gpu_cdi_dirs.split(":") if folder]
        looked += [f"CDI specifications in {folder}" for folder in folders]
        entries = [entry for folder in folders for entry in cdi_entries(folder)]
    if entries:
        return Found(distinct(entries), tuple(looked))
    if "nvidia" not in (info.get("Runtimes") or {}):
        return Found((), (*looked, "the engine's runtimes (nvidia is not among them)"))
    listing, remark = _nvidia_smi(client, settings)
    return Found(listed_devices(listing), (*looked, remark))


def engine_entries(info: dict[str, Any]) -> list[Entry]:
    """The GPUs of `/info`; engines before 28.2 do not list any."""
    found = [each["ID"] for each in info.get("DiscoveredDevices") or () if each["Source"] == "cdi"]
    parts = [id.partition("=") for id in found]
    return [Entry(kind, name, frozenset()) for kind, _, name in parts if _is_gpu(kind)]


def cdi_entries(folder: Path) -> list[Entry]:
    """The GPUs of all CDI specifications in a folder; what cannot be read is no device.

    The engine itself passes over a specification that it cannot read.
    """
    entries = []
    for path in sorted(folder.glob("*")):
        if path.suffix in (".json", ".yaml", ".yml"):
            entries += _entries_of(path)
    return entries


def distinct(entries: Iterable[Entry]) -> tuple[Device, ...]:
    """One device for each physical one: indices rather than UUIDs, slices rather than wholes."""
    kept = [entry for entry in dict.fromkeys(entries) if entry.name != "all"]
    kept.sort(key=lambda entry: (entry.kind, not _INDEX.fullmatch(entry.name), _natural(entry)))
    return tuple(Device(f"{entry.kind}={entry.name}") for entry in _without_wholes(_once(kept)))


def listed_devices(listing: str) -> tuple[Device, ...]:
    """The devices of `nvidia-smi -L`: a line a GPU, indented lines for its slices."""
    devices: list[Device] = []
    whole: Device | None = None
    for line in _LISTED.finditer(listing):
        device = Device(line["uuid"])
        if line["slice"]:
            devices = [each for each in devices if each != whole]
        else:
            whole = device
        devices.append(device)
    return tuple(devices)


def _once(entries: Sequence[Entry]) -> list[Entry]:
    """The first of the names with the same nodes; without nodes, indices if there are any."""
    indexed = {entry.kind for entry in entries if _INDEX.fullmatch(entry.name)}
    seen: set[tuple[str, frozenset[str]]] = set()
    kept = []
    for entry in entries:
        alias = _UUID.fullmatch(entry.name) and not entry.nodes and entry.kind in indexed
        if alias or (entry.nodes and (entry.kind, entry.nodes) in seen):
            continue
        seen.add((entry.kind, entry.nodes))
        kept.append(entry)
    return kept


def _without_wholes(entries: Sequence[Entry]) -> list[Entry]:
    """Leave out each GPU of which slices are there too."""
    slices = [entry for entry in entries if _is_slice(entry)]
    cut = {(entry.kind, node) for entry in slices for node in _gpu_nodes(entry)}
    cut |= {(entry.kind, entry.name.partition(":")[0]) for entry in slices}
    return [
        entry
        for entry in entries
        if entry in slices
        or not (
            {entry.name, *_gpu_nodes(entry)} & {part for kind, part in cut if kind == entry.kind}
        )
    ]


def _is_slice(entry: Entry) -> bool:
    return (
        ":" in entry.name
        or entry.name.startswith("MIG-")
        or any(node.startswith("/dev/nvidia-caps/") for node in entry.nodes)
    )


def _gpu_nodes(entry: Entry) -> set[str]:
    return {node for node in entry.nodes if _WHOLE_GPU_NODE.fullmatch(node)}


def _natural(entry: Entry) -> tuple[object, ...]:
    """Sort 2 before 10, and 0:1 after 0."""
    if _INDEX.fullmatch(entry.name):
        return (0, *map(int, entry.name.split(":")))
    return (1, entry.name)


def _is_gpu(kind: str) -> bool:
    return kind.rpartition("/")[2] == _GPU_CLASS


def _entries_of(path: Path) -> list[Entry]:
    try:
        text = path.read_text(encoding="utf-8")
        spec = json.loads(text) if path.suffix == ".json" else YAML(typ="safe").load(text)
        if not _is_gpu(spec["kind"]):
            return []
        return [
            Entry(spec["kind"], str(device["name"]), _nodes(device)) for device in spec["devices"]
        ]
    except (OSError, ValueError, YAMLError, LookupError, TypeError, AttributeError):
        return []


def _nodes(device: dict[str, Any]) -> frozenset[str]:
    edits = device.get("containerEdits") or {}
    return frozenset(str(node["path"]) for node in edits.get("deviceNodes") or ())


def _nvidia_smi(client: docker.DockerClient, settings: Settings) -> tuple[str, str]:
    """Run `nvidia-smi -L` in a short-lived container: its output, and a remark on how it went."""
    every = DeviceRequest(driver="nvidia", count=-1, capabilities=[["gpu", "utility"]])
    try:
        output = client.containers.run(
            settings.gpu_image,
            entrypoint=["nvidia-smi", "-L"],
            device_requests=[every],
            network_mode="none",
            remove=True,
        )
    except ImageNotFound:
        return "", f"nvidia-smi -L in {settings.gpu_image} (there is no such image)"
    except (ContainerError, APIError) as error:
        return "", f"nvidia-smi -L in {settings.gpu_image} ({error})"
    return output.decode(), f"nvidia-smi -L in {settings.gpu_image}"
