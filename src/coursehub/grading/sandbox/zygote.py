"""The zygote: a warm process that has imported what notebooks import, and forks.

Started as ``python -I -m coursehub.grading.sandbox.zygote`` in a container, or locally by the
process sandbox. It speaks frames on its standard input and output, never reads more of a hand-in
than the first byte of its frame, and runs nobody's code: it forks a supervisor a hand-in and waits.
"""

import argparse
import gc
import importlib
import os
import sys
import tempfile
import time
from contextlib import suppress

from coursehub.grading.limits import Limits
from coursehub.grading.sandbox import frames, kernel
from coursehub.grading.sandbox.confine import Means, work_folder
from coursehub.grading.sandbox.fork import Task
from coursehub.grading.sandbox.supervisor import supervise

IMPORTS = (
    "IPython.core.interactiveshell,IPython.display,numpy,numpy.testing,torch,torch._dynamo,"
    "torch.optim,torch.nn.functional,torch.utils.data,sklearn,scipy.stats,matplotlib.pyplot,"
    "matplotlib_inline.backend_inline,nbformat"
)
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "USER": "student",
    "LOGNAME": "student",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    # One thread a process: so many workers as cores, and forks need it.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}


def main() -> None:
    """Warm up, then fork on demand until the host goes away."""
    arguments = _arguments()
    host_in, host_out = _take_standard_streams()
    environment = {**ENVIRONMENT, "PATH": f"{sys.prefix}/bin:{ENVIRONMENT['PATH']}"}
    own = arguments.folder or tempfile.gettempdir()
    _scrub_environment(environment, own)
    # Before the imports: a user namespace is entered by a process of one thread.
    means = Means.found(container=arguments.container)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    missed = _warm(arguments.imports.split(","), arguments.preload.split(","))
    facts = _facts(means, missed)
    gc.collect()
    gc.freeze()  # the collector shall not touch, and so copy, pages that forks share
    _write(host_out, frames.pack_json(frames.READY, **facts))
    folder = work_folder(own, means)
    while start := os.read(host_in, 1):
        if start != frames.START or not _serve(folder, environment, means, host_in, host_out):
            sys.exit("the zygote lost the thread of what the host says")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--imports", default=IMPORTS)
    parser.add_argument("--preload", default="")
    parser.add_argument("--folder", default="")
    parser.add_argument("--container", action="store_true")
    return parser.parse_args()


def _take_standard_streams() -> tuple[int, int]:
    """Keep the host's ends apart: what a module prints while imported is no frame."""
    host_in, host_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return host_in, host_out


def _scrub_environment(environment: dict[str, str], home: str) -> None:
    os.environ.clear()  # noqa: TID251 - the zygote's own, which forks inherit
    os.environ.update(environment, HOME=home, TMPDIR=home)  # noqa: TID251


def _warm(modules: list[str], preload: list[str]) -> list[str]:
    """Import; what is not installed is named, what is ours must be there."""
    missed = []
    for name in filter(None, modules):
        try:
            importlib.import_module(name)
        except ImportError:
            missed.append(name)
    for name in filter(None, preload):
        importlib.import_module(name.partition(":")[0])
    return missed


def _facts(means: Means, missed: list[str]) -> dict[str, object]:
    return {
        "namespaces": means.namespaces,
        "fresh_uid": means.fresh_uid,
        "landlock": means.landlock,
        "calls": means.calls,
        "threads": int(kernel.status("Threads")),
        "seconds": time.process_time(),
        "missed": missed,
    }


def _write(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]


def _serve(
    folder: str, environment: dict[str, str], means: Means, host_in: int, host_out: int
) -> bool:
    """Fork a supervisor, and wait until it and all that came from it are gone."""
    if (supervisor := os.fork()) == 0:
        try:
            supervise(_task(folder, environment, host_in), means, host_in, host_out)
            os._exit(0)
        except BaseException as error:
            os.write(2, f"supervisor: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(1)
    status = os.waitpid(supervisor, 0)[1]
    os.set_blocking(host_in, True)
    os.set_blocking(host_out, True)
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    if status == 0:
        _write(host_out, frames.pack(frames.GONE))
    return status == 0


def _task(folder: str, environment: dict[str, str], host_in: int) -> Task:
    """Read the rest of the frame; only the supervisor does, so only its memory holds it."""
    rest = _exactly(host_in, frames.HEAD_BYTES - 1)
    _, length = frames.head(frames.START + rest)
    facts, files = frames.unpack_start(_exactly(host_in, length))
    return Task(facts["main"], Limits(**facts["limits"]), files, folder, environment)


def _exactly(pipe: int, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        if not (chunk := os.read(pipe, min(count - len(data), 1 << 20))):
            raise EOFError("the host went away")
        data += chunk
    return bytes(data)


if __name__ == "__main__":
    main()
