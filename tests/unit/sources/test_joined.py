"""Records that belong together become one execution, and texts are told from records."""

import csv
import io
import json

import pytest

from advisor.sources.layout import LogFormat
from advisor.sources.tally import OVERSIZED_BYTES
from tests.unit.sources.recorder import DATA, data_of, recorded

HEAD = "2026-11-20 23:09:59.815 UTC [1] "
LOG = HEAD + "LOG:  "
PREFIX = "%m [%p] "


EXTENDED = (
    f"{LOG}duration: 0.053 ms  parse <unnamed>: SELECT $1\n"
    f"{LOG}duration: 0.042 ms  bind <unnamed>: SELECT $1\n"
    f"{HEAD}DETAIL:  parameters: $1 = '7'\n"
    f"{LOG}duration: 0.002 ms  execute <unnamed>: SELECT $1\n"
    f"{HEAD}DETAIL:  parameters: $1 = '7'\n"
)


def test_parse_and_bind_time_belongs_to_the_execution() -> None:
    fetch = f"{LOG}duration: 0.005 ms  execute fetch from S_1/C_2: SELECT $1\n"
    found = recorded((EXTENDED + fetch).encode(), prefix=PREFIX)
    assert [(each.duration_us, each.values) for each in found.executions] == [(97, ("7",)), (5, None)]


def test_another_session_s_steps_do_not_matter() -> None:
    other = EXTENDED.replace("[1]", "[2]")
    lines = [line + "\n" for line in EXTENDED.splitlines()]
    others = [line + "\n" for line in other.splitlines()]
    # A record and its DETAIL are written together.
    mixed = [*lines[:1], *others[:1], *lines[1:3], *others[1:3], *lines[3:], *others[3:]]
    found = recorded("".join(mixed).encode(), prefix=PREFIX)
    assert [(each.context.session, each.duration_us) for each in found.executions] == [("1", 97), ("2", 97)]


@pytest.mark.parametrize(
    "name",
    ["<unnamed>", "S_1", "_pg3_0", 'my "odd" name', "S_1/C_2", "fetch from C_3", "fetch from <unnamed>/cur", "plan 9"],
)
@pytest.mark.parametrize("timed", [True, False])
def test_the_name_of_a_prepared_statement_or_portal_is_not_its_text(name: str, *, timed: bool) -> None:
    sql = "SELECT a FROM t WHERE b = $1 AND c = 'x: y'"
    duration = "duration: 0.004 ms  " if timed else ""
    text = f"{LOG}{duration}execute {name}: {sql}\n{HEAD}DETAIL:  Parameters: $1 = '7'\n"
    found = recorded(text.encode(), prefix=PREFIX)
    assert [(each.sql, each.values) for each in found.executions] == [(sql, ("7",))]


def test_all_names_of_a_text_are_one_query() -> None:
    sql = "SELECT a FROM t WHERE b = $1"
    names = ["execute <unnamed>", "execute S_1", "execute fetch from S_1/C_2", "statement", "execute S_22"]
    text = "".join(f"{LOG}duration: 1.000 ms  {name}: {sql}\n" for name in names * 3)
    (query,) = [each for each in recorded(text.encode(), prefix=PREFIX).queries if each.calls]
    assert query.calls == 15


@pytest.mark.parametrize("order", ["log_duration", "parse and bind, too"])
def test_text_and_duration_on_lines_of_their_own(order: str) -> None:
    """`log_statement = all` with `log_duration`: the durations have no text."""
    between = f"{LOG}duration: 0.010 ms\n{LOG}duration: 0.020 ms\n" if order != "log_duration" else ""
    text = (
        f"{LOG}statement: SELECT 1\n{LOG}duration: 1.000 ms\n"
        f"{between}{LOG}execute <unnamed>: SELECT $1\n{HEAD}DETAIL:  Parameters: $1 = '7'\n{LOG}duration: 0.300 ms\n"
        f"{LOG}statement: SELECT 2\n"
    )
    steps_us = 30 if between else 0
    found = recorded(text.encode(), prefix=PREFIX)
    assert [(each.sql, each.values, each.duration_us) for each in found.executions] == [
        ("SELECT 1", None, 1000),
        ("SELECT $1", ("7",), 300 + steps_us),
        ("SELECT 2", None, None),
    ]


