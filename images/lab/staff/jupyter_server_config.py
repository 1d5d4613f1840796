"""JupyterLab for staff: the formgrader, without its way to load a student's configuration."""

from coursehub.exchange.lab import configure_lab
from coursehub.grading.formgrader import guard_formgrader

c = get_config()  # noqa: F821
configure_lab(c)
guard_formgrader(c)
