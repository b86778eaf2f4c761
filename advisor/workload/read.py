"""Inputs in, Workload out: opens, detects, reads and folds."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from advisor.errors import EmptyInput, UnknownFormat, UnknownPrefix
from advisor.model.options import Options
from advisor.model.workload import InputFile, StatementStatistics, Workload
from advisor.sources import plan_file, sqlfile
from advisor.sources.blocks import whole_lines
from advisor.sources.compression import Opened, head_of, open_input, open_range
from advisor.sources.detect import HEAD_BYTES
from advisor.sources.inputs import expand, family
from advisor.sources.layout import open_reader
from advisor.sources.marks import Start, counted_in_both, is_all_known, mark_of, match, renewed
from advisor.sources.reader import read_piece
from advisor.sources.recognised import Recognised, recognise_input, unwrapped
from advisor.sources.tally import Tally
from advisor.sources.twice import same_events
from advisor.workload.collector import rare_collections
from advisor.workload.digest import Digest
from advisor.workload.parallel import parts_of, read_in_parallel
from advisor.workload.run import Run
from advisor.workload.window import Window

FEW_BYTES = 1 << 16
"""Some hundred records: from fewer a prefix may be inferred wrongly, as what is a field has always been the same."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """The digest is to be kept in a file, so that what is read is marked.

    `whole_lines`: a last line without its end is left for the next time, as nothing of a log's end can be kept.
    """

    whole_lines: bool = False


def read_workload(
    inputs: Sequence[str], options: Options, progress: Progress | None = None, digest: Digest | None = None
) -> Workload:
    """Reads files, folders, patterns and `-`, and adds them up; see `read_digest`."""
    filled = read_digest(inputs, options, progress, digest)
    for name, known in filled.known_bytes.items():
        filled.note(f"The first {known:,} bytes of {name} are in a digest that was given, too: they count once.")
    return filled.freeze()


def read_digest(
    inputs: Sequence[str],
    options: Options,
    progress: Progress | None = None,
    digest: Digest | None = None,
    keeping: Keeping | None = None,
) -> Digest:
    """Reads files, folders (every file in it, sorted), patterns and `-`, and adds them up.

    `progress(done, total)` is called about once per mebibyte, in bytes on disk; the total is 0 for standard input.
    A given `digest` is filled as the reading goes: after an interruption its `freeze()` is what was understood. Of logs
    that it has marks of, or that a digest among the inputs has, only what is new is read.

    Raises:
        InputError: an input cannot be opened, read or understood.
        EmptyInput: there is nothing in the inputs.
    """
    digest = digest if digest is not None else Digest()
    expanded = expand(inputs)
    for warning in expanded.warnings:
        digest.note(warning)
    if not expanded.names:
        raise EmptyInput("There is no input.", hint="Give a log, a plan, a .sql file, a folder of them, or -.")
    found = _recognised(expanded.names, options, digest, alone=len(inputs) == 1 and len(expanded.names) == 1)
    if not found and not digest.marks:
        raise EmptyInput("The inputs are empty.", hint="Check that logging is on and that these are the right files.")
    total = 0 if any(each.name == "-" for each in found) else sum(each.size for each in found)
    done = 0
    for each in sorted(found, key=lambda one: one.format != "digest"):
        if each.format == "digest":
            if options.since_us is not None or options.until_us is not None:
                digest.note(f"{each.name} is a digest and counts as a whole: --since and --until are for logs.")
            _read_one(each, Window(), _Job(options, digest, None, _shifted(progress, done, total)))
            done += each.size
    logs = [each for each in found if each.format != "digest"]
    with rare_collections():
        _read_logs(logs, options, digest, keeping, lambda before: _shifted(progress, done + before, total))
    return digest


def _read_logs(
    found: Sequence[Recognised],
    options: Options,
    digest: Digest,
    keeping: Keeping | None,
    shifted: Callable[[int], Callable[[int], None]],
) -> None:
    twice = same_events([each.name for each in found if each.layout is not None and each.name != "-"])
    for warning in twice.warnings:
        digest.note(warning)
    left_out = {each.name: each for each in twice.twice}
    starts = {start.path: start for start in match(digest.marks, [each.name for each in found])} if digest.marks else {}
    if digest.onto is None and digest.runs:
        digest.onto = digest.runs[-1]
    done = 0
    for each in sorted(found, key=lambda one: one.first_us if one.first_us is not None else -1):
        doubled = left_out.get(each.name)
        if doubled is None or not doubled.whole:
            window = Window(
                since_us=options.since_us,
                until_us=options.until_us,
                left_out=doubled.ranges if doubled is not None else (),
            )
            _read_new(each, window, _Job(options, digest, keeping, shifted(done)), starts.get(each.name))
        done += each.size


@dataclass(frozen=True, slots=True)
class _Job:
    """What reading an input needs besides the input."""

    options: Options
    digest: Digest
    keeping: Keeping | None
    progress: Callable[[int], None]


def _read_new(found: Recognised, window: Window, job: _Job, start: Start | None) -> None:
    """Reads what its mark does not cover, and marks it."""
    digest = job.digest
    if start is None or start.mark is None:
        end = _read_one(found, window, job)
        _mark(found, job, Start(path=found.name, offset=0, mark=None), end)
        return
    if found.layout is None and not is_all_known(start):
        digest.note(f"{found.name} was read before and has changed since: all that is in it now is added once more.")
        _mark(found, job, start, _read_one(found, window, job))
        return
    digest.known_bytes[found.name] = start.offset
    run = next((run for run in digest.runs if run.ended_at == start.mark.tail_hash), None)
    if run is not None:
        digest.onto = run
        found = replace(found, layout=run.layout)
    if not is_all_known(start):
        _mark(found, job, start, _read_one(found, window, job, start.offset))


def _mark(found: Recognised, job: _Job, start: Start, end: int) -> None:
    """Remembers that a file was read up to `end`."""
    if job.keeping is None or end <= start.offset:
        return
    run = job.digest.onto if found.layout is not None else None
    mark = mark_of(found.name, end, until_us=run.last_us if run is not None else None)
    if mark is not None:
        mark = replace(mark, name=str(Path(found.name).absolute()))
    job.digest.marks = renewed(job.digest.marks, [start], [mark])
    if run is not None:
        run.ended_at = mark.tail_hash if mark is not None else None


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
    digest.add_input(InputFile(name=name, format="pg_stat_statements", bytes=0))


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
            head = head_of(name, HEAD_BYTES)
            if not head and size:
                raise _nothing_in(name)
            recognised = recognise_input(head, name, prefix=options.prefix, size=size)
            if recognised.doubt is not None:
                digest.note(recognised.doubt)
            found.append(_like_its_set(recognised, head, found, digest) if options.prefix is None else recognised)
        except EmptyInput as error:
            if alone and not digest.marks:
                raise
            digest.note(error.what)
        except (UnknownFormat, UnknownPrefix):
            before = next((each for each in reversed(found) if each.layout is not None), None)
            if before is None and digest.runs:
                layout = digest.runs[-1].layout
                before = Recognised(name=name, format=layout.format, layout=layout)
            if before is None:
                raise
            found.append(replace(before, name=name, size=size))
    return found


def _nothing_in(name: str) -> EmptyInput:
    """Why a compressed file gives nothing."""
    tally = Tally()
    with open_input(name, tally) as opened:
        next(opened.blocks, b"")
    if not tally.warnings:
        return EmptyInput(f"{name} is empty.", hint="Check that logging is on and that this is the right file.")
    return EmptyInput(f"{name} is damaged.", why=" ".join(tally.warnings), hint="Copy it again.")


def _like_its_set(one: Recognised, head: bytes, found: Sequence[Recognised], digest: Digest) -> Recognised:
    """A log that has only begun tells its prefix worse than the one it was rotated from."""
    if one.layout is None or one.envelope is not None or len(head) >= FEW_BYTES:
        return one
    own = family(str(Path(one.name).absolute()))
    layouts = [each.layout for each in found if each.layout and family(str(Path(each.name).absolute())) == own]
    ends = {mark.tail_hash for mark in digest.marks if family(mark.name) == own}
    layouts += [run.layout for run in digest.runs if run.ended_at in ends]
    for layout in reversed(layouts):
        if layout.format == one.layout.format and open_reader(layout, Run(digest, layout), Tally()).starts.match(head):
            return replace(one, layout=layout)
    return one


def _shifted(progress: Progress | None, done: int, total: int) -> Callable[[int], None]:
    if progress is None:
        return lambda _: None
    return lambda position: progress(min(done + position, total) if total else done + position, total)


def _read_one(found: Recognised, window: Window, job: _Job, start: int = 0) -> int:
    """Reads an input from an offset on, and tells up to which, in decompressed bytes."""
    tally, digest = Tally(), job.digest
    shown = "standard input" if found.name == "-" else found.name
    with open_input(found.name, tally, start=start) as opened:
        blocks = opened.blocks
        if found.format == "pipe":
            head = _head(blocks)
            found = recognise_input(head, found.name, prefix=job.options.prefix, size=0)
            if found.doubt is not None:
                digest.note(found.doubt)
            blocks = chain((head,), blocks)
        if found.format == "digest":
            _add_digest(shown, blocks, digest)
            return 0
        if start:
            first = next(blocks, b"")
            if not first:
                return start
            blocks = chain((first,), blocks)
        if job.keeping is not None and (found.envelope is not None or job.keeping.whole_lines):
            blocks = whole_lines(blocks)
        counted = _Counted(blocks, lambda: job.progress(opened.position()))
        end = _end(found, opened, job)
        parts = [(start + one, start + other) for one, other in parts_of(end - start, job.options.jobs)] if end else []
        try:
            if len(parts) > 1 and found.layout is not None:
                counted.bytes = end - start
                read_in_parallel(found.name, parts, found.layout, window, digest, job.options.jobs, job.progress)
            else:
                _fold(found, shown, unwrapped(found, iter(counted), digest.tally), tally, digest, window)
        finally:
            digest.tally.merge(tally)
            read = InputFile(
                name=shown,
                format=found.shown_format,
                bytes=counted.bytes,
                detected_prefix=found.layout.prefix if found.layout is not None else None,
                compression=opened.compression,
            )
            digest.add_input(read)
    return start + counted.bytes


def _add_digest(name: str, blocks: Iterable[bytes], digest: Digest) -> None:
    from advisor.workload.digest_file import read_packed, unpack

    known, before = digest.marks, sum(each.bytes for each in digest.logs)
    added = unpack(read_packed(blocks, name), digest, name)
    for log in counted_in_both(known, added):
        digest.note(f"{name} has counted {log}, and so has another digest that was given: its statements count twice.")
    log_bytes = sum(each.bytes for each in digest.logs) - before
    digest.inputs.append(InputFile(name=name, format="digest", bytes=log_bytes))


def _end(found: Recognised, opened: Opened, job: _Job) -> int:
    """Where to end in a file any part of which can be read on its own; 0 for others."""
    if found.layout is None or found.envelope is not None or not opened.is_plain_file:
        return 0
    if job.keeping is None or not job.keeping.whole_lines:
        return opened.size
    last = b"".join(open_range(found.name, max(opened.size - HEAD_BYTES, 0), opened.size))
    newline = last.rfind(b"\n")
    return opened.size - len(last) + newline + 1 if newline >= 0 else 0


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
