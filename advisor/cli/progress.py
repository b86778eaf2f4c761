"""Progress with an estimate of the time left, on a terminal's stderr only, and only for what takes over a second."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int], None]


@contextmanager
def progress(quiet: bool) -> Iterator[Progress]:
    """A callback (what, done, of how many) that draws a bar where somebody is looking."""
    if quiet or not sys.stderr.isatty():
        yield lambda _what, _done, _total: None
        return
    import time

    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    tasks: dict[str, TaskID] = {}
    started = time.monotonic()

    def update(what: str, done: int, total: int) -> None:
        if what not in tasks:
            for other in tasks.values():
                bars.remove_task(other)
            tasks.clear()
            tasks[what] = bars.add_task(what, total=total or None)
        bars.update(tasks[what], completed=done, total=total or None)
        if not bars.live.is_started and time.monotonic() - started > 1:
            bars.start()

    try:
        yield update
    finally:
        if bars.live.is_started:
            bars.stop()
