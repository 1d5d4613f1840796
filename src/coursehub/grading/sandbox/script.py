"""What the self-test and the tests run inside: a script that the host sends as text."""

import json
import traceback

from coursehub.grading.sandbox.channel import Inside


def main(channel: Inside) -> None:
    """Run each script that comes, and send back, as JSON, what it calls `answer`."""
    while True:
        names: dict[str, object] = {"__name__": "__script__", "channel": channel, "answer": None}
        try:
            exec(compile(channel.receive(), "<script>", "exec"), names)
        except EOFError:
            return
        except Exception:
            traceback.print_exc()
            names["answer"] = {"error": traceback.format_exc()}
        channel.send(json.dumps(names["answer"]).encode())