def test_statements_of_functions_are_executions_too() -> None:
    """With auto_explain's `log_nested_statements` a function's statements come as plans before its own."""
    plan = "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4) (actual time=0.001..0.002 rows=3 loops=1)"
    nested = "".join(
        f"{LOG}duration: 0.{number}00 ms  plan:\n\tQuery Text: SELECT a FROM t WHERE b = {number}\n\t{plan}\n"
        f'{HEAD}CONTEXT:  SQL statement "SELECT a FROM t WHERE b = {number}"\n'
        for number in (1, 2)
    )
    outer = (
        f"{LOG}duration: 2.000 ms  plan:\n\tQuery Text: SELECT f(1);\n\tResult  (cost=0.00..0.26 rows=1 width=4)\n"
        f"{LOG}duration: 2.500 ms  statement: SELECT f(1);\n"
    )
    found = recorded((nested + outer).encode(), prefix=PREFIX)
    assert [(each.sql, each.duration_us, each.rows) for each in found.executions] == [
        ("SELECT a FROM t WHERE b = 1", 100, 3),
        ("SELECT a FROM t WHERE b = 2", 200, 3),
        ("SELECT f(1)", 2500, None),
    ]
    assert len(found.planned) == 3


def test_the_context_of_a_statement_within_a_function_is_no_statement() -> None:
    text = (
        f"{LOG}duration: 2.000 ms  statement: SELECT f(1)\n"
        f'{HEAD}CONTEXT:  SQL statement "SELECT a FROM t"\n\tPL/pgSQL function f(integer) line 3 at PERFORM\n'
        f"{HEAD}QUERY:  SELECT a FROM t\n{HEAD}LOCATION:  exec_simple_query, postgres.c:1234\n"
        f"{LOG}duration: 1.000 ms  statement: SELECT 1\n"
    )
    found = recorded(text.encode(), prefix=PREFIX)
    assert found.shown == [("SELECT f(1)", 2000), ("SELECT 1", 1000)]
    assert found.tally.bytes_unknown == 0


def test_a_statement_that_failed_is_no_execution() -> None:
    text = (
        f"{LOG}statement: SELECT 1/0\n"
        f"{HEAD}ERROR:  division by zero\n{HEAD}STATEMENT:  SELECT 1/0\n"
        f"{LOG}statement: SELECT 1\n{LOG}duration: 1.000 ms\n"
    )
    found = recorded(text.encode(), prefix=PREFIX)
    assert found.shown == [("SELECT 1", 1000)]
    assert found.failures == [("22012", "SELECT 1/0")]


PLAN = "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4) (actual time=0.001..0.002 rows=5 loops=1)"


@pytest.mark.parametrize("plan_first", [True, False])
def test_a_plan_beside_its_statement_is_one_execution(*, plan_first: bool) -> None:
    plan = f"{LOG}duration: 1.900 ms  plan:\n\tQuery Text: SELECT a FROM t\n\t{PLAN}\n"
    statement = f"{LOG}duration: 2.000 ms  statement: SELECT a FROM t\n"
    found = recorded((plan + statement if plan_first else statement + plan).encode(), prefix=PREFIX)
    assert found.shown == [("SELECT a FROM t", 2000)]
    (query,) = [each for each in found.queries if each.calls]
    assert (query.rows, query.plans[0]) == (5, 1)


def oversized_log(log_format: LogFormat, values: int) -> bytes:
    """One statement of `12` bytes a value between two short ones."""
    texts = ["SELECT 1", "INSERT INTO t VALUES " + ",\n".join(["(12345678)"] * values), "SELECT 2"]
    if log_format == "stderr":
        return "".join(
            f"{LOG}duration: 1.000 ms  statement: {each}\n".replace(",\n", ",\n\t") for each in texts
        ).encode()
    (first, *_), (line, *_) = (data_of(f"min0-18.{suffix}")[0].splitlines() for suffix in ("csv", "json"))
    if log_format == "csv":
        row = next(csv.reader([first.decode()]))
        row[11:15] = ["LOG", "00000", "", ""]
        out = io.StringIO(newline="")
        for each in texts:
            message = f"duration: 1.000 ms  statement: {each}"
            # As the server writes it: numbers and the time bare, texts quoted.
            cells = [*row[:13], message, *row[14:]]
            bare = (0, 3, 5, 6, 8, 9, 10, 11, 12, 16, 20, 24, 25)
            out.write(",".join(cell if at in bare or not cell else f'"{cell}"' for at, cell in enumerate(cells)) + "\n")
        return out.getvalue().encode()
    entry = {key: value for key, value in json.loads(line).items() if key not in ("hint", "query_id")}
    entries = [
        {**entry, "error_severity": "LOG", "message": f"duration: 1.000 ms  statement: {each}"} for each in texts
    ]
    return "".join(json.dumps(each, separators=(",", ":")) + "\n" for each in entries).encode()


