"""Each server's own network, on a real engine: who can reach whom."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from docker.models.containers import Container

from coursehub.errors import SettingsError, SpawnError
from coursehub.hub.networks import Networks
from tests.contract.standins import Site, a_site, address, listening_host, reaches

# The engine, with our images on it.
pytestmark = pytest.mark.usefixtures("images")

METADATA, PRIVATE = "169.254.169.254", "10.98.76.54"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path) as site:
        yield site


@pytest.fixture
def networks(site: Site) -> Networks:
    return Networks(site.engine, site.settings)


def start(site: Site, networks: Networks, user: str, role: str = "student") -> Container:
    networks.ensure(f"{site.project}-user-{user}", user, role)
    return site.server(user)


def members(site: Site, name: str) -> set[str]:
    """Who is on a network, without the deployment's name and the random end."""
    network = site.engine.networks.get(name)
    found = [
        row["Name"].removeprefix(f"{site.project}-") for row in network.attrs["Containers"].values()
    ]
    return {name.rsplit("-", 1)[0] if name.startswith("service") else name for name in found}


def test_a_server_reaches_proxy_and_hub_and_nobody_else(site: Site, networks: Networks) -> None:
    for service in ("proxy", "hub", "db", "course"):
        site.service(service)
    alice, bob = start(site, networks, "alice"), start(site, networks, "bob")
    of_bob = address(bob, f"{site.project}-user-bob")
    with listening_host(METADATA, PRIVATE) as port:
        host = [METADATA, PRIVATE, *gateways(site)]
        anywhere = site.run("anywhere")  # the same probes from a container that is not confined
        assert all(reaches(anywhere, each, port) for each in host)
        assert reaches(alice, "proxy") and reaches(alice, "hub")
        assert not any(reaches(alice, each, port) for each in host)
    assert reaches(bob, of_bob)
    assert not reaches(alice, of_bob)
    assert not any(reaches(alice, each) for each in ("db", "course", bob.name))


def gateways(site: Site) -> list[str]:
    """The host's address on the engine's default bridge, and where user networks have none."""
    ipam = site.engine.networks.get("bridge").attrs["IPAM"]["Config"]
    return [pool["Gateway"] for pool in ipam]


def test_there_is_no_way_out_of_the_network(site: Site, networks: Networks) -> None:
    """No default route, no host on the network, nobody's name but the members'."""
    alice = start(site, networks, "alice")
    routes = alice.exec_run(["cat", "/proc/net/route"]).output.decode().splitlines()[1:]
    assert [line.split()[7] for line in routes] == ["F0FFFFFF"], "to the /28 itself and no further"
    own = ip_network(subnet_of(site, f"{site.project}-user-alice"))
    with listening_host() as port, ThreadPoolExecutor(14) as threads:
        assert not any(threads.map(lambda each: reaches(alice, str(each), port), own.hosts()))


def test_staff_reach_the_database_and_internet_only_if_it_is_allowed(tmp_path: Path) -> None:
    for internet, expected in ((False, {"proxy", "hub"}), (True, {"proxy", "hub", "egress"})):
        with a_site(tmp_path, internet=internet) as site:
            networks = Networks(site.engine, site.settings)
            for service in ("proxy", "hub", "db", "egress", "grader"):
                site.service(service)
            networks.ensure(f"{site.project}-user-alice", "alice", "student")
            networks.ensure(f"{site.project}-user-tara", "tara", "staff")
            services = {f"service-{name}" for name in expected}
            assert members(site, f"{site.project}-user-alice") == services
            assert members(site, f"{site.project}-user-tara") == services | {"service-db"}


def test_the_proxy_has_the_course_services_name_where_it_goes_by_names(tmp_path: Path) -> None:
    with a_site(tmp_path, subdomains="https://hub.example.edu") as site:
        site.service("proxy"), site.service("hub")
        alice = start(site, Networks(site.engine, site.settings), "alice")
        assert reaches(alice, "proxy") and reaches(alice, site.settings.course_host)
        assert not reaches(alice, "hub.example.edu")


