"""The deployed hub's own configuration, on loopback: other addresses, and nothing else."""

import os
from pathlib import Path

from coursehub.hub.attempts import Proxies
from coursehub.settings import CHECKOUT

c = get_config()  # noqa: F821
load_subconfig(str(Path(CHECKOUT, "hub", "jupyterhub_config.py")))  # noqa: F821

port = int(os.environ["CROWD_PORT"])  # public, proxy's API, hub, servers
c.JupyterHub.hub_bind_url = c.JupyterHub.hub_connect_url = f"http://127.0.0.1:{port + 2}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{port + 1}"
c.ContainerSpawner.port = port + 3
c.PasswordAuthenticator.proxies = Proxies("127.0.0.1", "")
# The course service is measured apart: here nobody answers at its address.
for service in c.JupyterHub.services:
    if service["name"] == "course":
        service["url"] = f"http://127.0.0.1:{port + 4}"
c.JupyterHub.services += [{"name": "crowd", "api_token": os.environ["CROWD_TOKEN"]}]
c.JupyterHub.load_roles += [
    {
        "name": "crowd",
        "scopes": ["admin:users", "admin:servers", "read:metrics"],
        "services": ["crowd"],
    }
]
