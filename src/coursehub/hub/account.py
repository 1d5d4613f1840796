"""Which person on the roster an account somewhere else belongs to."""

from datetime import UTC, datetime
from typing import Any

from traitlets import Dict, Unicode

from coursehub.hub.auth import Member, Refused, RosterAuthenticator


class PersonOfAccount(RosterAuthenticator):
    """Finds whose account it is that somebody signed in with elsewhere."""

    claim = Unicode("email", help="The claim by which a person is found.").tag(config=True)
    match = Unicode("email", help="The roster's column to look in.").tag(config=True)
    verified = Unicode("email_verified", help="Must be true of an e-mail.").tag(config=True)
    require = Dict(help="Claims that must have these values.").tag(config=True)

    def person(self, issuer: str, claims: dict[str, Any]) -> Member:
        """The person on the roster whose account these claims are about.

        Raises:
            Refused: when a claim is missing, unverified or not as required; when nobody on the
                roster has its value, or several; when this is not the account that was theirs.
        """
        value = claims.get(self.claim)
        if not isinstance(value, str) or not value.strip():
            raise Refused(
                "claim-missing",
                f"Your account does not tell this course your {self.claim}.",
                "Allow it to when the sign-in page of your account asks, or use another account.",
            )
        if self.claim == "email" and not _true(claims.get(self.verified)):
            raise Refused(
                "email-unverified",
                "The e-mail address of your account is not verified.",
                "Verify it where you manage your account, then sign in again.",
            )
        if any(str(claims.get(name)) != wanted for name, wanted in self.require.items()):
            raise Refused(
                "claim-not-as-required",
                "This is not an account that this course accepts.",
                "Sign in with the account of your university.",
            )
        found = self.people.matching(self.match, value)
        if len(found) != 1:
            raise Refused(
                "person-unknown" if not found else "person-ambiguous",
                "You are not on the list of this course.",
                "Perhaps you signed in with another account than the one that the course knows: "
                "sign out there and try again. If you have just enrolled, the list follows soon.",
            )
        subject = str(claims["sub"])
        if not self.people.link(issuer, subject, found[0].username, datetime.now(UTC)):
            raise Refused(
                "account-collision",
                "Somebody has signed in as you with another account before.",
                "Sign in with the account that you used first. If yours was made anew, "
                "the course's staff can let the new one in.",
            )
        return found[0]


def _true(claim: object) -> bool:
    # Some providers write booleans as text.
    return claim is True or claim == "true"
