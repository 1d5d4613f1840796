# ruff: noqa
import os

while True:
    os.write(1, b"bomb" * 4096)
