"""The playbooks' promises that need no Ansible: `make test-provision` runs them."""

import re
import runpy
import subprocess
from pathlib import Path

import pytest
import yaml

from coursehub.settings import CHECKOUT, Settings, load_settings

ANSIBLE = CHECKOUT / "ansible"
ROLES = sorted(folder.name for folder in (ANSIBLE / "roles").iterdir())
SCRIPTS = ["coursehub/templates/coursehub-smoke.j2", "backup/templates/coursehub-backup.j2",
           "backup/templates/coursehub-restore.j2", "monitoring/files/coursehub-note",
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
    text = re.sub(r"\{%.*?%\}", "", (ANSIBLE / "roles" / path).read_text())
    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_homes_have_the_same_limit_by_quota_as_servers_are_told() -> None:
    default = str(read("storage", "defaults/main.yml")["storage_home_limit"])
    assert f"default('{Settings.model_fields['home_limit'].default}')" in default


def test_quotas_program_reads_settings_as_the_course_does(tmp_path: Path) -> None:
    program = ANSIBLE / "roles" / "storage" / "files" / "coursehub-quota"
    limits = "alice=20G, bob=1.5M"
    ours = load_settings(state=tmp_path, home_limit="512M", home_limits=limits)
    quota = runpy.run_path(str(program))
    for name in ("alice", "bob", "carol"):
        for home in (f"/v/coursehub-home-{name}/_data", f"/h/coursehub-home-{name}"):
            found = quota["limit_of"](home, {"limit": "512M", "limits": limits})
            assert found == ours.home_limit_of(name), home
