"""The side container: runs until it is told to stop, and then stops cleanly."""

import pathlib
import signal
import sys

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
pathlib.Path("/tmp/ready").touch()
print("collecting", flush=True)
while True:
    signal.pause()