@pytest.mark.parametrize("log_format", ["stderr", "csv", "json"])
@pytest.mark.parametrize("values", [150_000, 600_000])
def test_an_oversized_statement_is_cut_and_the_rest_is_read(log_format: LogFormat, values: int) -> None:
    data = oversized_log(log_format, values)
    found = recorded(data, log_format, prefix=PREFIX, block=1 << 18)
    assert [each.sql for each in found.executions][::2] == ["SELECT 1", "SELECT 2"]
    assert len(found.executions) == 3
    cut = found.executions[1]
    assert cut.sql.startswith("INSERT INTO t VALUES (12345678),\n(12345678)")
    assert OVERSIZED_BYTES - 100 < len(cut.sql) <= OVERSIZED_BYTES
    assert cut.duration_us == 1000
    assert found.tally.oversized == 1
    assert (found.tally.bytes_total, found.tally.bytes_unknown) == (len(data), 0)


def test_an_oversized_line_without_line_ends_is_cut() -> None:
    long = "x" * (9 << 20)
    text = "".join(f"{LOG}duration: 1.000 ms  statement: SELECT {each}\n" for each in (f"'{long}'", "2"))
    found = recorded(text.encode(), prefix=PREFIX, block=1 << 18)
    assert [each.sql[:8] for each in found.executions] == ["SELECT '", "SELECT 2"]
    assert found.tally.oversized == 1
    assert (found.tally.bytes_total, found.tally.bytes_unknown) == (len(text), 0)


def test_a_text_that_looks_like_a_record_is_part_of_its_statement() -> None:
    head = f"{LOG}duration: 1.000 ms  "
    inner = f"SELECT 'LOG:  duration: 2.000 ms  statement: {head}', 'DETAIL:  Parameters: $1'"
    text = f"{head}statement: {inner}\n{head}statement: SELECT 1\n"
    found = recorded(text.encode(), prefix=PREFIX)
    assert found.shown == [(inner, 1000), ("SELECT 1", 1000)]
    assert found.tally.bytes_unknown == 0


@pytest.mark.parametrize(
    "inner", [f"{LOG}duration: 2.000 ms  statement: SELECT 9", f"{HEAD}DETAIL:  Parameters: $1 = '1'"]
)
@pytest.mark.parametrize("timed", [True, False])
def test_a_line_of_a_statement_that_looks_like_a_record_is_part_of_it(inner: str, *, timed: bool) -> None:
    """Continuation lines begin with a tab."""
    duration = "duration: 1.000 ms  " if timed else ""
    text = f"{LOG}{duration}statement: SELECT '\n\t{inner}\n\t' FROM t\n{LOG}{duration}statement: SELECT 1\n"
    found = recorded(text.encode(), prefix=PREFIX)
    assert [each.sql for each in found.executions] == [f"SELECT '\n{inner}\n' FROM t", "SELECT 1"]
    assert found.tally.bytes_unknown == 0


ODD_NAMES = ['a"b', "a\\b", 'a"', 'a""b', "a,b", "a','b", 'x","y', "ü", "a\tb", "\\"]


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("log_format", ["csv", "json"])
def test_odd_names_of_applications_users_and_databases(name: str, log_format: LogFormat) -> None:
    suffix = log_format
    data = (DATA / f"min0-18.{suffix}").read_text()
    if log_format == "csv":
        quoted = name.replace('"', '""')
        data = data.replace('"shop web"', f'"{quoted}"').replace(',"app","postgres",', f',"{quoted}","{quoted}",')
    else:
        quoted = json.dumps(name, ensure_ascii=False)
        data = data.replace('"application_name":"shop web"', f'"application_name":{quoted}')
        data = data.replace('"user":"app","dbname":"postgres"', f'"user":{quoted},"dbname":{quoted}')
    found = recorded(data.encode(), log_format)
    assert {each.head for each in found.executions} == {(name, name, name)}
    assert len(found.executions) == 19
    assert found.tally.bytes_unknown == 0
