"""Azure Database for PostgreSQL: diagnostic settings, category `PostgreSQLLogs`.

Source: Azure's documentation, "Logs in Azure Database for PostgreSQL" ("Log format"): a flexible server's
`properties.message` is the line with its prefix and severity; `detail`, `hint` and `context` are fields of their own. A
single server has `prefix`, `errorLevel` and `message` apart. Log Analytics flattens the fields: `errorLevel_s`.
"""

from typing import Any

from advisor.sources.envelopes.envelope import Layer
from advisor.sources.envelopes.stamps import iso_stamp
from advisor.sources.envelopes.text import HEAD, record

_PARTS = (
    ("detail", b"DETAIL"),
    ("hint", b"HINT"),
    ("context", b"CONTEXT"),
    ("statement", b"STATEMENT"),
    ("query", b"STATEMENT"),
)
DEFAULT_PREFIX = "%t-%c-"
"""Of Azure's servers, unless it was changed."""

FIELDS_PREFIX = "%m [%p] %e "
"""Made where the message has none."""


def extract(layer: Layer, entry: dict[str, Any]) -> bytes | None:
    """The lines of a record; empty for other categories."""
    category = entry.get("category", entry.get("Category"))
    if not isinstance(category, str):
        return None
    if category.lower() != "postgresqllogs":
        return b""
    properties = entry.get("properties")
    fields = _fields(properties if isinstance(properties, dict) else entry)
    message = fields.get("message")
    if not isinstance(message, str):
        return b""
    line = message.encode()
    head = HEAD.match(line)
    if head is None or not line[: head.end()].strip():
        prefix = _prefix(fields, entry)
        line = prefix + str(fields.get("errorlevel") or "LOG").encode() + b":  " + line
    else:
        prefix = head[1]
    parts = [record(layer, line, b"")]
    for name, word in _PARTS:
        text = fields.get(name)
        if isinstance(text, str) and text:
            parts.append(record(layer, prefix + word + b":  " + text.encode(), b""))
    return b"".join(parts)


def _fields(raw: dict[str, Any]) -> dict[str, Any]:
    """By name in lower case, without the type that Log Analytics puts behind it."""
    return {name.lower().removesuffix("_s").removesuffix("_d"): value for name, value in raw.items()}


def _prefix(fields: dict[str, Any], entry: dict[str, Any]) -> bytes:
    own = fields.get("prefix")
    if isinstance(own, str) and own:
        return own.encode()
    times = (fields.get("timestamp"), entry.get("time"), entry.get("TimeGenerated"))
    at = next((stamp for time in times if isinstance(time, str) and (stamp := iso_stamp(time))), b"")
    state = str(fields.get("sqlerrcode") or "00000")
    pid = str(fields.get("processid") or 0).removesuffix(".0")
    return at + f" [{pid}] {state} ".encode()
