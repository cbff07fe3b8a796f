"""The registry's keeper: ``python -I -S registry_keeper.py PARENT FOLDER PROGRAM ARGUMENTS…``.

It starts a program, whose output goes to FOLDER/log, and ends it and removes the folder when its standard input, a pipe
from the pytest process, ends, or that process does. FOLDER/ended is there when the program has ended by itself. Standard
library only, nothing of the plugin is imported.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import threading

END_TIMEOUT_S = 5.0


def wait_for_the_end(parent: int) -> None:
    """Block until the parent is gone, or closes the pipe."""
    watched = [0]
    try:
        # The pipe alone is not enough: a child that the tests forked holds its other end, too.
        watched.append(os.pidfd_open(parent))
    except (AttributeError, OSError):
        pass  # no Linux, or gone already: then the pipe tells
    if os.getppid() == parent:
        select.select(watched, [], [])


def end(program: subprocess.Popen[bytes]) -> None:
    """End the program, by force if it does not go."""
    program.terminate()
    try:
        program.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


def main(arguments: list[str]) -> None:
    """Start, wait, end."""
    parent, folder, *command = arguments
    with open(os.path.join(folder, "log"), "wb") as log:
        program = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, close_fds=True
        )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only now: the program must not inherit it

    def tell() -> None:
        program.wait()
        with open(os.path.join(folder, "ended"), "wb"):
            pass

    threading.Thread(target=tell, daemon=True).start()
    wait_for_the_end(int(parent))
    end(program)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
