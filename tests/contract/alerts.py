"""When each alert speaks and when it keeps silent, as promtool's unit tests of rules have it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HUB, COURSE, GRADER = ({"job": job, "instance": "x"} for job in ("hub", "course", "grader"))
NODE = {"job": "node", "instance": "x"}
ROOT = NODE | {"mountpoint": "/", "fstype": "ext4"}


@dataclass(frozen=True)
class Case:
    """Figures over time, and an alert that looks at them.

    Attributes:
        alert: its name.
        series: name -> labels and values, in promtool's notation, one each `step`.
        silent: when it keeps silent.
        speaks: when it speaks; never where it is empty.
        labels: what it is about then.
        says: its summary then, where the rule's text has a value in it.
        step: the time between values.
    """

    alert: str
    series: Mapping[str, tuple[Mapping[str, str], str]] = field(default_factory=dict)
    silent: Sequence[str] = ()
    speaks: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    says: str = ""
    step: str = "1m"

    def test(self, rule: Mapping[str, Any]) -> dict[str, Any]:
        """The case as a test of promtool's; `rule` is the alert's."""
        expected = {
            "exp_labels": {**self.labels, **rule["labels"]},
            "exp_annotations": rule["annotations"] | ({"summary": self.says} if self.says else {}),
        }
        looks = [{"eval_time": at, "alertname": self.alert} for at in self.silent]
        if self.speaks:
            looks.append(
                {"eval_time": self.speaks, "alertname": self.alert, "exp_alerts": [expected]}
            )
        return {
            "name": self.alert,
            "interval": self.step,
            "input_series": [
                {"series": _named(name.partition("#")[0], labels), "values": values}
                for name, (labels, values) in self.series.items()
            ],
            "alert_rule_test": looks,
        }


def _named(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{{{','.join(f'{key}={value!r}' for key, value in labels.items())}}}"


def _down(alert: str, job: Mapping[str, str], minutes: int) -> Case:
    """A target that answers for five minutes and then does no more."""
    return Case(alert, {"up": (job, "1x4 0x20")}, silent=["4m", f"{4 + minutes}m"],
                speaks=f"{6 + minutes}m", labels=job)  # fmt: skip


def _spawns(status: str, reason: str) -> dict[str, str]:
    return HUB | {"status": status, "reason": reason}


def _logins(failures: int, successes: int) -> dict[str, tuple[dict[str, str], str]]:
    name = "jupyterhub_login_duration_seconds_count"
    return {
        name: (HUB | {"status": "failure"}, f"0+{failures}x20"),
        f"{name}#": (HUB | {"status": "success"}, f"0+{successes}x20"),
    }


def _disk(name: str, free: str, of: str = "100x999", **more: str) -> dict[str, Any]:
    """A file system with some of its bytes, or files, free."""
    labels = ROOT | more
    available, size = {
        "bytes": ("node_filesystem_avail_bytes", "node_filesystem_size_bytes"),
        "files": ("node_filesystem_files_free", "node_filesystem_files"),
    }[name]
    readonly = "1x999" if more.get("mountpoint") == "/cdrom" else "0x999"
    return {
        available: (labels, free), size: (labels, of),
        "node_filesystem_readonly": (labels, readonly),
    }  # fmt: skip


def _certificate(days: int, left: int) -> dict[str, Any]:
    """A certificate that holds for some days, of which some are left when the test begins."""
    return {
        "coursehub_certificate_begins_seconds": (NODE, f"{(left - days) * 86400}x99"),
        "coursehub_certificate_ends_seconds": (NODE, f"{left * 86400}x99"),
    }


CASES = [
    _down("HubDown", HUB, 2),
    _down("CourseServiceDown", COURSE, 2),
    _down("GraderSilent", GRADER, 5),
    _down("MachineUnwatched", NODE, 5),
    Case("HubDown", {"up": (COURSE, "0x20")}, silent=["15m"]),
    Case(
        "DatabaseDown", {"coursehub_database_answers": (COURSE, "1x4 0x9")},
        silent=["4m", "6m"], speaks="8m", labels=COURSE,
    ),
    Case(
        "AddressSilent", {"coursehub_address_status": (NODE, "200x4 502x20")},
        silent=["4m", "9m"], speaks="12m", labels=NODE,
        says="The address that people type answers with status 502 (0 is no answer) instead of "
        "200: Caddy, the proxy or the hub is away.",
    ),
    Case(
        "ServiceFailed",
        {"node_systemd_unit_state": (NODE | {"name": "caddy.service", "state": "failed"},
                                     "0x4 1x20")},
        silent=["4m", "9m"], speaks="12m",
        labels=NODE | {"name": "caddy.service", "state": "failed"},
        says="caddy.service failed on this machine; `systemctl status caddy.service` says why.",
    ),
    # The class.
    Case(
        "SpawnsFail",
        {"jupyterhub_server_spawn_duration_seconds_count": (_spawns("error", ""), "0x9 4x20")},
        silent=["9m"], speaks="12m", says="4 servers did not start within a quarter of an hour.",
    ),
    Case(
        "SpawnsFail",
        {"jupyterhub_server_spawn_duration_seconds_count":
         (_spawns("failure", "not started"), "0x9 1x9 2x9 3x50"),
         "jupyterhub_server_spawn_duration_seconds_count#":
         (_spawns("failure", "already-pending"), "0x9 50x50"),
         "jupyterhub_server_spawn_duration_seconds_count##":
         (_spawns("success", ""), "0+5x50")},
        silent=["12m", "22m", "32m"],
    ),
    Case(
        "MemoryShort",
        {"node_memory_MemAvailable_bytes": (NODE, "20x4 5x20"),
         "node_memory_MemTotal_bytes": (NODE, "100x30")},
        silent=["4m", "14m"], speaks="17m", labels=NODE,
        says="5% of the machine's memory is left; soon no more servers start.",
    ),
    Case(
        "SignInsFail", _logins(5, 1), silent=["3m"], speaks="15m",
        says="50 sign-ins were refused within ten minutes, more than succeeded.",
    ),
    Case("SignInsFail", _logins(5, 20), silent=["15m"]),
    # Hand-ins.
    Case(
        "HandInsFail", {"coursehub_exchange_faults_total": (COURSE, "0x9 5x20")},
        silent=["9m"], speaks="12m", labels=COURSE,
        says="5 requests to the exchange failed within ten minutes by no fault of those who asked. "
        "Students' servers try again; what has a receipt is safe.",
    ),
    Case(
        "HandInsSlow",
        {"coursehub_exchange_seconds_bucket":
         (COURSE | {"deed": "hand in", "le": "5"}, "0x9 0x30"),
         "coursehub_exchange_seconds_bucket#":
         (COURSE | {"deed": "hand in", "le": "10"}, "0x9 0+9x30"),
         "coursehub_exchange_seconds_bucket##":
         (COURSE | {"deed": "hand in", "le": "+Inf"}, "0x9 0+9x30")},
        silent=["9m", "13m"], speaks="25m",
        says="One in ten hand-ins takes 10 seconds or more until its receipt.",
    ),
    Case(
        "HandInsSlow",
        {"coursehub_exchange_seconds_bucket": (COURSE | {"deed": "hand in", "le": "5"}, "0+9x30"),
         "coursehub_exchange_seconds_bucket#":
         (COURSE | {"deed": "hand in", "le": "+Inf"}, "0+9x30")},
        silent=["25m"],
    ),
    Case(
        "NobodyGrades",
        {"coursehub_graders": (COURSE | {"state": "grading"}, "1x4 0x20"),
         "coursehub_graders#": (COURSE | {"state": "hindered"}, "0x30")},
        silent=["4m", "9m"], speaks="12m",
    ),
    Case(
        "SandboxNotReal", {"coursehub_graders": (COURSE | {"state": "hindered"}, "0x4 1x20")},
        silent=["4m", "9m"], speaks="12m", labels=COURSE | {"state": "hindered"},
    ),
    Case("SandboxNotReal", {"coursehub_graders": (COURSE | {"state": "grading"}, "1x20")},
         silent=["15m"]),
    Case(
        "GradingQueueOld",
        {"coursehub_gradings_oldest_seconds": (COURSE | {"kind": "visible"}, "0+60x40")},
        silent=["14m", "18m"], speaks="25m", labels=COURSE | {"kind": "visible"},
        says="The oldest hand-in whose visible tests are to run waits for 25m 0s.",
    ),
    Case(
        "GradingQueueOld",
        {"coursehub_gradings_oldest_seconds": (COURSE | {"kind": "full"}, "0+60x200")},
        silent=["25m", "2h"], speaks="2h10m", labels=COURSE | {"kind": "full"},
        says="The oldest grading that staff asked for waits for 2h 10m 0s.",
    ),
    Case(
        "GradingsFail",
        {"coursehub_gradings_total": (GRADER | {"kind": "full", "outcome": "failed"}, "0x9 6x90")},
        silent=["9m"], speaks="20m",
        says="6 hand-ins could not be graded within an hour, by no fault of theirs; "
        "nobody got a zero for it.",
    ),
    Case(
        "GradingsFail",
        {"coursehub_gradings_total": (GRADER | {"kind": "full", "outcome": "graded"}, "0+9x90")},
        silent=["80m"],
    ),
    Case(
        "ClockFails", {"coursehub_clock_failing": (COURSE | {"kind": "release"}, "0x4 1x30")},
        silent=["4m", "19m"], speaks="22m", labels=COURSE | {"kind": "release"},
        says="What is due by course.yml (release) fails over and over; "
        "`docker compose exec grader coursehub tick --dry-run` says what and why.",
    ),
    # GPUs.
    Case(
        "GpuLost", {"coursehub_gpu_places": (HUB, "4x9 3x90")},
        silent=["9m", "14m"], speaks="17m", labels=HUB,
        says="The hub lends fewer GPUs than within the last day (3 places).",
    ),
    Case("GpuLost", {"coursehub_gpu_places": (HUB, "0x9 4x90")}, silent=["60m"]),
    Case(
        "GpuGone", {"coursehub_host_gpus": (NODE, "4x9 3x90")},
        silent=["9m", "14m"], speaks="17m", labels=NODE,
        says="The driver sees fewer GPUs than within the last day (3 are left).",
    ),
    Case(
        "GpuDriverSilent", {"coursehub_host_gpu_driver_answers": (NODE, "1x4 0x20")},
        silent=["4m", "9m"], speaks="12m", labels=NODE,
    ),
    Case(
        "GpuHot", {"coursehub_host_gpu_temperature_celsius": (NODE | {"gpu": "0"}, "70x4 95x20")},
        silent=["4m", "14m"], speaks="17m", labels=NODE | {"gpu": "0"},
        says="GPU 0 has 95 degrees Celsius.",
    ),
    # The machine.
    Case(
        "DiskFull", _disk("bytes", "20x4 4x20"), silent=["4m", "6m"], speaks="8m", labels=ROOT,
        says="4% of / is left: hand-ins and servers are about to fail.",
    ),
    Case("DiskFull", _disk("bytes", "0x20", mountpoint="/cdrom"), silent=["15m"]),
    Case("DiskFull", _disk("bytes", "0x20", mountpoint="/run", fstype="tmpfs"), silent=["15m"]),
    Case(
        "DiskNearlyFull", _disk("bytes", "20x4 12x30"), silent=["4m", "19m"], speaks="22m",
        labels=ROOT, says="12% of / is left.",
    ),
    Case(
        "DiskFills", _disk("bytes", "60-3x18"), silent=["2h"], speaks="6h", labels=ROOT,
        says="/ will be full within a day if it goes on like this.", step="30m",
    ),
    Case("DiskFills", _disk("bytes", "40x40"), silent=["6h"], step="30m"),
    Case(
        "FilesRunOut", _disk("files", "20x4 2x30"), silent=["4m", "19m"], speaks="22m", labels=ROOT,
        says="/ has room for few more files, however small (2% are left).",
    ),
    Case("FilesRunOut", _disk("files", "0x30", of="0x30"), silent=["25m"]),  # btrfs counts none
    Case(
        "ClockWrong", {"node_timex_offset_seconds": (NODE, "0.01x4 -2x20")},
        silent=["4m", "9m"], speaks="12m", labels=NODE,
        says="The machine's clock is 2.0 seconds off. It stamps hand-ins.",
    ),
    Case(
        "ClockAlone", {"node_timex_sync_status": (NODE, "1x4 0x90")},
        silent=["4m", "60m"], speaks="70m", labels=NODE,
    ),
    Case(
        "CertificateEnds", _certificate(days=90, left=14), silent=["0m", "5m"], speaks="20m",
        labels=NODE,
        says="The certificate ends in 13d 23h 40m 0s, and has not been renewed.",
    ),
    Case("CertificateEnds", _certificate(days=90, left=20), silent=["60m"]),
    Case("CertificateEnds", _certificate(days=6, left=3), silent=["60m"]),  # renewed every few days
    Case(
        "CertificateEnded", {"coursehub_certificate_ends_seconds": (NODE, "600x99")},
        silent=["5m"], speaks="15m", labels=NODE,
    ),
    # What is kept.
    Case(
        "BackupOld", {"coursehub_backup_time_seconds": (NODE, "0x99")},
        silent=["29h"], speaks="31h", labels=NODE, step="30m",
        says="The last backup is 1d 7h 0m 0s old; `journalctl -u coursehub-backup` says why.",
    ),
    Case("BackupMissing", silent=["25h"], speaks="27h", step="30m"),
    Case("BackupMissing", {"coursehub_backup_time_seconds": (NODE, "0x99")}, silent=["27h"],
         step="30m"),
    Case(
        "LedgerBroken", {"coursehub_ledger_holds": (NODE, "1x4 0x9")},
        silent=["4m"], speaks="6m", labels=NODE,
    ),
    Case(
        "LedgerUnchecked", {"coursehub_ledger_checked_seconds": (NODE, "0x99")},
        silent=["31h"], speaks="33h", labels=NODE, step="30m",
    ),
    Case("LedgerUnchecked", silent=["1h"], speaks="3h", step="30m"),
    # Monitoring.
    Case(
        "FiguresUnreadable", {"node_textfile_scrape_error": (NODE, "0x4 1x30")},
        silent=["4m", "19m"], speaks="22m", labels=NODE,
    ),
    Case(
        "NobodyIsTold", {"up": ({"job": "alertmanager"}, "1x4 0x20")},
        silent=["4m", "9m"], speaks="12m", labels={"job": "alertmanager"},
    ),
]  # fmt: skip
