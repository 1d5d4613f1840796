# ruff: noqa
import os
import signal

try:
    os.kill(-1, signal.SIGKILL)
except OSError:
    pass
for process in range(1, 5):
    try:
        os.kill(process, signal.SIGKILL)
    except OSError:
        pass
os.kill(os.getppid(), signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
