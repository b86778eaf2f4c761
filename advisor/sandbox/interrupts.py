"""Ctrl-C and SIGTERM held back for a moment, so that what was begun is known before the exception comes."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_signals() -> Iterator[None]:
    """Within the block SIGINT and SIGTERM wait; they arrive at its end. Only the main thread ever gets them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    before = {number: signal.getsignal(number) for number in _HELD}
    # None: a handler that was not set from Python cannot be put back, so it is left alone.
    ours = [number for number in _HELD if before[number] is not None]
    for number in ours:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
        for late in dict.fromkeys(arrived):
            signal.raise_signal(late)
