"""Inputs in, Workload out: opens, detects, reads and folds."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from advisor.errors import EmptyInput, InputError
from advisor.model.event import Event
from advisor.model.options import Options
from advisor.model.workload import InputFile, StatementStatistics, Workload
from advisor.sources import csvlog, jsonlog, plan_file, sqlfile, stderr
from advisor.sources.compression import Opened, open_input
from advisor.sources.detect import HEAD_BYTES, Format, detect
from advisor.sources.prefix import infer_prefix
from advisor.sources.tally import Tally
from advisor.workload.digest import Digest

Progress = Callable[[int, int], None]

_SAMPLING = re.compile(
    r"parameter \"(log_min_duration_statement|log_min_duration_sample|log_statement_sample_rate|"
    r"log_transaction_sample_rate)\" changed to \"([^\"]*)\""
)

NO_DURATIONS = (
    "The log has no durations: set log_min_duration_statement = 0 (or log_duration = on with log_statement = 'all')"
    " and reload, so that time can be told."
)
NO_STATEMENTS = (
    "The log has no statements: set log_min_duration_statement = 0 (every statement with its duration), or to a"
    " threshold such as '100ms', and reload."
)


def read_workload(
    inputs: Sequence[str], options: Options, progress: Progress | None = None, digest: Digest | None = None
) -> Workload:
    """Reads files, folders (every file in it, sorted) and `-`, and adds them up.

    `progress(done, total)` is called about once per mebibyte, in bytes on disk; the total is 0 for standard input.
    A given `digest` is filled as the reading goes: after an interruption its `freeze()` is what was understood.

    Raises:
        InputError: an input cannot be opened, read or understood.
        EmptyInput: there is nothing in the inputs.
    """
    digest = digest if digest is not None else Digest()
    names = list(_files(inputs))
    if not names:
        raise EmptyInput("There is no input.", hint="Give a log, a plan, a .sql file, a folder of them, or -.")
    sizes = [Path(name).stat().st_size if name != "-" and Path(name).is_file() else 0 for name in names]
    total = 0 if "-" in names else sum(sizes)
    in_folder = len(names) > len(inputs)
    done = 0
    for name, size in zip(names, sizes, strict=True):
        try:
            _read_one(name, options, digest, _shifted(progress, done, total))
        except EmptyInput:
            if not in_folder and len(names) == 1:
                raise
            digest.warn(f"{name} is empty.")
        done += size
    if not digest.inputs:
        raise EmptyInput("The inputs are empty.", hint="Check that logging is on and that these are the right files.")
    _warn_of_gaps(digest)
    return digest.freeze()


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


def _files(inputs: Sequence[str]) -> Iterator[str]:
    for name in inputs:
        if name != "-" and Path(name).is_dir():
            found = sorted(str(path) for path in Path(name).iterdir() if path.is_file() and path.name[0] != ".")
            if not found:
                raise EmptyInput(f"The folder {name} has no files.", hint="Give the folder that holds the logs.")
            yield from found
        else:
            yield name


def _shifted(progress: Progress | None, done: int, total: int) -> Callable[[int], None]:
    if progress is None:
        return lambda _: None
    return lambda position: progress(min(done + position, total) if total else done + position, total)


def _read_one(name: str, options: Options, digest: Digest, progress: Callable[[int], None]) -> None:
    tally = Tally()
    with open_input(name, tally) as opened:
        head = _head(opened.blocks)
        shown = "standard input" if name == "-" else name
        if not head and tally.warnings:
            raise InputError(f"{shown} cannot be decompressed.", why=tally.warnings[0], hint="Copy or fetch it again.")
        found = detect(head, shown)
        prefix = _prefix(found, head, options, shown)
        digest.begin_input(shown)
        blocks = _reported(chain((head,), opened.blocks), opened, progress)
        try:
            digest.add_all(_events(found, blocks, tally, prefix), options.since_us, options.until_us)
        finally:
            digest.statements_unparsed += tally.unparsed
            digest.statements += tally.unparsed
            digest.end_input(tally, _described(shown, found, tally, prefix, opened))
    _warn_of_sampling(head, shown, digest)


def _head(blocks: Iterator[bytes]) -> bytes:
    head = b""
    for block in blocks:
        head += block
        if len(head) >= HEAD_BYTES:
            break
    return head


def _prefix(found: Format, head: bytes, options: Options, name: str) -> str | None:
    if found != "stderr":
        return None
    if options.prefix is not None:
        return options.prefix
    text = head[:HEAD_BYTES].decode("utf-8", "replace").replace("\r\n", "\n")
    return infer_prefix(text, name)


def _reported(blocks: Iterator[bytes], opened: Opened, progress: Callable[[int], None]) -> Iterator[bytes]:
    for block in blocks:
        yield block
        progress(opened.position())


def _events(found: Format, blocks: Iterator[bytes], tally: Tally, prefix: str | None) -> Iterator[Event]:
    if found == "stderr":
        return stderr.read(blocks, tally, prefix=prefix or "")
    if found == "csv":
        return csvlog.read(blocks, tally)
    if found == "json":
        return jsonlog.read(blocks, tally)
    if found == "sql":
        return sqlfile.read(blocks, tally)
    return plan_file.read(blocks, tally)


def _described(name: str, found: Format, tally: Tally, prefix: str | None, opened: Opened) -> InputFile:
    return InputFile(
        name=name,
        format=found,
        bytes=tally.bytes_total,
        detected_prefix=prefix,
        compression=opened.compression,
    )


def _warn_of_sampling(head: bytes, name: str, digest: Digest) -> None:
    for setting, value in _SAMPLING.findall(head.decode("utf-8", "replace")):
        if (setting, value) not in (("log_min_duration_statement", "0"), ("log_statement_sample_rate", "1")):
            digest.warn(
                f"{name}: {setting} was set to {value}: fast statements are missing, and repeated ones may not show."
            )


def _warn_of_gaps(digest: Digest) -> None:
    """Says what the inputs do not show, and which settings would."""
    if all(each.format not in ("stderr", "csv", "json") for each in digest.inputs):
        return
    if digest.statements == 0 and not digest.has_plans:
        digest.warn(NO_STATEMENTS)
    elif digest.timed == 0:
        digest.warn(NO_DURATIONS)
