"""What PostgreSQL writes into its messages: durations, statements, parameters, plans, times.

Source: `src/backend/tcop/postgres.c` (check_log_duration, errdetail_params), `contrib/auto_explain`.
"""

import re
from calendar import timegm
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import orjson

PlanFormat = Literal["text", "json", "xml", "yaml"]

MESSAGE = re.compile(
    r"(?:duration: ([0-9]{1,11})\.([0-9]{3}) ms(?:  )?)?"
    r"(?:(statement|parse|bind|execute|plan)\b([^:\n]*):(?: |(?=\n)|$))?(.*)",
    re.DOTALL,
)
"""Groups: milliseconds, microseconds, step, its name, text. No duration has more than `DURATION_DIGITS`."""

DURATION_DIGITS = 14
"""Of a duration in microseconds: three years. What claims more was not written by a server; sums stay in 64 bits."""

_PARAMETER = re.compile(r"\$\d+ = (?:NULL|'([^']*(?:''[^']*)*)')(?:, )?")
_PARAMETER_LABELS = ("parameters: ", "Parameters: ")

_ZONES = {
    "UTC": 0,
    "GMT": 0,
    "Z": 0,
    "WET": 0,
    "WEST": 60,
    "BST": 60,
    "IST": 330,
    "CET": 60,
    "CEST": 120,
    "EET": 120,
    "EEST": 180,
    "MSK": 180,
    "EST": -300,
    "EDT": -240,
    "CST": -360,
    "CDT": -300,
    "MST": -420,
    "MDT": -360,
    "PST": -480,
    "PDT": -420,
    "BRT": -180,
    "JST": 540,
    "KST": 540,
    "AEST": 600,
    "AEDT": 660,
    "NZST": 720,
    "NZDT": 780,
}
"""Minutes east of UTC of the abbreviations that `%m` prints; others are taken as UTC (differences still hold)."""


def parse_parameters(detail: str) -> tuple[str | None, ...] | None:
    """The bind values of `parameters: $1 = 'it''s', $2 = NULL` (with or without the label); None if it is not that."""
    if detail.startswith(_PARAMETER_LABELS):
        detail = detail[12:]
    if "NULL" in detail:
        found = tuple([match[1] for match in _PARAMETER.finditer(detail)])
    else:
        found = tuple(_PARAMETER.findall(detail))
    if "''" in detail:
        found = tuple([value.replace("''", "'") if value else value for value in found])
    return found or None


def parameters_text(parameters: Sequence[str | None]) -> str:
    """Bind values as the server writes them into a DETAIL; what `parse_parameters` reads."""
    values = ("NULL" if value is None else "'" + value.replace("'", "''") + "'" for value in parameters)
    return "Parameters: " + ", ".join(f"${number} = {value}" for number, value in enumerate(values, 1))


LONGEST_ZONE = 40
"""Letters of a time zone's name."""


def second_us(second: str, zone: str) -> int | None:
    """Microseconds since the epoch of `2026-11-20 23:03:00` in a zone (`UTC`, `CET`, `+02`, `-0330`, `+05:30`).

    None where it is no time of the calendar.
    """
    # The cache holds what it was asked for, and what stands where a zone should may have megabytes.
    return _second_us(second[:20], zone) if len(zone) <= LONGEST_ZONE else None


@lru_cache(maxsize=4096)
def _second_us(second: str, zone: str) -> int | None:
    try:
        year, month, day = int(second[:4]), int(second[5:7]), int(second[8:10])
        hour, minute, whole = int(second[11:13]), int(second[14:16]), int(second[17:19])
    except ValueError:
        return None
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and whole <= 60):
        return None
    if not 1970 <= year < 9999:
        # Within these also in every zone; Python's calendar ends with the year 9999.
        return None
    return (timegm((year, month, day, hour, minute, whole)) - _offset_minutes(zone) * 60) * 1_000_000


_OFFSET = re.compile(r"([+-])([01]?[0-9])(?::?([0-5][0-9]))?(?::?[0-5][0-9])?")


def _offset_minutes(zone: str) -> int:
    offset = _OFFSET.fullmatch(zone)
    if offset is not None:
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        return -minutes if offset[1] == "-" else minutes
    return _ZONES.get(zone.upper(), 0)


def timestamp_us(text: str) -> int | None:
    """Microseconds since the epoch of `2026-11-20 23:03:00.123 UTC`, the form of csvlog and jsonlog; None if not."""
    if text[19:20] == "." and text[23:24] == " " and text[20:23].isdecimal():
        base = second_us(text[:19], text[24:])
        return base + int(text[20:23]) * 1000 if base is not None else None
    stamp, _, zone = text.partition(" ")[2].partition(" ")
    second, _, fraction = stamp.partition(".")
    base = second_us(f"{text[:10]} {second}", zone)
    if base is None:
        return None
    return base + int(fraction[:6].ljust(6, "0")) if fraction.isdecimal() else base


