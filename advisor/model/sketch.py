"""A mergeable latency sketch with a bounded relative error."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

RELATIVE_ERROR = 0.01
"""Any quantile is within 1 % of a value that was really seen at that rank."""

_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)


@lru_cache(maxsize=1 << 16)
def bucket_of(duration_us: int) -> int:
    """The logarithmic bucket of a duration; zero and less share bucket -1.

    Source: DDSketch (Masson, Rim, Lee; VLDB 2019), with gamma = (1 + a) / (1 - a).
    """
    if duration_us <= 0:
        return -1
    return math.ceil(math.log(duration_us) / _LOG_GAMMA)


def bucket_value(bucket: int) -> float:
    """The value that stands for every member of a bucket, within `RELATIVE_ERROR`."""
    if bucket < 0:
        return 0.0
    return 2 * math.exp(bucket * _LOG_GAMMA) / (_GAMMA + 1)


@dataclass(frozen=True, slots=True)
class LatencySketch:
    """Counts per logarithmic bucket of durations in microseconds. Merging adds the counts: exact, in any order."""

    counts: Mapping[int, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def quantile_us(self, q: float) -> float | None:
        """The q-quantile (0 to 1) in microseconds, by nearest rank; None when nothing was counted."""
        total = self.count
        if total == 0:
            return None
        rank = max(1, math.ceil(q * total))
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                return bucket_value(bucket)
        raise AssertionError("unreachable: the ranks add up to the total")
