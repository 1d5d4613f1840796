"""nbgrader's exchange plugins for the student's server: list, fetch, submit, fetch feedback.

They keep nbgrader's own contract (`nbgrader.exchange.abc`), so that its Assignment List and its
commands work unchanged; instead of a shared folder they ask the course service.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from nbgrader.exchange import abc

from coursehub.errors import CourseHubError, ExchangeError, NotFound
from coursehub.exchange.client import Client, connect_from_server, read_for_hand_in
from coursehub.exchange.protocol import AssignmentRecord, HandInRecord

RECEIPTS = "receipts"


def configure_student(c: Any) -> None:
    """Wire the plugins into nbgrader's configuration `c` of a student's server."""
    c.ExchangeFactory.list = f"{__name__}.List"
    c.ExchangeFactory.fetch_assignment = f"{__name__}.FetchAssignment"
    c.ExchangeFactory.submit = f"{__name__}.Submit"
    c.ExchangeFactory.fetch_feedback = f"{__name__}.FetchFeedback"


class Refusal:
    """The last refusal, as the one sentence a student should read.

    nbgrader's Assignment List shows a traceback, or nothing at all, where a plugin fails; `lab`
    puts this sentence there instead.
    """

    sentence: str | None = None


def _plainly(step: Callable[..., Any]) -> Callable[..., Any]:
    """Turn our errors into nbgrader's: one sentence, on the command line and in `Refusal`."""

    @wraps(step)
    def wrapper(self: "Plugin", *arguments: Any, **named: Any) -> Any:
        Refusal.sentence = None
        try:
            return step(self, *arguments, **named)
        except CourseHubError as error:
            text = str(error).rstrip(".")
            # A sentence begins with a capital letter, unless it begins with a file's name.
            first = text if "." in text.split()[0] else f"{text[0].upper()}{text[1:]}"
            Refusal.sentence = f"{first}."
            self.fail(Refusal.sentence)
        finally:
            self.disconnect()

    return wrapper


