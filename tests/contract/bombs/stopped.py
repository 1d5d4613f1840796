# ruff: noqa
import os
import signal

while True:
    os.kill(os.getpid(), signal.SIGSTOP)
