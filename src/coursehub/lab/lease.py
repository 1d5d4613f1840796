"""Until when this server has its GPU, shown in JupyterLab. Plain configuration: nothing to start.

The hub tells a server through its environment. What people read of it is `labextensions/`.
"""

import os
from pathlib import Path
from typing import Any

LABEXTENSIONS = Path(__file__).parent / "labextensions"
PAGE_KEY = "coursehubLease"
"""Where `lease.js` finds the lease in JupyterLab's page config."""


def configure_lease(c: Any) -> None:
    """Show the lease of this server, if it has one; after all that sets the same lists of `c`."""
    # Inside a user's container, where the environment is how the hub speaks to it.
    until = os.environ.get("COURSEHUB_GPU_UNTIL")  # noqa: TID251
    if not until:
        return
    text = os.environ.get("COURSEHUB_GPU_UNTIL_TEXT", until)  # noqa: TID251
    if str(LABEXTENSIONS) not in c.LabApp.extra_labextensions_path:
        c.LabApp.extra_labextensions_path.append(str(LABEXTENSIONS))
    lease = {"until": until, "text": text}
    # A plain dictionary: JupyterHub's extension cannot look into a value of traitlets' lazy kind.
    settings = c.ServerApp.setdefault("tornado_settings", {})
    settings.update({"page_config_data": {PAGE_KEY: lease}})
