"""JupyterHub's configuration: everything is decided in `coursehub.hub`."""

from coursehub.course.load import load_course
from coursehub.exchange.database import connect
from coursehub.exchange.roster import Roster
from coursehub.hub.configure import configure_hub
from coursehub.settings import load_settings

c = get_config()  # noqa: F821
settings = load_settings()
configure_hub(c, settings, load_course(settings.course), Roster(connect(settings.database)))
