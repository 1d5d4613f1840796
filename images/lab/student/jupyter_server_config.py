"""JupyterLab for a student: the Assignment List with deadlines; no formgrader."""

from coursehub.exchange.lab import ASSIGNMENTS, configure_lab
from coursehub.grading.formgrader import refuse_formgrader
from coursehub.lab.activity import configure_activity
from coursehub.lab.postponed import postpone

c = get_config()  # noqa: F821
configure_lab(c)
refuse_formgrader(c)
configure_activity(c)

# Loaded when first used: they bring nbgrader with them.
postpone(
    c,
    {
        ASSIGNMENTS: "assignments|courses|coursehub/deadlines|nbgrader_version",
        "nbgrader.server_extensions.validate_assignment": "assignments/validate|nbgrader_version",
    },
)

# Off; README.md says why.
c.ServerApp.jpserver_extensions.update(
    dict.fromkeys(("jupyter_lsp", "notebook", "notebook_shim"), False)
)
c.LabApp.extension_manager = "readonly"
c.LabApp.news_url = None
