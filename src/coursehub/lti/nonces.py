"""Nonces: each is spent once, in the database, so that no message counts twice."""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import Engine, bindparam, delete
from sqlalchemy.exc import IntegrityError

from coursehub.lti.tables import create_tables, nonces

_FORGET_EVERY = timedelta(minutes=1)


class Nonces:
    """What was spent, by whoever sent it."""

    def __init__(self, engine: Engine) -> None:
        """Work on the database behind `engine`."""
        create_tables(engine)
        self._engine = engine
        self._forgot: datetime | None = None

    def spend(self, sender: str, nonce: str, expires: datetime, now: datetime) -> bool:
        """Whether the nonce was not spent yet; from now on it is. Of two at once, one gets it.

        Args:
            sender: who made it, e.g. issuer and client id; others may use the same nonce.
            nonce: as it stands in a message whose signature is right.
            expires: when the message is refused for its age anyway.
            now: the time; what has expired by then is forgotten within a minute.
        """
        digest = hashlib.sha256(f"{sender}\n{nonce}".encode()).hexdigest()
        try:
            with self._engine.begin() as connection:
                connection.execute(_SPEND, {"digest": digest, "expires": expires})
                if self._forgot is None or not timedelta() <= now - self._forgot < _FORGET_EVERY:
                    connection.execute(_FORGET, {"now": now})
                    self._forgot = now
        except IntegrityError:
            return False
        return True


_SPEND = nonces.insert()
_FORGET = delete(nonces).where(nonces.c.expires < bindparam("now"))
