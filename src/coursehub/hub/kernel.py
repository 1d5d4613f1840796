"""A kernel in somebody's server, spoken to as JupyterLab does."""

import asyncio
import json
from dataclasses import dataclass
from uuid import uuid4

import httpx
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from coursehub.hub.session import Session

_SECONDS = 60


@dataclass(frozen=True)
class Kernel:
    """One kernel."""

    base: str
    token: str
    id: str

    @classmethod
    def start(cls, session: Session) -> "Kernel":
        """Start one in this person's running server."""
        name = session.username
        wanted = {"scopes": [f"access:servers!user={name}"], "expires_in": 3600}
        token = session.api("POST", f"users/{name}/tokens", json=wanted).json()["token"]
        base = f"{str(session.http.base_url).rstrip('/')}/user/{name}/api/kernels"
        answer = httpx.post(base, headers=_sign(token), json={}, timeout=60, trust_env=False)
        answer.raise_for_status()
        return cls(base, token, answer.json()["id"])

    def run(self, code: str) -> str:
        """Run code; return what it prints, or its traceback's last line."""
        return asyncio.run(asyncio.wait_for(self._run(code), _SECONDS))

    def state(self) -> str:
        """`idle` or `busy`, as the server says."""
        answer = httpx.get(f"{self.base}/{self.id}", headers=_sign(self.token), trust_env=False)
        answer.raise_for_status()
        return str(answer.json()["execution_state"])

    async def _run(self, code: str) -> str:
        url = f"{self.base.replace('http', 'ws', 1)}/{self.id}/channels"
        socket = await websocket_connect(HTTPRequest(url, headers=_sign(self.token)))
        header = {"msg_id": uuid4().hex, "msg_type": "execute_request", "session": uuid4().hex,
                  "username": "", "version": "5.3"}  # fmt: skip
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        request = {"header": header, "parent_header": {}, "metadata": {}, "channel": "shell",
                   "content": content}  # fmt: skip
        await socket.write_message(json.dumps(request))
        said = ""
        while True:
            answer = await socket.read_message()
            assert answer is not None, "the server closed the connection"
            message = json.loads(answer)
            if message["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            if message["msg_type"] == "stream":
                said += message["content"]["text"]
            elif message["msg_type"] == "error":
                said += f"{message['content']['ename']}: {message['content']['evalue']}"
            elif message["msg_type"] == "status" and (
                message["content"]["execution_state"] == "idle"
            ):
                socket.close()
                return said.strip()


def _sign(token: str) -> dict[str, str]:
    return {"Authorization": f"token {token}"}
