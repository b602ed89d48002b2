"""Begin a child process: end it with its parent, leave Ctrl-C to the parent, and use a share of the threads."""

import ctypes
import os
import signal
import sys
from multiprocessing.connection import Connection
from threading import Thread

from threadpoolctl import threadpool_limits

_M_MMAP_MAX, _M_TRIM_THRESHOLD = -4, -1  # malloc.h


def begin_child(parent: Connection, threads: int = 1) -> None:
    """Prepare a child process for work.

    Args:
        parent: Receiving end of a pipe whose other end only the parent holds. The parent sends nothing.
        threads: Threads that the child computes with.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends this process
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    limit_threads(threads)


def _end_with(parent: Connection) -> None:
    """End this process when the parent closes its side: it has stopped, or was killed and can't say so. Otherwise one
    would finish what nobody takes, or wait for ever."""
    parent.poll(None)
    os._exit(1)


def limit_threads(count: int = 1) -> None:
    """Let this process compute with `count` threads, for there are others beside it.

    And let it keep the memory it has: by default each large array is fetched from the system and given back, which
    costs an encoder up to half of its time (benchmarks/extraction_speed.py).
    """
    # read by libraries that are still to be loaded
    os.environ.update(OMP_NUM_THREADS=str(count), OPENCV_FOR_THREADS_NUM=str(count))
    threadpool_limits(count)  # of those that are: numpy's BLAS
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):  # glibc's
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
