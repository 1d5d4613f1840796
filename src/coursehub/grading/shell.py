"""Runs the cells of a notebook in this process, without a kernel; outputs as nbformat has them."""

import builtins
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.profiledir import ProfileDir
from traitlets.config import Config

_INLINE = "module://matplotlib_inline.backend_inline"
_RAISE = 5.0  # seconds after which a caught time-out is raised again


class OutOfTime(KeyboardInterrupt):
    """A cell or call took longer than it may; no `except Exception` catches it."""


@dataclass
class Outputs:
    """What a cell shows, capped; what is over the cap is replaced by one line."""

    cap: int
    items: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0

    def add(self, output: dict[str, Any]) -> None:
        """Add an output, or merge it into the one before."""
        size = _size(output)
        if self.size > self.cap:
            return
        self.size += size
        if self.size > self.cap:
            note = "\n[more was shown than is kept]\n"
            output = {"output_type": "stream", "name": "stderr", "text": note}
        last = self.items[-1] if self.items else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            last["text"] += output["text"]
        else:
            self.items.append(output)


@dataclass(frozen=True)
class Ran:
    """What running a cell gave.

    Attributes:
        error: What it raised, or None.
        value: The value of its last expression.
        outputs: In nbformat's form.
        seconds: Wall time.
        peak_mb: Peak memory of the process so far, in MiB.
    """

    error: BaseException | None
    value: Any
    outputs: list[dict[str, Any]]
    seconds: float
    peak_mb: float


class Shell:
    """An IPython shell whose outputs go nowhere but into the results."""

    def __init__(self, cap: int) -> None:
        """Make the process's one shell; `cap`: most bytes of output a cell."""
        self._cap = cap
        self._outputs = Outputs(cap)
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        config.InteractiveShell.enable_tip = False
        place = ProfileDir.create_profile_dir(tempfile.mkdtemp(prefix="profile"))
        shell = _Interactive(config=config, profile_dir=place)
        _Interactive._instance = InteractiveShell._instance = shell
        shell.outputs = self._outputs
        shell.display_pub.outputs = self._outputs
        shell.displayhook.outputs = self._outputs
        shell.system = shell.system_piped
        _draw_inline()
        self.names: dict[str, Any] = shell.user_ns
        self.shell = shell

    def run(self, source: str) -> Ran:
        """Run a cell; whatever it raises is in the result."""
        self._outputs.items, self._outputs.size = [], 0
        kept = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _Stream(self._outputs, "stdout"), _Stream(self._outputs, "stderr")
        begun = time.monotonic()
        error: BaseException | None = None
        value = None
        try:
            ran = self.shell.run_cell(source, store_history=False)
            error, value = ran.error_before_exec or ran.error_in_exec, ran.result
            _show_figures(self.shell)
        except BaseException as broken:
            error = error or broken
        finally:
            sys.stdout, sys.stderr = kept
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Ran(error, value, self._outputs.items, time.monotonic() - begun, peak)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Within it nothing printed is kept."""
        kept = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = _Stream(Outputs(0), "stdout")
        try:
            yield
        finally:
            sys.stdout, sys.stderr = kept

    def transformed(self, source: str) -> str:
        """Return a cell as plain Python."""
        return str(self.shell.transform_cell(source))


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the main thread when the time is over, again and again.

    It only helps those who let it; the host ends who does not. Deadlines nest.
    """

    def ring(number: int, frame: Any) -> None:
        raise OutOfTime(f"took longer than {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds, _RAISE)
    begun = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        with suppress(TypeError, ValueError):
            signal.signal(signal.SIGALRM, before)
        if left:
            rest = max(left - (time.monotonic() - begun), 0.001)
            signal.setitimer(signal.ITIMER_REAL, rest, _RAISE)


class _Stream:
    """A text file that puts what is written into outputs."""

    encoding = "utf-8"
    errors = "replace"
    closed = False

    def __init__(self, outputs: Outputs, name: str) -> None:
        self._outputs = outputs
        self.name = name

    def write(self, text: str) -> int:
        """Write."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            self._outputs.add({"output_type": "stream", "name": self.name, "text": text})
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        """No terminal."""
        return False

    def writable(self) -> bool:
        """Yes."""
        return True

    def readable(self) -> bool:
        """No."""
        return False

    def fileno(self) -> int:
        """None, as in a notebook."""
        raise OSError("no file number")


class _Publisher(DisplayPublisher):
    outputs: Any = None

    def publish(self, data: Any, metadata: Any = None, **options: Any) -> None:
        shown = {"data": dict(data), "metadata": dict(metadata or {})}
        self.outputs.add({"output_type": "display_data", **shown})

    def clear_output(self, wait: bool = False) -> None:
        self.outputs.items.clear()


class _Hook(DisplayHook):
    outputs: Any = None

    def __call__(self, result: Any = None) -> None:
        if result is None or self.quiet():
            return
        data, metadata = self.compute_format_data(result)
        builtins._ = self.shell.user_ns["_"] = result  # type: ignore[attr-defined]
        shown = {"data": data, "metadata": metadata, "execution_count": None}
        self.outputs.add({"output_type": "execute_result", **shown})
        if self.exec_result is not None:
            self.exec_result.result = result


class _Interactive(InteractiveShell):
    outputs: Any = None

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, display_pub_class=_Publisher, displayhook_class=_Hook)

    def _showtraceback(self, kind: Any, error: Any, lines: Any) -> None:
        lines = lines if isinstance(lines, list) else [str(lines)]
        told = {"ename": getattr(kind, "__name__", str(kind)), "evalue": _text(error)}
        self.outputs.add({"output_type": "error", **told, "traceback": lines})

    def enable_gui(self, gui: Any = None) -> None:
        """There is no event loop of a window."""


def _draw_inline() -> None:
    """Have figures drawn into the outputs, whether matplotlib is loaded already or will be."""
    os.environ["MPLBACKEND"] = _INLINE  # noqa: TID251 - matplotlib's own switch, as in a kernel
    if "matplotlib" in sys.modules:
        sys.modules["matplotlib"].use(_INLINE)


def _show_figures(shell: InteractiveShell) -> None:
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None or not pyplot.get_fignums():
        return
    from matplotlib_inline.backend_inline import configure_inline_support, flush_figures

    configure_inline_support(shell, _INLINE)
    flush_figures()


def _text(error: Any) -> str:
    try:
        return str(error)
    except BaseException:
        return "(its text cannot be shown)"


def _size(output: dict[str, Any]) -> int:
    return len(output.get("text", "")) + sum(len(str(v)) for v in output.get("data", {}).values())
