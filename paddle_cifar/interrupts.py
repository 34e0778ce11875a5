"""Ctrl-C and SIGTERM: the run saves itself at the next batch and leaves with 130 or 143."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from types import FrameType, TracebackType
from typing import Any

from paddle_cifar.errors import RunError

# A launcher of several processes repeats its SIGTERM three times within a second.
REPEATED_SECONDS = 5.0


class Interrupted(RunError):
    """The run was asked to stop, and everything up to now is saved."""

    prefix = "\n"

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class StopSignals:
    """Within ``with``, the first Ctrl-C or SIGTERM is only noted; a second one leaves at once.

    ``requested`` is the signal's number, 0 while none has come. Outside the main
    thread, where Python takes no signals, nothing is changed.

    Args:
        shared: the run has several processes, which must stop at the same step: a signal is
            only ``noted`` until they have agreed on it (``SharedFigures`` sets ``requested``), and
            one that comes again within five seconds is the launcher's, not a user's who insists.
    """

    def __init__(self, shared: bool = False) -> None:
        self.requested = self.noted = 0
        self.shared = shared
        self._noted_at = 0.0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        with contextlib.suppress(ValueError):  # not in the main thread
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.noted:
            if self.shared and time.monotonic() - self._noted_at < REPEATED_SECONDS:
                return
            os._exit(128 + number)
        self.noted, self._noted_at = number, time.monotonic()
        if not self.shared:
            self.requested = number
        os.write(2, b"\nstopping after this batch; once more to leave at once\n")
