"""GPUs as engines, CDI specifications and nvidia-smi name them."""

import json
from pathlib import Path

import pytest

from coursehub.errors import SettingsError
from coursehub.hub.devices import (
    cdi_entries,
    distinct,
    engine_entries,
    listed_devices,
    named_devices,
)


def spec(kind: str, **devices: list[str]) -> dict[str, object]:
    return {
        "cdiVersion": "0.6.0",
        "kind": kind,
        "devices": [
            {"name": name, "containerEdits": {"deviceNodes": [{"path": path} for path in nodes]}}
            for name, nodes in devices.items()
        ],
    }


def found(folder: Path) -> list[str]:
    return [device.name for device in distinct(cdi_entries(folder))]


def write(folder: Path, name: str, content: object) -> None:
    (folder / name).write_text(json.dumps(content))


def test_names_of_the_same_device_count_once_and_all_is_none(tmp_path: Path) -> None:
    nodes = {"0": ["/dev/nvidia0", "/dev/dri/card1"], "1": ["/dev/nvidia1", "/dev/dri/card2"]}
    uuids = {"GPU-aaaa": nodes["0"], "GPU-bbbb": nodes["1"]}
    everything = {"all": [*nodes["0"], *nodes["1"]]}
    write(tmp_path, "nvidia.json", spec("nvidia.com/gpu", **uuids, **nodes, **everything))
    assert found(tmp_path) == ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]


def test_devices_known_by_uuid_alone_count_too(tmp_path: Path) -> None:
    devices = {"GPU-bbbb": ["/dev/nvidia1"], "GPU-aaaa": ["/dev/nvidia0"]}
    write(tmp_path, "nvidia.json", spec("nvidia.com/gpu", **devices))
    assert found(tmp_path) == ["nvidia.com/gpu=GPU-aaaa", "nvidia.com/gpu=GPU-bbbb"]


def test_slices_are_lent_instead_of_the_gpu_they_are_cut_from(tmp_path: Path) -> None:
    caps = "/dev/nvidia-caps/nvidia-cap"
    first, second = ["/dev/nvidia0", f"{caps}1", f"{caps}2"], ["/dev/nvidia0", f"{caps}3"]
    devices = {
        "0": ["/dev/nvidia0", "/dev/dri/card1"],
        "GPU-aaaa": ["/dev/nvidia0", "/dev/dri/card1"],
        "0:0": first,
        "MIG-cccc": first,
        "0:1": second,
        "1": ["/dev/nvidia1"],
    }
    write(tmp_path, "nvidia.json", spec("nvidia.com/gpu", **devices))
    assert found(tmp_path) == ["nvidia.com/gpu=0:0", "nvidia.com/gpu=0:1", "nvidia.com/gpu=1"]


def test_slices_by_uuid_hide_their_gpu_too(tmp_path: Path) -> None:
    devices = {
        "GPU-aaaa": ["/dev/nvidia0"],
        "MIG-cccc": ["/dev/nvidia0", "/dev/nvidia-caps/nvidia-cap1"],
    }
    write(tmp_path, "nvidia.json", spec("nvidia.com/gpu", **devices))
    assert found(tmp_path) == ["nvidia.com/gpu=MIG-cccc"]


def test_indices_count_as_numbers_and_every_vendor_counts(tmp_path: Path) -> None:
    devices = {str(number): [f"/dev/nvidia{number}"] for number in (10, 2)}
    write(tmp_path, "nvidia.json", spec("nvidia.com/gpu", **devices))
    write(tmp_path, "amd.json", spec("amd.com/gpu", **{"0": ["/dev/dri/renderD128"]}))
    write(tmp_path, "net.json", spec("example.com/net", eth0=["/dev/net0"]))
    assert found(tmp_path) == ["amd.com/gpu=0", "nvidia.com/gpu=2", "nvidia.com/gpu=10"]


def test_specifications_in_yaml_and_broken_ones(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        'cdiVersion: "0.6.0"\nkind: nvidia.com/gpu\ndevices:\n'
        '  - name: "0"\n    containerEdits: {deviceNodes: [{path: /dev/nvidia0}]}\n'
    )
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "c.yaml").write_text("kind: [\n")
    (tmp_path / "d.json").write_text("[]")
    (tmp_path / "e.txt").write_text("{}")
    assert found(tmp_path) == ["nvidia.com/gpu=0"]
    assert found(tmp_path / "nowhere") == []


def test_an_engine_that_lists_devices_itself() -> None:
    names = ("0", "1:0", "1:1", "1", "GPU-aaaa", "MIG-cccc", "all")
    devices = [{"Source": "cdi", "ID": f"nvidia.com/gpu={name}"} for name in names]
    other = [{"Source": "cdi", "ID": "example.com/net=eth0"}]
    entries = engine_entries({"DiscoveredDevices": [*devices, *other]})
    assert [device.name for device in distinct(entries)] == [
        "nvidia.com/gpu=0",
        "nvidia.com/gpu=1:0",
        "nvidia.com/gpu=1:1",
    ]
    assert engine_entries({}) == []


def test_nvidia_smi_lists_gpus_and_slices() -> None:
    listing = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
  MIG 1g.5gb      Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 1g.5gb      Device  1: (UUID: MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-f8fd86f2-2d0a-4a1e-9b0b-6f3e2f4a1c55)
"""
    assert [device.name for device in listed_devices(listing)] == [
        "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f",
        "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb",
        "GPU-f8fd86f2-2d0a-4a1e-9b0b-6f3e2f4a1c55",
    ]
    assert listed_devices("No devices found.\n") == ()


def test_devices_named_in_settings() -> None:
    named = named_devices(" nvidia.com/gpu=1, GPU-aaaa ,nvidia.com/gpu=1,nvidia.com/gpu=0:1")
    assert [device.name for device in named] == [
        "nvidia.com/gpu=1",
        "GPU-aaaa",
        "nvidia.com/gpu=0:1",
    ]


@pytest.mark.parametrize("wrong", ["0", "gpu0", "nvidia.com/gpu=all", "nvidia.com/gpu=0;GPU-a"])
def test_what_is_no_device_is_refused_by_name(wrong: str) -> None:
    with pytest.raises(SettingsError, match="COURSEHUB_GPUS"):
        named_devices(wrong)
