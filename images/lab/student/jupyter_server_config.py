"""JupyterLab for a student: the Assignment List with deadlines; no formgrader."""

from coursehub.exchange.lab import ASSIGNMENTS, configure_lab
from coursehub.grading.formgrader import refuse_formgrader
from coursehub.lab.activity import configure_activity
from coursehub.lab.contents import configure_contents
from coursehub.lab.guard import configure_headers
from coursehub.lab.lease import configure_lease
from coursehub.lab.postponed import postpone
from coursehub.lab.rescue import PAGE, configure_room
from coursehub.lab.slim import slim

c = get_config()  # noqa: F821
slim(c)
configure_lab(c)
configure_headers(c)
refuse_formgrader(c)
configure_activity(c)
configure_room(c)
configure_lease(c)
configure_contents(c)
# What Submit asks first; a name, since loading it is not this server's start.
c.Beforehand.remarks = "coursehub.grading.beforehand.remarks"

# Loaded when first used: they bring nbgrader with them.
c.ServerApp.jpserver_extensions.update({"nbgrader.server_extensions.validate_assignment": False})
postpone(
    c,
    {
        ASSIGNMENTS: "assignments|courses|coursehub/(?:deadlines|beforehand|open)|nbgrader_version",
        "coursehub.lab.validate": "assignments/validate",
        "coursehub.lab.room_page": PAGE,
    },
)
