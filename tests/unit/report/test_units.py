"""Numbers for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.report.printable import printable
from advisor.report.units import bytes_text, count_text, duration_text, share_text


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (None, "?"),
        (0.0, "0 ms"),
        (0.046, "0.05 ms"),
        (12.34, "12.3 ms"),
        (999.4, "999 ms"),
        (999.6, "1 s"),
        (59_940, "59.9 s"),
        (59_960, "1 min"),
        (185_000, "3 min 5 s"),
        (7_800_000, "2 h 10 min"),
        (7_200_000, "2 h"),
    ],
)
def test_durations(ms: float | None, shown: str) -> None:
    assert duration_text(ms) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (8192, "8 kB"), (1_610_612_736, "1.5 GB"), (2**60, "1048576 TB")],
)
def test_sizes(size: int, shown: str) -> None:
    assert bytes_text(size) == shown


def test_counts() -> None:
    assert (count_text(1, "call"), count_text(2000, "call")) == ("1 call", "2,000 calls")
    assert count_text(2, "query", "queries") == "2 queries"


@given(st.floats(0, 1))
def test_a_hundred_per_cent_is_all(share: float) -> None:
    assert (share_text(share) == "100 %") == (share == 1)


def test_printable_keeps_letters_of_every_language() -> None:
    text = "naïve 東京\n\tไทย \N{GRINNING FACE}"
    assert printable(text) == text


@given(st.text())
def test_printable_keeps_the_length(text: str) -> None:
    assert len(printable(text)) == len(text)
    assert printable(printable(text)) == printable(text)
