"""How long a class waits that comes from the LMS all at once.

A real hub, with its proxy and a roster of 1,000, and a platform with real keys. So many people
click within ten seconds, and each browser walks the whole launch: login initiation, the signed
message, sign-in, up to the page where its person lands; then as many at the very same instant. What
the LMS itself would take is not counted: its messages are signed here, while the hub works, on the
same cores. Half of the people come for the first time. The browsers are aiohttp's: they take less
than half of httpx's time, and it is the hub's that counts.

    python -m bench.login [LAUNCHES]

Bars: no failure; under 3 s at the 99th percentile, both ways.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from coursehub.exchange.database import connect
from coursehub.hub.process import running_hub
from coursehub.lti.platforms import Platforms
from tests.deployment import open_course, prepare
from tests.lti.platform import DEPLOYMENT, Client, Platform, User, running

LAUNCHES, CLASS = 200, 1000
P99_BAR = 3.0
SPREAD = 10.0
CLIENT_ID = "tool"


def main() -> int:
    """Measure and print one line of JSON; 0 when every bar holds."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else LAUNCHES
    with TemporaryDirectory(prefix="coursehub-bench-") as folder, running(Platform()) as platform:
        figures = measured(Path(folder), platform, count)
    bars = {
        "no launch failed": figures["failed"] == 0,
        f"99 % of launches within {SPREAD:.0f} s under {P99_BAR:.0f} s": figures["p99"] < P99_BAR,
        f"99 % of launches at once under {P99_BAR:.0f} s": figures["at_once_p99"] < P99_BAR,
    }
    print(json.dumps({"name": "login", "figures": figures, "bars": bars}))
    return 0 if all(bars.values()) else 1


def measured(state: Path, platform: Platform, count: int) -> dict[str, Any]:
    """The figures of a burst of `count` launches."""
    deployment = prepare(
        state, open_course(now=datetime.now(UTC)), roster(3), sign_in="lti13", lti_private=True,
        visible_tests=False,
    )  # fmt: skip
    deployment.roster.import_csv(roster(CLASS))
    hub = deployment.settings.bind_url
    introduce(platform, str(deployment.settings.database), hub)
    platform.users.update(
        {str(index): User(f"sub-{index}", number(index)) for index in range(CLASS)}
    )
    with running_hub(deployment.settings):
        asyncio.run(burst(hub, platform, range(0, count, 2), over=count / 10))
        say(f"{count} launches within {SPREAD:.0f} s")
        spread, failed = asyncio.run(burst(hub, platform, range(count), over=SPREAD))
        say(f"{count} launches at once")
        at_once, failed_at_once = asyncio.run(burst(hub, platform, range(count), over=0))
    return {
        "launches": count,
        "failed": failed + failed_at_once,
        "median": round(median(spread), 3),
        "p99": round(p99(spread), 3),
        "at_once_median": round(median(at_once), 3),
        "at_once_p99": round(p99(at_once), 3),
    }


def p99(seconds: list[float]) -> float:
    """The 99th percentile."""
    return quantiles(seconds, n=100, method="inclusive")[98]


async def burst(hub: str, platform: Platform, who: range, over: float) -> tuple[list[float], int]:
    """Seconds of each launch, begun evenly over so many seconds, and how many failed."""

    async def one(place: int, index: int) -> float | None:
        await asyncio.sleep(over * place / len(who))
        # Each has its own connection and cookies, which aiohttp keeps of addresses only if told to.
        async with aiohttp.ClientSession(
            hub, cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(60)
        ) as browser:
            began = time.perf_counter()
            try:
                fine = await launch(browser, platform, str(index))
            except (aiohttp.ClientError, TimeoutError) as error:
                say(f"launch {index}: {type(error).__name__}")
                fine = False
            return time.perf_counter() - began if fine else None

    found = await asyncio.gather(*(one(place, index) for place, index in enumerate(who)))
    seconds = [each for each in found if each is not None]
    return seconds, len(found) - len(seconds)


async def launch(browser: aiohttp.ClientSession, platform: Platform, user: str) -> bool:
    """Walk one launch; whether it ended where its person should land."""
    told = platform.initiation(CLIENT_ID, user, custom={"assignment": "assignment_1"})
    status, asked_at = await visit(browser, "POST", "/hub/lti13/oauth_login", told)
    if status != 302:
        return False
    asked = dict(parse_qsl(urlsplit(asked_at).query))
    form = {"id_token": platform.sign(platform.claims(asked)), "state": asked["state"]}
    status, ticket_at = await visit(browser, "POST", "/hub/lti13/oauth_callback", form)
    if status != 303:
        return False
    _, landed_at = await visit(browser, "GET", ticket_at)
    return "user-redirect" in landed_at


async def visit(
    browser: aiohttp.ClientSession, method: str, path: str, form: dict[str, str] | None = None
) -> tuple[int, str]:
    """Status of an answer, and where it leads."""
    async with browser.request(method, path, data=form, allow_redirects=False) as answer:
        await answer.read()
        return answer.status, answer.headers.get("Location", "")


def introduce(platform: Platform, database: str, hub: str) -> None:
    """Have platform and tool know each other."""
    platform.clients[CLIENT_ID] = Client(
        f"{hub}/hub/lti13/oauth_login",
        (f"{hub}/hub/lti13/oauth_callback",),
        f"{hub}/hub/lti13/jwks",
        f"{hub}/hub/lti13/link",
        f"{hub}/hub/lti13/deep-linking",
    )
    wanted = {
        "name": "LMS", "issuer": platform.issuer, "client_id": CLIENT_ID, "token_audience": None,
        "auth_login_url": f"{platform.issuer}/auth", "token_url": f"{platform.issuer}/token",
        "jwks_url": f"{platform.issuer}/jwks",
    }  # fmt: skip
    Platforms(connect(database)).add(wanted, "bench", datetime.now(UTC), DEPLOYMENT)


def roster(size: int) -> str:
    """A class as CSV."""
    rows = ["username,number,name,email,role"]
    for index in range(size):
        name = f"student{index:04}"
        rows.append(f"{name},{number(index)},Student {index},{name}@example.edu,student")
    return "\n".join(rows)


def number(index: int) -> str:
    """The student number of the person with this index."""
    return f"A{index:07}X"


def say(text: str) -> None:
    """Tell whoever watches."""
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
