"""What an LMS and its instructors see of the tool: its keys, registration, choosing links."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from coursehub.course.schedule import say_short, window
from coursehub.errors import LtiError
from coursehub.hub.auth import Refused
from coursehub.hub.lti_handler import LtiHandler
from coursehub.lti import deep_linking, registration
from coursehub.lti.contexts import Context
from coursehub.lti.launch import Launch, refusal

DEEP_LINKING = "lti13/deep-linking"

_REQUEST, _REQUEST_DAYS = "coursehub-lti-request", timedelta(hours=1) / timedelta(days=1)


class KeysHandler(LtiHandler):
    """The tool's published keys."""

    async def get(self) -> None:
        """Send them as a JWK set (RFC 7517)."""
        self.set_header("Cache-Control", "public, max-age=600")
        self.show_json(self.tool.keys.jwks())


class ConfigHandler(LtiHandler):
    """What an LMS without dynamic registration can be told, in Canvas's form."""

    async def get(self) -> None:
        """Send it."""
        self.show_json(registration.canvas(self.tool.course, self.tool.hub))


class RegisterHandler(LtiHandler):
    """The link that an LMS's admin pastes; the LMS opens it."""

    async def prepare(self) -> None:
        """Keep the link out of the hub's log: where nothing came of it, it can be used again."""
        await super().prepare()
        self.request.uri = self.request.path.rpartition("/")[0]

    async def get(self, secret: str) -> None:
        """Register there, and say how it went; the LMS is told to close the window."""
        url = self.get_query_argument("openid_configuration", "")
        token = self.get_query_argument("registration_token", None)
        try:
            platform = await self.tool.register(secret, url, token)
        except LtiError as error:
            raise Refused(
                "lti-registration-refused", f"{_sentence(error.message)}.", f"{error.remedy}.", 400
            ) from error
        self.log.info("LTI: platform %s registered itself", platform.number)
        deployments = self.tool.platforms.deployments(platform.number)
        await self.show("lti_registered.html", platform=platform, deployed=bool(deployments))


async def show_choice(
    handler: LtiHandler, launch: Launch, context: Context | None, username: str
) -> None:
    """Show the assignments to an instructor whom the LMS sent to choose links.

    The form carries what the answer needs, signed: in a frame there is no session to keep it in.

    Raises:
        LaunchRefused: when the LMS takes no links.
    """
    wishes = deep_linking.wishes(launch)
    kept = {
        "username": username,
        "platform": launch.platform.number,
        "deployment_id": launch.deployment.deployment_id,
        "context": context and context.number,
        "data": wishes.get("data"),
        "return_url": wishes["deep_link_return_url"],
        "several": wishes.get("accept_multiple") is True,
        "columns": wishes.get("accept_lineitem") is not False,
    }
    course = handler.tool.course
    choices = [(each, say_short(window(course, each).due, course)) for each in course.assignments]
    await handler.show(
        "lti_choose.html",
        action=f"{handler.hub.base_url}{DEEP_LINKING}",
        request=handler.create_signed_value(_REQUEST, json.dumps(kept)).decode(),
        choices=choices,
        several=kept["several"],
        columns=kept["columns"],
        context=context,
    )


class DeepLinkingHandler(LtiHandler):
    """The answer of an instructor who chose links."""

    async def get(self) -> None:
        """Whoever comes without the LMS has nothing to choose for."""
        with self.said():
            raise refusal("login-incomplete")

    async def post(self) -> None:
        """Sign the links; the browser carries them to the LMS."""
        now = datetime.now(UTC)
        signed = self.get_body_argument("request", "")
        found = self.get_signed_cookie(_REQUEST, signed, max_age_days=_REQUEST_DAYS)
        with self.said():
            if found is None:
                raise refusal("state-missing")
        kept = json.loads(found)
        member = self.authenticator.people.find(kept["username"])
        if member is None or member.role != "instructor":
            raise Refused(
                "lti-deep-linking-not-allowed",
                "Only instructors of this course add links to it.",
                "Ask an instructor.",
            )
        items = self._items(kept["several"], kept["columns"])
        request = {**kept, **self._platform(kept["platform"])}
        if items and kept["context"] is not None:
            # Who adds our assignments to a course of the LMS says that it is this course.
            self.tool.contexts.adopt(kept["context"], kept["username"], now)
        await self.show(
            "lti_answer.html",
            action=kept["return_url"],
            message=deep_linking.answer(self.tool.keys, request, items, now),
            where=urlsplit(kept["return_url"]).hostname,
        )

    def _items(self, several: bool, columns: bool) -> list[dict[str, Any]]:
        course, link = self.tool.course, f"{self.tool.hub}lti13/link"
        chosen = set(self.get_body_arguments("assignment"))
        found = [each for each in course.assignments if each.name in chosen]
        items = [deep_linking.item(course, each, link) for each in found[: None if several else 1]]
        if not columns:
            for each in items:
                del each["lineItem"]
        return items

    def _platform(self, number: int) -> dict[str, str]:
        with self.said():
            try:
                platform = self.tool.platforms.get(number)
            except LtiError:
                raise refusal("platform-unknown") from None
        return {"issuer": platform.issuer, "client_id": platform.client_id}


class LinkHandler(LtiHandler):
    """Where links lead that name nothing in particular."""

    async def get(self) -> None:
        """Show where the person begins."""
        self.redirect(self.get_next_url(self.current_user))


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
