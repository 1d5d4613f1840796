"""What a user's server leaves off; importing this costs a server nothing."""

from typing import Any

# Each costs every start some tens of milliseconds and an idle server some megabytes.
OFF = {
    "jupyter_lsp": "no language server is installed that it could talk to",
    "notebook": "a second front end; the course is done in JupyterLab",
    "notebook_shim": "settings of the classic notebook, which is not there",
}


def slim(c: Any) -> None:
    """In a server's configuration `c`: switch off what the course does not use."""
    c.ServerApp.jpserver_extensions.update(dict.fromkeys(OFF, False))
    # Packages come with the image: nobody can install extensions, so nobody need ask PyPI for them.
    c.LabApp.extension_manager = "readonly"
    # News about JupyterLab itself, fetched from the internet.
    c.LabApp.news_url = None
