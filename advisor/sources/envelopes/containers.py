"""What container runtimes and `kubectl logs`, `docker compose logs`, `aws logs tail` put before each line.

Sources: Kubernetes, "CRI logging format" (kuberuntime, `<time> <stream> <P|F>[:tags] <content>`); Docker's manual,
"JSON File logging driver" (records of 16 KiB at most: one without a line end goes on); `kubectl logs --help`,
`--timestamps` and `--prefix`; AWS CLI, `logs tail`, formats `detailed` and `short`.
"""

import re
from collections.abc import Iterator

from advisor.sources.blocks import LONGEST_LINE_BYTES
from advisor.sources.envelopes.entries import objects
from advisor.sources.envelopes.envelope import Layer
from advisor.sources.envelopes.source import Source
from advisor.sources.envelopes.stamps import iso_stamp
from advisor.sources.envelopes.text import stamped

_TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
CRI = re.compile(rb"(" + _TIME + rb") (stdout|stderr) ([FP])(?::\S*)?(?: (.*))?", re.DOTALL)
STAMPED = re.compile(rb"(" + _TIME + rb")(?: (.*))?", re.DOTALL)
STREAMED = re.compile(rb"(" + _TIME + rb") ([A-Za-z][\w./#$\[\]-]*) (.*)", re.DOTALL)
POD = re.compile(rb"(\[pod/[^\s\]]+\]) (.*)", re.DOTALL)
COMPOSE = re.compile(rb"(?:\x1b\[[\d;]*m)*([A-Za-z0-9][\w.-]*) +\| (?:\x1b\[[\d;]*m)*(.*)", re.DOTALL)


class _Joined:
    """Lines that came in parts, per stream; a line beyond `LONGEST_LINE_BYTES` is given on in pieces."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: dict[object, bytearray] = {}

    def add(self, stream: object, part: bytes, *, complete: bool) -> bytes | None:
        """The line that `part` ends, without its line end; None where more comes."""
        # A bytearray grows in place: a line of very many parts costs no more than it is long.
        line = self._parts.setdefault(stream, bytearray())
        line += part
        if not complete and len(line) <= LONGEST_LINE_BYTES:
            return None
        return bytes(self._parts.pop(stream))

    def rest(self) -> Iterator[bytes]:
        """What never ended."""
        yield from map(bytes, filter(None, self._parts.values()))


def _given(layer: Layer, line: bytes, at: bytes) -> bytes:
    if layer.stamp == "none" or line.startswith(b"\t"):
        return line + b"\n"
    return stamped(layer, iso_stamp(at.decode()), None) + line + b"\n"


def read_cri(layer: Layer, source: Source) -> Iterator[bytes]:
    """A container's log file under /var/log/pods."""
    joined = _Joined()
    for line in source.lines():
        found = CRI.match(line)
        if found is None:
            source.foreign(line)
            continue
        whole = joined.add(found[2], (found[4] or b"").removesuffix(b"\n"), complete=found[3] == b"F")
        if whole is not None:
            yield _given(layer, whole, found[1])
    for rest in joined.rest():
        yield rest + b"\n"


def read_docker(layer: Layer, source: Source) -> Iterator[bytes]:
    """A container's log file of Docker's json-file driver."""
    joined = _Joined()
    for entry, raw in objects(layer, source):
        text, stream, at = entry.get("log"), entry.get("stream"), entry.get("time")
        if not isinstance(text, str) or not isinstance(at, str):
            source.foreign(raw)
            continue
        whole = joined.add(stream == "stdout", text.encode().removesuffix(b"\n"), complete=text.endswith("\n"))
        if whole is not None:
            yield _given(layer, whole, at.encode("ascii", "replace"))
    for rest in joined.rest():
        yield rest + b"\n"


def read_stamped(layer: Layer, source: Source) -> Iterator[bytes]:
    """Lines that begin with a time: `kubectl logs --timestamps`, CloudWatch's export to S3, `aws logs tail`.

    CloudWatch has a time per event, so that the further lines of an event have none.
    """
    for line in source.lines():
        found = STAMPED.match(line)
        if found is not None:
            yield _given(layer, (found[2] or b"").removesuffix(b"\n"), found[1])
        else:
            yield line


def read_streamed(layer: Layer, source: Source) -> Iterator[bytes]:
    """`aws logs tail`: a time and the stream's name before each event."""
    names = {name.encode() for name in layer.sources}
    ours = True
    for line in source.lines():
        found = STREAMED.match(line)
        if found is not None:
            ours = found[2] in names
            if ours:
                yield _given(layer, found[3].removesuffix(b"\n"), found[1])
        elif ours:
            yield line


def read_named(layer: Layer, source: Source) -> Iterator[bytes]:
    """Lines that begin with the container's name: `docker compose logs`, `kubectl logs --prefix`."""
    pattern = POD if layer.format == "kubectl-prefix" else COMPOSE
    names = {name.encode() for name in layer.sources}
    for line in source.lines():
        found = pattern.match(line)
        if found is None:
            source.foreign(line)
        elif found[1] in names:
            yield found[2].removesuffix(b"\n") + b"\n"
