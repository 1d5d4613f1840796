"""Coming in from an old LMS by LTI 1.1: one form, signed with a secret that both sides know.

ltiauthenticator checks the signature and the time. It remembers nonces in its own process, before
it has seen a signature; here they are spent in the database, after it. LTI 1.1 has nothing to tie
a form to the browser that asked for it: use 1.3 where the LMS can.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ltiauthenticator.lti11.auth import LTI11Authenticator
from ltiauthenticator.lti11.handlers import LTI11ConfigHandler
from ltiauthenticator.lti11.validator import LTI11LaunchValidator
from ltiauthenticator.utils import convert_request_to_dict
from tornado import web

from coursehub.errors import SettingsError
from coursehub.hub.lms import LmsAuthenticator, LmsHandler, not_listed
from coursehub.lti.launch import refusal

REPEATABLE = timedelta(minutes=2)
"""For how long a signed form would be taken again: 30 s either way by its own time stamp."""

_CLAIMS = {"email": "lis_person_contact_email_primary", "name": "lis_person_name_full"}


class FormHandler(LmsHandler):
    """Takes the browser from the LMS, with its signed form."""

    async def post(self) -> None:
        """Check the form and whose it is, and go on to signing in."""
        with self.said():
            try:
                form = convert_request_to_dict(self.request.body_arguments)
            except UnicodeError:
                raise refusal("form-untrue") from None
            key = self._signed(form)
            if not form.get("user_id"):
                raise refusal("sub-missing")
            now = datetime.now(UTC)
            spent = f"{form['oauth_timestamp']}\n{form['oauth_nonce']}"
            if not self.tool.nonces.spend(f"lti11:{key}", spent, now + REPEATABLE, now):
                raise refusal("nonce-spent")
        member = self.authenticator.person(f"lti11:{key}", form["user_id"], self._value(form))
        if member is None:
            raise not_listed()
        next_url = self.opens(form.get("custom_assignment"), member)
        self.sign_in(member, next_url)

    def _signed(self, form: Mapping[str, str]) -> str:
        """Whose form it is.

        Raises:
            LaunchRefused: when its signature or its time is wrong.
        """
        validator = LTI11LaunchValidator(self.authenticator.consumers)
        # What counts is spent in the database, and not by forged forms.
        validator.nonces.clear()
        url = f"{self.tool.hub}{self.request.path.removeprefix(self.hub.base_url)}"
        try:
            validator.validate_launch_request(url, self.request.headers, dict(form))
        except (web.HTTPError, ValueError):
            raise refusal("form-untrue") from None
        return form["oauth_consumer_key"]

    def _value(self, form: Mapping[str, str]) -> str | None:
        claim = self.authenticator.claim
        name = _CLAIMS.get(claim, claim.replace(".", "_"))
        return form.get(name, "").strip() or None


class Lti11Authenticator(LmsAuthenticator, LTI11Authenticator):  # type: ignore[misc]
    """Lets in people of the roster whom an LMS vouches for with a shared secret."""

    def get_handlers(self, app: Any) -> list[tuple[Any, ...]]:
        """Where forms go, and what an LMS can be told; the end of a sign-in is that of 1.3."""
        return [
            ("/lti/launch", FormHandler),
            ("/lti11/config", LTI11ConfigHandler),
            *self.entrance(),
        ]


def read_consumers(path: Path) -> dict[str, str]:
    """The consumers in a file: on each line a key, a space and its secret.

    Raises:
        SettingsError: when the file is missing, or a line has another form.
    """
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            "the LMS's keys and secrets cannot be read",
            file=str(path),
            key="COURSEHUB_LTI11_FILE",
            remedy="Make the file: on each line a key, a space and its secret",
        ) from error
    pairs = [line for line in lines if line]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise SettingsError(
            "a line is not a key, a space and a secret",
            file=str(path),
            key="COURSEHUB_LTI11_FILE",
            remedy="Correct it",
        )
    return {key: secret for key, secret in pairs}
