"""What of definitions and statements is kept for a file that others may read."""

import pytest

from advisor.sql.parse import parse
from advisor.sql.secrets import function_stub, has_text, shareable_statement, trigger_without_arguments, without_secrets

HEADER = """CREATE OR REPLACE FUNCTION public.f(a text DEFAULT 'x'::text)
 RETURNS {returns}
 LANGUAGE {language}
 IMMUTABLE STRICT
 COST 5
 SET app.key TO 'hush'
"""


@pytest.mark.parametrize(
    ("returns", "answer"),
    [
        ("integer", "RETURN NULL"),
        ("SETOF integer", "RETURN;"),
        ("TABLE(a integer)", "RETURN;"),
        ("void", "RETURN;"),
        ("trigger", "RETURN coalesce(NEW, OLD)"),
    ],
)
@pytest.mark.parametrize(
    "body",
    ["AS $function$ SELECT 'hush' $function$", "RETURN 'hush'::text", "BEGIN ATOMIC\n SELECT 'hush';\nEND"],
)
def test_a_function_keeps_its_signature_alone(returns: str, answer: str, body: str) -> None:
    stub = function_stub(HEADER.format(returns=returns, language="sql") + body)
    assert "hush" not in stub
    assert answer in stub
    assert "f(a text DEFAULT 'x'::text)" in stub
    assert "IMMUTABLE STRICT" in stub
    assert "COST 5" in stub
    assert "LANGUAGE plpgsql" in stub
    assert len(parse(stub).stmts) == 1


def test_a_function_with_results_among_its_arguments() -> None:
    header = "CREATE OR REPLACE FUNCTION public.f(a integer, OUT b text)\n RETURNS text\n LANGUAGE sql\n"
    text = f"{header}AS $function$x$function$"
    assert "'BEGIN RETURN; END'" in function_stub(text)


def test_a_body_that_looks_like_a_header() -> None:
    body = "AS $function$\n RETURNS trigger\n LANGUAGE sql\nAS $x$ hush $x$ $function$"
    assert "hush" not in function_stub(HEADER.format(returns="integer", language="plpgsql") + body)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM dblink('host=db password=hush'::text, 'SELECT 1'::text) t(a integer)",
        "'postgres://me:hush@db/shop'::text",
        "(header = 'Authorization: Bearer hush'::text)",
        "'api_key=hush'::text",
    ],
)
def test_secrets_in_definitions_are_hidden(text: str) -> None:
    assert "hush" not in without_secrets(text)
    assert "'***'" in without_secrets(text)


@pytest.mark.parametrize(
    "text",
    [
        "(status = 'pending'::text)",
        "nextval('password_resets_id_seq'::regclass)",
        "(kind = ANY (ARRAY['secret'::text, 'token'::text, 'password'::text]))",
        "SELECT password FROM users WHERE url ~ '^https://'::text",
    ],
)
def test_what_only_sounds_like_a_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


def test_a_trigger_loses_its_arguments() -> None:
    start = "CREATE TRIGGER hook AFTER INSERT ON public.t FOR EACH ROW WHEN ((new.a > 0)) EXECUTE FUNCTION "
    assert trigger_without_arguments(start + "net.http('https://x', 'Bearer hush')") == start + "net.http()"
    assert trigger_without_arguments(start + '"a.b("."c("(\'hush\')') == start + '"a.b("."c("()'


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER ROLE me PASSWORD 'hush'",
        "CREATE USER me PASSWORD 'hush'",
        "CREATE SUBSCRIPTION s CONNECTION 'password=hush' PUBLICATION p",
        "CREATE USER MAPPING FOR me SERVER s OPTIONS (password 'hush')",
        "CREATE SERVER s FOREIGN DATA WRAPPER f OPTIONS (host 'hush')",
        "COPY t FROM PROGRAM 'curl hush'",
        "COPY t TO PROGRAM 'curl hush'",
        "DO $$ hush $$",
        "COMMENT ON TABLE t IS 'hush'",
        "SELECT 1; ALTER ROLE me PASSWORD 'hush'",
        "SELECT 'hush",
        "",
    ],
)
@pytest.mark.parametrize("with_values", [True, False])
def test_statements_that_are_left_out(sql: str, with_values: bool) -> None:
    assert shareable_statement(sql, with_values=with_values) is None


def test_statements_lose_constants_and_comments() -> None:
    sql = "SELECT /* for anna */ a FROM t WHERE b = 'hush' AND c = $1 -- anna"
    kept = shareable_statement(sql, with_values=False)
    assert kept is not None
    assert "anna" not in kept
    assert "hush" not in kept
    assert "b = $2 AND c = $1" in kept
    assert shareable_statement(sql, with_values=True) == sql
    assert shareable_statement("SELECT a FROM t WHERE b = $1", with_values=False) == "SELECT a FROM t WHERE b = $1"


@pytest.mark.parametrize(("text", "expected"), [("(a > 0)", False), ("(a = 'x'::text)", True), ("'", True)])
def test_whether_an_expression_holds_text(text: str, expected: bool) -> None:
    assert has_text(text) is expected
