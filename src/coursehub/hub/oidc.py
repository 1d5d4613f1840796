"""Signing in at the university's identity provider, by OpenID Connect.

oauthenticator walks the authorization code flow, with state and PKCE. What it leaves out is here:
what the provider says of itself (OpenID Connect Discovery 1.0), the nonce and the checks of the ID
token (`hub.idtoken`), which person that is, and signing out at the provider too
(OpenID Connect RP-Initiated Logout 1.0).
"""

import base64
import hashlib
import json
from contextlib import suppress
from typing import Any

from oauthenticator.generic import GenericOAuthenticator
from oauthenticator.oauth2 import (
    STATE_COOKIE_NAME,
    OAuthCallbackHandler,
    OAuthLoginHandler,
    OAuthLogoutHandler,
    _deserialize_state,
)
from tornado import web
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httputil import url_concat
from traitlets import Unicode

from coursehub.hub.account import PersonOfAccount
from coursehub.hub.auth import Refused
from coursehub.hub.idtoken import BadToken, Provider, check_id_token

ID_TOKEN_COOKIE = "coursehub-id-token"  # noqa: S105
_COOKIE_BYTES = 2800
"""Of an ID token; signed and encoded it is a third longer, and browsers drop what is over 4096."""


class OidcLogin(OAuthLoginHandler):  # type: ignore[misc]
    """Sends people to the provider."""

    async def get(self) -> None:
        """Redirect, once it is known where to."""
        await self.authenticator.discover()
        super().get()

    def set_state_cookie(self, value: str) -> None:
        """Keep state and verifier in this browser, for the hub alone."""
        path = self.hub.base_url
        self._set_cookie(STATE_COOKIE_NAME, value, expires_days=1, path=path)

    def _generate_pkce_params(self) -> tuple[str, str]:
        verifier, challenge = super()._generate_pkce_params()
        self._nonce = nonce(verifier)
        return verifier, challenge

    def authorize_redirect(self, *, extra_params: dict[str, str], **named: Any) -> None:
        """Redirect, with the nonce that the ID token is to carry."""
        more = {"nonce": self._nonce}
        if self.get_argument("another", ""):  # whoever is signed in there is asked anew
            more["prompt"] = "login"
        super().authorize_redirect(extra_params={**extra_params, **more}, **named)


class OidcCallback(OAuthCallbackHandler):  # type: ignore[misc]
    """Takes people back from the provider."""

    def get_state_cookie(self) -> str:
        """What `OidcLogin` kept, once."""
        if self._state_cookie is None:
            value = self.get_secure_cookie(STATE_COOKIE_NAME) or b""
            self._state_cookie = value.decode("utf8", "replace")
            self.clear_cookie(STATE_COOKIE_NAME, path=self.hub.base_url)
        return self._state_cookie

    def check_arguments(self) -> None:
        """Refuse an answer that is an error, or belongs to no sign-in of this browser."""
        try:
            self.check_state()
        except (web.HTTPError, ValueError, AttributeError, TypeError):
            raise Refused(
                "state-wrong",
                "This sign-in was not begun in this browser, or is too old.",
                "Begin again here, in one tab, and with cookies allowed.",
                status=400,
            ) from None
        if self.get_argument("error", ""):
            raise Refused(
                "provider-says-no",
                "The sign-in was ended where your account is.",
                "If you cancelled it, try again.",
            )
        self.authenticator.check_issuer(self.get_argument("iss", None))
        self.check_code()

    def get_next_url(self, user: Any = None) -> str:
        """Where they wanted to go; never another site."""
        wanted = _deserialize_state(self.get_state_cookie()).get("next_url") or ""
        return self._validate_next_url(wanted) or super(OAuthCallbackHandler, self).get_next_url(
            user
        )


class OidcLogout(OAuthLogoutHandler):  # type: ignore[misc]
    """Signs out here and, for who came from there, at the provider."""

    async def handle_logout(self) -> None:
        """Take the ID token that this browser signed in with."""
        self._id_token = self.get_secure_cookie(ID_TOKEN_COOKIE)
        self.clear_cookie(ID_TOKEN_COOKIE, path=self.hub.base_url)

    async def render_logout_page(self) -> None:
        """Go on to the provider, if it answers; it sends people back to the sign-in page."""
        way: OidcAuthenticator = self.authenticator
        address = ""
        if self._id_token is not None:
            # Here they are signed out in any case: an error now would keep the hub's own cookies.
            with suppress(Refused):
                address = (await way.discover()).end_session
        if address:
            self.redirect(url_concat(address, way.goodbye(self._id_token.decode())))
        else:
            await super().render_logout_page()


