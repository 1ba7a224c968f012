"""Runs a command so that it ends with the process that started it: `launch.py SIGNAL PARENT_PID COMMAND…`.

A file of its own, executed by path, because it must run between fork and exec: `preexec_fn` would run Python
code in a forked copy of a process that may have threads (gRPC has). It imports nothing but the standard library.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def main(arguments: list[str]) -> None:
    """Asks the kernel for SIGNAL at the parent's end and becomes COMMAND. Linux only; elsewhere it only execs."""
    signal_number, parent_pid, command = int(arguments[0]), int(arguments[1]), arguments[2:]
    if sys.platform == "linux":
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent_pid:  # it ended before the kernel was asked
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the commands are those of this package


if __name__ == "__main__":
    main(sys.argv[1:])
