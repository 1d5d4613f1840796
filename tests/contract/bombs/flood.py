# ruff: noqa
while True:
    channel.send(b"a frame nobody asked for" * 1000)
