"""The simulated servers of bench.scaling are servers to a real hub, and stay so."""

from pathlib import Path

from bench.crowd.hub import PATTERN, crowded_hub, student
from bench.scaling import prepare

SERVERS = 24


def test_a_real_hub_takes_simulated_servers_for_running_ones(tmp_path: Path) -> None:
    with crowded_hub(tmp_path, None, SERVERS + 2, node=False) as hub:
        prepare(hub, visitors=1)
        hub.add_servers([student(number) for number in range(1, SERVERS)])
        hub.start()
        with hub.api() as api:
            assert hub.ready(api) == SERVERS, "it found each of them running when it started"
            users = {each["name"]: each for each in api.get("users?state=ready").json()}
            assert set(users) == {student(number) for number in range(SERVERS)}
            # A report of a copied server counts, and a browser is let into the real one.
            before = users[student(7)]["last_activity"]
            assert hub.report(student(7)) == 200
            assert api.get(f"users/{student(7)}").json()["last_activity"] > before
        answer = hub.session(PATTERN).http.get(f"/user/{PATTERN}/lab", follow_redirects=True)
        assert answer.text == f"the lab of {PATTERN}"
        newcomer = student(SERVERS)
        hub.make_accounts([newcomer])
        hub.start_servers([newcomer])
        counts = hub.counts()
        assert counts["let in"] == 1 and counts["pages"] == 1 and counts["reports"] >= 1
