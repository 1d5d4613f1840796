"""A look at a hand-in before it is handed in: names, missing files, the deadline, and remarks."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from traitlets import Unicode
from traitlets.config import LoggingConfigurable
from traitlets.utils.importstring import import_item

from coursehub.errors import CourseHubError, NotFound
from coursehub.exchange import intake
from coursehub.exchange.client import Client, read_for_hand_in
from coursehub.exchange.protocol import AssignmentRecord

Remarks = Callable[[Mapping[str, bytes], Mapping[str, bytes]], list[str]]

_NO_LIMIT = 1 << 40  # what is too large is the service's to say


class Beforehand(LoggingConfigurable):
    """Who else has remarks; loaded when first asked, since it brings much with it."""

    remarks = Unicode(
        help="A function of the released files and of those to hand in, by its dotted name."
    ).tag(config=True)

    def load(self) -> Remarks:
        """The function, or one that has none."""
        found: Remarks = import_item(self.remarks) if self.remarks else (lambda *_: [])
        return found


def look(
    client: Client, home: Path, assignment: str, remarks: Remarks, now: datetime
) -> dict[str, Any]:
    """What a student should know before they hand in an assignment.

    Args:
        client: The exchange, as this student.
        home: The folder that holds the assignment's folder.
        assignment: Its name.
        remarks: Who else has remarks.
        now: The time.

    Returns:
        ``deadline``, a phrase; ``remarks``, sentences, none where all is well; and ``notebooks``,
        the paths of what has tests that can be run.

    Raises:
        ExchangeError: The exchange does not answer, or knows no such assignment.
    """
    record = _record(client, assignment)
    found = []
    if now >= record.on_time_before:
        found.append(f"It is late ({record.time_left}): it will be kept, and marked as late.")
    try:
        contents, _ = read_for_hand_in(home / record.assignment, record.files)
        intake.accept(contents, record.files, limit=_NO_LIMIT)
    except CourseHubError as error:
        found.append(str(error))
    else:
        found += remarks(client.files(record.assignment), contents)
    deadline = ", ".join(part for part in (record.due_text, record.time_left) if part)
    folder = Path(record.assignment)
    notebooks = [str(folder / name) for name in record.files if name.endswith(".ipynb")]
    there = [path for path in notebooks if (home / path).is_file()]
    return {"deadline": deadline, "remarks": found, "notebooks": there}


def _record(client: Client, assignment: str) -> AssignmentRecord:
    for record in client.assignments().assignments:
        if record.assignment == assignment:
            return record
    raise NotFound(f"there is no {assignment}", remedy="See the list for what is open")
