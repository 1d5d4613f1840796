"""How often somebody may try to sign in: by account, and by address for what fails.

A person types a password wrong a few times; a class signs in within a minute from one address of
the campus. Neither is held up: what succeeds costs nothing. Somebody who guesses passwords is, and
does not lock their owners out: where an account was signed in to before has tries of its own.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Collection
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple

from tornado.web import HTTPError

from coursehub.rate import Buckets, Rate, say_wait, whole_seconds

PER_ACCOUNT = Rate(burst=10, every=timedelta(seconds=30))
"""Wrong passwords of one account."""

PER_ADDRESS = Rate(burst=300, every=timedelta(seconds=2))
"""Sign-ins that failed from one address, which may be a whole campus's."""

_KNOWN_PLACES = 20_000
_LONGEST_NAME = 64


class TooManyAttempts(HTTPError):
    """The answer 429 with when to try again."""

    def __init__(self, wait: timedelta) -> None:
        """Say so on the hub's error page.

        Args:
            wait: how long until the next attempt is taken.
        """
        sentence = f"Too many sign-ins failed. Wait {say_wait(wait)}, then try again."
        super().__init__(429, sentence)
        self.jupyterhub_message = sentence
        self.headers = {"Retry-After": str(whole_seconds(wait))}


class Attempt(NamedTuple):
    """One try to sign in, which counts as failed until it is told otherwise."""

    attempts: "Attempts"
    username: str
    address: str
    account: tuple[str, str]

    def succeeded(self, now: datetime) -> None:
        """Let it not count, and remember the place."""
        self.attempts.forgive(self, now)


class Attempts:
    """Counts tries to sign in; a restart of the hub forgets them."""

    def __init__(self, per_account: Rate = PER_ACCOUNT, per_address: Rate = PER_ADDRESS) -> None:
        """Allow so many."""
        self._accounts = Buckets(per_account)
        self._addresses = Buckets(per_address)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def begin(self, username: str, address: str, now: datetime) -> Attempt:
        """Take up a try, before the password is looked at.

        Args:
            username: as typed; whether there is such an account makes no difference.
            address: of the client, an IP address in text.
            now: aware.

        Raises:
            TooManyAttempts: with how long to wait.
        """
        place = (username[:_LONGEST_NAME], _neighbourhood(address))
        # Guesses from elsewhere are counted elsewhere.
        account = place if place in self._known else (place[0], "")
        wait = max(self._accounts.wait(account, now), self._addresses.wait(place[1], now))
        if wait:
            raise TooManyAttempts(wait)
        self._accounts.take(account, now)
        self._addresses.take(place[1], now)
        return Attempt(self, *place, account)

    def forgive(self, attempt: Attempt, now: datetime) -> None:
        """What `Attempt.succeeded` does."""
        self._accounts.give_back(attempt.account, now)
        self._addresses.give_back(attempt.address, now)
        place = (attempt.username, attempt.address)
        self._known[place] = None
        self._known.move_to_end(place)
        if len(self._known) > _KNOWN_PLACES:
            self._known.popitem(last=False)


class Proxies:
    """Whose word on a client's address is believed."""

    def __init__(self, proxy: str, front: str = "") -> None:
        """Believe the proxy, and through it what stands before it.

        Args:
            proxy: host name or address of the hub's own proxy.
            front: addresses or ranges of web servers in front of it, with commas.
        """
        self._proxy = proxy
        self._front = [ip_network(part.strip()) for part in front.split(",") if part.strip()]

    def __deepcopy__(self, _memo: object) -> "Proxies":
        """Stay one; traitlets copies what its configuration holds."""
        return self

    async def client(self, request: Any) -> str:
        """The address of who made a request (tornado's).

        A header is the proxy's word only where the proxy itself sent the request: users' servers
        reach the hub too.
        """
        peer = request.connection.stream.socket.getpeername()[0]
        if peer not in await self._addresses():
            return str(peer)
        chain = ",".join(request.headers.get_list("X-Forwarded-For"))
        return believed(
            [part.strip() for part in chain.split(",") if part.strip()], self._front, peer
        )

    async def _addresses(self) -> Collection[str]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._proxy, None, type=socket.SOCK_STREAM)
        return {str(address[0]) for *_, address in found}


def believed(chain: list[str], front: Collection[Any], peer: str) -> str:
    """The last address of an X-Forwarded-For that is not one of `front`.

    Each proxy appends who asked it: what stands further left may be made up by that one.

    Args:
        chain: the header's addresses, in order.
        front: networks of proxies that are believed in turn.
        peer: the answer when there is no address.
    """
    for text in reversed(chain):
        try:
            address = ip_address(text)
        except ValueError:
            return peer
        peer = text
        if not any(address in network for network in front):
            return text
    return peer


def _neighbourhood(address: str) -> str:
    """What counts as one address: of IPv6, the network that a household has."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ip_network((found, 64), strict=False))
    return str(found)
