"""The judge's side of a trial: runs the source's set-up cells and its tests, hidden ones included.

No code of a student's runs here. What the answers define is reached through `far.Far`.
"""

import ast
import contextlib
from typing import Any

from coursehub.grading import wire
from coursehub.grading.credit import credit
from coursehub.grading.far import Far
from coursehub.grading.generators import reseed, restore, state
from coursehub.grading.plan import defined_names
from coursehub.grading.proxies import StudentEnded
from coursehub.grading.sharing import read, split
from coursehub.grading.shell import Ran, Shell, deadline
from coursehub.grading.words import gives_away

_HIDDEN = "BEGIN HIDDEN TESTS"
_LONGEST = 8_000  # characters of a message


def main(channel: Any) -> None:
    """Serve the host until it wants nothing more."""
    with contextlib.suppress(EOFError):
        Judge(channel).serve()


class Judge:
    """Runs what the host says, in its order."""

    def __init__(self, channel: Any) -> None:
        """Wait for the host's first message, which sets limits and seed."""
        self._channel = channel
        self._limits = wire.decode(channel.receive())
        self._shell = Shell(self._limits["output"])
        self._names = self._shell.names
        self._far = Far(channel, self._names, self._limits["frame"])
        self._foreign: set[str] = set()
        self._tied: set[str] = set()
        self._changes: dict[str, frozenset[str]] = {}
        self._bound: dict[str, Any] = {}
        self._drawn = state()  # where set-up cells stand with their random numbers
        reseed(self._limits["seed"])
        self._own = state()  # and where the tests do

    def serve(self) -> None:
        """Do one thing after the other."""
        while True:
            message = wire.decode(self._channel.receive())
            try:
                report = getattr(self, f"_{message['op']}")(message)
            except StudentEnded:
                report = {}  # the host knows it too
            self._channel.send(wire.encode({"op": "done", **report}))

    def _setup(self, message: dict[str, Any]) -> dict[str, Any]:
        """Run the judge's share of a set-up cell; the student's side has run it already."""
        tree = ast.parse(self._shell.transformed(message["source"]))
        share = split(tree, self._foreign, self._limits["seed"], self._changes)
        ran = self._set_up(share.here, message["chance"], message["seeded"])
        self._far.given |= set(message["defines"])
        if "fresh_seed" in message["defines"]:
            self._names["fresh_seed"] = self._limits["seed"]
        live = {name for name in share.passed if self._far.is_live(self._names.get(name))}
        there = share.there | live | set(message["far"])
        self._tied = (self._tied | share.tied) - there
        self._changes |= share.changes
        self._foreign |= there | share.tied
        self._bind(there, again=True)
        return {"error": self._told(ran, hidden=False), "shared": share.here_alone}

    def _set_up(self, source: str, chance: int | None, seeded: bool) -> Ran:
        """Run set-up code with the random numbers that it has on the student's side, too."""
        restore(self._drawn) if chance is None else reseed(chance)
        ran = self._run(source)
        self._drawn = state()
        if seeded:  # the author chose the numbers; tests draw on from there, as in a notebook
            self._own = self._drawn
        return ran

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Bind the names that an answer was to define."""
        defines = set(message["defines"])
        self._foreign |= defines
        self._tied -= defines
        self._far.gentle = self._far.gentle - defines | set(message["gentle"])
        self._bind(message["defines"], again=True)
        # A library that the source's answer imports is the judge's own, whatever the student made
        # of its name: `np.testing` shall be numpy's.
        for line in message["imports"].splitlines():
            own = defined_names(line)
            if self._run(line).error is None:
                self._foreign -= own
        return {}

    def _define(self, message: dict[str, Any]) -> dict[str, Any]:
        """Take over what a test that is not judged here imports and defines."""
        self._run(message["source"])
        return {}

    def _test(self, message: dict[str, Any]) -> dict[str, Any]:
        """Run a test cell and say what it earned."""
        source, hidden = message["source"], _HIDDEN in message["source"]
        try:
            self._bind(self._foreign & _names_in(self._shell.transformed(source)))
            ran = self._tried(source)
        except StudentEnded as ended:
            ran = Ran(ended, None, [], 0.0, 0.0)
        error = self._told(ran, hidden)
        for output in ran.outputs if hidden else ():
            if output["output_type"] == "error":
                output["evalue"] = error.partition(": ")[2]
        points, remark = 0.0, error
        if not error:
            points, remark = credit(ran.value, message["points"], counts=message["counts"])
        self._far.end_of_cell()
        return {
            "points": points,
            "message": remark,
            "private": self._is_private(ran),
            "outputs": _sendable(ran.outputs),
            "seconds": ran.seconds,
            "peak": ran.peak_mb,
        }

    def _tried(self, source: str) -> Ran:
        """Run a test; once more, if the student changed arguments that the source leaves alone.

        The test has to pass with its inputs as they are then, like in a notebook, and as they were:
        nobody shall turn them into what gives the expected result.
        """
        self._far.meddled = False
        before = self._own
        restore(before)
        ran = self._run(source)
        if self._far.meddled and ran.error is None:
            self._far.end_of_cell()
            restore(before)
            self._far.copies = True
            ran = self._run(source, self._limits["cell_seconds"] - ran.seconds)
            self._far.copies = False
        self._own = state()
        return ran

    def _run(self, source: str, seconds: float | None = None) -> Ran:
        seconds = self._limits["cell_seconds"] if seconds is None else max(seconds, 0.1)
        with self._far.serving(), deadline(seconds):
            return self._shell.run(source)

    def _bind(self, names: Any, again: bool = False) -> None:
        """Give names the values that they have on the student's side now."""
        for name in sorted(set(names) - self._tied):
            rebound = name in self._bound and self._names.get(name) is not self._bound[name]
            if rebound and not again:
                continue  # by the test's own code, which the student's side knows nothing of
            try:
                value = self._far.fetch(name, self._names.get(name))
            except StudentEnded:
                raise
            except Exception:
                self._names.pop(name, None)
                self._bound.pop(name, None)
            else:
                self._names[name] = self._bound[name] = value

    def _told(self, ran: Ran, hidden: bool) -> str:
        """What a student reads about an error: its type and text, never the source of a test."""
        error = ran.error
        if self._far.ended:  # even where the test has caught it
            return self._far.ended[:1].upper() + self._far.ended[1:]
        if error is None:
            return ""
        name = type(error).__name__
        if self._far.raised_there(error):
            # Its text may quote the inputs that the test had chosen.
            text = "" if hidden else _text(error)
            return f"Your code raised {name}{': ' + text if text else ''}"[:_LONGEST]
        text = _text(error)
        return f"{name}: {text}"[:_LONGEST] if text else name

    def _is_private(self, ran: Ran) -> bool:
        """Whether the message is for staff alone."""
        error = ran.error
        if error is None or self._far.ended or self._far.raised_there(error):
            return False
        return gives_away(error)


def _sendable(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    try:
        wire.encode(outputs, limit=8 << 20)
    except wire.WireError:
        return []
    return outputs


def _names_in(source: str) -> set[str]:
    try:
        return read(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError):
        return set()


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:
        return ""
