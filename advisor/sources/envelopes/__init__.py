"""Wrappers that hosted services, syslog and containers put around PostgreSQL's log lines."""

from advisor.sources.envelopes.detection import find_envelope
from advisor.sources.envelopes.envelope import Envelope, Layer
from advisor.sources.envelopes.unwrapping import unwrap

__all__ = ["Envelope", "Layer", "find_envelope", "unwrap"]
