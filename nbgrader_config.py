"""nbgrader for staff: folders, due dates, scoring and feedback of the course in course.yml."""

from coursehub.cli.compose import fill_nbgrader_config
from coursehub.settings import load_settings

fill_nbgrader_config(get_config(), load_settings())  # noqa: F821
