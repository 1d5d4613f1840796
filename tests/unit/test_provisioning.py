"""The playbooks' promises that need no Ansible: `make test-provision` runs them."""

import re
import subprocess

import pytest
import yaml

from coursehub.settings import CHECKOUT

ANSIBLE = CHECKOUT / "ansible"
ROLES = sorted(folder.name for folder in (ANSIBLE / "roles").iterdir())
SCRIPTS = ["coursehub/templates/coursehub-smoke.j2", "backup/templates/coursehub-backup.j2",
           "backup/templates/coursehub-restore.j2",
           "swarm/templates/coursehub-fence.j2"]  # fmt: skip


def read(role: str, file: str) -> dict[str, object]:
    return yaml.safe_load((ANSIBLE / "roles" / role / file).read_text())


def options(role: str) -> dict[str, object]:
    return read(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_of_a_role_is_described_and_has_a_default(role: str) -> None:
    assert set(read(role, "defaults/main.yml")) == set(options(role))


def test_the_playbook_takes_every_role_and_the_documentation_names_it() -> None:
    (play,) = yaml.safe_load((ANSIBLE / "site.yml").read_text())
    taken = [task["ansible.builtin.import_role"]["name"] for task in play["tasks"]
             if "ansible.builtin.import_role" in task]  # fmt: skip
    assert sorted(set(taken)) == ROLES
    documented = (CHECKOUT / "docs" / "provisioning.md").read_text()
    assert all(f"| `{role}` |" in documented for role in ROLES)


def test_the_example_names_only_variables_that_there_are() -> None:
    known = {name for role in ROLES for name in options(role)}
    example = (ANSIBLE / "inventory" / "example.yml").read_text()
    named = set(re.findall(r"^ +(?:# )?([a-z]+_\w+):", example, re.M))
    assert "tls_domain" in named and named - known == {"ansible_user"}


@pytest.mark.parametrize("path", SCRIPTS)
def test_scripts_of_the_machine_are_right_as_far_as_a_shell_sees(path: str) -> None:
    text = re.sub(r"\{% raw %\}(.*?)\{% endraw %\}", r"\1", (ANSIBLE / "roles" / path).read_text())
    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
