"""Who may do what: the project asks anything that looks like a roster."""

from collections.abc import Sequence
from typing import Protocol

from coursehub.errors import NotAllowed, NotEnrolled


class Person(Protocol):
    """A member of the course."""

    @property
    def username(self) -> str:
        """Their name at the hub."""

    @property
    def name(self) -> str:
        """Their name."""

    @property
    def staff(self) -> bool:
        """Whether they teach."""


class People(Protocol):
    """Everybody in the course."""

    def find(self, username: str) -> Person | None:
        """The person of that user name, or None."""

    def everyone(self) -> Sequence[Person]:
        """All of them, by user name."""


def need_student(people: People, username: str) -> Person:
    """The student of that user name.

    Raises:
        NotEnrolled: when there is none, or it is somebody of the staff.
    """
    person = people.find(username)
    if person is None or person.staff:
        raise NotEnrolled(
            f"{username} is no student of this course",
            remedy="Check the spelling of the user name",
        )
    return person


def need_staff(people: People, username: str) -> Person:
    """The member of staff of that user name.

    Raises:
        NotAllowed: when they are not of the staff.
    """
    person = people.find(username)
    if person is None or not person.staff:
        raise NotAllowed(f"{username} is not of the course staff", remedy="Ask the course staff")
    return person


def need_reason(reason: str) -> str:
    """The reason, without blanks around it.

    Raises:
        NotAllowed: when there is none.
    """
    if not reason.strip():
        raise NotAllowed("staff give a reason", remedy="Say why, in a few words")
    return reason.strip()
