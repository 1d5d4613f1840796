"""What somebody on the network tries at the sign-in page, run in a container of its own.

`python - DOMAIN USERNAME PASSWORD TIMES [CLAIMED]` prints the status of each try; CLAIMED is the
address that the client says it has.
"""

import re
import sys

import httpx

domain, username, password, times, *claimed = sys.argv[1:]
headers = {"X-Forwarded-For": claimed[0], "X-Real-IP": claimed[0]} if claimed else {}
for _ in range(int(times)):
    # Another test looks at the certificate.
    with httpx.Client(
        base_url=f"https://{domain}", headers=headers, verify=False, timeout=60
    ) as client:
        found = re.search(r'name="_xsrf" value="([^"]+)"', client.get("/hub/login").text)
        form = {"username": username, "password": password, "_xsrf": found[1] if found else ""}
        print(client.post("/hub/login", data=form).status_code)
