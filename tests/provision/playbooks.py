"""Running the playbooks as an admin does, watched for secrets."""

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coursehub.settings import CHECKOUT
from tests.provision.hosts import Host

ANSIBLE = CHECKOUT / "ansible"
VENV = Path(os.environ.get("COURSEHUB_ANSIBLE", ANSIBLE / ".venv"))


@dataclass
class Run:
    """What one run of a playbook said, took and showed to others."""

    text: str
    code: int
    seconds: float
    leaks: list[str] = field(default_factory=list)

    @property
    def changed(self) -> dict[str, int]:
        """How many tasks changed something, by machine."""
        return {
            host: int(n) for host, n in re.findall(r"^(\S+)\s+: .*changed=(\d+)", self.text, re.M)
        }

    @property
    def roles(self) -> dict[str, float]:
        """Seconds a role took."""
        return {name: float(s) for name, s in re.findall(r"^(\w+) -+ ([\d.]+)s$", self.text, re.M)}


@dataclass(frozen=True)
class Admin:
    """An admin's own folder: inventory, vault and its password."""

    folder: Path

    def write(
        self, hosts: Sequence[Host], variables: dict[str, object], secrets: dict[str, str]
    ) -> None:
        """Write the inventory, and the vault with the secrets in it; be let in by ssh."""
        key = self.folder / "key"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        for host in hosts:
            host.let_in(key.with_suffix(".pub").read_text())
        reach = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(key),
            "ansible_host_key_checking": False,
        }
        machines = {host.name: reach | {"ansible_host": host.address} for host in hosts}
        inventory = {"coursehub": {"hosts": machines, "vars": variables}}
        (self.folder / "inventory.json").write_text(json.dumps(inventory))
        (self.folder / "vault-password").write_text("what opens the vault\n")
        (self.folder / "vault.yml").write_text(json.dumps(secrets))
        self._ansible("ansible-vault", "encrypt", str(self.folder / "vault.yml"))
        assert "ANSIBLE_VAULT" in (self.folder / "vault.yml").read_text()

    def play(self, playbook: str, host: str, *options: str, secrets: Sequence[str] = ()) -> Run:
        """Run a playbook on one machine; watch every process of both machines for secrets.

        Raises:
            AssertionError: with all it says, when it fails.
        """
        start = time.monotonic()
        with _Watch(secrets) as watch:
            done = self._ansible(
                "ansible-playbook", playbook, "--inventory", str(self.folder / "inventory.json"),
                "--limit", host, "--extra-vars", f"@{self.folder / 'vault.yml'}", "--diff",
                *options,
            )  # fmt: skip
        text = done.stdout + done.stderr
        assert done.returncode == 0, text
        said = [secret for secret in secrets if secret in text]
        return Run(text, done.returncode, time.monotonic() - start, watch.seen + said)

    def _ansible(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self.folder / "vault-password"),
            "ANSIBLE_NOCOLOR": "1",
        }
        environment.pop("PYTHONPATH", None)
        return subprocess.run(
            [str(VENV / "bin" / program), *arguments],
            cwd=ANSIBLE, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False,
        )  # fmt: skip


class _Watch:
    """Reads the command line of every process, over and over: the machines' are among them."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = [secret.encode() for secret in secrets]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.seen: list[str] = []

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while self._secrets and not self._ended.wait(0.1):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = path.read_bytes()
                except OSError:  # it ended meanwhile
                    continue
                self.seen += [line.decode(errors="replace") for s in self._secrets if s in line]
