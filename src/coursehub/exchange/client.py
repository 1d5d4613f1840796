"""The student's side of the wire: what nbgrader's plugins call."""

import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from coursehub import errors
from coursehub.errors import BadSubmission, ExchangeError, ServiceUnavailable
from coursehub.exchange.intake import expected_name
from coursehub.exchange.protocol import (
    IDEMPOTENCY_HEADER,
    AssignmentList,
    Files,
    HandInList,
    HandInRecord,
    VisibleTestsList,
)

# The Assignment List calls from within the student's server, which waits meanwhile.
_TIMEOUT = httpx.Timeout(20.0, connect=3.0)
_ATTEMPTS = 3
_PAUSE_SECONDS = 1.0


class Client:
    """Speaks to the course service as the person whose hub token it holds."""

    def __init__(self, url: str, token: str) -> None:
        """Use the service at `url` (ending in `api/`) with a hub token."""
        self._http = httpx.Client(
            base_url=url,
            timeout=_TIMEOUT,
            headers={"Authorization": f"token {token}"},
            trust_env=False,
        )

    def assignments(self) -> AssignmentList:
        """What may be seen now."""
        return AssignmentList.model_validate_json(self._ask("GET", "assignments"))

    def files(self, assignment: str) -> dict[str, bytes]:
        """The released files of an assignment."""
        answer = self._ask("GET", f"assignments/{assignment}/files")
        return Files.model_validate_json(answer).unpack()

    def hand_in(
        self, assignment: str, contents: Mapping[str, bytes], key: str | None = None
    ) -> HandInRecord:
        """Hand in files; a lost answer is asked for again and never hands in twice."""
        answer = self._ask(
            "POST",
            f"assignments/{assignment}/hand-ins",
            content=Files.pack(contents).model_dump_json().encode(),
            headers={IDEMPOTENCY_HEADER: key or uuid.uuid4().hex},
        )
        return HandInRecord.model_validate_json(answer)

    def hand_ins(self) -> HandInList:
        """Everything handed in so far."""
        return HandInList.model_validate_json(self._ask("GET", "hand-ins"))

    def visible_tests(self) -> VisibleTestsList:
        """What the visible tests said of what was handed in."""
        return VisibleTestsList.model_validate_json(self._ask("GET", "visible-tests"))

    def feedback(self, number: int) -> dict[str, bytes]:
        """The feedback pages of one's own hand-in."""
        return Files.model_validate_json(self._ask("GET", f"hand-ins/{number}/feedback")).unpack()

    def public_key(self) -> str:
        """The published key, PEM."""
        return self._ask("GET", "key").decode()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> "Client":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def _ask(self, method: str, path: str, **request: Any) -> bytes:
        """Send a request, again when the service did not answer.

        Raises:
            ExchangeError: what the service said, as the same class, or ServiceUnavailable.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                response = self._http.request(method, path, **request)
            except httpx.TransportError as error:
                problem: ExchangeError = ServiceUnavailable(
                    "the exchange does not answer",
                    remedy="Your work is safe in your own folder; try again in a minute",
                )
                problem.__cause__ = error
            else:
                if response.is_success:
                    return response.content
                problem = _as_error(response)
                if not isinstance(problem, ServiceUnavailable):
                    raise problem
            if attempt < _ATTEMPTS:
                time.sleep(_PAUSE_SECONDS * attempt)
        raise problem


def connect_from_server() -> Client:
    """The client of a student's own server, by what the hub put into its environment.

    Raises:
        ServiceUnavailable: outside a server started by the hub.
    """
    try:
        url, token = os.environ["COURSEHUB_EXCHANGE_URL"], os.environ["JUPYTERHUB_API_TOKEN"]  # noqa: TID251
    except KeyError as error:
        raise ServiceUnavailable(
            f"this is no server of the course's hub ({error} is not set)",
            remedy="Sign in at the hub and use the terminal or the Assignment List there",
        ) from error
    return Client(url, token)


def read_for_hand_in(folder: Path, expected: tuple[str, ...]) -> tuple[dict[str, bytes], list[str]]:
    """The files of `folder` to hand in, and the names of those that are left out.

    A notebook may have the LMS's form of name; everything else must be named as expected.

    Raises:
        BadSubmission: when the folder or a file cannot be read.
    """
    contents, left_out = {}, []
    try:
        for path in sorted(folder.iterdir()):
            if not path.is_file() or path.is_symlink():
                continue
            try:
                expected_name(path.name, expected)
            except BadSubmission:
                left_out.append(path.name)
            else:
                contents[path.name] = path.read_bytes()
    except OSError as error:
        raise BadSubmission(
            f"{folder.name} cannot be read ({error.strerror})",
            remedy="Fetch the assignment first, then submit",
        ) from error
    return contents, left_out


def _as_error(response: httpx.Response) -> ExchangeError:
    try:
        answer = response.json()
        kind = getattr(errors, answer["error"])
        if not issubclass(kind, ExchangeError):
            kind = ExchangeError
        error: ExchangeError = kind(answer["message"], remedy=answer["remedy"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ServiceUnavailable(
            f"the exchange does not answer (HTTP {response.status_code})",
            remedy="Your work is safe in your own folder; try again in a minute",
        )
    return error
