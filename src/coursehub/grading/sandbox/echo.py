"""The smallest thing that runs inside: it sends back what it receives."""

from coursehub.grading.sandbox.channel import Inside


def main(channel: Inside) -> None:
    """Echo until the host is gone."""
    while True:
        channel.send(channel.receive())
