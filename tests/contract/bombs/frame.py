# ruff: noqa
channel.send(bytes(40 << 20))
while True:
    pass
