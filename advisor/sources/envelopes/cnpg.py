"""CloudNativePG: each record of csvlog as an object on the pod's standard output.

Source: CloudNativePG's documentation, "Logging": `logger` is `postgres` or `pgaudit`, `record` has csvlog's columns as
texts. The names of `level` and `ts` can be configured, the others cannot.
"""

from typing import Any

from advisor.sources.envelopes.envelope import Layer
from advisor.sources.envelopes.fields import jsonlog_line


def extract(_: Layer, entry: dict[str, Any]) -> bytes | None:
    """A line of jsonlog; empty for what the operator says of itself."""
    fields = entry.get("record")
    if isinstance(fields, dict) and isinstance(fields.get("log_time"), str):
        return jsonlog_line(fields["log_time"], fields)
    return b"" if "msg" in entry and ("logger" in entry or "level" in entry) else None
