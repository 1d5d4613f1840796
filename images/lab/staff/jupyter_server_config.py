"""JupyterLab for staff: the formgrader, without its way to load a student's configuration."""

from coursehub.exchange.lab import configure_lab
from coursehub.grading.formgrader import guard_formgrader
from coursehub.lab.activity import configure_activity

c = get_config()  # noqa: F821
configure_lab(c)
guard_formgrader(c)
configure_activity(c)

# Off as in a student's server; ../README.md says why.
c.ServerApp.jpserver_extensions.update(
    dict.fromkeys(("jupyter_lsp", "notebook", "notebook_shim"), False)
)
c.LabApp.extension_manager = "readonly"
c.LabApp.news_url = None
