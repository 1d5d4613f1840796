# ruff: noqa
import os

number = 0
while True:
    try:
        os.mkdir(f"folder{number}")
    except OSError:
        pass
    number += 1
