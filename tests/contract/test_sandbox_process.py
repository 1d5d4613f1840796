"""The process sandbox: what it isolates, and says that it does not."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from coursehub.grading.sandbox import Sandbox, open_sandbox
from coursehub.grading.sandbox.process import SHARED
from coursehub.settings import CHECKOUT

# Becomes nobody if it is root, and then another program, so that nothing of root is left.
AS_NOBODY = """
import os, sys
from coursehub.grading.sandbox import confine, kernel, seccomp
if os.geteuid() == 0:
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    confine._open_way_to_packages()
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
if sys.argv[1] == "False":
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.confine_calls(internet=True)  # with it go namespaces
os.chdir("/")
os.environ["PYTHONPATH"] = sys.argv[2]
os.execv(sys.executable, [sys.executable, "-m", "tests.contract.bombs"])
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox("process") as opened:
        yield opened


def test_it_says_what_it_shares(sandbox: Sandbox) -> None:
    assert not sandbox.real
    assert SHARED in sandbox.missing()


@pytest.mark.parametrize("user_namespaces", [True, False])
def test_it_works_for_a_user_without_any_privilege(user_namespaces: bool) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(user_namespaces), str(CHECKOUT)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    found = json.loads(asked.stdout)

    assert found["answers"] == [42, 42]
    assert found["ends"] == ["TimedOut", "exited", "killed", "output"]
    assert found["left"] == 0
    assert SHARED in found["missing"]
    assert "Two processes run as the same user." in found["missing"]
    for word in ("network", "reaches", "memory of", "number of processes", "signals"):
        assert not any(word in sentence for sentence in found["missing"])
    # Without namespaces it is honest about what that means.
    sees = "The student's process sees processes that are not its own."
    assert (sees in found["missing"]) is not user_namespaces
