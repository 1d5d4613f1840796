# ruff: noqa
import os

for _ in range(6):
    if os.fork() == 0:
        held = []
        while True:
            held.append(bytearray(b"x") * (8 << 20))
while True:
    os.wait()
