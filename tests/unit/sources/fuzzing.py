"""Reads mutated logs, and says what of that must not be, whatever is in them."""

import bz2
import gzip
import lzma
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType

import lz4.frame
import msgspec

from advisor.errors import AdvisorError
from advisor.model.options import Options
from advisor.model.workload import Coverage
from advisor.sources.reader import read_piece
from advisor.sources.recognised import Recognised, recognise_input, unwrapped
from advisor.workload.digest import Digest
from advisor.workload.read import read_digest
from advisor.workload.run import Run
from tests.unit.sources import envelopes_writer as wrapped
from tests.unit.sources.mutations import mutated

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DATA = Path(__file__).parent / "data"
SHOP = Path(__file__).resolve().parents[3] / "fixtures" / "logs" / "shop"

SHOP_BYTES = 300_000
"""Of each shop's log; so much has all its queries."""

WRAPPED_BYTES = 60_000

_LEAST_RECORDS = 10
_PIECE_BYTES = 400

PREFIXES = {
    "min0-18.log": "%m [%p] %q%u@%d/%a ",
    "min0-15.log": "%m [%p] %q%u@%d/%a ",
    "all-18.log": "%m [%p] %c %v %e ",
    "explain_json-18.log": "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "explain_text-18.log": "%m [%p] ",
}
"""See `data/make.py`. Others are inferred."""

COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
    "lz4": lz4.frame.compress,
}

WRAPPERS: tuple[Callable[[bytes], bytes], ...] = (
    *(wrapped.syslog, wrapped.journal_short, wrapped.journal_json, wrapped.journal_export, wrapped.journal_json_broken),
    *(wrapped.cri, wrapped.timestamps, wrapped.docker, wrapped.compose, wrapped.kubectl_prefix, wrapped.cloudwatch),
    *(
        wrapped.cloudwatch_subscription,
        wrapped.aws_logs_tail,
        wrapped.s3_export,
        wrapped.cloudsql,
        wrapped.cloudsql_lines,
    ),
    *(wrapped.alloydb, wrapped.azure, wrapped.azure_event_hub, wrapped.heroku),
)
JSON_WRAPPERS: tuple[Callable[[bytes], bytes], ...] = (wrapped.cnpg, wrapped.supabase, wrapped.supabase_flat)


class Hang(BaseException):
    """A chunk took far longer than it may; no `Exception`, so that nothing catches it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A real log: its records, and what it is."""

    name: str
    records: tuple[bytes, ...]
    found: Recognised


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What reading a chunk came to. `problems` is empty where all is well; `refused`: with an AdvisorError."""

    problems: tuple[str, ...]
    seconds: float
    refused: bool = False


def seeds(more: Iterable[Path] = (), *, size: int = SHOP_BYTES) -> list[Seed]:
    """The logs of `data`, the shop's, and those wrapped; and `size` bytes of each of `more`."""
    plain = [(path.name, path.read_bytes(), PREFIXES.get(path.name)) for path in sorted(DATA.glob("*-1?.*"))]
    for path in (*(SHOP / f"postgresql.{kind}" for kind in ("log", "csv", "json")), *more):
        with path.open("rb") as file:
            head = file.read(size)
        plain.append((path.name, head[: head.rfind(b"\n") + 1], None))
    found = [_seed(name, data, prefix) for name, data, prefix in plain]
    log = (DATA / "min0-18.log").read_bytes()[:WRAPPED_BYTES]
    log = log[: log.rfind(b"\n") + 1]
    entries = (DATA / "min0-18.json").read_bytes()[:WRAPPED_BYTES]
    entries = entries[: entries.rfind(b"\n") + 1]
    found += [_seed(wrap.__name__, wrap(log), None) for wrap in WRAPPERS]
    found += [_seed(wrap.__name__, wrap(entries), None) for wrap in JSON_WRAPPERS]
    return found


def _seed(name: str, data: bytes, prefix: str | None) -> Seed:
    found = recognise_input(data, name, prefix=prefix, size=len(data))
    records: list[bytes] = []
    starts = None
    if found.envelope is None:
        assert found.layout is not None
        starts = Run(Digest(), found.layout).reader.starts
    for line in data.splitlines(keepends=True):
        if not records or starts is None or starts.match(line):
            records.append(line)
        else:
            records[-1] += line
    if len(records) < _LEAST_RECORDS:
        # One document: pieces of it stand for records.
        records = [data[at : at + _PIECE_BYTES] for at in range(0, len(data), _PIECE_BYTES)]
    return Seed(name=name, records=tuple(records), found=found)


