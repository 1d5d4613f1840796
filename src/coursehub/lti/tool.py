"""The tool as a whole: what it keeps, what it publishes, where it is reached."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Engine

from coursehub.course.model import Course
from coursehub.lti import launch, registration
from coursehub.lti.contexts import Contexts
from coursehub.lti.fetching import Fetcher
from coursehub.lti.keys import Keys
from coursehub.lti.keysets import KeySets
from coursehub.lti.nonces import Nonces
from coursehub.lti.platforms import Platform, Platforms

_USUAL_PORT = {"http": 80, "https": 443}


class Tool:
    """The course as a tool of LMSs."""

    def __init__(
        self,
        engine: Engine,
        keys: Path,
        course: Callable[[], Course],
        url: str,
        *,
        private: bool = False,
    ) -> None:
        """Gather the parts.

        Args:
            engine: the course database.
            keys: the file with the tool's own keys.
            course: the course as it stands now.
            url: where people reach the hub's proxy, such as ``https://hub.example.edu``.
            private: whether an LMS may be on a private network and without TLS.
        """
        self.keys = Keys(keys)
        self.site = _site(url)
        self.platforms = Platforms(engine)
        self.contexts = Contexts(engine)
        self.nonces = Nonces(engine)
        self.invitations = registration.Invitations(engine)
        self._course = course
        self._fetcher = Fetcher(private=private)
        self._key_sets = KeySets(self._fetcher)

    def __deepcopy__(self, _memo: object) -> "Tool":
        """Stay one: traitlets copies what its configuration holds."""
        return self

    @property
    def course(self) -> Course:
        """The course as it stands now."""
        return self._course()

    @property
    def hub(self) -> str:
        """The hub's own address, with a slash at its end."""
        return f"{self.site}hub/"

    async def check(self, token: str, platform: Platform, nonce: str) -> launch.Launch:
        """What a message says that a browser brought back from `platform`.

        Raises:
            LaunchRefused: when it is not what it has to be.
        """
        now = datetime.now(UTC)
        key = await self._key_sets.find(platform.jwks_url, launch.key_id(token), now)
        expected = launch.Expected(nonce, self.site)
        return launch.check(token, key, platform, expected, self.platforms, self.nonces, now)

    async def register(self, secret: str, url: str, token: str | None) -> Platform:
        """Register at the platform whose configuration lies at `url`, and trust it.

        Args:
            secret: of an invitation.
            url: where the LMS says that its configuration is.
            token: the LMS's own, for its registration endpoint.

        Raises:
            LtiError: when the invitation or the LMS is not as it has to be; then an unused
                invitation can be used again.
        """
        made_by = self.invitations.take(secret, datetime.now(UTC))
        try:
            configuration = registration.read_configuration(await self._fetcher.get(url), url)
            wanted = registration.registration(self.course, self.hub)
            where = configuration["registration_endpoint"]
            answer = await self._fetcher.post(where, wanted, token)
            platform, deployment = registration.registered(configuration, answer)
            return self.platforms.add(platform, made_by, datetime.now(UTC), deployment)
        except BaseException:
            self.invitations.give_back(secret)
            raise


def _site(url: str) -> str:
    """An address without a port that browsers leave out, with a slash at its end."""
    parts = urlsplit(url)
    if parts.port == _USUAL_PORT.get(parts.scheme):
        parts = parts._replace(netloc=parts.netloc.rpartition(":")[0])
    return f"{parts.geturl().rstrip('/')}/"
