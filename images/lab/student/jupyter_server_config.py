"""JupyterLab for a student: the Assignment List with deadlines; no formgrader."""

from coursehub.exchange.lab import configure_lab
from coursehub.grading.formgrader import refuse_formgrader

c = get_config()  # noqa: F821
configure_lab(c)
refuse_formgrader(c)
