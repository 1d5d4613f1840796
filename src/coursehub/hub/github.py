"""Signing in at GitHub, which speaks OAuth 2.0 and no OpenID Connect.

There is no ID token: who somebody is, GitHub's API says to the hub itself, over TLS. Nobody is
signed out at GitHub. All else is as in `hub.oidc`, which this builds on.
"""

from typing import Any

from tornado.httpclient import HTTPRequest

from coursehub.hub.idtoken import BadToken, Provider
from coursehub.hub.oidc import OidcAuthenticator


class GithubAuthenticator(OidcAuthenticator):
    """GitHub: claims are `login`, `name`, and `email`, the primary address."""

    site, api = "https://github.com", "https://api.github.com"

    def __init__(self, **named: Any) -> None:
        """Ask for what is needed to know who somebody is."""
        super().__init__(**named)
        self.issuer, self.login_service = self.site, "GitHub"
        self.scope = ["read:user", "user:email"]

    async def discover(self) -> Provider:
        """GitHub's addresses, which it publishes in its manual."""
        self.authorize_url = f"{self.site}/login/oauth/authorize"
        self.token_url = f"{self.site}/login/oauth/access_token"
        self.userdata_url = f"{self.api}/user"
        return Provider(
            self.site, self.authorize_url, self.token_url, "", self.userdata_url, "",
            basic_auth=False, names_itself=False,
        )  # fmt: skip

    async def _claims(
        self, provider: Provider, answer: dict[str, Any], _nonce: str
    ) -> dict[str, Any]:
        token = {**answer, "token_type": "Bearer"}
        who = await self.token_to_user(token)
        headers = self.build_userdata_request_headers(answer["access_token"], "Bearer")
        addresses = await self.fetch(HTTPRequest(f"{self.api}/user/emails", headers=headers))
        try:
            [primary] = [each for each in addresses if each["primary"]]
            return {
                "sub": str(int(who["id"])),
                "login": who["login"],
                "name": who.get("name"),
                "email": primary["email"],
                self.verified: primary["verified"],
            }
        except (KeyError, TypeError, ValueError):
            raise BadToken("userinfo-form") from None
