"""The garbage collector while logs are read."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_THRESHOLDS = (100_000, 20, 100)
"""Reading makes hundreds of thousands of tuples per second that live for a moment and form no cycles: with Python's own
700 the collector takes a tenth of the time to find nothing."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collects less often as long as the context lasts."""
    before = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
