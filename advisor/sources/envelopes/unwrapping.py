"""From the blocks of a wrapped log to the blocks of the inner one, layer by layer."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from advisor.sources.envelopes import (
    azure,
    cloudsql,
    cloudwatch,
    cnpg,
    containers,
    entries,
    heroku,
    journald,
    supabase,
    syslog,
)
from advisor.sources.envelopes.envelope import Envelope, Layer
from advisor.sources.envelopes.source import Source
from advisor.sources.tally import Tally

Read = Callable[[Layer, Source], Iterator[bytes]]

READERS: dict[str, Read] = {
    "aws-logs-tail": containers.read_streamed,
    "azure": partial(entries.read, extract=azure.extract),
    "cloudsql": partial(entries.read, extract=cloudsql.extract),
    "cloudwatch": partial(entries.read, extract=cloudwatch.extract),
    "cnpg": partial(entries.read, extract=cnpg.extract),
    "compose": containers.read_named,
    "cri": containers.read_cri,
    "docker": containers.read_docker,
    "heroku": heroku.read,
    "journald": journald.read,
    "journald-export": journald.read_export,
    "kubectl-prefix": containers.read_named,
    "supabase": partial(entries.read, extract=supabase.extract),
    "syslog": syslog.read,
    "timestamps": containers.read_stamped,
}

_SPOOLED_BYTES = 16 << 20
"""Of a log whose newest entry comes first, which is turned round: what is more goes to a temporary file."""

_NO_ZONE = (
    "The times of this syslog have neither year nor time zone: they are taken as UTC. Put %m into log_line_prefix."
)


def unwrap(envelope: Envelope, blocks: Iterable[bytes], tally: Tally) -> Iterator[bytes]:
    """Blocks of the inner log.

    What the envelope itself takes is counted in `tally` as classified (less than nothing where the inner form is
    longer), what is nothing of it as not understood: with what a reader counts of the blocks, the sum is the outer
    bytes.
    """
    for layer in envelope.layers:
        blocks = _layer_blocks(layer, blocks, tally)
    yield from blocks


def _layer_blocks(layer: Layer, blocks: Iterable[bytes], tally: Tally) -> Iterator[bytes]:
    source = Source(blocks, tally)
    if layer.year is not None and layer.stamp != "none":
        source.warn(_NO_ZONE)
    pieces = READERS[layer.format](layer, source)
    yield from source.batches(_oldest_first(pieces) if layer.newest_first else pieces)


def _oldest_first(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The entries of a log in reverse, in flat memory: runs of them are turned round, then the order of the runs."""
    with tempfile.SpooledTemporaryFile(max_size=_SPOOLED_BYTES) as spool:
        ends = [0]
        run: list[bytes] = []
        size = 0
        for piece in pieces:
            run.append(piece)
            size += len(piece)
            if size >= _RUN_BYTES:
                ends.append(ends[-1] + spool.write(b"".join(reversed(run))))
                run, size = [], 0
        yield from reversed(run)
        for begin, end in zip(reversed(ends[:-1]), reversed(ends[1:]), strict=True):
            spool.seek(begin)
            yield spool.read(end - begin)


_RUN_BYTES = 1 << 20
