"""Prefixes: from the setting to a pattern, and from lines to the setting."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import InputError, UnknownPrefix
from advisor.sources.prefix import COMMON, compile_prefix, infer_prefix

VALUES = {
    "m": "2026-11-20 23:09:59.815 UTC",
    "t": "2026-11-20 23:09:59 UTC",
    "n": "1795216199.815",
    "s": "2026-11-20 23:00:00 UTC",
    "p": "8044",
    "P": "",
    "c": "6b00d348.1f94",
    "l": "7",
    "v": "3/12",
    "x": "0",
    "e": "00000",
    "Q": "-1904529306254239222",
    "%": "%",
    "a": "psql",
    "u": "app",
    "d": "shop",
    "r": "10.0.0.3(5432)",
    "h": "10.0.0.3",
    "L": "10.0.0.4",
    "b": "client backend",
    "i": "SELECT",
    "q": "",
}


def rendered(prefix: str, values: dict[str, str] = VALUES) -> str:
    return re.sub(r"%(-?\d*)([a-zA-Z%])", lambda match: values[match[2]], prefix)


def log_of(prefix: str) -> str:
    """What a server with this prefix writes: a background process stops at `%q`, sessions do not."""
    background = {**VALUES, "a": "", "u": "", "d": "", "h": "", "r": "", "c": "6b00d348.1f00", "v": "", "p": "811"}
    before_q = prefix.split("%q")[0]
    lines = [rendered(before_q, background) + "LOG:  checkpoint starting: time"] * 2
    for number in range(20):
        values = {**VALUES, "l": str(number), "p": str(8000 + number % 3), "u": ("app", "report")[number % 2]}
        lines.append(rendered(prefix, values) + "LOG:  duration: 1.000 ms  statement: SELECT 1")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("prefix", [prefix for prefix in COMMON if prefix])
def test_a_common_prefix_is_inferred_from_its_log(prefix: str) -> None:
    found = infer_prefix(log_of(prefix))
    fields = re.compile(compile_prefix(found) + "LOG:  ").match(rendered(prefix) + "LOG:  x")
    wanted = re.compile(compile_prefix(prefix) + "LOG:  ").match(rendered(prefix) + "LOG:  x")
    assert fields is not None
    assert wanted is not None
    assert fields.groupdict() == wanted.groupdict()


@pytest.mark.parametrize(
    "prefix",
    [
        "%t [%p]: sid=%c,user=%u,db=%d,vxid=%v,state=%e ",
        "[%m] <%u@%d> [%p] ",
        "%m|%u|%d|%p|%c|",
        "%n pid=%p db=%d user=%u ",
        "%m [%p] user=%u db=%d client=%h ",
    ],
)
def test_an_uncommon_prefix_gives_time_process_user_and_database(prefix: str) -> None:
    line = rendered(prefix) + "LOG:  x"
    match = re.compile(compile_prefix(infer_prefix(log_of(prefix))) + "LOG:  ").match(line)
    assert match is not None
    found = match.groupdict()
    assert found["pid"] == "8044"
    assert found.get("user") == "app"
    assert found.get("database") == "shop"


def test_an_unknown_prefix_names_line_guess_and_flag() -> None:
    with pytest.raises(UnknownPrefix) as caught:
        infer_prefix("Nov 20 host postgres said LOGGING nothing useful\n" * 5)
    assert "Nov 20 host" in str(caught.value)
    assert "--prefix" in str(caught.value)


def test_an_escape_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="%y"):
        compile_prefix("%m %y ")


NAMES = st.text(alphabet="abcdefgh_0123456789", min_size=1, max_size=12)


@given(
    prefix=st.sampled_from([prefix for prefix in COMMON if prefix]),
    user=NAMES,
    database=NAMES,
    application=st.text(alphabet="abc -_.", max_size=12).filter(lambda text: "  " not in text),
    at=st.datetimes(min_value=datetime(1999, 1, 1), max_value=datetime(2090, 1, 1), timezones=st.just(UTC)),
    pid=st.integers(1, 4_000_000),
)
def test_what_a_prefix_prints_its_pattern_reads(
    prefix: str, user: str, database: str, application: str, at: datetime, pid: int
) -> None:
    second = at.strftime("%Y-%m-%d %H:%M:%S")
    values = {**VALUES, "u": user, "d": database, "a": application, "p": str(pid)}
    values |= {"m": f"{second}.{at.microsecond // 1000:03d} UTC", "t": f"{second} UTC"}
    match = re.compile(compile_prefix(prefix) + "LOG:  ").match(rendered(prefix, values) + "LOG:  x")
    assert match is not None
    found = match.groupdict()
    for field, value in (("user", user), ("database", database), ("pid", str(pid)), ("second", second)):
        if field in found:
            assert found[field] == value
