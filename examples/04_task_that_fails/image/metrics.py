"""The side container: runs until it is told to stop, and then stops cleanly."""

import signal
import sys

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
print("collecting", flush=True)
while True:
    signal.pause()
