"""What alice does, run inside the course service's container of a machine: `python - works`.

`works` leaves a file in her home, hands in and prints the receipt; `comes-back` prints what the
file says and how often she handed in. Another name may follow: then it is that student.
"""

import sys

from coursehub.cli.smoke import await_open, spawn
from coursehub.exchange.client import Client
from coursehub.exchange.database import connect
from coursehub.exchange.roster import Roster
from coursehub.hub.kernel import Kernel
from coursehub.hub.session import Session
from coursehub.settings import load_settings

URL = "http://proxy:8000"
NOTES = "'/home/student/notes.txt'"

name = (sys.argv[2:] or ["alice"])[0]
Roster(connect(str(load_settings().database))).set_password(name, f"{name}-secret")
session = Session(URL, name, f"{name}-secret")
spawn(session)
kernel = Kernel.start(session)
with Client(f"{URL}/services/course/api/", session.token()) as client:
    if sys.argv[1] == "works":
        kernel.run(f"open({NOTES}, 'w').write('kept')")
        assignment = await_open(client)
        print(client.hand_in(assignment, client.files(assignment)).receipt)
    else:
        print(kernel.run(f"print(open({NOTES}).read())"))
        print(len(client.hand_ins().hand_ins))
