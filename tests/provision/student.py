"""What alice does, run inside the course service's container of a machine: `python - works`.

`works` leaves a file in her home, hands in and prints the receipt; `comes-back` prints what the
file says and how often she handed in. `counts` starts a kernel that counts, and `counted` says how
far it is. Another name may follow: then it is that student.
"""

import sys
from dataclasses import replace
from http.cookiejar import DefaultCookiePolicy

from coursehub.cli.smoke import await_open, spawn
from coursehub.exchange.client import Client
from coursehub.exchange.database import connect
from coursehub.exchange.roster import Roster
from coursehub.hub.kernel import Kernel
from coursehub.hub.session import Session
from coursehub.settings import load_settings

URL = "http://proxy:8000"
NOTES = "'/home/student/notes.txt'"
KEPT = "/home/student/.kernel"
COUNT = (
    "import threading, time\ncount = 0\n"
    "def go():\n    global count\n    while True:\n        count += 1; time.sleep(0.1)\n"
    "threading.Thread(target=go, daemon=True).start()"
)

# Behind the web server that has the certificate: cookies for https alone go to the proxy too.
DefaultCookiePolicy.return_ok_secure = lambda *_: True  # type: ignore[method-assign]

name = (sys.argv[2:] or ["alice"])[0]
Roster(connect(str(load_settings().database))).set_password(name, f"{name}-secret")
session = Session(URL, name, f"{name}-secret")
spawn(session)
kernel = Kernel.start(session)
if sys.argv[1] == "counts":
    kernel.run(COUNT)
    Kernel.start(session).run(f"open({KEPT!r}, 'w').write({kernel.id!r})")
    sys.exit()
if sys.argv[1] == "counted":
    known = kernel.run(f"print(open({KEPT!r}).read())")
    print(replace(kernel, id=known).run("print(count)"))
    sys.exit()
with Client(f"{URL}/services/course/api/", session.token()) as client:
    if sys.argv[1] == "works":
        kernel.run(f"open({NOTES}, 'w').write('kept')")
        assignment = await_open(client)
        print(client.hand_in(assignment, client.files(assignment)).receipt)
    else:
        print(kernel.run(f"print(open({NOTES}).read())"))
        print(len(client.hand_ins().hand_ins))
