"""Which format an input is in, by its content, never by its name."""

import csv
import re
from typing import Literal

import orjson

from advisor.errors import EmptyInput, InputError, UnknownFormat
from advisor.sources.csvlog import COLUMN_COUNTS
from advisor.sources.jsonlog import is_log_object
from advisor.sources.messages import timestamp_us
from advisor.sources.prefix import SEVERITIES
from advisor.sources.stderr import check_language
from advisor.sql.split import split

Format = Literal["stderr", "csv", "json", "sql", "explain"]

HEAD_BYTES = 256 * 1024
"""Looked at: a log's first records may be long."""

_SEVERITY = re.compile(rf"^[^\t\n]{{0,300}}?(?<![A-Za-z])(?:{SEVERITIES}):  ", re.MULTILINE)
_EXPLAIN_TEXT = re.compile(r"\(cost=\d+\.\d+\.\.\d|\(actual (?:time|rows)=|^\s*QUERY PLAN\s*$", re.MULTILINE)
_EXPLAIN_DOCUMENT = re.compile(
    r'"{1,2}(?:Node Type|Plan)"{1,2}\s*:|<explain\b|<Node-Type>|^[\s|]*-? ?Plan:', re.MULTILINE
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

CONTROL_SHARE = 0.05
"""Of control characters: random bytes have 11 %; a log has none but for the zeros that a crash leaves in it."""

_SUPPORTED = "Read are PostgreSQL logs (stderr, csvlog, jsonlog; plain or gzip), EXPLAIN output and .sql files."


def detect(head: bytes, name: str) -> Format:
    """The format of an input, from its first bytes (decompressed).

    Raises:
        EmptyInput: there is nothing, or only blanks.
        InputError: it is binary, in UTF-16, or a log in another language than English.
        UnknownFormat: it is text, but none of these.
    """
    if not head.strip():
        raise EmptyInput(f"{name} is empty.", hint="Check that logging is on and that this is the right file.")
    _refuse_binary(head, name)
    text = head.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    if _is_json_log(text):
        return "json"
    if _is_csv_log(text):
        return "csv"
    check_language(text, name)
    has_plan = _EXPLAIN_DOCUMENT.search(text) or _EXPLAIN_TEXT.search(text)
    if _SEVERITY.search(text) and not (has_plan and "LOG:  " not in text):
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


def _is_csv_log(text: str) -> bool:
    try:
        rows = csv.reader(text.splitlines(keepends=True)[:500])
        for number, row in enumerate(rows):
            if len(row) in COLUMN_COUNTS and timestamp_us(row[0]) is not None:
                return True
            if number >= 50:
                return False
    except csv.Error:
        return False
    return False


def _is_sql(text: str) -> bool:
    """At least one statement that parses; the last one may be cut off by the size of the head."""
    found = [statement for statement in split(text[:65536]) if statement.kind != "meta"]
    return any(statement.error is None for statement in found)