def test_services_that_come_back_are_connected_again(site: Site, networks: Networks) -> None:
    proxy, _ = site.service("proxy"), site.service("hub")
    alice = start(site, networks, "alice")
    proxy.remove(force=True)
    site.service("proxy")
    assert not reaches(alice, "proxy")
    networks.reconcile()
    networks.reconcile()
    assert reaches(alice, "proxy") and reaches(alice, "hub")


def test_a_service_that_was_stopped_meanwhile_can_start(site: Site, networks: Networks) -> None:
    """The engine does not start a container that is connected to a network that is gone."""
    proxy = site.service("proxy")
    alice = start(site, networks, "alice")
    proxy.stop()
    alice.remove(force=True)
    networks.remove(f"{site.project}-user-alice")
    proxy.start()


def test_networks_whose_server_is_gone_are_removed_but_not_at_once(
    site: Site, networks: Networks
) -> None:
    site.service("proxy")
    start(site, networks, "alice")
    networks.ensure(f"{site.project}-user-bob", "bob", "student")
    networks.reconcile()
    assert user_networks(site) == {"alice", "bob"}
    networks.reconcile(grace=timedelta(0))
    assert user_networks(site) == {"alice"}


def test_a_network_left_behind_is_made_anew_with_the_right_members(
    site: Site, networks: Networks
) -> None:
    """Whoever was staff yesterday does not keep the way to the database."""
    site.service("proxy"), site.service("db")
    name = f"{site.project}-user-tara"
    old = start(site, networks, "tara", "staff")
    assert "service-db" in members(site, name)
    networks.ensure(name, "tara", "student")
    assert members(site, name) == {"service-proxy"}
    assert site.engine.networks.get(name).attrs["Labels"] == {
        "coursehub.project": site.project, "coursehub.user": "tara", "coursehub.role": "student",
    }  # fmt: skip
    old.remove(force=True)


def test_removing_what_is_not_there_is_no_error(site: Site, networks: Networks) -> None:
    networks.ensure(f"{site.project}-user-alice2", "alice2", "student")
    networks.remove(f"{site.project}-user-alice")
    assert user_networks(site) == {"alice2"}


def test_forty_at_once_get_forty_subnets(site: Site, networks: Networks) -> None:
    names = [f"{site.project}-user-s{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: networks.ensure(name, name, "student"), names))
        subnets = set(threads.map(lambda name: subnet_of(site, name), names))
        assert len(subnets) == 40
        list(threads.map(networks.remove, names))
    assert not user_networks(site)


def test_a_subnet_that_another_program_takes_meanwhile_is_passed_over(
    site: Site, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks.ensure(f"{site.project}-user-alice", "alice", "student")
    monkeypatch.setattr(
        networks, "_free_subnets", lambda: iter(networks._range.subnets(new_prefix=28))
    )
    networks.ensure(f"{site.project}-user-bob", "bob", "student")
    assert subnet_of(site, f"{site.project}-user-alice") != subnet_of(
        site, f"{site.project}-user-bob"
    )


def test_a_range_that_is_used_up_is_said_so(tmp_path: Path) -> None:
    with a_site(tmp_path, user_subnets="10.214.64.0/27") as site:
        networks = Networks(site.engine, site.settings)
        for user in ("alice", "bob"):
            networks.ensure(f"{site.project}-user-{user}", user, "student")
        with pytest.raises(SpawnError, match=r"All networks for servers are in use.*stopped"):
            networks.ensure(f"{site.project}-user-carol", "carol", "student")
        networks.remove(f"{site.project}-user-alice")
        networks.ensure(f"{site.project}-user-carol", "carol", "student")


@pytest.mark.parametrize("subnets", ["10.214.0.0/30", "10.214.0.1/16", "nonsense"])
def test_a_range_that_is_none_is_refused(tmp_path: Path, subnets: str) -> None:
    with (
        a_site(tmp_path, user_subnets=subnets) as site,
        pytest.raises(SettingsError, match="COURSEHUB_USER_SUBNETS"),
    ):
        Networks(site.engine, site.settings)


def subnet_of(site: Site, name: str) -> str:
    return site.engine.networks.get(name).attrs["IPAM"]["Config"][0]["Subnet"]


def user_networks(site: Site) -> set[str]:
    prefix = f"{site.project}-user-"
    found = site.engine.networks.list(names=[prefix])
    return {network.name.removeprefix(prefix) for network in found}
