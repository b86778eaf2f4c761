"""Which format an input is in, by its content, never by its name."""

import csv
import re
from typing import Literal

import orjson

from advisor.errors import EmptyInput, InputError, UnknownFormat
from advisor.sources.csvlog import COLUMN_COUNTS, STARTS
from advisor.sources.jsonlog import is_log_object
from advisor.sources.languages import detect_language
from advisor.sources.messages import timestamp_us
from advisor.sources.prefix import SEVERITIES
from advisor.sql.split import split

Format = Literal["stderr", "csv", "json", "sql", "explain", "digest", "pipe"]
"""`pipe`: it tells only once it is read."""

DIGEST_FORMAT = "pg-query-advisor digest"
DIGEST_MAGIC = b'{"format":"' + DIGEST_FORMAT.encode() + b'"'
"""Begins the file of a digest; see `advisor.workload.digest_file`."""

HEAD_BYTES = 256 * 1024
"""Looked at: a log's first records may be long."""

_SEVERITY = re.compile(rf"^[^\t\n]{{0,300}}?(?<![A-Za-z])(?:{SEVERITIES}):  ", re.MULTILINE)
_EXPLAIN_TEXT = re.compile(r"\(cost=\d+\.\d+\.\.\d|\(actual (?:time|rows)=|^[ \t]*QUERY PLAN[ \t\r]*$", re.MULTILINE)
_EXPLAIN_DOCUMENT = re.compile(
    r'"{1,2}(?:Node Type|Plan)"{1,2}\s*:|<explain\b|<Node-Type>|^[ \t|]*-? ?Plan:', re.MULTILINE
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

CONTROL_SHARE = 0.05
"""Of control characters: random bytes have 11 %; a log has none but for the zeros that a crash leaves in it."""

_SUPPORTED = (
    "Read are PostgreSQL logs (stderr, csvlog, jsonlog, and those in the wrappers of syslog, containers and hosting"
    " services; plain or compressed), digests of them, EXPLAIN output and .sql files."
)


def detect(head: bytes, name: str) -> Format:
    """The format of an input that is no digest, from its first bytes (decompressed).

    Raises:
        EmptyInput: there is nothing, or only blanks.
        InputError: it is binary, or in UTF-16.
        UnknownFormat: it is text, but none of these.
    """
    if not head.strip():
        raise EmptyInput(f"{name} is empty.", hint="Check that logging is on and that this is the right file.")
    _refuse_binary(head, name)
    text = head.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    if _is_json_log(text):
        return "json"
    if _is_csv_log(head):
        return "csv"
    has_plan = _EXPLAIN_DOCUMENT.search(text) or _EXPLAIN_TEXT.search(text)
    if _SEVERITY.search(text) and not (has_plan and "LOG:  " not in text):
        return "stderr"
    if detect_language(text) is not None:
        return "stderr"
    if has_plan:
        return "explain"
    if _is_sql(text):
        return "sql"
    first = next(line.strip() for line in text.splitlines() if line.strip())
    raise UnknownFormat(
        f"{name} is neither a log, nor a plan, nor SQL.", why=f"It begins with {first[:120]!r}.", hint=_SUPPORTED
    )


def _refuse_binary(head: bytes, name: str) -> None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(
            f"{name} is in UTF-16.", hint=f"Convert it: iconv -f UTF-16 -t UTF-8 {name} | advisor analyze -"
        )
    if len(_CONTROL.findall(head)) > CONTROL_SHARE * len(head):
        raise InputError(f"{name} is a binary file.", why="It holds bytes that no text has.", hint=_SUPPORTED)


def _is_json_log(text: str) -> bool:
    for line in text.split("\n")[:50]:
        if line[:1] == "{":
            try:
                if is_log_object(orjson.loads(line.encode("utf-8", "replace"))):
                    return True
            except orjson.JSONDecodeError:
                continue
    return False


def _is_csv_log(head: bytes) -> bool:
    """Whether a row of it has the columns of a csvlog; the first line may be the end of one."""
    position = 0
    for _ in range(500):
        if STARTS.match(head, position):
            try:
                row = next(csv.reader(head[position:].decode("utf-8", "replace").splitlines(keepends=True)), [])
            except csv.Error:
                row = []
            if len(row) in COLUMN_COUNTS and timestamp_us(row[0]) is not None:
                return True
        position = head.find(b"\n", position) + 1
        if not position:
            return False
    return False


def _is_sql(text: str) -> bool:
    """At least one statement that parses; the last one may be cut off by the size of the head."""
    found = [statement for statement in split(text[:65536]) if statement.kind != "meta"]
    return any(statement.error is None for statement in found)
