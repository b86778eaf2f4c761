"""CloudWatch Logs: events of RDS and Aurora as the API and subscriptions give them.

Source: Amazon CloudWatch Logs API reference, `GetLogEvents`, `FilterLogEvents` (`events[]`), and the user guide on
subscriptions (`logEvents[]`): `message` is a record with its line ends, `timestamp` is in milliseconds.
"""

from typing import Any

from advisor.sources.envelopes.envelope import Layer
from advisor.sources.envelopes.stamps import epoch_stamp
from advisor.sources.envelopes.text import record, stamped


def extract(layer: Layer, entry: dict[str, Any]) -> bytes | None:
    """The lines of an event."""
    message, at = entry.get("message"), entry.get("timestamp")
    if not isinstance(message, str) or not isinstance(at, int):
        # The streams that were searched are listed beside the events.
        return b"" if "logStreamName" in entry else None
    return record(layer, message.encode(), stamped(layer, epoch_stamp(at * 1000), None))