class OidcAuthenticator(PersonOfAccount, GenericOAuthenticator):  # type: ignore[misc]
    """Any provider of OpenID Connect."""

    issuer = Unicode(help="The provider, as its tokens name it.").tag(config=True)
    home = Unicode(help="The hub's public address.").tag(config=True)

    login_handler = OidcLogin
    callback_handler = OidcCallback
    logout_handler = OidcLogout

    _provider: Provider | None = None

    def __init__(self, **named: Any) -> None:
        """Ask the provider briefly, and only where it says itself."""
        super().__init__(**named)
        patience = {"connect_timeout": 5, "request_timeout": 10}
        self.http_request_kwargs = {"follow_redirects": False, **patience}

    @property
    def button(self) -> str:  # type: ignore[override]
        """What the sign-in page says."""
        return f"Sign in with {self.login_service}"

    async def discover(self) -> Provider:
        """What the provider says of itself, asked once.

        Raises:
            Refused: when it does not answer, or is another one.
        """
        if self._provider is None:
            address = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
            try:
                self._provider = Provider.of(self.issuer, await self.httpfetch(address))
            except BadToken as error:
                self.log.error("The document at %s is wrong: %s", address, error)
                raise unreachable() from None
        found = self._provider
        self.authorize_url, self.token_url = found.authorization, found.token
        self.basic_auth = found.basic_auth
        return found

    def check_issuer(self, issuer: str | None) -> None:
        """Refuse an answer of another provider than the one that was asked (RFC 9207)."""
        says_so = self._provider is not None and self._provider.names_itself
        if issuer != self.issuer and (issuer is not None or says_so):
            raise bad_token("issuer-of-answer")

    async def authenticate(self, handler: Any, data: Any = None, **_: Any) -> dict[str, Any]:
        """The person whom the provider vouches for.

        Raises:
            Refused: when the provider does not, or they are not on the roster.
        """
        provider = await self.discover()
        asked = self.build_access_tokens_request_params(handler, data)
        answer = await self.get_token_info(handler, asked)
        try:
            claims = await self._claims(provider, answer, nonce(asked["code_verifier"]))
        except BadToken as error:
            raise bad_token(error.what) from None
        try:
            model = self.admit(self.person(self.issuer, claims))
        except Refused as refused:
            refused.another = f"{self.login_url(handler.hub.base_url)}?another=1"
            raise
        self._keep(handler, answer.get("id_token", ""))
        return model

    async def _claims(
        self, provider: Provider, answer: dict[str, Any], expected: str
    ) -> dict[str, Any]:
        """The claims of the ID token, and of the user info where some are only there."""
        token = answer.get("id_token")
        keys = await provider.keys(token, self.httpfetch)
        claims = check_id_token(
            token, keys, issuer=self.issuer, client=self.client_id, nonce=expected,
            access_token=answer["access_token"],
        )  # fmt: skip
        wanted = {self.claim, *self.require, *([self.verified] if self.claim == "email" else ())}
        if wanted <= set(claims) or not provider.userinfo:
            return claims
        self.userdata_url = provider.userinfo
        more = await self.token_to_user({"token_type": "Bearer", **answer})
        if not isinstance(more, dict) or more.get("sub") != claims["sub"]:
            raise BadToken("userinfo-subject")
        return {**more, **claims}

    async def fetch(
        self, req: HTTPRequest, label: str = "", parse_json: bool = True, **named: Any
    ) -> Any:
        """Ask the provider; what it answers is never logged.

        Raises:
            Refused: when it does not answer, or answers with an error.
        """
        try:
            answer = await self.http_client.fetch(req, **named)
            return json.loads(answer.body) if parse_json else answer
        except HTTPClientError as error:
            if 400 <= error.code < 500:
                raise bad_token(f"provider-{error.code}") from None
            raise unreachable() from None
        except (OSError, ValueError):
            raise unreachable() from None

    async def get_token_info(self, handler: Any, params: dict[str, Any]) -> dict[str, Any]:
        """Exchange the code for tokens.

        Raises:
            Refused: when the provider does not take it.
        """
        try:
            return await super().get_token_info(handler, params)  # type: ignore[no-any-return]
        except Refused:
            raise
        except (web.HTTPError, TypeError):  # its message would have the answer in it
            raise bad_token("no-access-token") from None

    def goodbye(self, id_token: str) -> dict[str, str]:
        """What the provider is told at the end (RP-Initiated Logout 1.0, section 2)."""
        back = {"client_id": self.client_id, "post_logout_redirect_uri": f"{self.home}/hub/login"}
        return {"id_token_hint": id_token, **back} if id_token else back

    @staticmethod
    def _keep(handler: Any, id_token: str) -> None:
        value = id_token if len(id_token) <= _COOKIE_BYTES else ""
        path = handler.hub.base_url
        handler._set_cookie(ID_TOKEN_COOKIE, value, expires_days=None, path=path)


def nonce(verifier: str) -> str:
    """The nonce that belongs to a PKCE verifier, which never leaves this browser and the hub."""
    digest = hashlib.sha256(b"nonce " + verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def bad_token(what: str) -> Refused:
    """The refusal of what a provider sent, or a browser brought."""
    return Refused(
        f"token-refused what={what}",
        "The answer of your account's provider could not be trusted.",
        "Sign in again from the start; a sign-in works once, and for some minutes.",
    )


def unreachable() -> Refused:
    """The refusal while the provider does not answer."""
    return Refused(
        "provider-unreachable",
        "Your account's provider does not answer at the moment.",
        "Try again in some minutes.",
        status=502,
    )
