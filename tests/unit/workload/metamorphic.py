"""Logs told in other ways, and what of a workload must be the same then."""

import bz2
import gzip
import lzma
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import lz4.frame

from advisor.model.options import Options
from advisor.model.workload import Workload
from advisor.sources.layout import LogFormat
from advisor.sources.reader import read_piece
from advisor.workload.digest import Digest
from advisor.workload.read import read_workload
from advisor.workload.run import Run
from tests.unit.sources.recorder import layout_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
    "lz4": lz4.frame.compress,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log whose format is known; `prefix` of a stderr log."""

    data: bytes = field(repr=False)
    format: LogFormat
    prefix: str | None = None

    @property
    def options(self) -> Options:
        return Options(prefix=self.prefix)


def told(workload: Workload, *, with_sessions: bool = True) -> Workload:
    """What of a workload does not depend on how its log was written and handed over."""
    plans = tuple(replace(plan, source="") for plan in workload.plans)
    coverage = replace(workload.coverage, bytes_total=0, bytes_classified=0)
    repetitions = workload.repetitions
    if not with_sessions:
        repetitions = tuple(
            replace(each, instances=tuple(replace(instance, session="") for instance in each.instances))
            for each in repetitions
        )
    return replace(workload, inputs=(), plans=plans, coverage=coverage, repetitions=repetitions, warnings=())


def read(folder: Path, log: Log, pieces: Sequence[bytes] | None = None, *, names: Sequence[str] = ()) -> Workload:
    """The workload of a log, or of its pieces as files in the order in which they are given."""
    paths = []
    for number, data in enumerate(pieces if pieces is not None else [log.data]):
        path = folder / (names[number] if names else f"piece{number:04}")
        path.write_bytes(data)
        paths.append(str(path))
    try:
        return read_workload(paths, log.options)
    finally:
        for name in paths:
            Path(name).unlink()


def starts_of(log: Log) -> list[tuple[int, int]]:
    """Where the records begin, and their times."""
    reader = Run(Digest(), layout_of(log.data, log.format, log.prefix)).reader
    found, position = [], 0
    while position < len(log.data):
        if reader.starts.match(log.data, position):
            at = reader.time(log.data[position : position + 4096])
            assert at is not None
            found.append((position, at))
        position = log.data.find(b"\n", position) + 1 or len(log.data)
    return found


def clear_cuts(log: Log) -> list[int]:
    """Where a record begins that is later than all before it: files cut there tell their order by their times."""
    latest, found = -1, []
    for position, at in starts_of(log):
        if at > latest and position:
            found.append(position)
        latest = max(latest, at)
    return found


def cut(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The pieces between the cuts."""
    return [data[start:end] for start, end in pairwise([0, *sorted(set(cuts)), len(data)])]


def digest_states(log: Log, pieces: Sequence[bytes]) -> Iterator[Mapping[str, object]]:
    """Of each piece the state of a digest of its own."""
    for piece in pieces:
        digest = Digest()
        run = Run(digest, layout_of(log.data, log.format, log.prefix))
        run.ends(read_piece(iter((piece,)), run.reader, digest.tally, run.begins_at))
        digest.add_run(run)
        yield digest.state()


def added(states: Sequence[Mapping[str, object]]) -> Workload:
    """Digests added up."""
    digest = Digest()
    for state in states:
        digest.restore(state)
    return digest.freeze()


def check_compressed(log: Log, folder: Path) -> None:
    """Every compression, whole and as frames one after the other."""
    expected = told(read(folder, log))
    middle = len(log.data) // 2
    for ending, compress in COMPRESSIONS.items():
        assert told(read(folder, log, [compress(log.data)], names=[f"log.{ending}"])) == expected, ending
        frames = compress(log.data[:middle]) + compress(log.data[middle:])
        assert told(read(folder, log, [frames], names=[f"log.{ending}"])) == expected, ending


def check_records(log: Log, folder: Path, cuts: Sequence[int], shuffle: Callable[[list[bytes]], None]) -> None:
    """Files cut where records begin, in any order."""
    pieces = cut(log.data, cuts)
    shuffle(pieces)
    assert told(read(folder, log, pieces)) == told(read(folder, log))


def check_fragments(log: Log, folder: Path, cuts: Sequence[int], expected: Workload) -> None:
    """Files cut at any byte, in order; and digests of them added up."""
    pieces = cut(log.data, cuts)
    assert told(read(folder, log, pieces)) == expected
    assert told(added(list(digest_states(log, pieces)))) == expected


def check_digests(log: Log, cuts: Sequence[int], shuffle: Callable[[list[Mapping[str, object]]], None]) -> None:
    """Digests of pieces added up in any order."""
    states = list(digest_states(log, cut(log.data, cuts)))
    shuffle(states)
    assert told(added(states)) == told(added(list(digest_states(log, [log.data]))))
