"""The wire format between the student's server and the course service: JSON over HTTP.

    GET  api/assignments                        -> AssignmentList
    GET  api/assignments/NAME/files             -> Files
    POST api/assignments/NAME/hand-ins  Files   -> HandInRecord   (header Idempotency-Key)
    GET  api/hand-ins                           -> HandInList
    GET  api/hand-ins/NUMBER/feedback           -> Files
    GET  api/visible-tests                      -> VisibleTestsList
    GET  api/key                                -> the published key, PEM (no sign-in)
    GET  api/health                             -> {"status": "ok"} (no sign-in)

Who asks is said by the hub's token alone. An error is `errors.as_json` with the status of
`errors.HTTP_STATUS`.
"""

import base64
from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from coursehub.errors import BadSubmission

SERVICE_NAME = "course"
SERVICE_PREFIX = f"/services/{SERVICE_NAME}/"
IDEMPOTENCY_HEADER = "Idempotency-Key"


class Message(BaseModel):
    """What crosses the wire; immutable, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AssignmentRecord(Message):
    """One assignment as the person who asks may see it."""

    assignment: str
    title: str
    notebook: str
    files: tuple[str, ...]
    open: bool
    release: datetime
    due: datetime
    on_time_before: datetime
    due_text: str
    time_left: str


class AssignmentList(Message):
    """Every assignment the person who asks may see."""

    course: str
    username: str
    staff: bool
    assignments: tuple[AssignmentRecord, ...]


class HandInRecord(Message):
    """One hand-in of the person who asks, with its signed receipt."""

    number: int
    assignment: str
    received: datetime
    received_text: str
    timestamp: str
    late: bool
    counts: bool
    files: tuple[str, ...]
    receipt: str
    remark: str | None = None
    feedback: dict[str, str] = {}
    """Feedback pages ready to fetch: file name -> SHA-256."""


class HandInList(Message):
    """Everything the person who asks handed in, oldest first."""

    course: str
    username: str
    hand_ins: tuple[HandInRecord, ...]


class VisibleTest(Message):
    """One test that students see; without points where a part of it is hidden."""

    name: str
    passed: bool
    message: str
    points: float | None
    max_points: float | None


class VisibleTests(Message):
    """What the visible tests said of one hand-in; `text` is one sentence or two."""

    hand_in: int
    done: bool
    text: str
    tests: tuple[VisibleTest, ...]


class VisibleTestsList(Message):
    """What the visible tests said of the hand-ins of the person who asks, oldest first."""

    hand_ins: tuple[VisibleTests, ...]


class Files(Message):
    """File contents, as base64."""

    files: dict[str, str]

    @classmethod
    def pack(cls, contents: Mapping[str, bytes]) -> "Files":
        """Encode name -> bytes."""
        return cls(files={name: base64.b64encode(data).decode() for name, data in contents.items()})

    def unpack(self) -> dict[str, bytes]:
        """Decode to name -> bytes.

        Raises:
            BadSubmission: when a file is not base64.
        """
        try:
            return {
                name: base64.b64decode(data, validate=True) for name, data in self.files.items()
            }
        except ValueError as error:
            raise BadSubmission("a file is not base64", remedy="Submit again") from error


def read_files(body: bytes) -> dict[str, bytes]:
    """The files in the body of a request.

    Raises:
        BadSubmission: when the body is not `Files`.
    """
    try:
        return Files.model_validate_json(body).unpack()
    except ValidationError as error:
        raise BadSubmission(
            "the request is no hand-in",
            remedy="Submit from JupyterLab's Assignment List or with `nbgrader submit`",
        ) from error
