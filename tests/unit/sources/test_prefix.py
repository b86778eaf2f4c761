"""Prefixes: from the setting to a pattern."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import InputError
from advisor.sources.prefix import COMMON, compile_prefix
from tests.unit.sources.log_writer import ZONES, Process, Writer, Zone

AT = datetime(2026, 11, 20, 23, 9, 59, 815_000, tzinfo=UTC)


def client(**values: object) -> Process:
    fields = {"user": "app", "database": "shop", "application": "psql", "host": "10.0.0.3", "port": "5432", **values}
    return Process(
        pid=8044,
        start=AT - timedelta(minutes=3),
        kind="client backend",
        client=True,
        lines=7,
        command="SELECT",
        query_id=-1904529306254239222,
        **fields,  # type: ignore[arg-type]
    )


def background() -> Process:
    return Process(pid=811, start=AT - timedelta(hours=3), kind="checkpointer")


def read(prefix: str, process: Process, zone: Zone = ZONES[0], state: str = "00000") -> dict[str, str | None]:
    """What the pattern of a prefix reads from the line that a server with it writes."""
    line = Writer(prefix=prefix, zone=zone).head(process, AT, state) + "LOG:  x"
    found = re.compile(compile_prefix(prefix) + "LOG:  ").match(line)
    assert found is not None, line
    return found.groupdict()


@pytest.mark.parametrize(
    ("letter", "expected"),
    [
        ("m", {"second": "2026-11-20 23:09:59", "fraction": "815", "zone": "UTC"}),
        ("t", {"second": "2026-11-20 23:09:59", "fraction": None, "zone": "UTC"}),
        ("n", {"epoch": "1795216199.815"}),
        ("p", {"pid": "8044"}),
        ("c", {"session": f"{int(AT.timestamp()) - 180:x}.1f6c"}),
        ("v", {"transaction": "3/1"}),
        ("e", {"sqlstate": "00000"}),
        ("Q", {"query_id": "-1904529306254239222"}),
        ("u", {"user": "app"}),
        ("d", {"database": "shop"}),
        ("a", {"application": "psql"}),
        ("s", {}),
        ("P", {}),
        ("l", {}),
        ("x", {}),
        ("r", {}),
        ("h", {}),
        ("L", {}),
        ("b", {}),
        ("i", {}),
    ],
)
@pytest.mark.parametrize("form", ["<%{}> ", "<%5{}> ", "<%-30{}> ", "%{} ", "%q[%30{}]"])
def test_each_escape_is_read_bare_padded_and_behind_q(letter: str, expected: dict[str, str], form: str) -> None:
    assert read(form.format(letter), client()) == expected


@pytest.mark.parametrize("letter", ["u", "d", "a", "r", "h", "i", "v", "P", "L", "b"])
@pytest.mark.parametrize("form", ["%m [%p] <%{}> ", "%m [%p] <%-12{}> ", "%m [%p] %q<%{}> "])
def test_a_process_without_a_client_is_read(letter: str, form: str) -> None:
    found = read(form.format(letter), background())
    assert found["pid"] == "811"
    assert not any(found.get(name) for name in ("user", "database", "application"))


@pytest.mark.parametrize("zone", [*ZONES, Zone(name="<+03>", offset=ZONES[2].offset), Zone(name="GMT+3", offset=UTC)])
@pytest.mark.parametrize("prefix", ["%m [%p] ", "%t-%p ", "%m%q%u@%d ", "[%m][%p] "])
def test_zones_of_all_shapes_end_where_the_prefix_goes_on(zone: Zone, prefix: str) -> None:
    if prefix == "%m%q%u@%d ":
        # Letters behind letters cannot be told apart by anybody: with a sign before they can.
        prefix = "%m,%q%u@%d "
    found = read(prefix, client(), zone)
    assert found["zone"] == zone.name
    assert found["second"] == f"{AT.astimezone(zone.offset):%Y-%m-%d %H:%M:%S}"


def test_an_address_of_ipv6_does_not_end_at_its_colons() -> None:
    found = read("%t:%r:%u@%d:[%p]:", client(host="fe80::1:2", port="5432"))
    assert (found["user"], found["database"], found["pid"]) == ("app", "shop", "8044")


def test_padding_is_no_part_of_a_name() -> None:
    found = read("%m [%5p] %-12u|%12d|%-20a|", client())
    assert (found["user"], found["database"], found["application"]) == ("app", "shop", "psql")


def test_a_percent_sign_is_literal() -> None:
    assert read("100%% [%p] ", client())["pid"] == "8044"
    assert read("%u%%%d ", client())["database"] == "shop"


def test_of_an_escape_that_stands_there_twice_the_first_counts() -> None:
    assert read("%p %u %p ", client())["pid"] == "8044"
    assert read("%t [%p] %m ", client())["fraction"] == "815"


def test_an_escape_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="%y"):
        compile_prefix("%m %y ")


NAMES = st.text(alphabet="abcdefgh_0123456789", min_size=1, max_size=12)


@given(
    prefix=st.sampled_from([prefix for prefix in COMMON if prefix]),
    user=NAMES,
    database=NAMES,
    application=st.text(alphabet="abc -_.", max_size=12).filter(lambda text: "  " not in text),
    pid=st.integers(1, 4_000_000),
)
def test_what_a_prefix_prints_its_pattern_reads(
    prefix: str, user: str, database: str, application: str, pid: int
) -> None:
    process = client(user=user, database=database, application=application)
    process.pid = pid
    found = read(prefix, process)
    for field, value in (("user", user), ("database", database), ("pid", str(pid))):
        if field in found:
            assert found[field] == value
