"""What the server takes from its user's home: their work, never how it runs.

JupyterHub's `disable_user_config` covers the server's own configuration and what it serves. The
rest, such as nbgrader's, is found through `jupyter_core` and read by traitlets; there folders in
the home are left out here, for this process. Kernels and terminals are the user's own and see
everything.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from coursehub.headers import COMMON


def ignore_home() -> None:
    """Read no configuration in the home; to be called before others import what is changed."""
    from jupyter_core import application, paths
    from traitlets.config import Application

    search: Callable[[], list[str]] = paths.jupyter_config_path
    load: Callable[..., None] = Application.load_config_file

    def jupyter_config_path() -> list[str]:
        return outside_home(search())

    def load_config_file(self: Application, filename: str, path: Any = None) -> None:
        folders = [path or "."] if path is None or isinstance(path, str) else path
        load(self, filename, path=outside_home(folders))

    paths.jupyter_config_path = jupyter_config_path
    application.jupyter_config_path = jupyter_config_path  # type: ignore[attr-defined]
    Application.load_config_file = load_config_file  # type: ignore[method-assign]


def outside_home(folders: Iterable[str]) -> list[str]:
    """Those that are not in the user's home; a link into it counts as in it."""
    home = Path.home().resolve()
    return [each for each in folders if not Path(each).resolve().is_relative_to(home)]


def configure_headers(c: Any) -> None:
    """Let pages say what a browser may do with them; JupyterHub adds that nobody frames them."""
    c.ServerApp.tornado_settings = {"headers": dict(COMMON)}
