"""What `hub/jupyterhub_config.py` calls: sign-in, rights, servers."""

import sys

# As on the command line (`coursehub.cli`): jsonschema, of which JupyterHub checks its events, would
# build 39 grammars for addresses that no schema of theirs has, half of what a hub's start computes.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
