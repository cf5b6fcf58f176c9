"""Ties the life of a process to its parent's, so that no training process outlives the job that started it.

`kill -9` gives the launcher no chance to clean up, and torchrun starts each worker in a session of its own,
out of reach of a process-group kill. The kernel can do it: PR_SET_PDEATHSIG. It is not inherited, so each
generation asks for itself.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
PARENT = "TRAINING_PARENT_PID"


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends. Linux only; elsewhere this raises OSError.

    The parent names itself in the environment, because it may have ended before this line is reached: the signal would
    then never come, and this process would already belong to somebody else.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    expected = os.environ.get(PARENT)
    if expected is not None and os.getppid() != int(expected):
        sys.exit("the parent process ended before this one had started")
