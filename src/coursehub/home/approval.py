"""What of an assignment still needs a person before its feedback goes out, in sentences."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from coursehub.home.staff import BY_HAND, UNDECIDED, Row
from coursehub.home.words import a_few

_NEEDS: Sequence[tuple[str, Callable[[Row], bool]]] = (
    ("not graded", lambda row: row.state == "handed-in"),
    ("could not be graded", lambda row: row.state == "failed"),
    ("points by hand missing", lambda row: BY_HAND in row.why),
    ("edits undecided", lambda row: UNDECIDED in row.why),
)


def before_feedback(
    rows: Iterable[Row], last: datetime, now: datetime, say: Callable[[datetime], str]
) -> list[str]:
    """Return what `coursehub approve` would warn of; empty where nothing needs a person.

    Args:
        rows: The class.
        last: When nobody has any more time.
        now: The time.
        say: Says a time to people.
    """
    found = [f"there is time until {say(last)}"] if last > now else []
    everybody = list(rows)
    for what, needs in _NEEDS:
        if who := [row.person.username for row in everybody if needs(row)]:
            found.append(f"{what}: {a_few(who)}")
    return found
