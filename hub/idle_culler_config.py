"""jupyterhub-idle-culler's configuration: everything is decided in `coursehub.hub.cull`."""

from coursehub.hub.cull import arbiter
from coursehub.settings import load_settings

c = get_config()  # noqa: F821
c.IdleCuller.cull_arbiter_hook = arbiter(load_settings())