_JSON_STRING = r'"((?:[^"\\]++|\\.)*+)"'
_JSON_QUERY = re.compile(rf'"Query Text": {_JSON_STRING}')
_JSON_PARAMETERS = re.compile(rf'"Query Parameters": {_JSON_STRING}')
_YAML_QUERY = re.compile(rf"^[ \t]*Query Text: {_JSON_STRING}", re.MULTILINE)
_PLAN_ROOT = re.compile(r"^[^\n]*\(cost=\d", re.MULTILINE)
_TEXT_PARAMETERS = re.compile(r"^Query Parameters: (?=\$1 = )", re.MULTILINE)
_COUNT = r"([0-9]{1,15})(?![0-9])"
"""Larger numbers are no counts of a server, and their sums would not stay in 64 bits."""

_ROWS = r"([0-9]{1,15}(?:\.[0-9]{1,6})?)(?![0-9.])"
_ROOT_ROWS = re.compile(rf'"Actual Rows": {_ROWS}|actual (?:time=[\d.]+ )?rows={_ROWS}|Actual Rows: {_ROWS}')


def split_plan(body: str) -> tuple[str | None, tuple[str | None, ...] | None, str, PlanFormat]:
    """An auto_explain message taken apart: query text, parameters, plan and its format.

    The plan keeps the query text where the format has it inside (JSON, XML, YAML); a text plan starts at its root.
    """
    text = body.lstrip()
    if text.startswith("{"):
        query, bound = _JSON_QUERY.search(text), _JSON_PARAMETERS.search(text)
        sql = _unescape(query[1]) if query else None
        return _clean(sql), parse_parameters(_unescape(bound[1]) or "") if bound else None, text, "json"
    if text.startswith("<"):
        quoted, end, _ = text.partition("<Query-Text>")[2].partition("</Query-Text>")
        return _clean(_unescape_xml(quoted) if end else None), None, text, "xml"
    if not text.startswith("Query Text: ") or (_YAML_QUERY.match(text) and "\nPlan:" in text):
        query = _YAML_QUERY.search(text)
        return _clean(_unescape(query[1]) if query else None), None, text, "yaml" if query else "text"
    root = _PLAN_ROOT.search(text)
    head, plan = (text[12 : root.start()], text[root.start() :]) if root else (text[12:], "")
    bound = _TEXT_PARAMETERS.search(head)
    if not bound:
        return _clean(head), None, plan, "text"
    return _clean(head[: bound.start()]), parse_parameters(head[bound.end() :]), plan, "text"


def root_rows(plan: str) -> int | None:
    """Rows that the root of a plan (as text in any format) really returned; None without ANALYZE."""
    found = _ROOT_ROWS.search(plan)
    return round(float(found[1] or found[2] or found[3])) if found else None


_HIT = re.compile(rf"Shared Hit Blocks\W+{_COUNT}|Shared-Hit-Blocks>{_COUNT}")
_READ = re.compile(rf"Shared Read Blocks\W+{_COUNT}|Shared-Read-Blocks>{_COUNT}")
_TEMP_READ = re.compile(rf"Temp Read Blocks\W+{_COUNT}|Temp-Read-Blocks>{_COUNT}")
_TEMP_WRITTEN = re.compile(rf"Temp Written Blocks\W+{_COUNT}|Temp-Written-Blocks>{_COUNT}")
_TEXT_BUFFERS = re.compile(r"^[ \t]*Buffers: ([^\n]*)", re.MULTILINE)


def root_blocks(plan: str) -> tuple[int, int, int, int]:
    """Shared blocks hit and read, temporary blocks read and written, of a plan's root, which stands first in it.

    Zero where the plan was made without BUFFERS.
    """
    buffers = _TEXT_BUFFERS.search(plan)
    if buffers is not None:
        shared, _, temp = buffers[1].partition("temp")
        shared = shared.partition("local")[0]
        return _named("hit", shared), _named("read", shared), _named("read", temp), _named("written", temp)
    found = [pattern.search(plan) for pattern in (_HIT, _READ, _TEMP_READ, _TEMP_WRITTEN)]
    hit, read, temp_read, temp_written = (int(match[1] or match[2]) if match else 0 for match in found)
    return hit, read, temp_read, temp_written


def _named(name: str, text: str) -> int:
    found = re.search(rf"\b{name}={_COUNT}", text)
    return int(found[1]) if found else 0


def _unescape(text: str) -> str | None:
    try:
        return str(orjson.loads(f'"{text}"'))
    except orjson.JSONDecodeError:
        return None


def _unescape_xml(text: str) -> str:
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#x0d;", "\r"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return text


def _clean(sql: str | None) -> str | None:
    return sql.strip().rstrip("; \n\t") or None if sql else None
