"""A home full of files by which a server could be led to run otherwise, or to run them."""

import json
from pathlib import Path

_MARK = "open({!r}, 'a').write({!r})\n"
_PROGRAMS = ("jupyter", "jupyter_server", "jupyter_lab", "jupyterhub", "nbgrader")
_MODULES = ("hostile", "usercustomize", "sitecustomize", "json", "tornado", "nbgrader")
_NAMED = {"display_name": "Hostile"}


def make_hostile(home: Path, mark: Path, data: Path) -> None:
    """Fill a home with all that Jupyter, IPython, Python or nbgrader look for.

    Args:
        home: the home.
        mark: the file that shows that something of it was executed.
        data: where the server's JUPYTER_DATA_DIR is, in the home.
    """
    for part in ("", ".jupyter", ".local/etc/jupyter", ".ipython/profile_default"):
        _configure(home / part, mark)
    _configure(data, mark)
    packages = home / ".local/lib/python3.11/site-packages"
    packages.mkdir(parents=True)
    for place in (home, packages):
        for module in _MODULES:
            (place / f"{module}.py").write_text(_marks(mark, f"{place}/{module}"))
    (packages / "hostile.pth").write_text(f"import sys; {_marks(mark, 'hostile.pth')}")
    for place in (data, home / ".ipython"):
        kernel = place / "kernels" / "python3"
        kernel.mkdir(parents=True)
        (kernel / "kernel.json").write_text(json.dumps({"argv": ["false"], **_NAMED}))
    extension = data / "labextensions" / "hostile"
    extension.mkdir(parents=True)
    build = {"_build": {"load": "x.js", "extension": "./extension"}}
    package = {"name": "hostile", "version": "1.0.0", "jupyterlab": build}
    (extension / "package.json").write_text(json.dumps(package))


def _configure(place: Path, mark: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for program in _PROGRAMS:
        config = f"{_marks(mark, f'{place}/{program}')}c.ServerApp.allow_origin = '*'\n"
        (place / f"{program}_config.py").write_text(config)
    server = {"ServerApp": {"jpserver_extensions": {"hostile": True}, "allow_origin": "*"}}
    (place / "jupyter_server_config.json").write_text(json.dumps(server))
    folder = place / "jupyter_server_config.d"
    folder.mkdir()
    (folder / "hostile.json").write_text(json.dumps(server))
    lab = place / "labconfig"
    lab.mkdir()
    (lab / "page_config.json").write_text('{"hostile": "here", "disabledExtensions": {}}')
    overrides = {"@jupyterlab/apputils-extension:themes": {"theme": "Hostile"}}
    (lab / "default_setting_overrides.json").write_text(json.dumps(overrides))


def _marks(mark: Path, what: str) -> str:
    return _MARK.format(str(mark), f"{what}\n")
