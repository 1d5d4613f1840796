"""Back over a version whose tables do not go back: refused, or with the databases of then."""

import pytest

from tests.provision.test_upgrade import ONE_WAY, Machine, machine
from tests.versions import head

__all__ = ["machine"]

pytestmark = pytest.mark.timeout(1800)


def test_where_tables_do_not_go_back_it_is_said_what_would_be_lost(machine: Machine) -> None:
    assert machine.put_in_force(ONE_WAY).returncode == 0
    handed_in = machine.hand_in()
    before = machine.ids()
    refused = machine.run("roll-back")
    assert refused.returncode == 1
    assert f"Nothing was changed; {ONE_WAY} runs." in refused.stderr
    assert "the files of the 1 hand-ins since stay" in refused.stderr
    assert machine.replaced(before) == set()

    assert machine.run("roll-back", "--lose-what-came-since").returncode == 0
    assert machine.revision() == head()
    assert machine.hand_in() == handed_in + 1, "a hand-in was lost"
    assert "the chain holds" in machine.course.cli("course", "ledger", "check")
