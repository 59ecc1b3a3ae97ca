"""Start a program that dies with its parent.

A file of its own because the request to the kernel must be made between fork and exec, where a process full of threads
can run next to nothing safely. The signal is bound to the thread that started this program (prctl(2),
PR_SET_PDEATHSIG), which therefore has to live as long as the program is to live.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask to be killed with the parent, then become the program."""
    parent, *command = sys.argv[1:]
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != int(parent):
        return  # the parent was gone before the request was made
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
