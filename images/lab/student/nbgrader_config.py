"""nbgrader in a student's server: everything goes through the course service."""

from coursehub.exchange.plugin import configure_student

configure_student(get_config())  # noqa: F821