def chunk_of(rng: Random, seed: Seed, count: int, *, share: float = 0.7) -> tuple[bytes, int]:
    """A mutated run of at least `count` of the seed's records, and how many of them are mutated."""
    start = rng.randrange(len(seed.records))
    records = [seed.records[(start + number) % len(seed.records)] for number in range(count)]
    return mutated(rng, records, share)


def read_known(rng: Random, seed: Seed, data: bytes, guard_s: int) -> Outcome:
    """Reads a chunk as what its seed is, in blocks of any size, and packs and unpacks its digest."""
    size = rng.choice((1 << 20, 1 << 20, 1 << 16, 5000))
    blocks = (data[at : at + size] for at in range(0, len(data), size))
    digest = Digest()

    def work() -> None:
        layout = seed.found.layout
        assert layout is not None
        run = Run(digest, layout)
        run.ends(read_piece(unwrapped(seed.found, blocks, digest.tally), run.reader, digest.tally, run.begins_at))
        digest.add_run(run)

    return _outcome(work, digest, len(data), guard_s)


def read_as_file(data: bytes, path: Path, guard_s: int, *, compression: str | None, rng: Random) -> Outcome:
    """Reads a chunk as a file of which nothing is known; a compressed one is damaged, too."""
    stored = COMPRESSIONS[compression](data) if compression is not None else data
    if compression is not None:
        damage = rng.choice(("none", "flipped", "cut off"))
        if damage == "flipped":
            place = rng.randrange(len(stored))
            stored = stored[:place] + rng.randbytes(1) + stored[place + 1 :]
        elif damage == "cut off":
            stored = stored[: rng.randrange(len(stored)) + 1]
    path.write_bytes(stored)
    digest = Digest()
    return _outcome(lambda: _discard(read_digest([str(path)], Options(), None, digest)), digest, None, guard_s)


def _discard(_: object) -> None: ...


def _outcome(work: Callable[[], None], digest: Digest, fed: int | None, guard_s: int) -> Outcome:
    began = time.monotonic()
    refused = False
    problems: list[str] = []
    try:
        with _guarded(guard_s):
            try:
                work()
                # What a digest's file holds must be writable, and be the same after it.
                state = msgspec.msgpack.decode(msgspec.msgpack.encode(digest.state()))
                again = Digest()
                again.restore(state)
                frozen, restored = digest.freeze(), again.freeze()
                problems += accounted(frozen.coverage, fed if fed is not None else sum(i.bytes for i in frozen.inputs))
                if restored.coverage != frozen.coverage or len(restored.queries) != len(frozen.queries):
                    problems.append(f"restored: {restored.coverage} instead of {frozen.coverage}")
            except AdvisorError:
                refused = True
    except (Exception, Hang) as error:  # noqa: BLE001 - any crash is what is looked for
        frames = traceback.extract_tb(error.__traceback__)
        place = next((f for f in reversed(frames) if "/advisor/" in f.filename), frames[-1])
        problems.append(f"{type(error).__name__}: {str(error)[:200]} at {Path(place.filename).name}:{place.lineno}")
    return Outcome(problems=tuple(problems), seconds=time.monotonic() - began, refused=refused)


def accounted(coverage: Coverage, fed: int) -> list[str]:
    """What is wrong with the account of the bytes; nothing where every one is either classified or unknown."""
    problems = []
    if coverage.bytes_total != fed:
        problems.append(f"bytes: {coverage.bytes_total} counted of {fed}")
    if not 0 <= coverage.bytes_classified <= coverage.bytes_total:
        problems.append(f"bytes: {coverage.bytes_classified} classified of {coverage.bytes_total}")
    if coverage.bytes_classified < coverage.bytes_total and not coverage.unknown and coverage.bytes_total:
        problems.append("bytes are unknown, but no line is")
    return problems


@contextmanager
def _guarded(seconds: int) -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise Hang(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
