"""Layers that a log may be in, by the shape of its first lines."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import Any

from advisor.sources.envelopes import cloudsql, containers, heroku, journald, syslog
from advisor.sources.envelopes.documents import decoded
from advisor.sources.envelopes.entries import objects
from advisor.sources.envelopes.envelope import Layer, Shape
from advisor.sources.envelopes.source import Source
from advisor.sources.envelopes.stamps import first_year, iso_stamp
from advisor.sources.envelopes.text import inner_kind
from advisor.sources.tally import Tally

LINES = 1000
ENTRIES = 500
"""Of the head: looked at for its shape."""

SHAPE_SHARE = 0.8
"""Of the head's lines must have a format's shape: others are torn, or printed by what made the file."""

_SIMPLE = rb'(?:"(?:[^"\\]++|\\.)*+"|[-\w.]+|\[[^\[\]{}]*\])'
_CONTAINER = re.compile(
    rb'\s*\{\s*(?:"[^"]*"\s*:\s*' + _SIMPLE + rb'\s*,\s*){0,20}"(?:events|records|logEvents|result|entries)"\s*:\s*\['
)
_POSTGRES = re.compile(r"postgres|pgsql|^pg_|^pg$", re.IGNORECASE)
_NUMBER = re.compile(rb"\[(\d{1,20})(-\d+)?\] ")


def proposed(head: bytes, whole: bytes, text: bytes) -> Iterator[Layer]:
    """Layers whose shape a log has, the most particular first.

    `head` may end within a line, `whole` does not, `text` is `whole` without what is blank before it.
    """
    if text[:1] in (b"{", b"[", b"\x1e") and not text.startswith(b"[pod/"):
        yield from _json_layers(head, text)
        return
    lines = [line for line in whole.split(b"\n", LINES)[:LINES] if line.strip()]
    if text.startswith(b"__CURSOR=") or re.match(rb"\w+=[^\n]*\n(?:\w+=[^\n]*\n){0,5}__REALTIME_TIMESTAMP=", text):
        yield from _export_layers(whole)
    if heroku.header(lines[0]) and _share(lines, heroku.header) and any(map(heroku.is_postgres, lines)):
        yield Layer(format="heroku", numbered=True)
    if containers.CRI.match(lines[0]) and _share(lines, containers.CRI.match):
        yield Layer(format="cri")
    if syslog.header(lines[0]) or syslog.is_banner(lines[0]):
        yield from _syslog_layers(lines)
    for name, pattern in (
        ("aws-logs-tail", containers.STREAMED),
        ("kubectl-prefix", containers.POD),
        ("compose", containers.COMPOSE),
    ):
        sources = _named_sources(lines, pattern)
        if sources:
            yield Layer(format=name, sources=sources)
    if containers.STAMPED.match(lines[0]) and _share(lines, _stamped_or_below):
        yield Layer(format="timestamps")


def _share(lines: list[bytes], matches: Callable[[bytes], object]) -> bool:
    return sum(bool(matches(line)) for line in lines) >= SHAPE_SHARE * len(lines)


def _stamped_or_below(line: bytes) -> bool:
    return line.startswith(b"\t") or containers.STAMPED.match(line) is not None


def _named_sources(lines: list[bytes], pattern: re.Pattern[bytes]) -> tuple[str, ...]:
    """The names before the lines that are PostgreSQL's, where each line has a name before it."""
    if not pattern.match(lines[0]) or not _share(lines, lambda line: line[:1] == b"\t" or pattern.match(line)):
        return ()
    texts: dict[bytes, list[bytes]] = defaultdict(list)
    name_group = 2 if pattern is containers.STREAMED else 1
    for line in lines:
        found = pattern.match(line)
        if found:
            texts[found[name_group]].append(found[name_group + 1])
    return _of_postgres({name.decode("utf-8", "replace"): found for name, found in texts.items()})


class _Survey:
    """The head's messages by program and process."""

    def __init__(self) -> None:
        self._messages: dict[tuple[str, str], list[bytes]] = defaultdict(list)

    def add(self, program: str, pid: str, message: bytes) -> None:
        self._messages[program, pid].append(message)

    def layer(self, name: str, shape: Shape = "lines", year: int | None = None) -> Layer | None:
        """A layer for the programs whose messages are PostgreSQL's; None where there are none."""
        texts: dict[str, list[bytes]] = defaultdict(list)
        for (program, _), messages in self._messages.items():
            texts[program] += messages
        sources = _of_postgres(texts)
        ours = [messages for (program, _), messages in self._messages.items() if program in sources]
        if not sources:
            return None
        return Layer(format=name, shape=shape, sources=sources, numbered=_is_numbered(ours), year=year)


def _of_postgres(texts: dict[str, list[bytes]]) -> tuple[str, ...]:
    """Those programs or containers whose lines are PostgreSQL's; the others', if any is called after it, are not."""
    found = [name for name, lines in texts.items() if _is_postgres(b"\n".join(lines) + b"\n")]
    called = [name for name in found if _POSTGRES.search(name)]
    return tuple(sorted(called or found))


def _is_postgres(text: bytes) -> bool:
    if inner_kind(text) is not None:
        return True
    # A container's lines may be in a further envelope, which has PostgreSQL's severities all the same.
    return b'"error_severity"' in text or b'"logger":"postgres"' in text


