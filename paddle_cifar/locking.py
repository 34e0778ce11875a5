"""A lock on an open file, which the system lets go of however its process ends."""

from __future__ import annotations

import errno
import os
from typing import IO

# What a system says of a lock that another process holds. Anything else: the drive knows no locks, as some
# network drives do not.
HELD = (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK)


def hold(file: IO[str]) -> None:
    """Hold the file until it is closed; OSError at once, with an ``errno`` in HELD if another one does."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
