"""Progress with an estimate of the time left, on a terminal's stderr only, and only for what takes over a second."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from advisor.model.options import Progress

_DELAY_S = 1.0
"""What is done by then needs no bar."""


@contextmanager
def progress(quiet: bool) -> Iterator[Progress]:
    """A callback (what, done, of how many) that draws a bar where somebody is looking."""
    if quiet or not sys.stderr.isatty():
        yield lambda _what, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    tasks: dict[str, TaskID] = {}

    def update(what: str, done: int, total: int) -> None:
        if what not in tasks:
            for other in tasks.values():
                bars.remove_task(other)
            tasks.clear()
            tasks[what] = bars.add_task(what, total=total or None)
        bars.update(tasks[what], completed=done, total=total or None)

    shown = threading.Timer(_DELAY_S, bars.start)
    shown.daemon = True
    shown.start()
    try:
        yield update
    finally:
        shown.cancel()
        shown.join()
        if bars.live.is_started:
            bars.stop()
