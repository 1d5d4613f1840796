"""How far a batch is: a bar in a terminal, plain lines anywhere else."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_MOST_NAMES = 4


class Batch:
    """What runs, what is done and what is left; told from any thread."""

    def __init__(self, total: int, show: Callable[["Batch"], None]) -> None:
        """Begin with nothing; `show` is called after each change."""
        self.total = total
        self.done = 0
        self._running: list[str] = []
        self._begun = time.monotonic()
        self._show = show

    def start(self, name: str) -> None:
        """One is taken up."""
        self._running.append(name)
        self._show(self)

    def finish(self, name: str) -> None:
        """One is done, with or without success."""
        self._running.remove(name)
        self.done += 1
        self._show(self)

    @property
    def running(self) -> str:
        """Who is at it, in short."""
        names = list(self._running)
        more = len(names) - _MOST_NAMES
        return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")

    @property
    def left(self) -> str:
        """How many are left, and for how long at the pace so far."""
        count = self.total - self.done
        if not self.done or not count:
            return f"{count} left"
        seconds = round((time.monotonic() - self._begun) / self.done * count)
        minutes, seconds = divmod(seconds, 60)
        span = f"{minutes} min" if minutes > 9 else f"{minutes} min {seconds} s"
        return f"{count} left, about {span if minutes else f'{seconds} s'}"


@contextmanager
def progress(title: str, total: int, console: Console | None = None) -> Iterator[Batch]:
    """Show how far a batch is while it runs.

    Args:
        title: What is done.
        total: How many there are.
        console: Where; standard output unless given.
    """
    console = console or Console()
    with _bar(title, total, console) if console.is_terminal else _lines(title, console) as show:
        yield Batch(total, show)


@contextmanager
def _bar(title: str, total: int, console: Console) -> Iterator[Callable[[Batch], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TextColumn("left:"), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total)

        def show(batch: Batch) -> None:
            text = f"{title}: {escape(batch.running)}" if batch.running else title
            bar.update(task, completed=batch.done, description=text, refresh=True)

        yield show


@contextmanager
def _lines(title: str, console: Console) -> Iterator[Callable[[Batch], None]]:
    """A line for each that is done; a file or a pipe has no place for a bar."""
    said = 0

    def show(batch: Batch) -> None:
        nonlocal said
        if batch.done > said:
            said = batch.done
            now = f"; running: {batch.running}" if batch.running else ""
            line = f"{title}: {batch.done} of {batch.total} done, {batch.left}{now}"
            console.file.write(f"{line}\n")
            console.file.flush()

    yield show
