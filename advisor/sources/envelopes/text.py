"""What PostgreSQL's own lines look like: enough to tell a record's head from what continues it."""

import csv
import re
from typing import Any

import orjson

from advisor.sources.envelopes.envelope import Inner, Layer, Stamp

_WORD = rb"(?:[A-Z][A-Z\d\x80-\xff]{2,}|[\x80-\xff]{6,})"
HEAD = re.compile(rb"([^\t\n]{0,400}?)(?<![A-Za-z\x80-\xff])(" + _WORD + rb")(?: |\xc2\xa0)?:(?:  | ?\Z)")
"""A line that begins a record or one of its parts, in any language: what `log_line_prefix` made, and the severity."""

_SEVERITY = re.compile(
    r"^(?!\{)[^\t\n]{0,400}?(?<![^\W\d_])"
    r"(?:LOG|LOGG|ERROR|FATAL|PANIC|WARNING|NOTICE|DETAIL|STATEMENT|FEHLER|ANWEISUNG|WARNUNG|ERREUR|INSTRUCTION"
    r"|ATTENTION|SENTENCIA|ERRORE|ISTRUZIONE|ERRO|COMANDO|FEL|SATS|ОШИБКА|СООБЩЕНИЕ|ОПЕРАТОР|ログ|エラー|文|日志"
    r"|日誌|错误|錯誤|语句|로그|오류|명령 구문)[ \xa0]?:  ",
    re.MULTILINE,
)
_TIME = re.compile(rb"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d|(?<!\d)\d{10}\.\d{3}(?!\d)")
_PID = re.compile(rb"\[\d+\]|(?:pid|PID|p)=\d")
_DIGITS = re.compile(rb"\d+")
_CSV_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} ")
_CSV_WIDTHS = range(22, 28)
_LINES_LOOKED_AT = 400


def inner_kind(raw: bytes) -> Inner | None:
    """What kind of PostgreSQL log a text is; None where it is none."""
    text = raw.decode("utf-8", "replace")
    lines = text.split("\n")[:_LINES_LOOKED_AT]
    if any(_is_json_record(line) for line in lines):
        return "json"
    if _has_csv_record(lines):
        return "csv"
    return "stderr" if _SEVERITY.search(text) else None


def _is_json_record(line: str) -> bool:
    if not line.startswith("{"):
        return False
    try:
        entry: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("timestamp"), str)
        and "event_message" not in entry
        and ("error_severity" in entry or ("message" in entry and "pid" in entry))
    )


def _has_csv_record(lines: list[str]) -> bool:
    try:
        return any(
            len(row) in _CSV_WIDTHS and _CSV_TIME.match(row[0]) is not None
            for row in csv.reader(line + "\n" for line in lines)
        )
    except csv.Error:
        return False


def missing_stamp(raw: bytes) -> Stamp:
    """What the records of a stderr log lack: their time, or their time and their process."""
    heads = [found[1] for line in raw.split(b"\n") if (found := HEAD.match(line))]
    timeless = [head for head in heads if not _TIME.search(head)]
    if 2 * len(timeless) <= len(heads):
        return "none"
    with_pid = sum(_PID.search(head) is not None for head in timeless)
    return "time" if 2 * with_pid > len(timeless) else "pid"


def mask(line: bytes) -> bytes | None:
    """The prefix of a line that begins a record or a part of it, with `0` for each number; None for other lines."""
    found = HEAD.match(line)
    return _DIGITS.sub(b"0", found[1]) if found else None


def stamped(layer: Layer, at: bytes | None, pid: bytes | None) -> bytes:
    """What goes before a record's own prefix; see `Stamp`."""
    if layer.stamp == "none" or at is None:
        return b""
    return at + b" [" + pid + b"] " if layer.stamp == "pid" and pid else at + b" "


def record(layer: Layer, message: bytes, stamp: bytes) -> bytes:
    """A message of one or more records as the lines of the inner log.

    Some services drop the tab before the lines that continue a record; it is put back, except before the heads of
    further records or parts.
    """
    message = message.removesuffix(b"\n")
    if b"\n" not in message:
        return (message if layer.inner != "stderr" or message.startswith(b"\t") else stamp + message) + b"\n"
    lines = message.split(b"\n")
    if layer.inner != "stderr":
        return b"\n".join(lines) + b"\n"
    first = lines[0]
    out = [first if first.startswith(b"\t") else stamp + first]
    own = mask(first)
    heads = [own is not None and mask(line) == own for line in lines[1:]]
    has_tabs = all(is_head or line.startswith(b"\t") for line, is_head in zip(lines[1:], heads, strict=True))
    for line, is_head in zip(lines[1:], heads, strict=True):
        if is_head:
            out.append(stamp + line)
        else:
            out.append(line if has_tabs else b"\t" + line)
    out.append(b"")
    return b"\n".join(out)
