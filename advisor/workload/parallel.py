"""A large log read by several processes, each a part of its bytes at a time; the digest is that of one process.

Parts are cut anywhere: a part's run keeps what lies before its first record and behind its last one, and the runs are
joined in the order of the file. A worker adds all its parts to one digest, so that it meets each statement once.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from multiprocessing.connection import Connection, wait
from multiprocessing.synchronize import Event
from typing import Any

from advisor.errors import AdvisorError
from advisor.sources.compression import open_range
from advisor.sources.layout import Layout
from advisor.sources.reader import read_piece
from advisor.workload.collector import rare_collections
from advisor.workload.digest import Digest
from advisor.workload.run import Run
from advisor.workload.window import Window

LEAST_PART_BYTES = 8 << 20
"""Smaller parts are not worth the start of a process."""

PARTS_PER_JOB = 6
"""More parts than processes, so that none of them waits long for the last one."""

_READ, _DONE, _FAILED = range(3)


def parts_of(size: int, jobs: int) -> list[tuple[int, int]]:
    """The byte ranges (start, end) of a file's parts, in order; one where it is too small to share."""
    count = min(jobs * PARTS_PER_JOB, size // LEAST_PART_BYTES)
    if jobs < 2 or count < 2:
        return [(0, size)]
    edges = [size * number // count for number in range(count + 1)]
    return list(pairwise(edges))


def read_in_parallel(
    path: str,
    parts: list[tuple[int, int]],
    layout: Layout,
    window: Window,
    digest: Digest,
    jobs: int,
    progress: Callable[[int], None],
) -> None:
    """Adds a plain file's log to the digest. After a KeyboardInterrupt the digest has what was read by then.

    Raises:
        AdvisorError: a part cannot be read, or a process ended by itself.
    """
    context = multiprocessing.get_context("spawn")
    stop, next_part = context.Event(), context.Value("i", 0)
    workers = []
    runs: dict[int, Any] = {}
    try:
        with _blocked_signals():
            for _ in range(min(jobs, len(parts))):
                here, there = context.Pipe(duplex=False)
                arguments = (path, parts, layout, window, next_part, stop, there)
                worker = context.Process(target=_work, args=arguments, daemon=True)
                worker.start()
                there.close()
                workers.append((worker, here))
        _collect([here for _, here in workers], digest, runs, progress)
    except BaseException:
        stop.set()
        # What was understood until now is kept: each process hands over what it has at its next block.
        for _, here in workers:
            if not here.closed:
                with suppress(AdvisorError):
                    _collect([here], digest, runs, lambda _: None)
        raise
    finally:
        for number in sorted(runs):
            digest.add_run(Run.restore(runs[number], digest, digest.totals_by_id))
        for worker, _ in workers:
            worker.join(timeout=5)
            if worker.is_alive():
                worker.kill()


@contextmanager
def _blocked_signals() -> Iterator[None]:
    """Ctrl-C goes to every process of the terminal: the one that starts the others decides what happens then.

    A process inherits what is blocked, so that it does not end while Python still loads it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _collect(
    connections: list[Connection], digest: Digest, runs: dict[int, Any], progress: Callable[[int], None]
) -> None:
    """Takes what the processes say until each has said its last."""
    open_ones, done = list(connections), 0
    while open_ones:
        for ready in wait(open_ones):
            assert isinstance(ready, Connection)
            try:
                kind, told = ready.recv()
            except EOFError:
                raise AdvisorError(
                    "A process that read the log ended by itself.",
                    hint="The machine may be short of memory: give a smaller --jobs.",
                ) from None
            if kind == _READ:
                done += told
                progress(done)
                continue
            ready.close()
            open_ones.remove(ready)
            if kind == _FAILED:
                raise told
            sums, found = told
            digest.restore(sums)
            runs.update(found)


def _work(
    path: str, parts: list[tuple[int, int]], layout: Layout, window: Window, next_part: Any, stop: Event, to: Connection
) -> None:
    """One process: takes parts until there are none, or until it is told to stop."""
    digest, runs = Digest(), {}
    wanted = None if window.is_everything else window
    try:
        with rare_collections():
            while (number := _taken(next_part)) < len(parts) and not stop.is_set():
                run = Run(digest, layout, wanted)
                blocks = _told(open_range(path, *parts[number]), stop, to)
                run.ends(read_piece(blocks, run.reader, digest.tally, run.begins_at))
                runs[number] = run.state()
        to.send((_DONE, (digest.state(), runs)))
    except (AdvisorError, OSError) as error:
        # Where nobody listens any more, nobody is to be told.
        with suppress(OSError):
            to.send((_FAILED, error))


def _taken(next_part: Any) -> int:
    """The number of the next part, which nobody else gets."""
    with next_part.get_lock():
        number = int(next_part.value)
        next_part.value = number + 1
    return number


def _told(blocks: Iterator[bytes], stop: Event, to: Connection) -> Iterator[bytes]:
    for block in blocks:
        if stop.is_set():
            return
        yield block
        to.send((_READ, len(block)))