def _syslog_layers(lines: list[bytes]) -> Iterator[Layer]:
    found = [match for line in lines if (match := syslog.header(line))]
    below = sum(line[:1] in b"\t " or syslog.is_banner(line) for line in lines)
    if not found or len(found) + below < SHAPE_SHARE * len(lines):
        return
    survey = _Survey()
    for match in found:
        program, pid = match["program"].decode("utf-8", "replace"), (match["pid"] or b"").decode()
        survey.add(program, pid, syslog.unescaped(match["message"] or b""))
    time = found[0]["time"].decode()
    dated = iso_stamp(time) is not None or iso_stamp(time[4:]) is not None
    text = "\n".join(line.decode("utf-8", "replace") for line in lines)
    layer = survey.layer("syslog", year=None if dated else first_year(text, time, datetime.now(UTC)))
    if layer is not None:
        yield layer


def _is_numbered(processes: list[list[bytes]]) -> bool:
    """Whether `write_syslog` numbered the messages: `[n-m]`, or `[n]` that counts up or begins anew."""
    found = [[_NUMBER.match(text) for text in messages] for messages in processes]
    every = [match for matches in found for match in matches]
    pairs = sum(match is not None and match[2] is not None for match in every)
    if pairs >= SHAPE_SHARE * len(every):
        return True
    steps = [
        int(after[1]) in (1, int(before[1]) + 1)
        for matches in found
        for before, after in pairwise(matches)
        if before is not None and after is not None
    ]
    numbered = sum(match is not None for match in every)
    starts = any(match is not None and match[1] == b"1" for match in every)
    return numbered >= SHAPE_SHARE * len(every) and (sum(steps) >= SHAPE_SHARE * len(steps) if steps else starts)


def _json_layers(head: bytes, text: bytes) -> Iterator[Layer]:
    for shape in _shapes(text):
        scratch = Source([head], Tally())
        entries = [entry for entry, _ in islice(objects(Layer(format="", shape=shape), scratch), ENTRIES)]
        for name, is_entry, time in _JSON_FORMATS:
            ours = [entry for entry in entries if is_entry(entry)]
            if ours and (2 * len(ours) >= len(entries) or name in _MIXED):
                layer = _json_layer(name, shape, ours, time)
                if layer is not None:
                    yield layer


def _shapes(text: bytes) -> Iterator[Shape]:
    if text.startswith(b"["):
        yield "array"
    elif _CONTAINER.match(text):
        yield "container"
    elif isinstance(decoded(text.partition(b"\n")[0]), dict):
        yield "lines"
    else:
        yield "objects"


def _json_layer(name: str, shape: Shape, entries: list[dict[str, Any]], time: str | None) -> Layer | None:
    if name == "journald":
        survey = _Survey()
        for entry in entries:
            survey.add(journald.program_of(entry), journald.pid_of(entry), journald.message_of(entry))
        return survey.layer(name, shape)
    sources: tuple[str, ...] = ()
    if name == "cloudsql":
        sources = tuple(sorted({log for log in map(cloudsql.log_name, entries) if log.endswith("postgres.log")}))
        entries = [entry for entry in entries if not sources or cloudsql.log_name(entry) in sources]
    return Layer(format=name, shape=shape, newest_first=_newest_first(entries, time), sources=sources)


def _export_layers(whole: bytes) -> Iterator[Layer]:
    survey = _Survey()
    for fields in islice(journald.exported(Source([whole], Tally())), ENTRIES):
        survey.add(journald.program_of(fields), journald.pid_of(fields), journald.message_of(fields))
    layer = survey.layer("journald-export")
    if layer is not None:
        yield layer


def _is_cnpg(entry: dict[str, Any]) -> bool:
    fields = entry.get("record")
    return isinstance(fields, dict) and "log_time" in fields


def _is_docker(entry: dict[str, Any]) -> bool:
    return isinstance(entry.get("log"), str) and "stream" in entry and "time" in entry


def _is_journald(entry: dict[str, Any]) -> bool:
    return "MESSAGE" in entry and ("__REALTIME_TIMESTAMP" in entry or "__CURSOR" in entry)


def _is_azure(entry: dict[str, Any]) -> bool:
    return str(entry.get("category", entry.get("Category"))).lower() == "postgresqllogs"


def _is_supabase(entry: dict[str, Any]) -> bool:
    return isinstance(entry.get("event_message"), str) and "timestamp" in entry


def _is_cloudwatch(entry: dict[str, Any]) -> bool:
    return isinstance(entry.get("message"), str) and isinstance(entry.get("timestamp"), int)


_JSON_FORMATS: tuple[tuple[str, Callable[[dict[str, Any]], bool], str | None], ...] = (
    ("cnpg", _is_cnpg, None),
    ("docker", _is_docker, None),
    ("journald", _is_journald, None),
    ("cloudsql", cloudsql.is_entry, "timestamp"),
    ("azure", _is_azure, "time"),
    ("supabase", _is_supabase, "timestamp"),
    ("cloudwatch", _is_cloudwatch, "timestamp"),
)
_MIXED = frozenset(("cnpg", "azure"))
"""Formats whose stream holds much of others, told by a field of their own."""


def _newest_first(entries: list[dict[str, Any]], key: str | None) -> bool:
    """Whether the times of the entries go down, as in what `gcloud logging read` and log explorers give."""
    if key is None:
        return False
    times = [_order(entry.get(key)) for entry in entries if entry.get(key) is not None]
    down = sum(after < before for before, after in pairwise(times))
    return down > sum(after > before for before, after in pairwise(times))


def _order(value: Any) -> tuple[str, str]:
    """Times of one kind in their order: numbers, or RFC 3339 with as many digits as they need."""
    if isinstance(value, int):
        return f"{value:020d}", ""
    second, _, fraction = str(value).removesuffix("Z").partition(".")
    return second, fraction.ljust(9, "0")
