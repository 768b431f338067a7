"""Become another program that ends with its parent: ``python exec_bound.py PARENT_PID PROGRAM ARGUMENTS…``.

The server must not outlive a supervisor that was killed (SIGKILL, out of memory). Linux sends a process the signal that
it asked for with prctl(2) when its parent ends, and the wish survives execve(2). Asked for here, in a fresh process,
because the supervisor has threads and must not run Python between fork and exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent_pid: int, command: list[str]) -> None:
    """Replace this process by ``command``; end at once when the parent is gone already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent_pid:
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 # the whole point


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
