"""Inputs in, Workload out: opens, detects, reads and folds."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from advisor.errors import EmptyInput, UnknownFormat, UnknownPrefix
from advisor.model.options import Options
from advisor.model.workload import InputFile, StatementStatistics, Workload
from advisor.sources import plan_file, sqlfile
from advisor.sources.compression import Opened, head_of, open_input
from advisor.sources.detect import HEAD_BYTES
from advisor.sources.inputs import expand
from advisor.sources.reader import read_piece
from advisor.sources.recognised import Recognised, recognise_input, unwrapped
from advisor.sources.tally import Tally
from advisor.sources.twice import same_events
from advisor.workload.digest import Digest
from advisor.workload.honesty import warn_of_gaps
from advisor.workload.parallel import parts_of, read_in_parallel
from advisor.workload.run import Run
from advisor.workload.window import Window

Progress = Callable[[int, int], None]


def read_workload(
    inputs: Sequence[str], options: Options, progress: Progress | None = None, digest: Digest | None = None
) -> Workload:
    """Reads files, folders, patterns and `-`, and adds them up; see `read_digest`."""
    filled = read_digest(inputs, options, progress, digest)
    return filled.freeze()


def read_digest(
    inputs: Sequence[str], options: Options, progress: Progress | None = None, digest: Digest | None = None
) -> Digest:
    """Reads files, folders (every file in it, sorted), patterns and `-`, and adds them up.

    `progress(done, total)` is called about once per mebibyte, in bytes on disk; the total is 0 for standard input.
    A given `digest` is filled as the reading goes: after an interruption its `freeze()` is what was understood.

    Raises:
        InputError: an input cannot be opened, read or understood.
        EmptyInput: there is nothing in the inputs.
    """
    digest = digest if digest is not None else Digest()
    expanded = expand(inputs)
    for warning in expanded.warnings:
        digest.warn(warning)
    if not expanded.names:
        raise EmptyInput("There is no input.", hint="Give a log, a plan, a .sql file, a folder of them, or -.")
    found = _recognised(expanded.names, options, digest, alone=len(inputs) == 1 and len(expanded.names) == 1)
    if not found:
        raise EmptyInput("The inputs are empty.", hint="Check that logging is on and that these are the right files.")
    twice = same_events([each.name for each in found if each.layout is not None and each.name != "-"])
    for warning in twice.warnings:
        digest.warn(warning)
    total = 0 if any(each.name == "-" for each in found) else sum(each.size for each in found)
    done = 0
    left_out = {each.name: each for each in twice.twice}
    for each in sorted(found, key=lambda one: one.first_us if one.first_us is not None else -1):
        doubled = left_out.get(each.name)
        if doubled is None or not doubled.whole:
            window = Window(
                since_us=options.since_us,
                until_us=options.until_us,
                left_out=doubled.ranges if doubled is not None else (),
            )
            _read_one(each, options, digest, window, _shifted(progress, done, total))
        done += each.size
    warn_of_gaps(digest)
    return digest


def add_statistics(digest: Digest, statistics: Iterable[StatementStatistics], name: str = "pg_stat_statements") -> None:
    """Adds the rows of `pg_stat_statements` to a digest: calls and times, no percentiles, no samples.

    `name` is what the input is to be called: the database's.
    """
    for row in statistics:
        digest.add_summary(
            row.sql,
            row.database,
            calls=row.calls,
            timed=row.calls,
            total_us=row.total_us,
            max_us=row.max_us,
            rows=row.rows,
            user=row.user,
        )
    digest.inputs.append(InputFile(name=name, format="pg_stat_statements", bytes=0))


def _recognised(names: Sequence[str], options: Options, digest: Digest, *, alone: bool) -> list[Recognised]:
    """What each file is; a pipe tells only once it is read. A piece of a log that does not tell by itself is taken to
    be like the log before it."""
    found: list[Recognised] = []
    for name in names:
        if not Path(name).is_file():
            found.append(Recognised(name=name, format="pipe"))
            continue
        size = Path(name).stat().st_size
        try:
            found.append(recognise_input(head_of(name, HEAD_BYTES), name, prefix=options.prefix, size=size))
        except EmptyInput:
            if alone:
                raise
            digest.warn(f"{name} is empty.")
        except (UnknownFormat, UnknownPrefix):
            before = next((each for each in reversed(found) if each.layout is not None), None)
            if before is None:
                raise
            found.append(replace(before, name=name, size=size))
    return found


def _shifted(progress: Progress | None, done: int, total: int) -> Callable[[int], None]:
    if progress is None:
        return lambda _: None
    return lambda position: progress(min(done + position, total) if total else done + position, total)


def _read_one(
    found: Recognised, options: Options, digest: Digest, window: Window, progress: Callable[[int], None]
) -> None:
    tally = Tally()
    shown = "standard input" if found.name == "-" else found.name
    with open_input(found.name, tally) as opened:
        blocks = opened.blocks
        if found.format == "pipe":
            head = _head(blocks)
            found = recognise_input(head, found.name, prefix=options.prefix, size=0)
            blocks = chain((head,), blocks)
        counted = _Counted(blocks, lambda: progress(opened.position()))
        parts = parts_of(opened.size, options.jobs) if _is_divisible(found, opened) else []
        try:
            if len(parts) > 1 and found.layout is not None:
                counted.bytes = opened.size
                read_in_parallel(found.name, parts, found.layout, window, digest, options.jobs, progress)
            else:
                _fold(found, shown, unwrapped(found, iter(counted), digest.tally), tally, digest, window)
        finally:
            digest.tally.merge(tally)
            digest.inputs.append(
                InputFile(
                    name=shown,
                    format=found.shown_format,
                    bytes=counted.bytes,
                    detected_prefix=found.layout.prefix if found.layout is not None else None,
                    compression=opened.compression,
                )
            )


def _is_divisible(found: Recognised, opened: Opened) -> bool:
    """Whether any part of it can be read on its own."""
    return found.layout is not None and found.envelope is None and opened.is_plain_file


def _head(blocks: Iterator[bytes]) -> bytes:
    head = b""
    while len(head) < HEAD_BYTES and (block := next(blocks, b"")):
        head += block
    return head


def _fold(found: Recognised, name: str, blocks: Iterable[bytes], tally: Tally, digest: Digest, window: Window) -> None:
    if found.layout is not None:
        run = Run(digest, found.layout, None if window.is_everything else window)
        digest.reading = run
        run.ends(read_piece(blocks, run.reader, digest.tally, run.begins_at))
        digest.reading = None
        digest.add_run(run)
    elif found.format == "sql":
        for sql, calls in sqlfile.read(blocks, tally):
            digest.add_text(sql, calls)
    else:
        text, sql_of_plan = plan_file.read(blocks, tally)
        digest.add_plan_file(text, name, sql_of_plan)


class _Counted:
    """Blocks, how many bytes they have had so far, and a call after each."""

    def __init__(self, blocks: Iterable[bytes], after: Callable[[], None]) -> None:
        self._blocks = blocks
        self._after = after
        self.bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            self.bytes += len(block)
            yield block
            self._after()
