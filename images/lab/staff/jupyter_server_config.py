"""JupyterLab for staff: the formgrader, without its way to load a student's configuration."""

from coursehub.exchange.lab import configure_lab
from coursehub.grading.formgrader import guard_formgrader
from coursehub.lab.activity import configure_activity
from coursehub.lab.contents import configure_contents
from coursehub.lab.guard import configure_headers
from coursehub.lab.lease import configure_lease
from coursehub.lab.rescue import configure_room
from coursehub.lab.slim import slim

c = get_config()  # noqa: F821
slim(c)
configure_lab(c)
configure_headers(c)
guard_formgrader(c)
configure_activity(c)
configure_room(c)
configure_lease(c)
configure_contents(c)
c.ServerApp.jpserver_extensions.update(
    {
        "nbgrader.server_extensions.validate_assignment": False,
        "coursehub.lab.validate": True,
        "coursehub.lab.room_page": True,
    }
)
