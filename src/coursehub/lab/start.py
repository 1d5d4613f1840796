"""Starts a user's server: `jupyterhub-singleuser`, without importing what such a server never uses.

A class that signs in at the same minute pays for every import once a student. JupyterHub's package
imports the hub's own database layer and pages along with the part that runs here, and checking
internationalised web addresses compiles a grammar at import; together they are most of a start.
`images/lab/README.md` lists what is left out; `tests/contract/test_lab_start.py` watches over it.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from coursehub.lab import rescue
from coursehub.lab.guard import ignore_home

# The hub's side of the package `jupyterhub`: its database, its roles, its pages.
OF_THE_HUB = (
    "jupyterhub.handlers",
    "jupyterhub.handlers.pages",
    "jupyterhub.orm",
    "jupyterhub.roles",
    "sqlalchemy",
    "sqlalchemy.exc",
)
# An optional checker of jsonschema's, for the format `iri`, which no schema of Jupyter's uses.
UNUSED = ("rfc3987_syntax",)
# Objects made between two collections. Almost all that a start makes stays until the end.
_COLLECT_EVERY = 50_000


class Absent(ModuleType):
    """Stands in for a module whose names are imported, but never used.

    Every name is an exception class of its own: fit for an `except`, an `isinstance` or an
    annotation, where it matches nothing.
    """

    def __getattr__(self, name: str) -> type[Exception]:
        """Make up the name."""
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (Exception,), {"__module__": self.__name__})
        setattr(self, name, made)
        return made


@contextmanager
def absent(names: tuple[str, ...]) -> Iterator[None]:
    """Meanwhile, modules that import `names` get stand-ins; afterwards the real ones."""
    added = {name: Absent(name) for name in names if name not in sys.modules}
    sys.modules.update(added)
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


def main() -> None:
    """Run the server until it is told to stop; arguments are those of `jupyterhub-singleuser`."""
    gc.set_threshold(_COLLECT_EVERY)
    sys.modules.update(dict.fromkeys(UNUSED))  # None: importing it says that it is not installed
    rescue.prepare(Path.home())
    ignore_home()
    with absent(OF_THE_HUB):
        from jupyterhub.singleuser.extension import JupyterHubSingleUser
    JupyterHubSingleUser.launch_instance()
    rescue.follow()


if __name__ == "__main__":
    main()