class Plugin(abc.Exchange):
    """What the four plugins share: a connection, and where assignments lie in the home."""

    _client: Client | None = None

    @property
    def client(self) -> Client:
        """A connection for this one step."""
        if self._client is None:
            self._client = connect_from_server()
        return self._client

    def disconnect(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def local(self, assignment: str) -> Path:
        """Where an assignment lies, or would lie, in the student's home."""
        return Path(self.assignment_dir).absolute() / assignment

    def init_src(self) -> None:
        """Nothing to prepare: the service knows who asks and what there is."""

    def init_dest(self) -> None:
        """Nothing to prepare."""

    @_plainly
    def start(self) -> Any:
        """Do the plugin's step.

        Raises:
            nbgrader.exchange.ExchangeError: one plain sentence.
        """
        return super().start()

    def record(self) -> AssignmentRecord:
        """The service's record of the assignment that was named.

        Raises:
            NotFound: when it is not open.
        """
        name = Path(self.coursedir.assignment_id).name
        for record in self.client.assignments().assignments:
            if record.assignment == name:
                return record
        raise NotFound(f"there is no {name}", remedy="See the list for what is open")


class List(Plugin, abc.ExchangeList):
    """Lists what is open (`nbgrader list`), or what was handed in (`cached` or `inbound`)."""

    def copy_files(self) -> None:
        """Nothing to copy."""

    def list_files(self) -> list[dict[str, Any]]:
        """The list in nbgrader's form."""
        return self._handed_in() if self.cached or self.inbound else self._open()

    def remove_files(self) -> list[dict[str, Any]]:
        """Refuse: nothing a student handed in is ever removed.

        Raises:
            CourseHubError: always.
        """
        raise ExchangeError("hand-ins are kept and cannot be removed")

    def _wanted(self, course: str, assignment: str) -> bool:
        return self.coursedir.course_id in ("", "*", course) and (
            self.coursedir.assignment_id in ("", "*", assignment)
        )

    def _open(self) -> list[dict[str, Any]]:
        answer = self.client.assignments()
        entries = []
        self.log.info("Released assignments:")
        for record in answer.assignments:
            if not self._wanted(answer.course, record.assignment):
                continue
            folder = self.local(record.assignment)
            fetched = folder.is_dir()
            entries.append(
                {
                    "course_id": answer.course,
                    "assignment_id": record.assignment,
                    "status": "fetched" if fetched else "released",
                    "path": str(folder),
                    "notebooks": [
                        {"notebook_id": path.stem, "path": str(path)}
                        for path in (sorted(folder.glob("*.ipynb")) if fetched else ())
                    ],
                }
            )
            self.log.info(
                "%s %s: %s, %s%s",
                answer.course,
                record.assignment,
                record.due_text,
                record.time_left,
                " (already downloaded)" if fetched else "",
            )
        return entries

    def _handed_in(self) -> list[dict[str, Any]]:
        answer = self.client.hand_ins()
        by_assignment: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.log.info("Submitted assignments:")
        for record in answer.hand_ins:
            if self._wanted(answer.course, record.assignment):
                entry = self._hand_in(answer.course, answer.username, record)
                by_assignment[record.assignment].append(entry)
                self.log.info(
                    "%s %s %s: %s", answer.course, record.assignment, record.timestamp, say(record)
                )
        return [
            {
                "course_id": answer.course,
                "student_id": answer.username,
                "assignment_id": assignment,
                "status": "submitted",
                "submissions": submissions,
            }
            for assignment, submissions in sorted(by_assignment.items())
        ]

    def _hand_in(self, course: str, username: str, record: HandInRecord) -> dict[str, Any]:
        folder = self.local(record.assignment) / "feedback" / record.timestamp
        notebooks = []
        for name in record.files:
            stem, dot, _ = name.rpartition(".ipynb")
            if not dot:
                continue
            page = folder / f"{stem}.html"
            ready = record.feedback.get(page.name)
            local = _checksum(page)
            notebooks.append(
                {
                    "notebook_id": stem,
                    "path": str(self.local(record.assignment) / name),
                    "has_local_feedback": local is not None,
                    "has_exchange_feedback": ready is not None,
                    "local_feedback_path": str(page) if local else None,
                    "feedback_updated": bool(local and ready and local != ready),
                }
            )
        has_local = all(notebook["has_local_feedback"] for notebook in notebooks)
        return {
            "course_id": course,
            "student_id": username,
            "assignment_id": record.assignment,
            "timestamp": record.timestamp,
            "status": "submitted",
            "path": str(self.local(record.assignment)),
            "notebooks": notebooks,
            "has_local_feedback": has_local,
            "has_exchange_feedback": all(note["has_exchange_feedback"] for note in notebooks),
            "feedback_updated": any(note["feedback_updated"] for note in notebooks),
            "local_feedback_path": str(folder) if has_local else None,
        }


class FetchAssignment(Plugin, abc.ExchangeFetchAssignment):
    """Copies a released assignment into the student's home."""

    def copy_files(self) -> None:
        """Write the files; never over one that is there.

        Raises:
            ExchangeError: when the assignment is not open, or was fetched before.
        """
        record = self.record()
        folder = self.local(record.assignment)
        if folder.exists() and not self.replace_missing_files:
            raise ExchangeError(
                f"you already have a folder {folder.name}",
                remedy="Rename or delete it to fetch a fresh copy",
            )
        for name, content in self.client.files(record.assignment).items():
            path = folder / name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        self.log.info("Fetched as: %s, %s", folder, record.due_text)


class Submit(Plugin, abc.ExchangeSubmit):
    """Hands in, and keeps the signed receipt in the student's home."""

    def copy_files(self) -> None:
        """Send the assignment's files and write the receipt.

        Raises:
            ExchangeError: why nothing was handed in.
        """
        record = self.record()
        folder = self.local(record.assignment)
        contents, left_out = read_for_hand_in(folder, record.files)
        done = self.client.hand_in(record.assignment, contents)
        try:
            receipt = str(self._keep(done))
        except OSError as error:  # such as a home that is full: the hand-in is there all the same
            receipt = f"not kept in your home ({error.strerror}); download it from the course page"
        if left_out:
            self.log.warning("Left out, not part of the assignment: %s", ", ".join(left_out))
        if done.remark:
            self.log.warning("Please check: %s", done.remark)
        self.log.info("Submitted as: %s %s: %s", done.assignment, done.timestamp, say(done))
        self.log.info("Receipt: %s", receipt)

    def _keep(self, done: HandInRecord) -> Path:
        folder = self.local(RECEIPTS)
        folder.mkdir(exist_ok=True)
        receipt = folder / f"{done.assignment} receipt {done.number}.txt"
        receipt.write_text(done.receipt)
        key = folder / "course-key.pem"
        if not key.exists():
            key.write_text(self.client.public_key())
        return receipt


class FetchFeedback(Plugin, abc.ExchangeFetchFeedback):
    """Copies the feedback of one's own hand-ins into the assignment's folder."""

    def copy_files(self) -> None:
        """Write every page that is ready.

        Raises:
            NotFound: when there is none yet.
        """
        name = Path(self.coursedir.assignment_id).name
        ready = [
            record
            for record in self.client.hand_ins().hand_ins
            if record.assignment == name and record.feedback
        ]
        if not ready:
            raise NotFound(f"there is no feedback for {name} yet", remedy="Try again later")
        for record in ready:
            folder = self.local(name) / "feedback" / record.timestamp
            folder.mkdir(parents=True, exist_ok=True)
            for page, content in self.client.feedback(record.number).items():
                (folder / page).write_bytes(content)
                self.log.info("Fetched feedback: %s", folder / page)


def say(record: HandInRecord) -> str:
    """A hand-in's standing in a few words."""
    standing = "late, kept and flagged" if record.late else "on time"
    return f"{standing}; {'this one counts' if record.counts else 'another one counts'}"


def _checksum(page: Path) -> str | None:
    return hashlib.sha256(page.read_bytes()).hexdigest() if page.is_file() else None
